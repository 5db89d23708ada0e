//! What a client sees of an object: references as ids unless expanded, includable fields only when asked for.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{ledger::Ledger, refusal::Refusal};

/// Fields that Stripe leaves out unless they are expanded, by object and path.
const INCLUDABLE: &[(&str, &str)] = &[
    ("charge", "refunds"),
    ("checkout.session", "line_items"),
    ("checkout.session", "total_details.breakdown"),
    ("coupon", "applies_to"),
    ("coupon", "currency_options"),
    ("invoice", "payments"),
    ("promotion_code", "restrictions.currency_options"),
];

/// The type of object that a field's id leads to.
fn target(field: &str) -> Option<&'static str> {
    Some(match field {
        "charge" | "latest_charge" => "charge",
        "coupon" => "coupon",
        "customer" => "customer",
        "discount" | "discounts" => "discount",
        "invoice" | "latest_invoice" => "invoice",
        "payment_intent" => "payment_intent",
        "promotion_code" => "promotion_code",
        "refund" => "refund",
        "subscription" => "subscription",
        _ => return None,
    })
}

/// The fields to expand, as a tree.
#[derive(Debug, Default)]
pub(super) struct Wanted(BTreeMap<String, Wanted>);

impl Wanted {
    /// Reads `expand`. Stripe counts `data` in a list as one of the four levels.
    pub fn parse(paths: &[String]) -> Result<Self, Refusal> {
        let mut root = Self::default();
        for path in paths {
            if path.split('.').count() > 4 {
                let message = format!("You cannot expand more than 4 levels of a property ({path}).");
                return Err(Refusal::invalid(message, "expand"));
            }
            let mut at = &mut root;
            for field in path.split('.') {
                at = at.0.entry(field.to_owned()).or_default();
            }
        }
        Ok(root)
    }

    /// What to expand in the rows of a list: only `data.…` makes sense.
    pub fn in_rows(&self) -> Result<&Self, Refusal> {
        static NOTHING: Wanted = Wanted(BTreeMap::new());
        match self.0.keys().find(|field| *field != "data") {
            Some(field) => Err(Refusal::invalid(
                format!(
                    "This property cannot be expanded ({field}). You may want to try expanding 'data.{field}' instead."
                ),
                "expand",
            )),
            None => Ok(self.0.get("data").unwrap_or(&NOTHING)),
        }
    }
}

/// The object as an answer shows it.
pub(super) fn show(ledger: &Ledger, object: &Value, wanted: &Wanted) -> Result<Value, Refusal> {
    let home = Home { object: "", path: "" };
    View { ledger }.node(object, wanted, &home)
}

/// Where in which object a node is.
struct Home<'a> {
    object: &'a str,
    path: &'a str,
}

struct View<'a> {
    ledger: &'a Ledger,
}

impl View<'_> {
    fn node(&self, node: &Value, wanted: &Wanted, home: &Home<'_>) -> Result<Value, Refusal> {
        match node {
            Value::Array(items) => items.iter().map(|item| self.node(item, wanted, home)).collect(),
            Value::Object(fields) => self.object(node, fields, wanted, home),
            Value::Null => Ok(Value::Null),
            _ if wanted.0.is_empty() => Ok(node.clone()),
            _ => Err(cannot_expand(wanted.0.keys().next())),
        }
    }

    fn object(
        &self,
        node: &Value,
        fields: &Map<String, Value>,
        wanted: &Wanted,
        home: &Home<'_>,
    ) -> Result<Value, Refusal> {
        let home = match node["object"].as_str() {
            Some(object) if object != "list" => &Home { object, path: "" },
            _ => home,
        };
        let mut shown = Map::new();
        for (name, value) in fields {
            let path = join(home.path, name);
            let below = wanted.0.get(name);
            if below.is_none() && INCLUDABLE.contains(&(home.object, &path)) {
                continue;
            }
            let below_home = Home {
                object: home.object,
                path: &path,
            };
            shown.insert(name.clone(), self.field(name, value, below, &below_home)?);
        }
        for (name, below) in &wanted.0 {
            if !shown.contains_key(name) {
                let included = self.included(node, home, name)?;
                shown.insert(name.clone(), self.node(&included, below, home)?);
            }
        }
        Ok(Value::Object(shown))
    }

    /// A field of an object; with `wanted`, its ids become objects.
    fn field(&self, name: &str, value: &Value, wanted: Option<&Wanted>, home: &Home<'_>) -> Result<Value, Refusal> {
        let Some(wanted) = wanted else {
            return self.node(value, &Wanted::default(), home);
        };
        let kind = target(name);
        let is_embedded = value["object"] == "list" || INCLUDABLE.contains(&(home.object, home.path));
        if kind.is_none() && !is_embedded && wanted.0.is_empty() {
            return Err(cannot_expand(Some(name)));
        }
        let open = |value: &Value| match (value.as_str(), kind) {
            (Some(id), Some(kind)) => {
                let found = self.ledger.resolve(kind, id);
                let found = found.ok_or_else(|| Refusal::no_such_in("expand", kind, id))?;
                self.node(found, wanted, home)
            }
            (Some(_), None) => Err(cannot_expand(Some(name))),
            _ => self.node(value, wanted, home),
        };
        match value {
            Value::Array(ids) => ids.iter().map(open).collect(),
            value => open(value),
        }
    }

    /// An includable field that the object does not hold itself: Stripe keeps those objects elsewhere.
    fn included(&self, node: &Value, home: &Home<'_>, name: &str) -> Result<Value, Refusal> {
        let path = join(home.path, name);
        let id = node["id"].as_str().unwrap_or_default();
        match (home.object, path.as_str()) {
            ("invoice", "payments") => Ok(self.owned("invoice_payment", "invoice", id, "/v1/invoice_payments".into())),
            ("charge", "refunds") => Ok(self.owned("refund", "charge", id, format!("/v1/charges/{id}/refunds"))),
            place if INCLUDABLE.contains(&place) => Ok(Value::Null),
            _ => Err(cannot_expand(Some(name))),
        }
    }

    /// The list of the `kind` objects that belong to the object `id`.
    fn owned(&self, kind: &str, owner: &str, id: &str, url: String) -> Value {
        let rows = self.ledger.newest(kind);
        let data: Vec<_> = rows.iter().filter(|row| row[owner] == id).collect();
        json!({ "object": "list", "data": data, "has_more": false, "url": url })
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

fn cannot_expand(field: Option<impl AsRef<str>>) -> Refusal {
    let field = field.as_ref().map_or("", AsRef::as_ref);
    Refusal::invalid(format!("This property cannot be expanded ({field})."), "expand")
}
