//! Somebody at Stripe's dashboard: what is changed there without a call of Rekomi's, and the event that tells of it. The
//! event is listed under `/v1/events`, too.

use serde_json::Value;

use super::{Account, Shape, form::Params, ledger::Ledger, routes, shapes};

type Tell = fn(&Ledger, Shape, &str, &str) -> Option<Value>;

impl Account {
    /// Switches a promotion code off or on.
    ///
    /// # Errors
    /// Stripe's refusal, as it would be answered; so for all of these.
    pub fn switch(&self, id: &str, active: bool, shape: Shape) -> Result<Value, Value> {
        let tell: Tell = |ledger, shape, _, id| shapes::promotion_code_updated(ledger, shape, id);
        let path = format!("/v1/promotion_codes/{id}");
        self.change("POST", &path, &format!("active={active}"), shape, "", tell)
    }

    /// Makes a promotion code: `promotion[type]=coupon&promotion[coupon]=…&code=…`.
    pub fn make_code(&self, form: &str, shape: Shape) -> Result<Value, Value> {
        let kind = "promotion_code.created";
        self.change("POST", "/v1/promotion_codes", form, shape, kind, shapes::promotion_code)
    }

    pub fn make_coupon(&self, form: &str, shape: Shape) -> Result<Value, Value> {
        self.change("POST", "/v1/coupons", form, shape, "coupon.created", shapes::coupon)
    }

    pub fn rename_coupon(&self, id: &str, name: &str, shape: Shape) -> Result<Value, Value> {
        let path = format!("/v1/coupons/{id}");
        self.change(
            "POST",
            &path,
            &format!("name={name}"),
            shape,
            "coupon.updated",
            shapes::coupon,
        )
    }

    /// The coupon goes, and its codes die with it.
    pub fn delete_coupon(&self, id: &str, shape: Shape) -> Result<Value, Value> {
        let path = format!("/v1/coupons/{id}");
        self.change("DELETE", &path, "", shape, "coupon.deleted", shapes::coupon)
    }

    fn change(
        &self,
        method: &str,
        path: &str,
        form: &str,
        shape: Shape,
        kind: &str,
        tell: Tell,
    ) -> Result<Value, Value> {
        let mut world = self.shared.lock();
        let ledger = world.account(&self.holder);
        let params = Params::parse("", form.as_bytes());
        let changed = routes::handle(ledger, method, path, params).map_err(|refusal| refusal.body())?;
        let id = changed["id"].as_str().unwrap_or_default();
        let event = tell(ledger, shape, kind, id).unwrap_or_default();
        ledger.put(event.clone());
        Ok(event)
    }
}
