//! What a token claims, and whether that is whole, meant for us, and good at this time.

use chrono::{DateTime, TimeDelta, Utc};
use entity::id::{AffiliateId, BrandId};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Role, claim_names::ClaimNames, roles};

/// How far the clocks of issuer and server may differ.
const LEEWAY: TimeDelta = TimeDelta::seconds(5);

/// What a token claims, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    pub subject: String,
    pub brand: BrandId,
    pub role: Role,
    /// For an affiliate's token, and only there.
    pub affiliate: Option<AffiliateId>,
    /// Left out: the mode of the brand's Stripe key.
    pub mode: Option<Mode>,
    /// `exp`, without the leeway.
    pub expires_at: DateTime<Utc>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    Live,
    Test,
}

/// Whose tokens are taken, and for whom they must be made.
#[derive(Clone, Debug)]
pub struct Expected {
    pub issuer: String,
    pub audience: String,
}

impl Claims {
    /// The claims of a token, if they are good. Its signature is not looked at.
    ///
    /// `exp`, `iss` and `aud` must be there, and subject, brand and role; `nbf` and `iat` need not, but lie in the past if
    /// they are (RFC 7519, section 4.1).
    pub fn read(said: &Value, names: &ClaimNames, expected: &Expected, now: DateTime<Utc>) -> Option<Self> {
        let begun = |name| {
            said.get(name)
                .is_none_or(|at| moment(at).is_some_and(|at| at <= now + LEEWAY))
        };
        let expires_at = moment(said.get("exp")?)?;
        let in_time = begun("nbf") && begun("iat") && now - LEEWAY < expires_at;
        let ours = said.get("iss")?.as_str()? == expected.issuer && is_for(said.get("aud")?, &expected.audience);
        let claims = names.find(said, expires_at)?;
        let fits = claims.affiliate.is_some() == roles::names_affiliate(claims.role);
        (in_time && ours && fits && is_name(&claims.subject)).then_some(claims)
    }
}

/// A subject is kept with what it changes: it must be a line of text of bounded length, as OpenID Connect has it (Core
/// 1.0, section 2: at most 255 characters).
fn is_name(subject: &str) -> bool {
    (1..=255).contains(&subject.chars().count()) && !subject.chars().any(char::is_control)
}

/// A `NumericDate`: seconds since 1970, maybe with a fraction (RFC 7519, section 2).
fn moment(value: &Value) -> Option<DateTime<Utc>> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "what is too large ends at the last i64, which is no time"
    )]
    DateTime::from_timestamp_micros((value.as_f64()? * 1e6) as i64)
}

/// `aud` is one or several (RFC 7519, section 4.1.3).
fn is_for(audience: &Value, us: &str) -> bool {
    match audience {
        Value::Array(several) => several.iter().all(Value::is_string) && several.iter().any(|one| one == us),
        one => one == us,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: i64 = 1_793_534_400;

    fn own() -> Value {
        json!({
            "sub": "olivia", "brand": BrandId(uuid::Uuid::from_u128(1)), "role": "owner",
            "iss": "rekomi", "aud": "rekomi", "exp": NOW + 60,
        })
    }

    fn read(names: &ClaimNames, said: &Value) -> Option<Claims> {
        let expected = Expected {
            issuer: "rekomi".into(),
            audience: "rekomi".into(),
        };
        Claims::read(said, names, &expected, DateTime::from_timestamp(NOW, 0).unwrap())
    }

    fn with(member: &str, value: Value) -> Value {
        let mut said = own();
        said[member] = value;
        said
    }

    #[test]
    fn what_is_missing_malformed_or_out_of_time_is_refused() {
        let names = ClaimNames::own();
        for (member, value) in [
            ("aud", json!(["other", "rekomi"])),
            ("exp", json!(NOW as f64 - 4.5)),
            ("nbf", json!(NOW + 5)),
            ("iat", json!(NOW as f64 + 4.5)),
            ("mode", json!("test")),
            ("mode", Value::Null),
        ] {
            assert!(read(&names, &with(member, value.clone())).is_some(), "{member} {value}");
        }
        for (member, value) in [
            ("aud", json!("other")),
            ("aud", json!([])),
            ("iss", json!(["rekomi"])),
            ("exp", json!(NOW - 5)),
            ("exp", json!("1893456000")),
            ("exp", json!(1e300)),
            ("nbf", json!(NOW as f64 + 5.5)),
            ("nbf", Value::Null),
            ("iat", json!(NOW + 6)),
            ("sub", json!("")),
            ("sub", json!("a\0b")),
            ("sub", json!("a\r\nb")),
            ("sub", json!("x".repeat(256))),
            ("sub", json!(7)),
            ("role", json!("root")),
            ("role", json!({ "owner": null })),
            ("role", json!(["owner"])),
            ("mode", json!("sandbox")),
            ("affiliate", json!(AffiliateId(uuid::Uuid::from_u128(2)))),
        ] {
            assert_eq!(read(&names, &with(member, value.clone())), None, "{member} {value}");
        }
        for member in ["sub", "brand", "role", "iss", "aud", "exp"] {
            let mut said = own();
            said.as_object_mut().unwrap().remove(member);
            assert_eq!(read(&names, &said), None, "without {member}");
        }
    }
}
