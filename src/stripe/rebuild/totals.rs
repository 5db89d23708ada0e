//! The totals that are compared: those by hour, and the balances. What sums several sales names no sale.

use entity::{
    affiliate_balance, affiliate_total, campaign_total,
    id::{AffiliateId, CampaignId, CodeId},
};
use sea_orm::{
    ActiveEnum, ColumnTrait, Condition, DatabaseBackend, EntityTrait, IdenStatic, QueryFilter, QueryOrder, QueryTrait,
    Statement,
};
use serde_json::json;

use super::{
    findings::{Fields, Place},
    rows::{Row, bytewise, feed, place},
};

/// That one of these is not zero: a total that came back to nothing is as good as none.
fn any<C: ColumnTrait>(columns: impl IntoIterator<Item = C>) -> Condition {
    let condition = Condition::any();
    columns
        .into_iter()
        .fold(condition, |condition, column| condition.add(column.ne(0)))
}

impl Row for affiliate_total::Model {
    const WHAT: &'static str = "affiliate_total";
    type Key = (AffiliateId, bool, i64, CampaignId, CodeId, String, String);

    fn select(backend: DatabaseBackend) -> Statement {
        use affiliate_total::Column::*;
        let sums = [
            Conversions,
            Renewals,
            Redemptions,
            RefundedRedemptions,
            Revenue,
            Refunded,
            Commission,
        ];
        affiliate_total::Entity::find()
            .filter(any(sums))
            .order_by_asc(AffiliateId)
            .order_by_asc(Livemode)
            .order_by_asc(Hour)
            .order_by_asc(CampaignId)
            .order_by_asc(CodeId)
            .order_by_asc(bytewise(backend, AttributionMethod.as_str()))
            .order_by_asc(bytewise(backend, Currency.as_str()))
            .build(backend)
    }

    fn key(&self) -> Self::Key {
        (
            self.affiliate_id,
            self.livemode,
            self.hour,
            self.campaign_id,
            self.code_id,
            self.attribution_method.to_value(),
            self.currency.clone(),
        )
    }

    fn place(&self) -> Place {
        let names = json!({
            "affiliate": self.affiliate_id, "hour": self.hour, "campaign": self.campaign_id, "code": self.code_id,
            "attributionMethod": self.attribution_method, "currency": self.currency,
        });
        place(feed(self.brand_id, self.livemode), None, names)
    }

    fn fields(&self) -> Fields {
        vec![
            ("conversions", json!(self.conversions)),
            ("renewals", json!(self.renewals)),
            ("redemptions", json!(self.redemptions)),
            ("refundedRedemptions", json!(self.refunded_redemptions)),
            ("revenue", json!(self.revenue)),
            ("refunded", json!(self.refunded)),
            ("commission", json!(self.commission)),
        ]
    }
}

impl Row for campaign_total::Model {
    const WHAT: &'static str = "campaign_total";
    type Key = (CampaignId, bool, i64, String, String);

    fn select(backend: DatabaseBackend) -> Statement {
        use campaign_total::Column::*;
        let sums = [
            Conversions,
            Renewals,
            Redemptions,
            RefundedRedemptions,
            Revenue,
            Refunded,
            Commission,
        ];
        campaign_total::Entity::find()
            .filter(any(sums))
            .order_by_asc(CampaignId)
            .order_by_asc(Livemode)
            .order_by_asc(Hour)
            .order_by_asc(bytewise(backend, AttributionMethod.as_str()))
            .order_by_asc(bytewise(backend, Currency.as_str()))
            .build(backend)
    }

    fn key(&self) -> Self::Key {
        (
            self.campaign_id,
            self.livemode,
            self.hour,
            self.attribution_method.to_value(),
            self.currency.clone(),
        )
    }

    fn place(&self) -> Place {
        let names = json!({
            "campaign": self.campaign_id, "hour": self.hour, "attributionMethod": self.attribution_method,
            "currency": self.currency,
        });
        place(feed(self.brand_id, self.livemode), None, names)
    }

    fn fields(&self) -> Fields {
        vec![
            ("conversions", json!(self.conversions)),
            ("renewals", json!(self.renewals)),
            ("redemptions", json!(self.redemptions)),
            ("refundedRedemptions", json!(self.refunded_redemptions)),
            ("revenue", json!(self.revenue)),
            ("refunded", json!(self.refunded)),
            ("commission", json!(self.commission)),
        ]
    }
}

impl Row for affiliate_balance::Model {
    const WHAT: &'static str = "affiliate_balance";
    type Key = (AffiliateId, bool, String);

    fn select(backend: DatabaseBackend) -> Statement {
        use affiliate_balance::Column::{AffiliateId, Amount, Currency, Livemode};
        affiliate_balance::Entity::find()
            .filter(Amount.ne(0))
            .order_by_asc(AffiliateId)
            .order_by_asc(Livemode)
            .order_by_asc(bytewise(backend, Currency.as_str()))
            .build(backend)
    }

    fn key(&self) -> Self::Key {
        (self.affiliate_id, self.livemode, self.currency.clone())
    }

    fn place(&self) -> Place {
        let names = json!({ "affiliate": self.affiliate_id, "currency": self.currency });
        place(feed(self.brand_id, self.livemode), None, names)
    }

    fn fields(&self) -> Fields {
        vec![("amount", json!(self.amount))]
    }
}
