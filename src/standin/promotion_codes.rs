//! Promotion codes: unique among the active ones, bound to their coupon's limits, never deleted.

use serde_json::{Map, Value, json};

use super::{
    form::Params,
    ids,
    ledger::{Ledger, is_over},
    refusal::Refusal,
    routes::no_such,
};

pub(super) fn create(ledger: &mut Ledger, params: &Params) -> Result<Value, Refusal> {
    params.only(&[
        "promotion",
        "code",
        "active",
        "customer",
        "customer_account",
        "expires_at",
        "max_redemptions",
        "metadata",
        "restrictions",
    ])?;
    let coupon = coupon(ledger, params)?;
    let code = match params.given("code")? {
        Some(code) => code.to_owned(),
        None => ids::short_text(&ledger.clock).to_ascii_uppercase(),
    };
    check_code(&code)?;
    let expires_at = expires_at(ledger, coupon, params)?;
    let max_redemptions = max_redemptions(coupon, params)?;
    let active = params.flag("active")?.unwrap_or(true);
    let customer = json!(params.given("customer")?);
    if active && ledger.active_twin(&code, &customer, "") {
        return Err(twin(&code, "code"));
    }
    let mut metadata = Map::new();
    params.merge_metadata(&mut metadata)?;
    let made = json!({
        "id": ledger.new_id("promo_1"),
        "object": "promotion_code",
        "active": active,
        "code": code,
        "created": ledger.now(),
        "customer": customer,
        "customer_account": params.given("customer_account")?,
        "expires_at": expires_at,
        "livemode": ledger.live,
        "max_redemptions": max_redemptions,
        "metadata": metadata,
        "promotion": { "coupon": coupon["id"], "type": "coupon" },
        "restrictions": restrictions(params)?,
        "times_redeemed": 0,
    });
    ledger.put(made.clone());
    Ok(made)
}

pub(super) fn update(ledger: &mut Ledger, id: &str, params: &Params) -> Result<Value, Refusal> {
    params.only(&["active", "metadata", "restrictions"])?;
    params.only_in("restrictions", &["currency_options"])?;
    let found = ledger.get("promotion_code", id);
    let mut code = found.ok_or_else(|| no_such("promotion_code", id))?.clone();
    if let Some(active) = params.flag("active")? {
        if active && code["active"] == false {
            check_reactivation(ledger, &code, id)?;
        }
        code["active"] = json!(active);
    }
    if let Value::Object(metadata) = &mut code["metadata"] {
        params.merge_metadata(metadata)?;
    }
    if params.has("restrictions[currency_options]") {
        code["restrictions"]["currency_options"] = params.raw("restrictions[currency_options]");
    }
    ledger.put(code.clone());
    Ok(code)
}

/// The coupon that the code is for; it can still be redeemed.
fn coupon<'a>(ledger: &'a Ledger, params: &Params) -> Result<&'a Value, Refusal> {
    params.only_in("promotion", &["type", "coupon"])?;
    let kind = params.given("promotion[type]")?;
    match kind.ok_or_else(|| Refusal::missing("promotion[type]"))? {
        "coupon" => {}
        _ => {
            let message = "Invalid promotion[type]: must be coupon";
            return Err(Refusal::invalid(message, "promotion[type]"));
        }
    }
    let id = params.given("promotion[coupon]")?;
    let id = id.ok_or_else(|| Refusal::missing("promotion[coupon]"))?;
    let coupon = ledger.get("coupon", id);
    let coupon = coupon.ok_or_else(|| Refusal::no_such_in("promotion[coupon]", "coupon", id))?;
    if coupon["valid"] == false {
        let message = "This coupon is expired or fully redeemed and cannot be used.";
        return Err(Refusal::invalid(message, "promotion[coupon]"));
    }
    Ok(coupon)
}

fn check_code(code: &str) -> Result<(), Refusal> {
    if code.len() > 500 {
        let message = "Invalid string: must be at most 500 characters";
        return Err(Refusal::invalid(message, "code"));
    }
    if !code.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-') {
        let message = format!(
            "The promotion code `{code}` contains invalid characters. \
             Codes may only contain the characters a-z, A-Z, 0-9 and dashes."
        );
        return Err(Refusal::invalid(message, "code"));
    }
    Ok(())
}

fn expires_at(ledger: &Ledger, coupon: &Value, params: &Params) -> Result<Option<i64>, Refusal> {
    let moment = params.int("expires_at")?;
    let last = coupon["redeem_by"].as_i64();
    let message = match (moment, last) {
        (Some(moment), _) if moment <= ledger.now() => {
            "Invalid timestamp: must be an integer Unix timestamp in the future"
        }
        (Some(moment), Some(last)) if moment > last => "expires_at cannot be after the coupon's redeem_by.",
        _ => return Ok(moment),
    };
    Err(Refusal::invalid(message, "expires_at"))
}

fn max_redemptions(coupon: &Value, params: &Params) -> Result<Option<i64>, Refusal> {
    let most = params.positive("max_redemptions")?;
    let coupons = coupon["max_redemptions"].as_i64();
    if let (Some(most), Some(coupons)) = (most, coupons)
        && most > coupons
    {
        let message = "max_redemptions cannot be more than the coupon's max_redemptions.";
        return Err(Refusal::invalid(message, "max_redemptions"));
    }
    Ok(most)
}

fn restrictions(params: &Params) -> Result<Value, Refusal> {
    let known = [
        "first_time_transaction",
        "minimum_amount",
        "minimum_amount_currency",
        "currency_options",
    ];
    params.only_in("restrictions", &known)?;
    let amount = params.positive("restrictions[minimum_amount]")?;
    let currency = params.given("restrictions[minimum_amount_currency]")?;
    if amount.is_some() != currency.is_some() {
        let other = if amount.is_some() {
            "restrictions[minimum_amount_currency]"
        } else {
            "restrictions[minimum_amount]"
        };
        return Err(Refusal::missing(other));
    }
    let first_time = params.flag("restrictions[first_time_transaction]")?;
    Ok(json!({
        "currency_options": params.raw("restrictions[currency_options]"),
        "first_time_transaction": first_time.unwrap_or(false),
        "minimum_amount": amount,
        "minimum_amount_currency": currency,
    }))
}

/// A code that was switched off comes back only if it could be redeemed again and its text is free.
fn check_reactivation(ledger: &Ledger, code: &Value, id: &str) -> Result<(), Refusal> {
    let coupon = code["promotion"]["coupon"].as_str().unwrap_or_default();
    let coupon_is_valid = ledger
        .get("coupon", coupon)
        .is_some_and(|coupon| coupon["valid"] == true);
    if !coupon_is_valid {
        let message = "This promotion code cannot be activated because its coupon is no longer valid.";
        return Err(Refusal::invalid(message, "active"));
    }
    if is_over(code, "expires_at", ledger.now()) {
        let message = "This promotion code cannot be activated because it is expired or fully redeemed.";
        return Err(Refusal::invalid(message, "active"));
    }
    let text = code["code"].as_str().unwrap_or_default();
    if ledger.active_twin(text, &code["customer"], id) {
        return Err(twin(text, "active"));
    }
    Ok(())
}

fn twin(code: &str, param: &str) -> Refusal {
    let message = format!("An active promotion code with `code: {code}` already exists.");
    Refusal::invalid(message, param).coded("resource_already_exists")
}
