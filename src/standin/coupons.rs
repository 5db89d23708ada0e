//! Coupons: creation with Stripe's refusals, the three fields that can be changed, deletion.

use chrono::Months;
use serde_json::{Map, Number, Value, json};

use super::{form::Params, ids, ledger::Ledger, refusal::Refusal, routes::no_such};

pub(super) fn create(ledger: &mut Ledger, params: &Params) -> Result<Value, Refusal> {
    params.only(&[
        "id",
        "name",
        "percent_off",
        "amount_off",
        "currency",
        "duration",
        "duration_in_months",
        "max_redemptions",
        "redeem_by",
        "metadata",
        "applies_to",
        "currency_options",
    ])?;
    let off = discount(params)?;
    let (duration, months) = duration(params)?;
    let redeem_by = redeem_by(ledger, params)?;
    let id = match params.given("id")? {
        Some(id) => id.to_owned(),
        None => ids::short_text(&ledger.clock),
    };
    if ledger.coupon_id_is_taken(&id) {
        return Err(Refusal::invalid("Coupon already exists.", "id").coded("resource_already_exists"));
    }
    let mut metadata = Map::new();
    params.merge_metadata(&mut metadata)?;
    let coupon = json!({
        "id": id,
        "object": "coupon",
        "amount_off": off.amount,
        "applies_to": params.raw("applies_to"),
        "created": ledger.now(),
        "currency": off.currency,
        "currency_options": params.raw("currency_options"),
        "duration": duration,
        "duration_in_months": months,
        "livemode": ledger.live,
        "max_redemptions": params.positive("max_redemptions")?,
        "metadata": metadata,
        "name": name(params)?,
        "percent_off": off.percent,
        "redeem_by": redeem_by,
        "times_redeemed": 0,
        "valid": true,
    });
    ledger.put(coupon.clone());
    Ok(coupon)
}

pub(super) fn update(ledger: &mut Ledger, id: &str, params: &Params) -> Result<Value, Refusal> {
    params.only(&["name", "metadata", "currency_options"])?;
    let found = ledger.get("coupon", id);
    let mut coupon = found.ok_or_else(|| no_such("coupon", id))?.clone();
    if params.has("name") {
        coupon["name"] = json!(name(params)?);
    }
    if let Value::Object(metadata) = &mut coupon["metadata"] {
        params.merge_metadata(metadata)?;
    }
    if params.has("currency_options") {
        coupon["currency_options"] = params.raw("currency_options");
    }
    ledger.put(coupon.clone());
    Ok(coupon)
}

/// The coupon goes, and every code of it dies; discounts that were given stay.
pub(super) fn delete(ledger: &mut Ledger, id: &str, params: &Params) -> Result<Value, Refusal> {
    params.only(&[])?;
    let deleted = ledger.delete_coupon(id);
    deleted.ok_or_else(|| no_such("coupon", id))?;
    Ok(json!({ "id": id, "object": "coupon", "deleted": true }))
}

/// An empty name is none.
fn name(params: &Params) -> Result<Option<&str>, Refusal> {
    let name = params.text_up_to("name", 40)?;
    Ok(name.filter(|name| !name.is_empty()))
}

/// What a coupon takes off: a percentage, or an amount in a currency.
#[derive(Default)]
struct Off {
    percent: Option<Number>,
    amount: Option<i64>,
    currency: Option<String>,
}

fn discount(params: &Params) -> Result<Off, Refusal> {
    match (params.given("percent_off")?, params.positive("amount_off")?) {
        (Some(text), None) => Ok(Off {
            percent: Some(percent(text)?),
            ..Off::default()
        }),
        (None, Some(amount)) => Ok(Off {
            amount: Some(amount),
            currency: Some(currency(params)?),
            ..Off::default()
        }),
        (Some(_), Some(_)) => Err(Refusal::invalid(
            "You may only specify one of these parameters: amount_off, percent_off.",
            "percent_off",
        )),
        (None, None) => {
            let message = "You must pass either percent_off or amount_off.";
            Err(Refusal::request(message).coded("parameter_missing"))
        }
    }
}

/// Kept as it was written: `12.5` stays `12.5`.
fn percent(text: &str) -> Result<Number, Refusal> {
    let number = text.parse::<Number>().ok();
    let in_range = |it: &Number| it.as_f64().is_some_and(|it| it > 0.0 && it <= 100.0);
    number.filter(in_range).ok_or_else(|| {
        let message = "Invalid decimal: must be greater than 0 and at most 100";
        Refusal::invalid(message, "percent_off")
    })
}

fn currency(params: &Params) -> Result<String, Refusal> {
    let currency = params.given("currency")?;
    let currency = currency.ok_or_else(|| Refusal::missing("currency"))?;
    if currency.len() == 3 && currency.bytes().all(|it| it.is_ascii_alphabetic()) {
        Ok(currency.to_ascii_lowercase())
    } else {
        let message = format!("Invalid currency: {currency}");
        Err(Refusal::invalid(message, "currency"))
    }
}

fn duration(params: &Params) -> Result<(&str, Option<i64>), Refusal> {
    let duration = params.given("duration")?.unwrap_or("once");
    let months = params.positive("duration_in_months")?;
    match (duration, months) {
        ("once" | "forever", None) | ("repeating", Some(_)) => Ok((duration, months)),
        ("repeating", None) => Err(Refusal::missing("duration_in_months")),
        ("once" | "forever", Some(_)) => Err(Refusal::invalid(
            "You can only specify duration_in_months if duration is repeating.",
            "duration_in_months",
        )),
        _ => Err(Refusal::invalid(
            "Invalid duration: must be one of forever, once, or repeating",
            "duration",
        )),
    }
}

/// In the future, and at most five years from now.
fn redeem_by(ledger: &Ledger, params: &Params) -> Result<Option<i64>, Refusal> {
    let Some(moment) = params.int("redeem_by")? else {
        return Ok(None);
    };
    let last = ledger.clock.now().checked_add_months(Months::new(60));
    let message = if moment <= ledger.now() {
        "Invalid timestamp: must be an integer Unix timestamp in the future"
    } else if last.is_some_and(|last| moment > last.timestamp()) {
        "Invalid timestamp: can be no more than five years in the future"
    } else {
        return Ok(Some(moment));
    };
    Err(Refusal::invalid(message, "redeem_by"))
}
