//! The events that tell of coupons and promotion codes: what each says is believed where it is what is known, and looked
//! up where it is not. Events come in any order, but what Stripe answers now is at least as late as any event of before.

use entity::{stripe_event, stripe_object};
use sea_orm::{DatabaseTransaction, EntityTrait, IntoActiveModel};
use serde_json::Value;

use super::{
    ours::{NOT_OURS, is_ours, ours},
    record::{Recorded, Span, record_in_txn, tell_in_txn},
    told::{CouponTold, Notice, Object, Told},
};
use crate::{
    directory::{Name, Way},
    domain::feed::FeedName,
    error::Result,
    stripe::{
        fetch::Fetcher,
        outcome::{Outcome, Reason},
        queue,
    },
};

const NO_KEY: &str = "a thin event, and the brand has no Stripe key to look it up with";

/// What comes of an event.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard {
    /// It is done with.
    Closed(Outcome),
    /// Stripe has to be asked.
    Look,
    /// Something else was recorded while Stripe was asked: once more, at once.
    Again,
    Later(Reason, String),
}

fn feed(event: &stripe_event::Model) -> FeedName {
    FeedName {
        brand: event.brand_id,
        livemode: event.livemode,
    }
}

async fn close(txn: &DatabaseTransaction, event: &stripe_event::Model, why: Option<&str>) -> Result<Heard> {
    let outcome = if why.is_some() {
        Outcome::Ignored
    } else {
        Outcome::Processed
    };
    queue::close(txn, [event.id], outcome.status(), why).await?;
    Ok(Heard::Closed(outcome))
}

impl Fetcher {
    async fn way(&self, feed: FeedName) -> Result<Option<Way>> {
        let account = self.directory.get(Name::Id(feed.brand)).await?;
        Ok(account.and_then(|account| account.way(feed.livemode).cloned()))
    }

    /// Takes an event for what it says, where that will do.
    pub async fn hear(&self, event: &stripe_event::Model, notice: &Notice) -> Result<Heard> {
        let (feed, way) = (feed(event), self.way(feed(event)).await?);
        let txn = self.db.begin().await?;
        let heard = match &notice.told {
            None if !is_ours(&txn, feed, &notice.object).await? => close(&txn, event, Some(NOT_OURS)).await?,
            None if way.is_none() => close(&txn, event, Some(NO_KEY)).await?,
            None => Heard::Look,
            Some(told) => match ours(&txn, feed, told).await? {
                Err(why) => close(&txn, event, Some(why)).await?,
                Ok(found) => {
                    let known = found.says(&txn, told).await?;
                    if !known && way.is_some() {
                        return Ok(Heard::Look);
                    }
                    if way.is_some() {
                        record_in_txn(&txn, feed, told, Span::at(self.clock.now())).await?;
                    } else {
                        tell_in_txn(&txn, feed, told, event.occurred_at).await?;
                    }
                    close(&txn, event, None).await?
                }
            },
        };
        txn.commit().await?;
        Ok(heard)
    }

    /// Asks Stripe how the object is, keeps the answer in the log, and records it.
    pub async fn look(&self, event: &stripe_event::Model, notice: &Notice) -> Result<Heard> {
        let feed = feed(event);
        let Some(way) = self.way(feed).await? else {
            return Ok(Heard::Again);
        };
        let request = notice.object.request();
        let began = self.clock.now();
        let body = match self.stripe.fetch(&way, &request).await {
            Ok(body) => body,
            Err(error) => {
                return Ok(Heard::Later(
                    Reason::Unanswered,
                    format!("{request}: {}", error.message()),
                ));
            }
        };
        let span = Span {
            began,
            ended: self.clock.now(),
        };
        let told = match (&body, &notice.object) {
            (None, Object::Coupon(id)) => Told::Coupon(gone(id)),
            (None, Object::Code(_)) => {
                let why = format!("{request}: Stripe has no such object");
                return Ok(Heard::Later(Reason::NotFound, why));
            }
            (Some(body), object) => {
                let answer: Option<Value> = serde_json::from_str(body).ok();
                match answer.and_then(|answer| object.read(&answer, span.ended.timestamp())) {
                    Some(told) => told,
                    None => {
                        return Ok(Heard::Later(
                            Reason::Unreadable,
                            format!("{request}: it cannot be read"),
                        ));
                    }
                }
            }
        };
        let txn = self.db.begin().await?;
        let why = match record_in_txn(&txn, feed, &told, span).await? {
            Recorded::Overtaken => return Ok(Heard::Again),
            Recorded::Passed(why) => Some(why),
            Recorded::Done => None,
        };
        let row = stripe_object::Model {
            id: self.clock.new_id(),
            brand_id: feed.brand,
            livemode: feed.livemode,
            request: request.to_string(),
            fetched_at: span.ended,
            body: body.unwrap_or_else(|| "null".to_owned()).into_bytes(),
        };
        stripe_object::Entity::insert(row.into_active_model())
            .exec_without_returning(&txn)
            .await?;
        let heard = close(&txn, event, why).await?;
        txn.commit().await?;
        Ok(heard)
    }
}

/// A coupon that Stripe does not have any more.
pub fn gone(id: &str) -> CouponTold {
    CouponTold {
        id: id.to_owned(),
        name: None,
        gone: true,
        brand: None,
    }
}
