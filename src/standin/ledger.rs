//! What Stripe keeps for one account: its objects, and the answers under its idempotency keys.
//!
//! Invariants: objects are kept whole and in the newest shape, references as ids (`expand` decides what
//! a client sees); `valid` and `active` are never true for longer than the limits of a coupon or code allow.

use std::{
    cmp::Reverse,
    collections::{HashMap, HashSet},
};

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::{ids, refusal::Refusal};
use crate::clock::Clock;

pub(super) struct Ledger {
    pub clock: Clock,
    pub live: bool,
    /// By object type, then by id; the number says in which order objects came.
    tables: HashMap<String, HashMap<String, (u64, Value)>>,
    written: u64,
    /// Deleted coupons: discounts and codes still refer to them.
    deleted_coupons: HashMap<String, Value>,
    replies: HashMap<String, Kept>,
}

/// An answer under an idempotency key.
struct Kept {
    request: (String, Value),
    status: u16,
    body: Value,
    at: i64,
}

impl Ledger {
    pub fn new(clock: Clock, live: bool) -> Self {
        Self {
            clock,
            live,
            tables: HashMap::new(),
            written: 0,
            deleted_coupons: HashMap::new(),
            replies: HashMap::new(),
        }
    }

    pub fn now(&self) -> i64 {
        self.clock.now().timestamp()
    }

    pub fn new_id(&self, prefix: &str) -> String {
        ids::stripe_id(&self.clock, prefix)
    }

    /// Writes an object, in the place of the one with its type and id. What has no type or no id is not an object.
    pub fn put(&mut self, object: Value) {
        let field = |name: &str| object[name].as_str().map(str::to_owned);
        let (Some(kind), Some(id)) = (field("object"), field("id")) else {
            return;
        };
        self.written += 1;
        let table = self.tables.entry(kind).or_default();
        let place = table.get(&id).map_or(self.written, |(place, _)| *place);
        table.insert(id, (place, object));
    }

    pub fn get(&self, kind: &str, id: &str) -> Option<&Value> {
        self.tables.get(kind)?.get(id).map(|(_, object)| object)
    }

    pub fn get_mut(&mut self, kind: &str, id: &str) -> Option<&mut Value> {
        let (_, object) = self.tables.get_mut(kind)?.get_mut(id)?;
        Some(object)
    }

    /// What a reference leads to: also to a coupon that was deleted since.
    pub fn resolve(&self, kind: &str, id: &str) -> Option<&Value> {
        let deleted = || self.deleted_coupon(id).filter(|_| kind == "coupon");
        self.get(kind, id).or_else(deleted)
    }

    /// Every object of a type, in the order in which they came.
    pub fn all(&self, kind: &str) -> Vec<&Value> {
        let mut rows: Vec<_> = self.tables.get(kind).into_iter().flatten().collect();
        rows.sort_by_key(|(_, (place, _))| *place);
        rows.into_iter().map(|(_, (_, object))| object).collect()
    }

    /// Every object of a type as lists show them: the newest first.
    pub fn newest(&self, kind: &str) -> Vec<&Value> {
        let mut rows = self.all(kind);
        rows.reverse();
        rows.sort_by_key(|object| Reverse(object["created"].as_i64()));
        rows
    }

    pub fn delete_coupon(&mut self, id: &str) -> Option<Value> {
        let (_, mut coupon) = self.tables.get_mut("coupon")?.remove(id)?;
        coupon["valid"] = json!(false);
        self.deleted_coupons.insert(id.to_owned(), coupon.clone());
        self.settle();
        Some(coupon)
    }

    pub fn deleted_coupon(&self, id: &str) -> Option<&Value> {
        self.deleted_coupons.get(id)
    }

    /// Whether a coupon has this id, or one that was deleted had it and was in use: for a code or a discount.
    pub fn coupon_id_is_taken(&self, id: &str) -> bool {
        let used = |coupon: &Value| {
            coupon["times_redeemed"].as_i64() > Some(0)
                || self
                    .all("promotion_code")
                    .iter()
                    .any(|code| code["promotion"]["coupon"] == id)
        };
        self.get("coupon", id).is_some() || self.deleted_coupons.get(id).is_some_and(used)
    }

    /// An active code of this text, in any case, for the same customer.
    pub fn active_twin(&self, text: &str, customer: &Value, but: &str) -> bool {
        self.all("promotion_code").iter().any(|code| {
            code["active"] == true
                && code["id"] != but
                && code["customer"] == *customer
                && code["code"].as_str().is_some_and(|it| it.eq_ignore_ascii_case(text))
        })
    }

    /// A customer redeems a code: the counters of the code and of its coupon go up.
    pub fn redeem(&mut self, promotion_code: &str) {
        let Some(code) = self.get_mut("promotion_code", promotion_code) else {
            return;
        };
        let coupon = code["promotion"]["coupon"].as_str().map(str::to_owned);
        count_up(code);
        if let Some(coupon) = coupon.and_then(|id| self.get_mut("coupon", &id)) {
            count_up(coupon);
        }
        self.settle();
    }

    /// Turns off every coupon and code whose time or number is up, as Stripe does by itself.
    pub fn settle(&mut self) {
        let now = self.now();
        let mut dead: HashSet<String> = self.deleted_coupons.keys().cloned().collect();
        for (id, (_, coupon)) in self.tables.entry("coupon".into()).or_default() {
            if is_over(coupon, "redeem_by", now) {
                coupon["valid"] = json!(false);
            }
            if coupon["valid"] == false {
                dead.insert(id.clone());
            } else {
                dead.remove(id);
            }
        }
        for (_, code) in self.tables.entry("promotion_code".into()).or_default().values_mut() {
            let coupon = code["promotion"]["coupon"].as_str().unwrap_or_default();
            if dead.contains(coupon) || is_over(code, "expires_at", now) {
                code["active"] = json!(false);
            }
        }
    }

    /// The answer kept under `key`, if it was given to the same request within 24 hours.
    pub fn replay(&self, key: &str, request: &(String, Value)) -> Result<Option<(u16, Value)>, Refusal> {
        let day = TimeDelta::hours(24).num_seconds();
        match self.replies.get(key) {
            Some(kept) if self.now() - kept.at >= day => Ok(None),
            Some(kept) if kept.request != *request => Err(Refusal::key_reused(key)),
            kept => Ok(kept.map(|kept| (kept.status, kept.body.clone()))),
        }
    }

    pub fn keep(&mut self, key: &str, request: (String, Value), status: u16, body: Value) {
        let at = self.now();
        let kept = Kept {
            request,
            status,
            body,
            at,
        };
        self.replies.insert(key.to_owned(), kept);
    }
}

fn count_up(object: &mut Value) {
    object["times_redeemed"] = json!(object["times_redeemed"].as_i64().unwrap_or(0) + 1);
}

/// Whether a coupon or code has passed its last moment or is fully redeemed.
pub(super) fn is_over(object: &Value, last_moment: &str, now: i64) -> bool {
    let number = |name: &str| object[name].as_i64();
    number(last_moment).is_some_and(|last| last <= now)
        || number("max_redemptions").is_some_and(|most| number("times_redeemed") >= Some(most))
}
