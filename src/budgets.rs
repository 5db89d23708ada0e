//! What callers may ask for in a minute, in points of cost. Each instance counts for itself.
//!
//! A budget is a bucket that holds the points of a minute and fills steadily. Of each is kept the moment at which it is
//! full again: nothing has to run for it to fill, and one that is full need not be kept.
//!
//! **Invariants.** Memory is bounded, whoever calls: the least used budget is forgotten, and is full then. No caller's
//! budget is touched by another's requests; those without a good token share the one of their address.

use std::{
    net::IpAddr,
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use moka::sync::Cache;
use sha2::{Digest, Sha256};

use crate::{
    auth::{Actor, Credential},
    clock::Clock,
};

/// How long an empty bucket takes to fill, microseconds.
const MINUTE: i64 = 60_000_000;
/// The largest limit: a point takes a microsecond to come back.
pub const MAX_LIMIT: u32 = 60_000_000;
/// How many budgets of each kind are kept.
const KEPT: u64 = 50_000;

/// Points a minute; `None` is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Of an API key, or of a subject within its brand.
    pub token: Option<NonZeroU32>,
    /// Of an address, for those who show no good token.
    pub address: Option<NonZeroU32>,
}

/// How a budget stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Points a minute, and the most that can be saved up.
    pub limit: u32,
    /// Points that are left.
    pub remaining: u32,
    /// Whole seconds until it is full again.
    pub reset_after: u32,
}

/// There are too few points left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exhausted {
    /// Whole seconds until there are enough, at least one.
    pub retry_after: u32,
}

/// All budgets.
#[derive(Clone)]
pub struct Budgets {
    clock: Clock,
    tokens: Buckets,
    addresses: Buckets,
}

impl Budgets {
    pub fn new(limits: Limits, clock: Clock) -> Self {
        Self {
            clock,
            tokens: Buckets::new(limits.token),
            addresses: Buckets::new(limits.address),
        }
    }

    /// Takes points from a caller's budget. All tokens of one subject share it.
    pub fn charge_actor(&self, actor: &Actor, points: u64) -> Result<Option<Budget>, Exhausted> {
        let kind: &[u8] = match &actor.credential {
            Credential::ApiKey { .. } => b"key",
            Credential::Token(_) | Credential::CommandLine | Credential::Worker => b"sub",
        };
        let parts = [kind, actor.scope.brand.0.as_bytes(), actor.subject.as_bytes()];
        self.tokens.take(&self.clock, parts, points)
    }

    /// Takes points from an address's budget. One of IPv6 is one with its whole network, since a machine has all of it.
    pub fn charge_address(&self, address: Option<IpAddr>, points: u64) -> Result<Option<Budget>, Exhausted> {
        let octets = match address {
            Some(IpAddr::V4(address)) => address.octets().to_vec(),
            Some(IpAddr::V6(address)) => address.octets()[..8].to_vec(),
            None => Vec::new(),
        };
        self.addresses.take(&self.clock, [&octets], points)
    }
}

/// Budgets of one kind.
#[derive(Clone)]
struct Buckets {
    limit: Option<NonZeroU32>,
    /// When each is full again, in microseconds of the epoch; by a hash of whose it is, as names may be long.
    full_at: Cache<[u8; 32], Arc<AtomicI64>>,
}

impl Buckets {
    fn new(limit: Option<NonZeroU32>) -> Self {
        Self {
            limit,
            full_at: Cache::new(KEPT),
        }
    }

    /// What costs more than a whole budget is paid with a whole one.
    fn take<const N: usize>(
        &self,
        clock: &Clock,
        holder: [&[u8]; N],
        points: u64,
    ) -> Result<Option<Budget>, Exhausted> {
        let Some(limit) = self.limit.map(NonZeroU32::get) else {
            return Ok(None);
        };
        let mut hash = Sha256::new();
        holder.iter().for_each(|part| hash.update(part));
        let full_at = self.full_at.get_with(hash.finalize().into(), Arc::default);
        let (now, price) = (clock.now().timestamp_micros(), price(points, limit));
        // A clock that was set back must keep nobody waiting: no budget takes longer than a minute to fill.
        let later = |full_at: i64| if full_at - now > MINUTE { now } else { full_at.max(now) } + price;
        let taken = full_at.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |full_at| {
            Some(later(full_at)).filter(|full_at| full_at - now <= MINUTE)
        });
        match taken {
            Ok(before) => Ok(Some(standing(limit, later(before) - now))),
            Err(full_at) => Err(Exhausted {
                retry_after: seconds(later(full_at) - now - MINUTE),
            }),
        }
    }
}

/// How long points take to come back, microseconds.
fn price(points: u64, limit: u32) -> i64 {
    let points = i64::try_from(points).unwrap_or(i64::MAX).min(i64::from(limit));
    (points * MINUTE + i64::from(limit) - 1) / i64::from(limit)
}

fn standing(limit: u32, until_full: i64) -> Budget {
    let remaining = (MINUTE - until_full) * i64::from(limit) / MINUTE;
    Budget {
        limit,
        remaining: u32::try_from(remaining).unwrap_or(0),
        reset_after: seconds(until_full),
    }
}

/// Rounded up.
fn seconds(micros: i64) -> u32 {
    u32::try_from((micros + 999_999) / 1_000_000).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta};

    use super::*;

    fn buckets(limit: u32) -> (Buckets, Clock) {
        let clock = Clock::manual(DateTime::UNIX_EPOCH + TimeDelta::days(20_000));
        (Buckets::new(NonZeroU32::new(limit)), clock)
    }

    #[test]
    fn a_budget_is_spent_and_fills_steadily() {
        let (buckets, clock) = buckets(600);
        let take = |points| buckets.take(&clock, [b"a"], points);
        let left = |remaining, reset_after| {
            Ok(Some(Budget {
                limit: 600,
                remaining,
                reset_after,
            }))
        };
        assert_eq!(take(500), left(100, 50));
        assert_eq!(take(101), Err(Exhausted { retry_after: 1 }));
        assert_eq!(take(200), Err(Exhausted { retry_after: 10 }));
        assert_eq!(take(100), left(0, 60));
        clock.advance(TimeDelta::seconds(5));
        assert_eq!(take(50), left(0, 60));
        assert_eq!(take(1), Err(Exhausted { retry_after: 1 }));
        clock.advance(TimeDelta::hours(1));
        assert_eq!(take(1), left(599, 1));
        assert_eq!(buckets.take(&clock, [b"b"], 600), left(0, 60));
    }

    #[test]
    fn a_clock_that_is_set_back_keeps_nobody_waiting() {
        let (buckets, clock) = buckets(600);
        let take = |points| buckets.take(&clock, [b"a"], points).map(|it| it.unwrap().remaining);
        assert_eq!(take(600), Ok(0));
        clock.advance(TimeDelta::hours(-1));
        assert_eq!(take(500), Ok(100));
        assert_eq!(take(200), Err(Exhausted { retry_after: 10 }));
    }

    #[test]
    fn what_costs_more_than_a_budget_waits_for_a_full_one() {
        let (buckets, clock) = buckets(10);
        let take = |points| buckets.take(&clock, [b"a"], points).map(|it| it.unwrap().remaining);
        assert_eq!(take(1), Ok(9));
        assert_eq!(take(30_000), Err(Exhausted { retry_after: 6 }));
        clock.advance(TimeDelta::seconds(6));
        assert_eq!(take(30_000), Ok(0));
    }

    #[test]
    fn the_largest_figures_do_not_overflow() {
        let (buckets, clock) = buckets(MAX_LIMIT);
        let take = |points| buckets.take(&clock, [b"a"], points).map(|it| it.unwrap().remaining);
        assert_eq!(take(1), Ok(MAX_LIMIT - 1));
        assert_eq!(take(u64::MAX), Err(Exhausted { retry_after: 1 }));
        let (none, clock) = super::tests::buckets(0);
        assert_eq!(none.take(&clock, [b"a"], u64::MAX), Ok(None));
    }

    #[test]
    fn an_address_of_ipv6_is_its_network() {
        let limits = Limits {
            token: None,
            address: NonZeroU32::new(10),
        };
        let budgets = Budgets::new(limits, Clock::manual(DateTime::UNIX_EPOCH));
        let left = |address: &str, points| {
            let charged = budgets.charge_address(Some(address.parse().unwrap()), points);
            charged.map(|budget| budget.unwrap().remaining)
        };
        assert_eq!(left("2001:db8::1", 4), Ok(6));
        assert_eq!(left("2001:db8::2", 4), Ok(2));
        assert_eq!(left("2001:db8:0:1::1", 4), Ok(6));
        assert_eq!(left("192.0.2.1", 4), Ok(6));
        assert_eq!(left("192.0.2.2", 4), Ok(6));
    }
}
