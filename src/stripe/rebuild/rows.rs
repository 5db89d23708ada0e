//! What is compared, table by table: the key by which two runs' rows are the same, the fields that must be, and the
//! query that has them in order. Ids of conversions and sales are no such keys: each run makes its own.

use entity::{
    conversion,
    id::{AffiliateId, BrandId, CodeId},
    redemption,
};
use sea_orm::{
    ColumnTrait, DatabaseBackend, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QueryTrait, Statement,
    sea_query::Expr,
};
use serde_json::{Value, json};

use super::findings::{Fields, Place};
use crate::domain::feed::FeedName;

/// A row that two runs must agree on.
pub(super) trait Row: FromQueryResult + Send {
    const WHAT: &'static str;
    type Key: Ord;

    /// All of them, in the order of the key.
    fn select(backend: DatabaseBackend) -> Statement;
    fn key(&self) -> Self::Key;
    fn place(&self) -> Place;
    fn fields(&self) -> Fields;
}

/// Text in the order of its bytes, which is Rust's.
pub(super) fn bytewise(backend: DatabaseBackend, column: &str) -> Expr {
    let collation = match backend {
        DatabaseBackend::Postgres => "\"C\"",
        _ => "BINARY",
    };
    Expr::cust(format!("{column} COLLATE {collation}"))
}

pub(super) fn place(feed: FeedName, part: Option<&str>, names: Value) -> Place {
    Place {
        feed,
        part: part.map(str::to_owned),
        names,
    }
}

pub(super) fn feed(brand: BrandId, livemode: bool) -> FeedName {
    FeedName { brand, livemode }
}

impl Row for conversion::Model {
    const WHAT: &'static str = "conversion";
    /// A part's name is one of its sale's names, so no two sales of a brand and mode have the same.
    type Key = (BrandId, bool, String);

    fn select(backend: DatabaseBackend) -> Statement {
        use conversion::Column::{BrandId, Livemode, MergedInto};
        conversion::Entity::find()
            .filter(MergedInto.is_null())
            .order_by_asc(BrandId)
            .order_by_asc(Livemode)
            .order_by_asc(bytewise(backend, "part"))
            .build(backend)
    }

    fn key(&self) -> Self::Key {
        (self.brand_id, self.livemode, self.part.clone())
    }

    fn place(&self) -> Place {
        let feed = feed(self.brand_id, self.livemode);
        place(feed, Some(&self.part), json!({ "part": self.part }))
    }

    fn fields(&self) -> Fields {
        vec![
            ("kind", json!(self.kind)),
            ("status", json!(self.status)),
            ("attributionMethod", json!(self.attribution_method)),
            ("campaign", json!(self.campaign_id)),
            ("affiliate", json!(self.affiliate_id)),
            ("code", json!(self.code_id)),
            ("couponCode", json!(self.coupon_code)),
            ("codeIsOwn", json!(self.code_is_own)),
            ("amountPending", json!(self.amount_pending)),
            ("currency", json!(self.currency)),
            ("amount", json!(self.amount)),
            ("tax", json!(self.tax)),
            ("refundedAmount", json!(self.refunded_amount)),
            ("commission", json!(self.commission)),
            ("commissionCurrency", json!(self.commission_currency)),
            ("holdUntil", json!(self.hold_until)),
            ("customerEmail", json!(self.customer_email)),
            ("attributionTrail", json!(self.attribution_trail)),
            ("occurredAt", json!(self.occurred_at)),
        ]
    }
}

impl Row for redemption::Model {
    const WHAT: &'static str = "redemption";
    type Key = (CodeId, String);

    fn select(backend: DatabaseBackend) -> Statement {
        redemption::Entity::find()
            .order_by_asc(redemption::Column::CodeId)
            .order_by_asc(bytewise(backend, "usage"))
            .build(backend)
    }

    fn key(&self) -> Self::Key {
        (self.code_id, self.usage.clone())
    }

    fn place(&self) -> Place {
        let feed = feed(self.brand_id, self.livemode);
        let names = json!({ "code": self.code_id, "usage": self.usage, "part": self.part });
        place(feed, Some(&self.part), names)
    }

    fn fields(&self) -> Fields {
        vec![
            ("part", json!(self.part)),
            ("occurredAt", json!(self.occurred_at)),
            ("refunded", json!(self.refunded)),
        ]
    }
}

/// What a conversion's entries come to, per affiliate, kind and currency; two runs may write other entries on the way.
#[derive(FromQueryResult)]
pub(super) struct LedgerSum {
    brand_id: BrandId,
    livemode: bool,
    part: String,
    affiliate_id: AffiliateId,
    kind: String,
    currency: String,
    amount: i64,
}

impl Row for LedgerSum {
    const WHAT: &'static str = "ledger";
    type Key = (BrandId, bool, String, AffiliateId, String, String);

    fn select(backend: DatabaseBackend) -> Statement {
        let collation = match backend {
            DatabaseBackend::Postgres => "\"C\"",
            _ => "BINARY",
        };
        // The entries of a conversion that was merged into another come to nothing.
        let sql = format!(
            "SELECT l.brand_id, l.livemode, c.part, l.affiliate_id, l.kind, l.currency,
               CAST(SUM(l.amount) AS BIGINT) AS amount
             FROM ledger_entry l JOIN conversion c ON c.id = l.conversion_id
             GROUP BY l.brand_id, l.livemode, c.part, l.affiliate_id, l.kind, l.currency
             HAVING SUM(l.amount) <> 0
             ORDER BY l.brand_id, l.livemode, c.part COLLATE {collation}, l.affiliate_id, l.kind COLLATE {collation},
               l.currency COLLATE {collation}"
        );
        Statement::from_string(backend, sql)
    }

    fn key(&self) -> Self::Key {
        let (kind, currency) = (self.kind.clone(), self.currency.clone());
        (
            self.brand_id,
            self.livemode,
            self.part.clone(),
            self.affiliate_id,
            kind,
            currency,
        )
    }

    fn place(&self) -> Place {
        let names = json!({
            "part": self.part, "affiliate": self.affiliate_id, "kind": self.kind, "currency": self.currency,
        });
        place(feed(self.brand_id, self.livemode), Some(&self.part), names)
    }

    fn fields(&self) -> Fields {
        vec![("sum", json!(self.amount))]
    }
}
