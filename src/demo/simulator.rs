//! The customers: they subscribe or buy once with codes, renew, and some ask for their money back. Every event is told in one of the
//! shapes that Stripe's API versions have.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt, stream};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};
use serde_json::Value;
use tokio::time::Instant;

use super::{
    webhook::Webhook,
    world::{World, readable},
};
use crate::{
    clock::Clock,
    domain::Domain,
    standin::{Account, Paid, Promo, SaleBuilder, Shape, SubscriptionSale},
};

/// Between two things that happen, in the trickle.
const PAUSE: Duration = Duration::from_millis(1500);
/// How many subscriptions a rush makes.
const RUSH: usize = 1000;
const AT_ONCE: usize = 32;
/// Customers that are remembered, to renew or be refunded.
const REMEMBERED: usize = 200;

pub struct Simulator {
    clock: Clock,
    stripe: Account,
    world: Arc<World>,
    webhook: Webhook,
    customers: Vec<Customer>,
    dice: Dice,
}

struct Customer {
    sale: SubscriptionSale,
    shape: Shape,
    refunded: bool,
}

/// A small generator of even numbers (xorshift64); the demo needs no better one.
struct Dice(u64);

impl Dice {
    /// A number below `sides`.
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let sides = u64::try_from(sides.max(1)).unwrap_or(1);
        usize::try_from(self.0 % sides).unwrap_or(0)
    }
}

impl Simulator {
    pub fn new(clock: &Clock, world: Arc<World>, webhook: Webhook) -> Self {
        let seed = clock.new_id().as_u128();
        Self {
            clock: clock.clone(),
            stripe: world.stripe.clone(),
            world,
            webhook,
            customers: Vec::new(),
            dice: Dice(u64::try_from(seed & u128::from(u64::MAX)).unwrap_or(1) | 1),
        }
    }

    /// One thing after the other, for ever.
    pub async fn trickle(&mut self) {
        loop {
            let events = match self.dice.roll(10) {
                0..=3 => self.subscribe(),
                4..=5 => self.buy_once(),
                6..=7 => self.renew(),
                _ => self.refund(),
            };
            for event in events {
                if let Err(error) = self.webhook.post(&event).await {
                    tracing::warn!(error, "an event was not taken");
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Many at once, and then the figures.
    pub async fn rush(&mut self, domain: &Domain) -> Result<(), String> {
        let mut batches = Vec::new();
        for _ in 0..RUSH {
            batches.push(self.subscribe());
        }
        for _ in 0..RUSH / 4 {
            batches.push(self.renew());
            batches.push(self.refund());
        }
        let events: usize = batches.iter().map(Vec::len).sum();
        let start = Instant::now();
        let this = &*self;
        let posts = stream::iter(batches).map(|batch| async move {
            for event in batch {
                this.webhook.post(&event).await?;
            }
            Ok::<_, String>(())
        });
        let results: Vec<_> = posts.buffer_unordered(AT_ONCE).collect().await;
        results.into_iter().collect::<Result<Vec<()>, _>>()?;
        let acknowledged = start.elapsed();
        self.wait_until_empty(domain).await?;
        let credited = start.elapsed();
        let rate = |time: Duration| events as f64 / time.as_secs_f64();
        println!(
            "{events} signed events acknowledged in {:.2} s ({:.0} a second),",
            acknowledged.as_secs_f64(),
            rate(acknowledged)
        );
        println!(
            "all of them processed after {:.2} s ({:.0} a second).",
            credited.as_secs_f64(),
            rate(credited)
        );
        self.summary(domain).await.map_err(|error| error.to_string())
    }

    async fn wait_until_empty(&self, domain: &Domain) -> Result<(), String> {
        use entity::stripe_event::{Column, Entity, EventStatus};
        loop {
            let pending = Entity::find()
                .filter(Column::Status.eq(EventStatus::Pending))
                .count(domain.db.reader())
                .await;
            if pending.map_err(|error| error.to_string())? == 0 {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn summary(&self, domain: &Domain) -> Result<(), sea_orm::DbErr> {
        use entity::{affiliate_balance as balance, conversion, conversion::ConversionStatus};
        let db = domain.db.reader();
        let ours = || conversion::Entity::find().filter(conversion::Column::BrandId.eq(self.world.brand.id));
        let refunded = ours()
            .filter(conversion::Column::Status.eq(ConversionStatus::Refunded))
            .count(db)
            .await?;
        println!(
            "{} conversions, {refunded} of them refunded in full.",
            ours().count(db).await?
        );
        let balances = balance::Entity::find()
            .filter(balance::Column::BrandId.eq(self.world.brand.id))
            .all(db)
            .await?;
        for row in balances {
            let person = entity::affiliate::Entity::find_by_id(row.affiliate_id).one(db).await?;
            let name = person.map(|person| person.name).unwrap_or_default();
            println!("  {name:<12} has earned {}", readable(row.amount, &row.currency));
        }
        Ok(())
    }

    /// Somebody comes to the checkout, mostly with a code, to pay in one of the shapes.
    fn checkout(&mut self) -> (SaleBuilder, Shape) {
        let price = [1900, 4900, 9900].get(self.dice.roll(3)).copied().unwrap_or(4900);
        let mut sale = SaleBuilder::new(&self.clock).price(price).currency("usd");
        let code = self.dice.roll(self.world.codes.len() + 1);
        let code = self.world.codes.get(code).cloned();
        if let Some(promo) = code.and_then(|code| Promo::of(&self.stripe, &code)) {
            self.stripe.redeem(&promo.promotion_code_id);
            sale = sale.promo(promo);
        }
        let shape = self.dice.roll(Shape::ALL.len());
        (sale, Shape::ALL.get(shape).copied().unwrap_or(Shape::Endive))
    }

    /// A one-off payment, every other one without an invoice.
    fn buy_once(&mut self) -> Vec<Value> {
        let (sale, shape) = self.checkout();
        let sale = match self.dice.roll(2) {
            0 => sale,
            _ => sale.with_invoice(),
        };
        let sale = sale.build_one_off();
        sale.sync(&self.stripe);
        sale.sold(shape)
    }

    fn subscribe(&mut self) -> Vec<Value> {
        let (sale, shape) = self.checkout();
        let sale = sale.build();
        sale.sync(&self.stripe);
        let events = sale.start(shape);
        self.customers.push(Customer {
            sale,
            shape,
            refunded: false,
        });
        if self.customers.len() > REMEMBERED {
            self.customers.remove(0);
        }
        events
    }

    fn renew(&mut self) -> Vec<Value> {
        let chosen = self.dice.roll(self.customers.len());
        let stripe = self.stripe.clone();
        let Some(customer) = self.customers.get_mut(chosen) else {
            return self.subscribe();
        };
        let number = customer.sale.renew();
        customer.sale.sync(&stripe);
        vec![customer.sale.renewal_paid(number, customer.shape)]
    }

    /// Half of the refunds are of everything.
    fn refund(&mut self) -> Vec<Value> {
        let (chosen, full) = (self.dice.roll(self.customers.len()), self.dice.roll(2) == 0);
        let stripe = self.stripe.clone();
        let Some(customer) = self.customers.get_mut(chosen) else {
            return self.subscribe();
        };
        if customer.refunded {
            return Vec::new();
        }
        customer.refunded = true;
        let amount = (!full).then_some(500);
        let events = customer.sale.refund(customer.shape, amount, Paid::First);
        customer.sale.sync(&stripe);
        events
    }
}
