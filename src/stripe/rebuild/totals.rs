//! The totals that are compared: those of a code by hour, and the balances. What sums several sales names no sale.

use entity::{
    affiliate_balance, code_money, code_total,
    id::{AffiliateId, CodeId},
};
use sea_orm::{
    ColumnTrait, Condition, DatabaseBackend, EntityTrait, IdenStatic, QueryFilter, QueryOrder, QueryTrait, Statement,
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

impl Row for code_total::Model {
    const WHAT: &'static str = "code_total";
    type Key = (CodeId, i64);

    fn select(backend: DatabaseBackend) -> Statement {
        use code_total::Column::{CodeId, Hour, Redemptions, RefundedRedemptions, Renewals};
        code_total::Entity::find()
            .filter(any([Redemptions, RefundedRedemptions, Renewals]))
            .order_by_asc(CodeId)
            .order_by_asc(Hour)
            .build(backend)
    }

    fn key(&self) -> Self::Key {
        (self.code_id, self.hour)
    }

    fn place(&self) -> Place {
        let names = json!({ "code": self.code_id, "hour": self.hour });
        place(feed(self.brand_id, self.livemode), None, names)
    }

    fn fields(&self) -> Fields {
        vec![
            ("redemptions", json!(self.redemptions)),
            ("refundedRedemptions", json!(self.refunded_redemptions)),
            ("renewals", json!(self.renewals)),
        ]
    }
}

impl Row for code_money::Model {
    const WHAT: &'static str = "code_money";
    type Key = (CodeId, i64, String);

    fn select(backend: DatabaseBackend) -> Statement {
        use code_money::Column::{CodeId, Commission, Currency, Hour, Refunded, Revenue};
        code_money::Entity::find()
            .filter(any([Revenue, Refunded, Commission]))
            .order_by_asc(CodeId)
            .order_by_asc(Hour)
            .order_by_asc(bytewise(backend, Currency.as_str()))
            .build(backend)
    }

    fn key(&self) -> Self::Key {
        (self.code_id, self.hour, self.currency.clone())
    }

    fn place(&self) -> Place {
        let names = json!({ "code": self.code_id, "hour": self.hour, "currency": self.currency });
        place(feed(self.brand_id, self.livemode), None, names)
    }

    fn fields(&self) -> Fields {
        vec![
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
