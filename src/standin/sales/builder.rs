//! Making a sale.

use serde_json::{Map, json};

use super::{
    super::{ids::stripe_id, promo::Promo},
    Bill, Discount, Facts, OneOffSale, SubscriptionSale,
};
use crate::clock::Clock;

/// A sale in the making: 50.00 USD a month in live mode, without a code, now.
pub struct SaleBuilder {
    facts: Facts,
    trial: bool,
    line_level: bool,
    with_invoice: bool,
}

impl SaleBuilder {
    pub fn new(clock: &Clock) -> Self {
        let customer = stripe_id(clock, "cus_");
        let facts = Facts {
            clock: clock.clone(),
            email: format!("buyer-{}@customers.test", customer.to_ascii_lowercase()),
            session: String::new(),
            currency: "usd".into(),
            price: 5000,
            tax: 0,
            discounts: vec![],
            livemode: true,
            created: clock.now().timestamp(),
            client_reference_id: None,
            metadata: Map::new(),
            connected_account: None,
            customer,
        };
        Self {
            facts,
            trial: false,
            line_level: false,
            with_invoice: false,
        }
    }

    /// In lower case, as Stripe writes it: `jpy`.
    #[must_use]
    pub fn currency(mut self, currency: impl Into<String>) -> Self {
        self.facts.currency = currency.into();
        self
    }

    /// In minor units, before discounts and tax.
    #[must_use]
    pub fn price(mut self, minor_units: i64) -> Self {
        self.facts.price = minor_units;
        self
    }

    /// In minor units, on top of the discounted price.
    #[must_use]
    pub fn tax(mut self, minor_units: i64) -> Self {
        self.facts.tax = minor_units;
        self
    }

    /// Redeems a code; several are taken off one after the other.
    #[must_use]
    pub fn promo(mut self, promo: Promo) -> Self {
        let discount = Discount {
            id: stripe_id(&self.facts.clock, "di_1"),
            promo,
            start: 0,
        };
        self.facts.discounts.push(discount);
        self
    }

    /// The first invoice is 0 and the subscription trialing. The discounts are on the subscription alone.
    #[must_use]
    pub fn trial(mut self) -> Self {
        self.trial = true;
        self
    }

    /// The discounts sit on the invoice's line: the invoice's own `discounts` is empty.
    #[must_use]
    pub fn line_level(mut self) -> Self {
        self.line_level = true;
        self
    }

    /// A one-off payment's session makes an invoice, too (`invoice_creation`).
    #[must_use]
    pub fn with_invoice(mut self) -> Self {
        self.with_invoice = true;
        self
    }

    #[must_use]
    pub fn test_mode(mut self) -> Self {
        self.facts.livemode = false;
        self
    }

    #[must_use]
    pub fn customer(mut self, id: impl Into<String>) -> Self {
        self.facts.customer = id.into();
        self
    }

    #[must_use]
    pub fn email(mut self, email: impl Into<String>) -> Self {
        self.facts.email = email.into();
        self
    }

    /// In seconds since 1970.
    #[must_use]
    pub fn created(mut self, timestamp: i64) -> Self {
        self.facts.created = timestamp;
        self
    }

    /// On the session only: Stripe copies it nowhere.
    #[must_use]
    pub fn client_reference_id(mut self, id: impl Into<String>) -> Self {
        self.facts.client_reference_id = Some(id.into());
        self
    }

    /// On the subscription and the session: `rekomi_click_id`.
    #[must_use]
    pub fn metadata(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.facts.metadata.insert(key.into(), json!(value.into()));
        self
    }

    /// The events name this account, as those of Connect do.
    #[must_use]
    pub fn connected_account(mut self, id: impl Into<String>) -> Self {
        self.facts.connected_account = Some(id.into());
        self
    }

    /// A subscription that starts through a checkout session.
    pub fn build(self) -> SubscriptionSale {
        let (trial, line_level) = (self.trial, self.line_level);
        let facts = self.into_facts();
        let id = |prefix: &str| stripe_id(&facts.clock, prefix);
        let first = Bill::new(&facts, 0, Some(id("in_1")), facts.created);
        let first = if trial { first.of_trial() } else { first };
        SubscriptionSale {
            subscription: id("sub_1"),
            item: id("si_"),
            bills: vec![first],
            trial,
            line_level,
            facts,
        }
    }

    /// A one-off payment through a checkout session; without an invoice, unless there is to be one.
    pub fn build_one_off(self) -> OneOffSale {
        let invoice = self.with_invoice.then(|| stripe_id(&self.facts.clock, "in_1"));
        let facts = self.into_facts();
        let bill = Bill::new(&facts, 0, invoice, facts.created);
        OneOffSale { facts, bill }
    }

    /// The codes were redeemed one second after the other.
    fn into_facts(self) -> Facts {
        let mut facts = self.facts;
        let prefix = if facts.livemode { "cs_live_" } else { "cs_test_" };
        facts.session = stripe_id(&facts.clock, prefix);
        for (start, discount) in (facts.created..).zip(&mut facts.discounts) {
            discount.start = start;
        }
        facts
    }
}
