//! The clicks that Stripe's objects name: whoever makes a checkout puts them there.
//!
//! Only what reads as a click's id counts. Whatever else is in `client_reference_id` is the brand's own business.

use std::collections::BTreeSet;

use entity::id::ClickId;
use serde_json::Value;

use super::{Facts, read::items};

/// The metadata that names a click.
const CLICK_METADATA: &str = "rekomi_click_id";

fn click(value: &Value) -> Option<ClickId> {
    value.as_str()?.parse().ok()
}

/// What the metadata of these objects names. An id in the place of an object has none.
fn in_metadata<'a>(objects: impl IntoIterator<Item = &'a Value>) -> BTreeSet<ClickId> {
    let named = objects.into_iter().map(|object| &object["metadata"][CLICK_METADATA]);
    named.filter_map(click).collect()
}

/// A session's own, and those of what is expanded in it.
pub(super) fn on_session(object: &Value) -> BTreeSet<ClickId> {
    let expanded = ["customer", "subscription", "payment_intent", "invoice"].map(|field| &object[field]);
    let mut clicks = in_metadata(std::iter::once(object).chain(expanded));
    clicks.extend(click(&object["client_reference_id"]));
    clicks
}

pub(super) fn on_subscription(object: &Value) -> BTreeSet<ClickId> {
    in_metadata([object, &object["customer"]])
}

/// An invoice's own and its subscription's: in `subscription_details` since 2023, below `parent` since 2025; before that,
/// and still, on the subscription's lines.
pub(super) fn on_invoice(object: &Value) -> BTreeSet<ClickId> {
    let parts = [
        object,
        &object["subscription_details"],
        &object["parent"]["subscription_details"],
        &object["subscription"],
        &object["customer"],
        &object["payment_intent"],
    ];
    in_metadata(parts.into_iter().chain(items(&object["lines"]["data"])))
}

impl Facts {
    /// The clicks that Stripe's objects name.
    pub fn clicks(&self) -> impl Iterator<Item = ClickId> {
        let subscriptions = self.subscriptions.values().map(|it| &it.clicks);
        let invoices = self.invoices.values().map(|it| &it.clicks);
        let sessions = self.sessions.values().map(|it| &it.clicks);
        let named = subscriptions.chain(invoices).chain(sessions);
        named.chain(self.customers.values()).flatten().copied()
    }

    /// What a customer names, told with the name of the sale that it was looked up for.
    pub(super) fn read_customer(&mut self, id: &str, sale: &str, object: &Value) {
        let name = sale.to_owned();
        match sale.split('_').next() {
            Some("sub") => drop(self.subscriptions.entry(name).or_default()),
            Some("cs") => drop(self.sessions.entry(name).or_default()),
            _ => drop(self.invoices.entry(name).or_default()),
        }
        let clicks = in_metadata([object]);
        if !clicks.is_empty() {
            self.customers.insert(id.to_owned(), clicks);
        }
        self.looked_up.insert(id.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ONE: &str = "clk_0190000000007000800000000000000a";
    const TWO: &str = "clk_0190000000007000800000000000000b";

    fn named(ids: &[&str]) -> BTreeSet<ClickId> {
        ids.iter().map(|id| id.parse().unwrap()).collect()
    }

    fn names(id: &str) -> Value {
        json!({ "metadata": { "rekomi_click_id": id, "other": TWO } })
    }

    #[test]
    fn an_invoice_names_clicks_in_the_places_of_all_versions() {
        let places = [
            json!({ "metadata": { "rekomi_click_id": ONE } }),
            json!({ "subscription_details": names(ONE) }),
            json!({ "parent": { "subscription_details": names(ONE) } }),
            json!({ "lines": { "data": [{ "metadata": {} }, names(ONE)] } }),
            json!({ "subscription": names(ONE) }),
            json!({ "customer": names(ONE), "payment_intent": "pi_1" }),
            json!({ "customer": "cus_1", "payment_intent": names(ONE) }),
        ];
        for place in places {
            assert_eq!(on_invoice(&place), named(&[ONE]), "{place}");
        }
        assert_eq!(
            on_invoice(&json!({ "parent": null, "customer": "cus_1", "lines": null })),
            named(&[])
        );
    }

    #[test]
    fn a_session_may_name_two() {
        let session = json!({
            "client_reference_id": ONE, "metadata": { "rekomi_click_id": TWO }, "customer": { "metadata": null },
        });
        assert_eq!(on_session(&session), named(&[ONE, TWO]));
        for other in [
            json!(null),
            json!("order 7"),
            json!(7),
            json!({ "id": ONE }),
            json!(format!("{ONE} ")),
        ] {
            assert_eq!(
                on_session(&json!({ "client_reference_id": other })),
                named(&[]),
                "{other}"
            );
        }
        assert_eq!(
            on_subscription(&json!({ "customer": names(TWO), "metadata": null })),
            named(&[TWO])
        );
    }

    #[test]
    fn a_customers_click_is_told_of_its_sale_and_merges_with_it() {
        for sale in ["sub_1", "cs_1", "in_1"] {
            let mut facts = Facts::default();
            facts.read_customer("cus_1", sale, &names(ONE));
            assert!(facts.clicks().count() == 1 && facts.looked_up.contains("cus_1"));
            assert_eq!(facts.keys(), [sale.to_owned()].into());
            let mut deleted = Facts::default();
            deleted.read_customer("cus_1", sale, &json!({ "id": "cus_1", "deleted": true }));
            assert_eq!(deleted.clicks().count(), 0);
            let (mut before, mut after) = (deleted.clone(), facts.clone());
            before.merge(facts.clone());
            after.merge(deleted);
            assert_eq!((&before, &after), (&facts, &facts));
        }
    }
}
