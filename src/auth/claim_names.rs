//! Under which names a token's claims are found.
//!
//! **Invariant.** A claim is looked for in one place alone: where it has another name, the usual one means nothing. So
//! nobody becomes an owner by a claim that their identity provider lets them write themselves.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use entity::id::BrandId;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Role, claims::Claims};

/// Where each claim is: its name, or a JSON pointer (RFC 6901), which begins with `/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimNames {
    subject: String,
    brand: String,
    role: String,
    affiliate: String,
    mode: String,
    /// Whether the role may stand in a list, among roles of other applications.
    role_lists: bool,
    /// The one brand that the tokens can be of; they need not name it.
    only: Option<BrandId>,
}

impl ClaimNames {
    /// The names in tokens that Rekomi signs.
    pub fn own() -> Self {
        Self {
            subject: "sub".into(),
            brand: "brand".into(),
            role: "role".into(),
            affiliate: "affiliate".into(),
            mode: "mode".into(),
            role_lists: false,
            only: None,
        }
    }

    /// For an issuer of one brand's: its tokens open no other.
    #[must_use]
    pub fn of_brand(self, only: Option<BrandId>) -> Self {
        Self { only, ..self }
    }

    /// The claims of ours in a token, each a string of the right form.
    pub(super) fn find(&self, said: &Value, expires_at: DateTime<Utc>) -> Option<Claims> {
        Some(Claims {
            subject: required(said, &self.subject)?,
            brand: self.brand(optional(said, &self.brand)?)?,
            role: self.role(find(said, &self.role)?)?,
            affiliate: optional(said, &self.affiliate)?,
            mode: optional(said, &self.mode)?,
            expires_at,
        })
    }

    fn brand(&self, named: Option<BrandId>) -> Option<BrandId> {
        match (named, self.only) {
            (Some(named), Some(only)) => Some(only).filter(|only| *only == named),
            (named, only) => named.or(only),
        }
    }

    /// A role, or the one role of ours in a list of strings.
    fn role(&self, value: &Value) -> Option<Role> {
        let Some(list) = value.as_array().filter(|_| self.role_lists) else {
            return text(value);
        };
        let mut ours = list.iter().filter_map(text);
        let one = ours.next().filter(|_| list.iter().all(Value::is_string));
        one.filter(|_| ours.next().is_none())
    }
}

/// For tokens of other issuers: `brand=https://acme.example/brand,role=/realm_access/roles`. What it does not name keeps
/// its usual name.
impl FromStr for ClaimNames {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut names = Self::own();
        names.role_lists = true;
        let mut named = Vec::new();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let wrong = || "must be like brand=https://acme.example/brand,role=/realm_access/roles".to_owned();
            let (claim, place) = part.split_once('=').ok_or_else(wrong)?;
            let (claim, place) = (claim.trim(), place.trim());
            let name = match claim {
                "subject" => &mut names.subject,
                "brand" => &mut names.brand,
                "role" => &mut names.role,
                "affiliate" => &mut names.affiliate,
                "mode" => &mut names.mode,
                _ => return Err("can name subject, brand, role, affiliate and mode".to_owned()),
            };
            if place.is_empty() || named.contains(&claim) || !is_pointer_or_name(place) {
                return Err(format!("has no good place for {claim}, or more than one"));
            }
            named.push(claim);
            place.clone_into(name);
        }
        Ok(names)
    }
}

/// In a pointer `~` is written `~0` and `/` is written `~1` (RFC 6901, section 3).
fn is_pointer_or_name(place: &str) -> bool {
    !place.starts_with('/') || place.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']))
}

fn find<'a>(said: &'a Value, place: &str) -> Option<&'a Value> {
    let found = if place.starts_with('/') {
        said.pointer(place)
    } else {
        said.get(place)
    };
    found.filter(|value| !value.is_null())
}

/// What a string says. An enum would be read from an object, too.
fn text<T: DeserializeOwned>(value: &Value) -> Option<T> {
    T::deserialize(value).ok().filter(|_| value.is_string())
}

fn required<T: DeserializeOwned>(said: &Value, place: &str) -> Option<T> {
    text(find(said, place)?)
}

/// Not there is good, and there but wrong is not.
fn optional<T: DeserializeOwned>(said: &Value, place: &str) -> Option<Option<T>> {
    find(said, place).map_or(Some(None), |value| text(value).map(Some))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{super::claims::Mode, *};

    const BRAND: &str = "brd_00000000000000000000000000000001";

    #[test]
    fn a_claim_with_another_name_is_found_there_and_nowhere_else() {
        let names: ClaimNames = "role=/access/a~1b, mode=https://x.test/mode".parse().unwrap();
        let find = |names: &ClaimNames, roles: Value| {
            let access = json!({ "a/b": roles });
            let said = json!({ "sub": "olivia", "brand": BRAND, "role": "owner", "mode": "test", "access": access });
            names.find(&said, DateTime::UNIX_EPOCH)
        };
        let own = find(&ClaimNames::own(), Value::Null).unwrap();
        assert_eq!((own.role, own.mode), (Role::Owner, Some(Mode::Test)));
        let claims = find(&names, json!(["offline_access", "analyst"])).unwrap();
        assert_eq!((claims.role, claims.mode), (Role::Analyst, None));
        assert_eq!(find(&names, json!("manager")).unwrap().role, Role::Manager);
        for roles in [
            Value::Null,
            json!([]),
            json!("Owner"),
            json!(["owner", "analyst"]),
            json!(["owner", "owner"]),
            json!(["owner", 7]),
        ] {
            assert_eq!(find(&names, roles.clone()), None, "{roles}");
        }
    }

    #[test]
    fn an_issuer_of_one_brand_opens_no_other() {
        let only: BrandId = BRAND.parse().unwrap();
        let names = ClaimNames::own().of_brand(Some(only));
        let brand = |names: &ClaimNames, brand: Value| {
            let said = json!({ "sub": "olivia", "brand": brand, "role": "owner" });
            names.find(&said, DateTime::UNIX_EPOCH).map(|claims| claims.brand)
        };
        let other = json!(BRAND.replace('1', "2"));
        assert_eq!(brand(&names, Value::Null), Some(only));
        assert_eq!(brand(&names, json!(BRAND)), Some(only));
        assert_eq!(brand(&names, other.clone()), None);
        assert_eq!(brand(&names, json!("nonsense")), None);
        assert_eq!(brand(&ClaimNames::own(), Value::Null), None);
        assert!(brand(&ClaimNames::own(), other).is_some());
    }

    #[test]
    fn a_malformed_mapping_is_refused() {
        let malformed = "role; role=; =x; admin=x; role=a,role=b; role=/a~2; role=/a~; sub=a";
        for text in malformed.split("; ") {
            assert!(text.parse::<ClaimNames>().is_err(), "{text}");
        }
        assert_eq!("subject = a=b ,".parse::<ClaimNames>().unwrap().subject, "a=b");
    }
}
