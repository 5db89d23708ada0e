//! Faults on demand: what a network and a payment provider do to their clients on a bad day.

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// 429, with `stripe-should-retry: true` and `retry-after: 1`; nothing is done.
    RateLimited,
    /// 500; nothing is done and nothing is kept: a retry under the same idempotency key may succeed.
    ServerError,
    /// 500, kept under the request's idempotency key: every retry under that key gets it again.
    SavedServerError,
    /// The request is read and never answered: the client runs into its own time-out.
    Hang,
    /// The connection is reset; nothing is done.
    DropBefore,
    /// The work is done (and kept under the idempotency key), and then the connection is reset.
    DropAfter,
    /// 400 with this message, blaming this parameter; nothing is done.
    Refuse { message: String, param: String },
    /// 403: a restricted key lacks the permission.
    Forbidden,
    /// 401: the key is no longer good.
    Revoked,
    /// Any other error; nothing is done and nothing is kept.
    Fail(Failure),
}

/// An error as it is wanted, with what its headers say of another try.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failure {
    pub status: u16,
    pub message: String,
    pub param: Option<&'static str>,
    pub code: Option<&'static str>,
    /// `stripe-should-retry`.
    pub should_retry: Option<bool>,
    /// `retry-after`: seconds, or a moment.
    pub retry_after: Option<&'static str>,
}

/// A fault in the queue: it strikes the next `times` requests that match it.
#[derive(Clone, Debug)]
pub struct Fault {
    kind: FaultKind,
    times: u32,
    /// So many matching requests go through first.
    spared: u32,
    method: Option<String>,
    path_prefix: Option<String>,
    secret_key: Option<String>,
}

impl Fault {
    /// Strikes once, whatever the request.
    pub fn new(kind: FaultKind) -> Self {
        Self {
            kind,
            times: 1,
            spared: 0,
            method: None,
            path_prefix: None,
            secret_key: None,
        }
    }

    /// A 400 with this message, blaming this parameter.
    pub fn refuse(message: impl Into<String>, param: impl Into<String>) -> Self {
        Self::new(FaultKind::Refuse {
            message: message.into(),
            param: param.into(),
        })
    }

    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = times;
        self
    }

    /// Strikes until [`StandIn::clear_faults`](super::StandIn::clear_faults): Stripe is down.
    #[must_use]
    pub fn always(self) -> Self {
        self.times(u32::MAX)
    }

    /// Lets the first matching requests through.
    #[must_use]
    pub fn after(mut self, spared: u32) -> Self {
        self.spared = spared;
        self
    }

    /// Only requests by this method: `"POST"`.
    #[must_use]
    pub fn on_method(mut self, method: impl Into<String>) -> Self {
        self.method = Some(method.into());
        self
    }

    /// Only requests whose path begins so: `"/v1/promotion_codes"`.
    #[must_use]
    pub fn on_path(mut self, prefix: impl Into<String>) -> Self {
        self.path_prefix = Some(prefix.into());
        self
    }

    /// Only requests with this key: `"sk_live_acme"`.
    #[must_use]
    pub fn on_key(mut self, secret_key: impl Into<String>) -> Self {
        self.secret_key = Some(secret_key.into());
        self
    }

    fn strikes(&self, method: &str, path: &str, secret_key: &str) -> bool {
        self.times > 0
            && self.secret_key.as_deref().is_none_or(|it| it == secret_key)
            && self.method.as_deref().is_none_or(|it| it == method)
            && self.path_prefix.as_deref().is_none_or(|it| path.starts_with(it))
    }
}

/// The faults that wait, in the order in which they were queued.
#[derive(Default)]
pub(super) struct FaultQueue(Vec<Fault>);

impl FaultQueue {
    pub fn push(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// The fault that strikes this request, if any; it has struck once more then.
    pub fn take(&mut self, method: &str, path: &str, secret_key: &str) -> Option<FaultKind> {
        let fault = self.0.iter_mut().find(|it| it.strikes(method, path, secret_key))?;
        if fault.spared > 0 {
            fault.spared -= 1;
            return None;
        }
        fault.times = fault.times.saturating_sub(1);
        let kind = fault.kind.clone();
        self.0.retain(|fault| fault.times > 0);
        Some(kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "sk_live_acme";

    #[test]
    fn a_fault_strikes_as_often_as_asked_and_only_what_it_is_meant_for() {
        let mut queue = FaultQueue::default();
        let fault = Fault::new(FaultKind::Hang)
            .times(2)
            .on_method("POST")
            .on_path("/v1/coupons")
            .on_key(KEY);
        queue.push(fault);
        assert_eq!(queue.take("POST", "/v1/coupons", "sk_live_globex"), None);
        assert_eq!(queue.take("GET", "/v1/coupons", KEY), None);
        assert_eq!(queue.take("POST", "/v1/promotion_codes", KEY), None);
        assert_eq!(queue.take("POST", "/v1/coupons", KEY), Some(FaultKind::Hang));
        assert_eq!(queue.take("POST", "/v1/coupons/x", KEY), Some(FaultKind::Hang));
        assert_eq!(queue.take("POST", "/v1/coupons", KEY), None);
    }
}
