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

/// A word that a brand may reserve, in upper case: 2 to 32 characters of a code's, with a letter among them.
pub fn word(text: &str) -> Option<String> {
    let upper = text.trim().to_ascii_uppercase();
    let allowed = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
    let good = (2..=32).contains(&upper.len()) && upper.bytes().all(allowed);
    (good && upper.bytes().any(|byte| byte.is_ascii_uppercase())).then_some(upper)
}

/// The reserved word that stands in a code as a word of its own: between its ends, digits, `-` and `_`.
pub fn reserved_word<'a>(words: &'a [String], code: &str) -> Option<&'a str> {
    let letter = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphabetic);
    let stands = |word: &str| {
        code.match_indices(word).any(|(at, _)| {
            let (before, after) = (&code.as_bytes()[..at], &code.as_bytes()[at + word.len()..]);
            !letter(before.last()) && !letter(after.first())
        })
    };
    words.iter().map(String::as_str).find(|word| stands(word))
}

/// The first code to try for an affiliate on a coupon: the first word of the name and the discount, `SARAH20`. A word that
/// is reserved is passed over; where all are, `CODE` stands before the first.
///
/// It uses only what Stripe documents: letters, digits and dashes.
pub fn generated(name: &str, coupon: &coupon::Model, reserved: &[String]) -> String {
    let ascii = any_ascii::any_ascii(name).to_ascii_uppercase();
    let discount = discount(coupon).replace('.', "-");
    let discount = Some(discount)
        .filter(|text| text.len() <= MAX_DISCOUNT)
        .unwrap_or_default();
    let words = ascii.split(|c: char| c.is_whitespace()).map(|word| {
        let letters = word.chars().filter(char::is_ascii_alphanumeric);
        letters.take(MAX_NAME).collect::<String>()
    });
    let mut words: Vec<String> = words.filter(|word| !word.is_empty()).collect();
    let glued = format!("CODE{}", words.first().map_or("", String::as_str));
    words.extend(["CODE".to_owned(), glued.clone()]);
    let mut codes = words.iter().map(|word| {
        let code = format!("{word}{discount}");
        if code.len() < 3 { format!("CODE{code}") } else { code }
    });
    let free = codes.find(|code| reserved_word(reserved, code).is_none());
    free.unwrap_or_else(|| format!("{glued}{discount}"))
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
        let percent = |name| generated(name, &coupon(Some(2000), None), &[]);
        assert_eq!(percent("Sarah Jones"), "SARAH20");
        assert_eq!(percent("Pedro Díaz"), "PEDRO20");
        assert_eq!(percent("Zoë"), "ZOE20");
        assert_eq!(percent("  ---  O'Neill"), "ONEILL20");
        assert_eq!(percent("---"), "CODE20");
        assert_eq!(generated("Bo", &coupon(Some(1250), None), &[]), "BO12-5");
        assert_eq!(generated("Bob", &coupon(None, Some(500)), &[]), "BOB5");
        assert_eq!(generated("Bob", &coupon(None, Some(450)), &[]), "BOB4-5");
        assert_eq!(numbered("BOB5", 1), "BOB5");
        assert_eq!(numbered("BOB5", 2), "BOB5-2");
    }
    #[test]
    fn a_reserved_word_bars_codes_in_which_it_stands_alone() {
        let words = ["ACME", "BIG-DAY", "A1"].map(str::to_owned);
        let cases = [
            ("ACME", Some("ACME")),
            ("ACME-SARAH", Some("ACME")),
            ("SARAH_ACME", Some("ACME")),
            ("ACME20", Some("ACME")),
            ("20ACME20", Some("ACME")),
            ("ACMES-ACME", Some("ACME")),
            ("PACMEN", None),
            ("ACMES", None),
            ("MYACME", None),
            ("BIG-DAY20", Some("BIG-DAY")),
            ("BIG-DAYS", None),
            ("BIGDAY", None),
            ("A12", Some("A1")),
            ("BA1", None),
            ("SARAH20", None),
        ];
        for (code, expected) in cases {
            assert_eq!(reserved_word(&words, code), expected, "{code}");
        }
        assert_eq!(reserved_word(&[], "ACME"), None);
    }

    #[test]
    fn a_word_to_reserve_has_a_letter() {
        assert_eq!(word(" acme "), Some("ACME".into()));
        assert_eq!(word("7-eleven"), Some("7-ELEVEN".into()));
        for refused in ["", "A", "20", "--", "BIG DAY", "ÄRGER", &"X".repeat(33)] {
            assert_eq!(word(refused), None, "{refused}");
        }
    }

    #[test]
    fn a_generated_code_goes_round_reserved_words() {
        let reserved = ["ACME", "CODE"].map(str::to_owned);
        let named = |name| generated(name, &coupon(Some(2000), None), &reserved);
        assert_eq!(named("Acme Sarah"), "SARAH20");
        assert_eq!(named("Acme"), "CODEACME20");
        assert_eq!(named("Pacmen"), "PACMEN20");
        assert_eq!(generated("Acme", &coupon(Some(2000), None), &reserved[..1]), "CODE20");
        for name in ["Acme", "", "Wolfeschlegelsteinhausen"] {
            assert!(named(name).len() + "-9999".len() <= 32, "{}", named(name));
        }
    }
}
