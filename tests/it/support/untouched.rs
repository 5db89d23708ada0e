//! A refusal changes nothing: the rows of what mutations write, and what Stripe was asked to write.

use entity::{
    affiliate, affiliate_campaign, affiliate_status, campaign, campaign_rule, code, coupon, stripe_operation,
};
use sea_orm::EntityTrait;

use super::TestApp;

/// Everything that a mutation could have changed, as text.
#[derive(Debug, PartialEq)]
pub struct State(Vec<String>);

impl TestApp {
    pub async fn state(&self) -> State {
        let db = self.db();
        let mut state = Vec::new();
        macro_rules! rows {
            ($($table:ident),+) => {$(
                let rows = $table::Entity::find().all(db).await.unwrap();
                state.extend(rows.iter().map(|row| format!("{row:?}")));
            )+};
        }
        rows!(
            affiliate,
            affiliate_campaign,
            affiliate_status,
            campaign,
            campaign_rule,
            code,
            coupon,
            stripe_operation
        );
        for brand in [&self.acme, &self.globex] {
            for kind in ["coupon", "promotion_code"] {
                state.extend(brand.stripe.all(kind).iter().map(ToString::to_string));
            }
        }
        state.sort();
        State(state)
    }

    /// How often Stripe was asked to change anything.
    pub fn writes(&self) -> usize {
        self.standin.calls().iter().filter(|call| call.method != "GET").count()
    }
}
