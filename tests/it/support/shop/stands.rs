//! What stands in the database for each of some sales.

use std::collections::BTreeMap;

use entity::{
    conversion,
    id::{AffiliateId, ConversionId},
    ledger_entry::{self, EntryKind},
    redemption,
};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use super::{
    super::script::{self, Lived},
    Shop,
};

/// By affiliate, kind and currency.
type Sums = BTreeMap<(AffiliateId, EntryKind, String), i64>;

impl Shop {
    /// What stands for each of these sales: a line for each conversion and each redemption, sorted.
    pub async fn stands(&self, sales: &[Lived]) -> Vec<Vec<String>> {
        let mut lines = Vec::new();
        for some in sales.chunks(100) {
            lines.extend(self.stands_for(some).await);
        }
        lines
    }

    async fn stands_for(&self, sales: &[Lived]) -> Vec<Vec<String>> {
        let mut owner = BTreeMap::new();
        for (number, sale) in sales.iter().enumerate() {
            owner.extend(sale.sale.names().into_iter().map(|part| (part, number)));
        }
        let conversions = conversion::Entity::find()
            .filter(conversion::Column::Part.is_in(owner.keys()))
            .filter(conversion::Column::MergedInto.is_null());
        let conversions = conversions.all(self.db()).await.unwrap();
        let mut sums = self.sums(&conversions).await;
        let mut lines = vec![Vec::new(); sales.len()];
        for row in conversions {
            let number = owner[&row.part];
            let sums = sums.remove(&row.id).unwrap_or_default();
            lines[number].push(self.conversion_line(&sales[number], &row, sums));
        }
        let redemptions = redemption::Entity::find().filter(redemption::Column::Usage.is_in(owner.keys()));
        for row in redemptions.all(self.db()).await.unwrap() {
            let number = owner[&row.usage];
            let counted = sales[number].number(&row.part);
            lines[number].push(script::redemption(&self.codes[&row.code_id], counted, row.refunded));
        }
        lines.iter_mut().for_each(|lines| lines.sort());
        lines
    }

    /// The sums of the ledger that are not nothing, by conversion.
    async fn sums(&self, conversions: &[conversion::Model]) -> BTreeMap<ConversionId, Sums> {
        let mut sums: BTreeMap<ConversionId, Sums> = BTreeMap::new();
        let ids = conversions.iter().map(|row| row.id);
        let entries = ledger_entry::Entity::find().filter(ledger_entry::Column::ConversionId.is_in(ids));
        for entry in entries.all(self.db()).await.unwrap() {
            let slot = (entry.affiliate_id, entry.kind, entry.currency);
            *sums.entry(entry.conversion_id).or_default().entry(slot).or_default() += entry.amount;
        }
        sums.values_mut().for_each(|sums| sums.retain(|_, sum| *sum != 0));
        sums
    }

    /// What the ledger has beside the sums of the credited affiliate and of one recruiter is shown too: it should be nothing.
    fn conversion_line(&self, sale: &Lived, row: &conversion::Model, mut sums: Sums) -> String {
        let sum = |sums: &mut Sums, kind| {
            let slot = (row.affiliate_id, kind, row.commission_currency.clone());
            sums.remove(&slot).unwrap_or(0)
        };
        let (earned, clawed_back) = (
            sum(&mut sums, EntryKind::Commission),
            -sum(&mut sums, EntryKind::Clawback),
        );
        let on_top = sums.keys().find(|(_, kind, _)| *kind == EntryKind::Override).cloned();
        let on_top = on_top.map(|(recruiter, kind, currency)| {
            let earned = sums.remove(&(recruiter, kind, currency.clone())).unwrap();
            let back = sums.remove(&(recruiter, EntryKind::OverrideClawback, currency));
            (
                format!("{:?}", self.visitors.owners[&recruiter]),
                earned,
                -back.unwrap_or(0),
            )
        });
        let mut line = script::line(&script::Line {
            number: sale.number(&row.part),
            kind: &format!("{:?}", row.kind),
            at: row.occurred_at.timestamp(),
            status: &format!("{:?}", row.status),
            owner: &format!("{:?}", self.visitors.owners[&row.affiliate_id]),
            method: &format!("{:?}", row.attribution_method),
            code: row.coupon_code.as_deref().unwrap_or_default(),
            amount: row.amount,
            tax: row.tax,
            refunded: row.refunded_amount,
            currency: &row.currency,
            earned,
            clawed_back,
            earned_in: &row.commission_currency,
            on_top,
        });
        if row.amount_pending {
            line += ", amount pending";
        }
        for (slot, sum) in sums {
            line += &format!(", and {sum} of {slot:?}");
        }
        line
    }
}
