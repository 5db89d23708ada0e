//! Affiliates' links: one for each campaign that an affiliate is in, made in the transaction that puts it there.
//!
//! **Invariant.** Where a link leads is its campaign's landing page. Nothing that a visitor sends has a part in it.

use entity::{
    affiliate, affiliate_link,
    id::{CampaignId, ClickId, LinkId},
};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter};
use uuid::Uuid;

use super::{Domain, tenancy};
use crate::{
    auth::{Actor, Operation},
    clock::Clock,
    error::Result,
};

/// The longest part of a slug that comes from a name.
const MAX_NAME: usize = 24;
/// No slug is longer.
const MAX_SLUG: usize = 64;
/// How many letters of chance end a slug, of five bits each.
const TAIL: u32 = 8;
/// Digits and letters that are not taken for each other.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// What we add to a landing page's address: whose link it was, and which click.
const VIA: &str = "via";
const CLICK: &str = "rk_click";

/// A link that the caller may see.
pub async fn get(domain: &Domain, actor: &Actor, id: LinkId) -> Result<Option<affiliate_link::Model>> {
    actor.require(Operation::ReadAffiliates)?;
    let rows = tenancy::find::<affiliate_link::Entity>(&actor.scope).filter(affiliate_link::Column::Id.eq(id));
    Ok(rows.one(domain.db.reader()).await?)
}

/// Gives an affiliate its links to campaigns that it joins.
pub(super) async fn make_in_txn(
    txn: &impl ConnectionTrait,
    clock: &Clock,
    affiliate: &affiliate::Model,
    campaigns: impl IntoIterator<Item = CampaignId>,
) -> Result<()> {
    let links = campaigns.into_iter().map(|campaign_id| affiliate_link::Model {
        id: LinkId(clock.new_id()),
        brand_id: affiliate.brand_id,
        affiliate_id: affiliate.id,
        campaign_id,
        slug: new_slug(&affiliate.name, clock.new_id()),
        created_at: clock.now(),
    });
    affiliate_link::Entity::insert_many(links.map(IntoActiveModel::into_active_model))
        .exec_without_returning(txn)
        .await?;
    Ok(())
}

/// The name in plain letters, and eight letters of chance: `sarah-jones-7k3m9x2p`.
fn new_slug(name: &str, chance: Uuid) -> String {
    let ascii = any_ascii::any_ascii(name).to_ascii_lowercase();
    let words = ascii.split(|c: char| !c.is_ascii_alphanumeric());
    let name = words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join("-");
    let name: String = name.chars().take(MAX_NAME).collect();
    // The last bits of an id are chance alone.
    let letters = (0..TAIL).map(|place| (chance.as_u128() >> (5 * place)) & 31);
    let letters = letters.filter_map(|bits| ALPHABET.get(usize::try_from(bits).ok()?));
    let tail: String = letters.map(|letter| char::from(*letter)).collect();
    match name.trim_end_matches('-') {
        "" => tail,
        name => format!("{name}-{tail}"),
    }
}

/// Whether a text in lower case may be a slug.
pub fn is_slug(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=MAX_SLUG).contains(&text.len()) && text.bytes().all(allowed)
}

/// The landing page's address for whoever followed a link. What it has of its own stays as it is, byte for byte, but for
/// what goes by our names.
pub fn location(landing_url: &str, slug: &str, click: Option<ClickId>) -> String {
    let (url, fragment) = match landing_url.split_once('#') {
        Some((url, fragment)) => (url, Some(fragment)),
        None => (landing_url, None),
    };
    let (page, query) = url.split_once('?').unwrap_or((url, ""));
    let mut parts: Vec<&str> = query.split('&').filter(|part| !is_ours(part)).collect();
    if parts.last() == Some(&"") {
        parts.pop();
    }
    let via = format!("{VIA}={slug}");
    parts.push(&via);
    let click = click.map(|click| format!("{CLICK}={click}"));
    parts.extend(click.as_deref());
    let mut location = format!("{page}?{}", parts.join("&"));
    if let Some(fragment) = fragment {
        location.push('#');
        location.push_str(fragment);
    }
    location
}

/// Whether a part of a query goes by a name of ours, however it is written.
fn is_ours(part: &str) -> bool {
    let mut pairs = url::form_urlencoded::parse(part.as_bytes());
    pairs.any(|(name, _)| name == VIA || name == CLICK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slug_is_the_name_in_plain_letters_and_chance() {
        let chance = Uuid::from_u128(0x1_8864_1082_0000);
        for (name, expected) in [
            ("Sarah Jones", "sarah-jones-"),
            ("  Pedro  Díaz! ", "pedro-diaz-"),
            ("https://x?y=z&#", "https-x-y-z-"),
            ("!!!", ""),
            ("A very long name that goes on and on", "a-very-long-name-that-go-"),
            ("a very long name of many words", "a-very-long-name-of-many-"),
        ] {
            let slug = new_slug(name, chance);
            assert_eq!(slug.len(), expected.len() + 8, "{slug}");
            assert!(slug.starts_with(expected) && is_slug(&slug), "{slug}");
        }
        assert_ne!(new_slug("a", Uuid::from_u128(1)), new_slug("a", Uuid::from_u128(2)));
    }

    #[test]
    fn only_small_letters_digits_and_dashes_may_be_a_slug() {
        for good in ["a", "7", "sarah-jones-7k3m9x2p", &"a".repeat(64)] {
            assert!(is_slug(good), "{good}");
        }
        for bad in ["", "Sarah", "a/b", "a.b", "a b", "é", "%61", &"a".repeat(65)] {
            assert!(!is_slug(bad), "{bad}");
        }
    }

    #[test]
    fn the_landing_page_keeps_what_it_has() {
        let click: ClickId = "clk_0190000000007000800000000000000a".parse().unwrap();
        let ours = "via=sarah-1&rk_click=clk_0190000000007000800000000000000a";
        for (landing, before, after) in [
            ("https://a.example/", "https://a.example/?", ""),
            (
                "https://a.example/p?x=1&y=%2F+z",
                "https://a.example/p?x=1&y=%2F+z&",
                "",
            ),
            ("https://a.example/p?x=1&", "https://a.example/p?x=1&", ""),
            ("https://a.example/p?", "https://a.example/p?", ""),
            (
                "https://a.example/p?a?b#c?via=d",
                "https://a.example/p?a?b&",
                "#c?via=d",
            ),
            ("https://a.example/#", "https://a.example/?", "#"),
            ("https://a.example/?via=x&k=v&rk_click=y", "https://a.example/?k=v&", ""),
            (
                "https://a.example/?%76ia=x&via&viable=1",
                "https://a.example/?viable=1&",
                "",
            ),
            (
                "https://a.example/?x;via=1&&=&y=via",
                "https://a.example/?x;via=1&&=&y=via&",
                "",
            ),
        ] {
            assert_eq!(
                location(landing, "sarah-1", Some(click)),
                format!("{before}{ours}{after}"),
                "{landing}"
            );
        }
        assert_eq!(
            location("https://a.example/?rk_click=old#f", "sarah-1", None),
            "https://a.example/?via=sarah-1#f"
        );
    }
}
