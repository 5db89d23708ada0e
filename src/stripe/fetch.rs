//! Fetches from Stripe what an event does not tell and nothing known does, and keeps each answer in the log.

use std::collections::BTreeSet;

use entity::{click, stripe_event, stripe_object};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use serde_json::Value;

use super::{
    answers::CallError,
    client::Stripe,
    evidence,
    facts::{Facts, Reading, Request, needs, read_object},
    outcome::Reason,
    sales,
};
use crate::{
    clock::Clock,
    db::Db,
    directory::{Directory, Name, Way},
    domain::feed::FeedName,
    error::Result,
};

/// An invoice leads to a promotion code, and there it ends; one more, for an invoice of a subscription.
const MAX_ROUNDS: usize = 4;

#[derive(Clone)]
pub struct Fetcher {
    pub db: Db,
    pub clock: Clock,
    pub directory: Directory,
    pub stripe: Stripe,
}

/// What an event tells, with what was fetched.
pub struct Learned {
    pub facts: Facts,
    /// What is missing, where there is no Stripe key to ask with.
    pub missing: Option<String>,
    /// Charges that it tells of a refund of, and whose refunds were not listed.
    pub unlisted: BTreeSet<String>,
}

impl From<Facts> for Learned {
    fn from(facts: Facts) -> Self {
        let unlisted = facts.refunded_charges().into_iter().cloned().collect();
        Self {
            facts,
            missing: None,
            unlisted,
        }
    }
}

/// What came of an event that needs Stripe.
pub enum Fetched {
    Facts(Box<Learned>),
    /// Stripe's answer cannot be understood.
    Unreadable(String),
    /// Nothing could be learned.
    Ignored(&'static str),
    /// Stripe does not have it, or does not answer, now.
    Later(Reason, String),
}

impl Fetcher {
    /// What is still open, given an event's facts and everything that is known of its sale.
    pub async fn needs(&self, feed: FeedName, event: &Facts, all: &Facts) -> Result<BTreeSet<Request>> {
        let db = self.db.reader();
        let mut open = needs(event, all, |_| true);
        let of_customers = open.iter().any(is_of_customer);
        let customers_tell = of_customers && self.customers_may_tell(feed).await?;
        open.retain(|request| customers_tell || !is_of_customer(request));
        // What it says of refunds may leave something open beside what is known of the sale.
        if open.is_empty() && event.refunded_charges().is_empty() {
            let promotion_codes = all.promotion_code_ids();
            if evidence::matched(db, feed, &promotion_codes).await?.len() == promotion_codes.len() {
                return Ok(open);
            }
        }
        let all = sales::preview(db, feed, all).await?;
        let ours = evidence::matched(db, feed, &all.promotion_code_ids()).await?;
        let mut open = needs(event, &all, |id| ours.contains(id));
        let of_customers = open.iter().any(is_of_customer);
        let customers_tell = customers_tell || of_customers && self.customers_may_tell(feed).await?;
        open.retain(|request| customers_tell || !is_of_customer(request));
        Ok(open)
    }

    /// Whether a customer may name a click: there are clicks, and a key to ask with. Without one nothing is missing.
    async fn customers_may_tell(&self, feed: FeedName) -> Result<bool> {
        let account = self.directory.get(Name::Id(feed.brand)).await?;
        if account.is_none_or(|account| account.way(feed.livemode).is_none()) {
            return Ok(false);
        }
        let clicks = click::Entity::find()
            .select_only()
            .column(click::Column::Id)
            .filter(click::Column::BrandId.eq(feed.brand));
        let any: Option<uuid::Uuid> = clicks.into_tuple().one(self.db.reader()).await?;
        Ok(any.is_some())
    }

    /// Fetches until nothing is open any more.
    ///
    /// What Stripe answered goes into `log`, to be stored with what it led to.
    pub async fn complete(
        &self,
        event: &stripe_event::Model,
        reading: Reading,
        log: &mut Vec<stripe_object::Model>,
    ) -> Result<Fetched> {
        let feed = FeedName {
            brand: event.brand_id,
            livemode: event.livemode,
        };
        let account = self.directory.get(Name::Id(feed.brand)).await?;
        let way = account.and_then(|account| account.way(feed.livemode).cloned());
        let mut told = Facts::default();
        let mut wanted = BTreeSet::new();
        match reading {
            Reading::Facts(facts) => told = *facts,
            Reading::Lookup(request) => {
                if way.is_none() {
                    return Ok(Fetched::Ignored(
                        "a thin event, and the brand has no Stripe key to look it up with",
                    ));
                }
                wanted.insert(request);
            }
            Reading::Nothing(why) => return Ok(Fetched::Ignored(why)),
        }
        let root = told.clone();
        let (mut asked, mut unlisted) = (BTreeSet::new(), BTreeSet::new());
        for _ in 0..MAX_ROUNDS {
            let thin = root == Facts::default();
            let event_facts = if thin { told.clone() } else { root.clone() };
            unlisted.extend(event_facts.refunded_charges().into_iter().cloned());
            wanted.extend(self.needs(feed, &event_facts, &told).await?);
            wanted.retain(|request| !asked.contains(request));
            if wanted.is_empty() {
                break;
            }
            let Some(way) = &way else {
                return Ok(Fetched::Facts(Box::new(without_key(told, &event_facts, &wanted))));
            };
            for request in std::mem::take(&mut wanted) {
                match self.fetch(feed, way, &request, log).await? {
                    Answer::Facts(facts) => told.merge(*facts),
                    // What the event itself speaks of must be there: Stripe may lag, or the key be another account's.
                    Answer::Missing if thin || is_essential(&request, &root) => {
                        let why = format!("{request}: Stripe has no such object");
                        return Ok(Fetched::Later(Reason::NotFound, why));
                    }
                    Answer::Missing => told.merge(told_nothing(&request)),
                    Answer::Unreadable(why) => return Ok(Fetched::Unreadable(why)),
                    Answer::Later(why) => return Ok(Fetched::Later(Reason::Unanswered, why)),
                }
                asked.insert(request);
            }
        }
        unlisted.retain(|charge| !asked.contains(&Request::Refunds(charge.clone())));
        Ok(Fetched::Facts(Box::new(Learned {
            facts: told,
            missing: None,
            unlisted,
        })))
    }

    /// One answer: out of the log where it never changes, else from Stripe.
    async fn fetch(
        &self,
        feed: FeedName,
        way: &Way,
        request: &Request,
        log: &mut Vec<stripe_object::Model>,
    ) -> Result<Answer> {
        if let Request::PromotionCode(_) = request
            && let Some(row) = self.logged(feed, request).await?
        {
            return Ok(read(request, &row.body));
        }
        match self.stripe.fetch(way, request).await {
            Ok(found) => {
                let body = found.unwrap_or_else(|| "null".to_owned()).into_bytes();
                let answer = read(request, &body);
                log.push(stripe_object::Model {
                    id: self.clock.new_id(),
                    brand_id: feed.brand,
                    livemode: feed.livemode,
                    request: request.to_string(),
                    fetched_at: self.clock.now(),
                    body,
                });
                Ok(answer)
            }
            // A key that may not read customers is good enough for all else; one that is no good is to be mended.
            Err(CallError::Refused(why)) if is_of_customer(request) && why.status != 401 => Ok(Answer::Missing),
            Err(error) => Ok(Answer::Later(format!("{request}: {}", error.message()))),
        }
    }

    async fn logged(&self, feed: FeedName, request: &Request) -> Result<Option<stripe_object::Model>> {
        let answers = stripe_object::Entity::find()
            .filter(stripe_object::Column::BrandId.eq(feed.brand))
            .filter(stripe_object::Column::Livemode.eq(feed.livemode))
            .filter(stripe_object::Column::Request.eq(request.to_string()))
            .order_by_desc(stripe_object::Column::FetchedAt);
        Ok(answers.one(self.db.reader()).await?)
    }
}

/// Whether a credit or a refund is left out without it. A subscription's first invoice will come by itself, a promotion
/// code that is not ours credits nobody, and of refunds their events tell one by one.
fn is_essential(request: &Request, event: &Facts) -> bool {
    match request {
        Request::Invoice(id) => event.invoices.contains_key(id),
        Request::PromotionCode(_) | Request::Refunds(_) | Request::Customer(..) => false,
        _ => true,
    }
}

/// A customer that Stripe does not show is not asked for again.
fn told_nothing(request: &Request) -> Facts {
    let mut facts = Facts::default();
    if let Request::Customer(id, _) = request {
        facts.looked_up.insert(id.clone());
    }
    facts
}

fn is_of_customer(request: &Request) -> bool {
    matches!(request, Request::Customer(..))
}

/// What an event tells by itself; something is missing where that is not enough. No list can be asked for.
fn without_key(told: Facts, event: &Facts, wanted: &BTreeSet<Request>) -> Learned {
    let essential = wanted.iter().filter(|request| is_essential(request, event));
    let missing: Vec<String> = essential.map(ToString::to_string).collect();
    let missing = missing.join(", ");
    Learned {
        facts: told,
        missing: (!missing.is_empty()).then(|| format!("the brand has no Stripe key to read {missing} with")),
        unlisted: BTreeSet::new(),
    }
}

enum Answer {
    Facts(Box<Facts>),
    /// Stripe has no such object.
    Missing,
    Unreadable(String),
    Later(String),
}

/// Reads an answer; `null` stands for an object that Stripe does not have.
fn read(request: &Request, body: &[u8]) -> Answer {
    let parsed: Result<Value, _> = serde_json::from_slice(body);
    match parsed {
        Ok(Value::Null) => Answer::Missing,
        Ok(value) => match read_object(request, &value) {
            Ok(facts) => Answer::Facts(Box::new(facts)),
            Err(error) => Answer::Unreadable(format!("{request}: {error}")),
        },
        Err(error) => Answer::Unreadable(format!("{request}: {error}")),
    }
}
