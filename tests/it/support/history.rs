//! A subscription's whole life: its start, two renewals, refunds of all sorts, one of which fails afterwards, and two
//! disputes: one that is lost and won on appeal, one about a part that is lost within a second.

use entity::{conversion, ledger_entry, redemption};
use rekomi::standin::{Account, DisputeStep, Paid, Promo, SaleBuilder, Shape, SubscriptionSale};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter};
use serde_json::{Value, json};

use super::rng::Rng;
use rekomi::clock::Clock;

const MONTH: i64 = 30 * 86_400;

pub struct History {
    pub sale: SubscriptionSale,
    /// In the order in which they happened, each with the truth of Stripe's side at that time synced by [`History::live`].
    pub events: Vec<Value>,
}

/// About the first payment, a second from step to step.
fn dispute_that_is_won(sale: &mut SubscriptionSale, shape: Shape) -> Vec<Value> {
    let steps = [
        DisputeStep::Inquiry,
        DisputeStep::FundsWithdrawn,
        DisputeStep::UnderReview,
        DisputeStep::Lost,
        DisputeStep::Appealed,
        DisputeStep::FundsReinstated,
        DisputeStep::Won,
    ];
    let told = steps.iter().zip(0..).map(|(step, seconds)| {
        let mut event = sale.dispute(shape, *step, Paid::First);
        event["created"] = json!(event["created"].as_i64().unwrap() + seconds);
        event
    });
    told.collect()
}

impl History {
    /// Lives through it. With an account, Stripe's side is brought up to date after each step.
    pub fn live(clock: &Clock, promo: Promo, shape: Shape, created: i64, account: &Account) -> Self {
        let mut sale = SaleBuilder::new(clock).promo(promo).tax(400).created(created).build();
        let mut events = sale.start(shape);
        sale.sync(account);
        for month in 1..=2 {
            let number = sale.renew_at(created + month * MONTH);
            events.push(sale.renewal_paid(number, shape));
            events.extend(sale.invoice_payment_paid_for(shape, Paid::Renewal(number)));
        }
        events.extend(sale.refund(shape, Some(1100), Paid::First));
        events.extend(sale.refund(shape, Some(550), Paid::First));
        events.extend(sale.refund(shape, Some(1000), Paid::Renewal(1)));
        events.extend(sale.refund(shape, None, Paid::Renewal(1)));
        events.extend(sale.refund(shape, Some(2700), Paid::Renewal(2)));
        events.extend(sale.refund_fails(shape, Paid::Renewal(2)));
        events.extend(dispute_that_is_won(&mut sale, shape));
        events.push(sale.dispute_part(shape, DisputeStep::Created, 2700, Paid::Renewal(2)));
        for step in [DisputeStep::FundsWithdrawn, DisputeStep::Lost] {
            events.push(sale.dispute(shape, step, Paid::Renewal(2)));
        }
        sale.sync(account);
        Self { sale, events }
    }

    /// The events in another order, some of them twice, under their own id or under a new one.
    pub fn shuffled(&self, rng: &mut Rng) -> Vec<Value> {
        let mut events = self.events.clone();
        for number in 0..6 {
            let mut again = self.events[rng.below(self.events.len())].clone();
            if number % 2 == 0 {
                again["id"] = json!(format!("{}_again{number}", again["id"].as_str().unwrap()));
            }
            events.push(again);
        }
        rng.shuffle(&mut events);
        events
    }

    /// Everything that stands for it, without ids and without the time of recording.
    pub async fn outcome(&self, db: &impl ConnectionTrait) -> Vec<String> {
        let mut outcome = Vec::new();
        let parts = std::iter::once(self.sale.subscription.clone());
        let parts = parts.chain(self.sale.bills.iter().map(|bill| bill.invoice.clone().unwrap()));
        for (number, part) in parts.enumerate() {
            let rows = conversion::Entity::find()
                .filter(conversion::Column::Part.eq(&part))
                .all(db)
                .await
                .unwrap();
            for row in rows {
                let entries = ledger_entry::Entity::find().filter(ledger_entry::Column::ConversionId.eq(row.id));
                let earned: i64 = entries.all(db).await.unwrap().iter().map(|entry| entry.amount).sum();
                outcome.push(format!(
                    "{number}: {:?} {:?} {:?} {} + {} - {} {}, earned {earned}, trail {}",
                    row.kind,
                    row.status,
                    row.coupon_code,
                    row.amount,
                    row.tax,
                    row.refunded_amount,
                    row.currency,
                    row.attribution_trail
                ));
            }
        }
        let uses = redemption::Entity::find().filter(redemption::Column::Usage.eq(&self.sale.subscription));
        outcome.extend(uses.all(db).await.unwrap().iter().map(|row| {
            let counted_by_start = row.part == self.sale.subscription;
            format!("redeemed, by the start: {counted_by_start}, refunded: {}", row.refunded)
        }));
        outcome
    }
}
