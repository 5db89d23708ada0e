//! A caller that was let in, for as long as its token holds: until it ends by the clock, or is withdrawn.

use std::{sync::Arc, time::Duration};

use futures_util::{FutureExt, future::BoxFuture};

use super::{Gateway, Transport};
use crate::clock::Clock;

/// How long the clock is trusted to go on as it does; a test moves it by hand.
const CLOCK_CHECK: Duration = Duration::from_secs(1);

pub(super) struct Stay<G: Gateway> {
    gateway: G,
    clock: Clock,
    caller: Arc<G::Caller>,
    revoked: BoxFuture<'static, ()>,
}

impl<G: Gateway> Stay<G> {
    pub(super) fn new(transport: &Transport<G>, caller: G::Caller) -> Self {
        let (gateway, caller) = (transport.gateway.clone(), Arc::new(caller));
        let who = caller.clone();
        Self {
            gateway: gateway.clone(),
            clock: transport.settings.clock.clone(),
            caller,
            revoked: async move { gateway.revoked(&who).await }.boxed(),
        }
    }

    pub(super) fn caller(&self) -> &Arc<G::Caller> {
        &self.caller
    }

    /// Whether the token has ended by the clock.
    pub(super) fn is_over(&self) -> bool {
        let end = self.gateway.expires_at(&self.caller);
        end.is_some_and(|end| end <= self.clock.now())
    }

    /// Ends when the token does.
    pub(super) async fn over(&mut self) {
        let Some(end) = self.gateway.expires_at(&self.caller) else {
            return (&mut self.revoked).await;
        };
        while !self.is_over() {
            let left = end - self.clock.now();
            let left = left.to_std().unwrap_or_default().min(CLOCK_CHECK);
            tokio::select! {
                () = &mut self.revoked => return,
                () = tokio::time::sleep(left) => {}
            }
        }
    }
}
