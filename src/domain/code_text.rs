//! What a code may look like, and what a generated one looks like. Pure.

use entity::coupon;

use crate::money::{self, Currency};

/// The longest part of a generated code that comes from a name, so that discount and number fit behind it.
const MAX_NAME: usize = 16;
/// A longer discount is left out.
const MAX_DISCOUNT: usize = 8;

/// A code in upper case, if it keeps the rule `^[A-Z0-9_-]{3,32}$`. Only ASCII letters have cases here.
pub fn normalized(text: &str) -> Option<String> {
    let upper = text.trim().to_ascii_uppercase();
    let allowed = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
    let good = (3..=32).contains(&upper.len()) && upper.bytes().all(allowed);
    good.then_some(upper)
}

/// The first code to try for an affiliate on a coupon: the first word of the name and the discount, `SARAH20`.
///
/// It uses only what Stripe documents: letters, digits and dashes.
pub fn generated(name: &str, coupon: &coupon::Model) -> String {
    let ascii = any_ascii::any_ascii(name).to_ascii_uppercase();
    let word = ascii
        .split(|c: char| c.is_whitespace())
        .map(|word| {
            word.chars()
                .filter(char::is_ascii_alphanumeric)
                .take(MAX_NAME)
                .collect::<String>()
        })
        .find(|word| !word.is_empty())
        .unwrap_or_else(|| "CODE".to_owned());
    let discount = discount(coupon).replace('.', "-");
    let discount = Some(discount)
        .filter(|text| text.len() <= MAX_DISCOUNT)
        .unwrap_or_default();
    let code = format!("{word}{discount}");
    if code.len() < 3 { format!("CODE{code}") } else { code }
}

/// The numbered form of a generated code: the first is bare, then `-2`, `-3`.
pub fn numbered(base: &str, number: usize) -> String {
    if number <= 1 {
        base.to_owned()
    } else {
        format!("{base}-{number}")
    }
}

/// `20` for 20 %, `5` for 5.00 USD, `4.5` for 4.50 USD.
fn discount(coupon: &coupon::Model) -> String {
    let currency: Option<Currency> = coupon.currency.as_deref().and_then(|code| code.parse().ok());
    match (coupon.percent_off_bps, coupon.amount_off, currency) {
        (Some(points), _, _) => money::percent(points).to_string(),
        (None, Some(amount), Some(currency)) => currency.major_units(amount).normalize().to_string(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use entity::{
        coupon::CouponDuration,
        id::{BrandId, CampaignId, CouponId},
    };
    use uuid::Uuid;

    use super::*;

    fn coupon(percent_off_bps: Option<i32>, amount_off: Option<i64>) -> coupon::Model {
        coupon::Model {
            id: CouponId(Uuid::nil()),
            brand_id: BrandId(Uuid::nil()),
            livemode: true,
            campaign_id: CampaignId(Uuid::nil()),
            affiliate_id: None,
            name: "Launch".into(),
            percent_off_bps,
            amount_off,
            currency: amount_off.map(|_| "USD".into()),
            duration: CouponDuration::Once,
            duration_in_months: None,
            max_redemptions_per_code: None,
            expires_at: None,
            overrides_click_attribution: true,
            allow_affiliate_self_mint: false,
            archived: false,
            mint_on_approval: false,
            stripe_id: None,
            stripe_name: None,
            stripe_gone: false,
            stripe_seen_at: None,
            stripe_made_at: None,
            created_at: DateTime::UNIX_EPOCH,
            deleted_at: None,
        }
    }

    #[test]
    fn a_code_is_upper_cased_in_ascii_before_the_rule() {
        assert_eq!(normalized(" podcast-pedro "), Some("PODCAST-PEDRO".into()));
        assert_eq!(normalized("a_1"), Some("A_1".into()));
        assert_eq!(normalized(&"x".repeat(32)), Some("X".repeat(32)));
        for refused in ["ab", "ſarah", "İstanbul", "a b c", "ä12", "", &"x".repeat(33)] {
            assert_eq!(normalized(refused), None, "{refused}");
        }
    }

    #[test]
    fn a_generated_code_is_the_name_and_the_discount() {
        let percent = |name| generated(name, &coupon(Some(2000), None));
        assert_eq!(percent("Sarah Jones"), "SARAH20");
        assert_eq!(percent("Pedro Díaz"), "PEDRO20");
        assert_eq!(percent("Zoë"), "ZOE20");
        assert_eq!(percent("  ---  O'Neill"), "ONEILL20");
        assert_eq!(percent("---"), "CODE20");
        assert_eq!(generated("Bo", &coupon(Some(1250), None)), "BO12-5");
        assert_eq!(generated("Bob", &coupon(None, Some(500))), "BOB5");
        assert_eq!(generated("Bob", &coupon(None, Some(450))), "BOB4-5");
        assert_eq!(numbered("BOB5", 1), "BOB5");
        assert_eq!(numbered("BOB5", 2), "BOB5-2");
    }
}
