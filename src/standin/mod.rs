//! A stateful stand-in for the part of Stripe's API that Rekomi calls, in the newest shape (2026-09-30.endive).
//!
//! Owns: coupons and promotion codes with Stripe's refusals, everything that is read about sales, idempotency keys,
//! faults on demand, and the events of a sale in the shape of any API version. Does not own: sending those events to
//! Rekomi's endpoint (tests and the demo do), payments, onboarding of Connect accounts.
//!
//! | file | what is in it |
//! | --- | --- |
//! | `server`, `wire` | HTTP, and connections that can be cut |
//! | `world` | what is behind the lock, and how a request is answered: fault, idempotency key, work |
//! | `routes`, `lists`, `expand` | the addresses, and what is read |
//! | `coupons`, `promotion_codes` | what is written |
//! | `dashboard` | what somebody else changes there |
//! | `ledger` | what is kept for an account |
//! | `sales`, `shapes`, `promo` | the truth of a sale, and how an API version tells it |
//!
//! State is kept per secret key and `Stripe-Account`: one account each, live unless the key contains `_test_`.

mod coupons;
mod dashboard;
mod expand;
mod faults;
mod form;
mod ids;
mod ledger;
mod lists;
mod promo;
mod promotion_codes;
mod refusal;
mod routes;
pub mod sales;
mod server;
mod shapes;
mod signature;
mod wire;
mod world;

#[cfg(test)]
mod tests;

use std::{io, net::SocketAddr, time::Duration};

use serde_json::Value;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::{CancellationToken, DropGuard};

pub use faults::{Failure, Fault, FaultKind};
pub use promo::{CouponDuration, Promo};
pub use sales::{CreditTo, DisputeStep, OneOffSale, Paid, SaleBuilder, SubscriptionSale};
pub use shapes::Shape;
pub use signature::sign;
pub use world::Call;
use world::{Holder, Shared};

use crate::clock::Clock;

/// The API version whose shapes the stand-in answers in.
pub const API_VERSION: &str = "2026-09-30.endive";

/// A running stand-in on a loopback port. Dropping it stops it.
pub struct StandIn {
    shared: Shared,
    address: SocketAddr,
    server: JoinHandle<io::Result<()>>,
    closing: DropGuard,
}

impl StandIn {
    /// Starts on a free port of 127.0.0.1.
    pub async fn start(clock: Clock) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let shared = Shared::new(clock);
        let closing = CancellationToken::new();
        let server = tokio::spawn(server::serve(shared.clone(), listener, closing.clone()));
        Ok(Self {
            shared,
            address,
            server,
            closing: closing.drop_guard(),
        })
    }

    /// The base address, without a slash at its end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A handle onto the account of a secret key.
    pub fn account(&self, secret_key: &str) -> Account {
        self.holder(secret_key, None)
    }

    /// A handle onto a Connect account, as it is seen with a platform's secret key.
    pub fn connected_account(&self, secret_key: &str, stripe_account: &str) -> Account {
        self.holder(secret_key, Some(stripe_account.to_owned()))
    }

    fn holder(&self, secret_key: &str, stripe_account: Option<String>) -> Account {
        Account {
            shared: self.shared.clone(),
            holder: Holder {
                secret_key: secret_key.to_owned(),
                stripe_account,
            },
        }
    }

    /// Queues a fault: the first in the queue that matches a request strikes it.
    pub fn fault(&self, fault: Fault) {
        self.shared.lock().queue(fault);
    }

    pub fn clear_faults(&self) {
        self.shared.lock().clear_faults();
    }

    /// The latest requests, the oldest first.
    pub fn calls(&self) -> Vec<Call> {
        self.shared.lock().calls()
    }

    /// Every request waits for this long before anything is done.
    pub fn set_latency(&self, latency: Duration) {
        self.shared.lock().latency = latency;
    }

    /// Cuts every connection and frees the port.
    pub async fn stop(self) {
        drop(self.closing);
        // The server only ends when asked to, and it cannot fail.
        let _ = self.server.await;
    }
}

/// A handle onto what Stripe keeps for one account. Cheap to clone; usable after the server has stopped.
#[derive(Clone)]
pub struct Account {
    shared: Shared,
    holder: Holder,
}

impl Account {
    pub fn secret_key(&self) -> &str {
        &self.holder.secret_key
    }

    pub fn is_live(&self) -> bool {
        self.shared.lock().account(&self.holder).live
    }

    /// Writes an object in the newest shape, in the place of the one with its `object` and `id`. References are ids.
    pub fn put(&self, object: Value) {
        self.shared.lock().account(&self.holder).put(object);
    }

    /// The object of this type and id, whole.
    pub fn get(&self, object: &str, id: &str) -> Option<Value> {
        let mut world = self.shared.lock();
        world.account(&self.holder).get(object, id).cloned()
    }

    /// Every object of this type, the oldest first.
    pub fn all(&self, object: &str) -> Vec<Value> {
        let mut world = self.shared.lock();
        let ledger = world.account(&self.holder);
        ledger.all(object).into_iter().cloned().collect()
    }

    /// Every promotion code of this text in any case, active or not, the oldest first.
    pub fn promotion_codes(&self, code: &str) -> Vec<Value> {
        let mut codes = self.all("promotion_code");
        codes.retain(|it| it["code"].as_str().is_some_and(|text| text.eq_ignore_ascii_case(code)));
        codes
    }

    /// A customer redeems a code: `times_redeemed` of the code and its coupon go up, and what is used up turns off.
    pub fn redeem(&self, promotion_code_id: &str) {
        let mut world = self.shared.lock();
        world.account(&self.holder).redeem(promotion_code_id);
    }

    /// The event that Stripe sends after `active` of a code has flipped.
    pub fn promotion_code_updated(&self, id: &str, shape: Shape) -> Option<Value> {
        let mut world = self.shared.lock();
        shapes::promotion_code_updated(world.account(&self.holder), shape, id)
    }

    /// The event that Stripe sends after a coupon was deleted.
    pub fn coupon_deleted(&self, id: &str, shape: Shape) -> Option<Value> {
        let mut world = self.shared.lock();
        shapes::coupon(world.account(&self.holder), shape, "coupon.deleted", id)
    }
}
