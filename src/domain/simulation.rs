//! Who would be credited for a sale, and why: what the projection asks of a sale is asked of an imagined one. Nothing is
//! recorded.
//!
//! No amount is known, so a percentage is worked out on a sale of 100.00 to compare it with a fixed discount.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use entity::{
    campaign_code, code, coupon,
    id::{CampaignId, ClickId},
};
use sea_orm::{ColumnTrait, QueryFilter};

use super::{
    Domain,
    attribution::{self, Asked, Candidate, Decision, Evidence, Step},
    campaigns, code_text, page, taken, tenancy,
};
use crate::{
    auth::{Actor, Operation, Scope},
    error::{Error, Result},
};

/// How many codes a sale may be imagined with.
const MAX_CODES: usize = 20;
/// The longest text of a code, a click or an e-mail address. Characters.
const MAX_TEXT: usize = 254;

/// A sale that nobody made.
#[derive(Clone, Debug, Default)]
pub struct Imagined {
    /// As typed at checkout.
    pub codes: Vec<String>,
    pub click: Option<String>,
    /// Where it is given, clicks of other campaigns do not count. `Some(None)` is an id that could not be read.
    pub campaign: Option<Option<CampaignId>>,
    /// Now, where it is left out.
    pub occurred_at: Option<DateTime<Utc>>,
    pub customer_email: Option<String>,
}

/// The brand's codes on an imagined sale.
#[derive(Default)]
struct Typed {
    codes: Vec<Candidate>,
    shared: BTreeSet<String>,
    unknown: BTreeSet<String>,
}

/// Decides. A code, a click or a campaign that is not the brand's is a step of the trail.
///
/// # Errors
/// `BAD_USER_INPUT` that names the field: too many or too long texts, a time that no sale can have.
pub async fn simulate(domain: &Domain, actor: &Actor, sale: &Imagined) -> Result<Decision> {
    actor.require(Operation::SimulateAttribution)?;
    check(sale)?;
    let scope = &actor.scope;
    let db = domain.db.reader();
    let campaign = match sale.campaign.flatten() {
        Some(id) => campaigns::find(db, scope, id).await?.map(|campaign| campaign.id),
        None => None,
    };
    let unknown_campaign = sale.campaign.is_some() && campaign.is_none();
    let typed = typed(domain, scope, &sale.codes).await?;
    let click: Option<ClickId> = sale.click.as_ref().and_then(|click| click.trim().parse().ok());
    let clicks: BTreeSet<ClickId> = click.filter(|_| !unknown_campaign).into_iter().collect();
    let asked = Asked {
        codes: typed.codes.iter().map(|code| code.code_id).collect(),
        clicks: clicks.clone(),
        ..Asked::default()
    };
    let known = domain.books.known(db, scope.into(), asked).await?;
    let at = sale.occurred_at.unwrap_or_else(|| domain.clock.now());
    let mut decision = attribution::decide(Evidence {
        at,
        began: at,
        codes: &typed.codes,
        shared: &typed.shared,
        clicks: &clicks,
        campaign,
        word: None,
        bound: None,
        customer_email: sale.customer_email.as_deref(),
        verdicts: &[],
        known: &known,
    });
    decision
        .trail
        .extend(typed.unknown.iter().map(|text| Step::unknown_code(text)));
    if unknown_campaign {
        decision.trail.push(Step::unknown_campaign());
    }
    if let Some(text) = sale.click.as_ref().filter(|_| click.is_none()) {
        decision.trail.push(Step::unknown_click(text.trim()));
    }
    Ok(decision)
}

fn check(sale: &Imagined) -> Result<()> {
    page::moment("occurredAt", sale.occurred_at)?;
    let short = |text: &String| text.chars().count() <= MAX_TEXT;
    let fields = [
        ("codes", sale.codes.len() <= MAX_CODES && sale.codes.iter().all(short)),
        ("clickId", sale.click.iter().all(short)),
        ("customerEmail", sale.customer_email.iter().all(short)),
    ];
    match fields.into_iter().find(|(_, good)| !good) {
        Some((field, _)) => Err(Error::BadUserInput(format!(
            "{field}: at most {MAX_CODES} texts of at most {MAX_TEXT} characters."
        ))),
        None => Ok(()),
    }
}

async fn typed(domain: &Domain, scope: &Scope, texts: &[String]) -> Result<Typed> {
    let mut typed = Typed::default();
    let db = domain.db.reader();
    for text in texts {
        let known = match code_text::normalized(text) {
            Some(text) => taken::owner(db, scope, &text).await?.map(|id| (id, text)),
            None => None,
        };
        let Some((id, text)) = known else {
            typed.unknown.insert(text.trim().to_owned());
            continue;
        };
        let own = tenancy::find::<code::Entity>(scope).filter(code::Column::Id.eq(id));
        let shared = tenancy::find::<campaign_code::Entity>(scope).filter(campaign_code::Column::Id.eq(id));
        if let Some(row) = own.one(db).await? {
            let coupon = tenancy::referenced::<coupon::Entity>(scope).filter(coupon::Column::Id.eq(row.coupon_id));
            typed.codes.push(Candidate {
                code_id: id,
                code: text,
                promotion_code: row.stripe_id.unwrap_or_else(|| id.to_string()),
                discount: coupon.one(db).await?.map_or(0, |coupon| takes_off(&coupon)),
                start: 0,
            });
        } else if shared.one(db).await?.is_some() {
            typed.shared.insert(text);
        } else {
            typed.unknown.insert(text);
        }
    }
    Ok(typed)
}

/// Minor units off a sale of 100.00: as many as a percentage has basis points.
fn takes_off(coupon: &coupon::Model) -> i64 {
    let percent = coupon.percent_off_bps.map(i64::from);
    percent.or(coupon.amount_off).unwrap_or(0)
}
