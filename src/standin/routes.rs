//! The addresses that the stand-in knows, and everything that is only read.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::{
    coupons, expand,
    expand::Wanted,
    form::Params,
    ledger::Ledger,
    lists::{self, Filter},
    promotion_codes,
    refusal::Refusal,
};

/// A kind of object that can be read under `/v1/{path}`.
struct Resource {
    path: &'static str,
    object: &'static str,
    filters: &'static [Filter],
}

const RESOURCES: &[Resource] = &[
    Resource {
        path: "charges",
        object: "charge",
        filters: &[("customer", "/customer"), ("payment_intent", "/payment_intent")],
    },
    Resource {
        path: "checkout/sessions",
        object: "checkout.session",
        filters: &[
            ("customer", "/customer"),
            ("payment_intent", "/payment_intent"),
            ("status", "/status"),
            ("subscription", "/subscription"),
        ],
    },
    Resource {
        path: "coupons",
        object: "coupon",
        filters: &[],
    },
    Resource {
        path: "credit_notes",
        object: "credit_note",
        filters: &[("customer", "/customer"), ("invoice", "/invoice")],
    },
    Resource {
        path: "customers",
        object: "customer",
        filters: &[("email", "/email")],
    },
    Resource {
        path: "disputes",
        object: "dispute",
        filters: &[("charge", "/charge"), ("payment_intent", "/payment_intent")],
    },
    Resource {
        path: "events",
        object: "event",
        filters: &[],
    },
    Resource {
        path: "invoice_payments",
        object: "invoice_payment",
        filters: &[
            ("invoice", "/invoice"),
            ("payment[type]", "/payment/type"),
            ("payment[payment_intent]", "/payment/payment_intent"),
            ("status", "/status"),
        ],
    },
    Resource {
        path: "invoices",
        object: "invoice",
        filters: &[
            ("customer", "/customer"),
            ("status", "/status"),
            ("subscription", "/parent/subscription_details/subscription"),
        ],
    },
    Resource {
        path: "payment_intents",
        object: "payment_intent",
        filters: &[("customer", "/customer")],
    },
    Resource {
        path: "promotion_codes",
        object: "promotion_code",
        filters: &[
            ("active", "/active"),
            ("code", "/code"),
            ("coupon", "/promotion/coupon"),
            ("customer", "/customer"),
        ],
    },
    Resource {
        path: "refunds",
        object: "refund",
        filters: &[("charge", "/charge"), ("payment_intent", "/payment_intent")],
    },
    Resource {
        path: "subscriptions",
        object: "subscription",
        filters: &[("customer", "/customer"), ("status", "/status")],
    },
];

/// Does what the request asks for and says what Stripe would answer.
pub(super) fn handle(ledger: &mut Ledger, method: &str, path: &str, mut params: Params) -> Result<Value, Refusal> {
    let wanted = Wanted::parse(&params.take_expand())?;
    let route = path.strip_prefix("/v1/").unwrap_or_default();
    let steps: Vec<&str> = route.trim_end_matches('/').split('/').collect();
    let made = match (method, steps.as_slice()) {
        ("POST", ["coupons"]) => coupons::create(ledger, &params)?,
        ("POST", ["coupons", id]) => coupons::update(ledger, id, &params)?,
        ("DELETE", ["coupons", id]) => coupons::delete(ledger, id, &params)?,
        ("POST", ["promotion_codes"]) => promotion_codes::create(ledger, &params)?,
        ("POST", ["promotion_codes", id]) => promotion_codes::update(ledger, id, &params)?,
        ("GET", steps) => return read(ledger, path, steps, &params, &wanted),
        _ => return Err(Refusal::url(method, path)),
    };
    expand::show(ledger, &made, &wanted)
}

fn read(ledger: &Ledger, path: &str, steps: &[&str], params: &Params, wanted: &Wanted) -> Result<Value, Refusal> {
    let (name, id) = match steps {
        ["checkout", "sessions"] => ("checkout/sessions", None),
        ["checkout", "sessions", id] => ("checkout/sessions", Some(*id)),
        [name] => (*name, None),
        [name, id] => (*name, Some(*id)),
        _ => return Err(Refusal::url("GET", path)),
    };
    let resource = RESOURCES.iter().find(|it| it.path == name);
    let resource = resource.ok_or_else(|| Refusal::url("GET", path))?;
    match id {
        Some(id) => {
            params.only(&[])?;
            let found = ledger.get(resource.object, id);
            let found = found.ok_or_else(|| no_such(resource.object, id))?;
            expand::show(ledger, found, wanted)
        }
        None => list(ledger, resource, params, wanted),
    }
}

pub(super) fn no_such(object: &str, id: &str) -> Refusal {
    Refusal::no_such(&object.replace('_', " "), id)
}

fn list(ledger: &Ledger, resource: &Resource, params: &Params, wanted: &Wanted) -> Result<Value, Refusal> {
    let extra: &[&str] = match resource.object {
        "event" => &["type", "types", "delivery_success"],
        _ => &[],
    };
    lists::known_params(params, resource.filters, extra)?;
    if resource.object == "invoice_payment" {
        check_payment_filter(params)?;
    }
    let mut rows = lists::filtered(ledger.newest(resource.object), resource.filters, params)?;
    if resource.object == "event" {
        rows = events(ledger, rows, params)?;
    }
    let page = lists::page(&rows, params, resource.object)?;
    let below = wanted.in_rows()?;
    let data: Result<Vec<_>, _> = page.rows.iter().map(|row| expand::show(ledger, row, below)).collect();
    let url = format!("/v1/{}", resource.path);
    Ok(json!({ "object": "list", "data": data?, "has_more": page.has_more, "url": url }))
}

/// `payment` is an object that names its type; charges cannot be asked for.
fn check_payment_filter(params: &Params) -> Result<(), Refusal> {
    if !params.has("payment") {
        return Ok(());
    }
    params.only_in("payment", &["type", "payment_intent", "payment_record"])?;
    match params.given("payment[type]")? {
        Some("payment_intent" | "payment_record") => Ok(()),
        Some(_) => {
            let message = "Invalid payment[type]: must be one of payment_intent or payment_record";
            Err(Refusal::invalid(message, "payment[type]"))
        }
        None => Err(Refusal::missing("payment[type]")),
    }
}

/// Stripe tells of the last 30 days. An event counts as delivered once its `pending_webhooks` is 0.
fn events<'a>(ledger: &Ledger, rows: Vec<&'a Value>, params: &Params) -> Result<Vec<&'a Value>, Refusal> {
    let since = ledger.now() - TimeDelta::days(30).num_seconds();
    let mut kinds = params.list("types");
    kinds.extend(params.given("type")?);
    let delivered = params.flag("delivery_success")?;
    let is_of_kind = |event: &Value| {
        let kind = event["type"].as_str().unwrap_or_default();
        kinds.is_empty()
            || kinds.iter().any(|wanted| match wanted.strip_suffix('*') {
                Some(group) => kind.starts_with(group),
                None => kind == *wanted,
            })
    };
    let is_in_state = |event: &Value| delivered.is_none_or(|delivered| delivered == (event["pending_webhooks"] == 0));
    let is_recent = |event: &Value| event["created"].as_i64() >= Some(since);
    Ok(rows
        .into_iter()
        .filter(|event| is_recent(event) && is_of_kind(event) && is_in_state(event))
        .collect())
}
