//! Sales that a brand's own server reports, and their refunds.
//!
//! **Invariants.** A sale is known by its external id, within its brand and mode, and is recorded once: the same report
//! again answers with what is there. A sale that credits nobody is not recorded. Refunds are cumulative: the larger
//! figure counts, in any order, also before the sale.

use entity::{conversion, id::CampaignId};
use sea_orm::{ColumnTrait, DatabaseTransaction, QueryFilter};
use serde_json::json;

pub use super::reported_input::{Amount, RecordConversion, RefundConversion};
use super::{
    Domain, audit, conversions,
    feed::FeedName,
    reported_input::Figures,
    reported_names::Named,
    reports::{Report, ReportedRefund, ReportedSale, ReportedSoFar},
    sale_log, tenancy,
};
use crate::{
    auth::{Actor, Operation},
    error::{Error, Result, UserErrorCode},
};

/// What became of a report.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// It moved something.
    New(conversion::Model),
    /// It was known.
    Known(conversion::Model),
}

impl Outcome {
    pub fn conversion(self) -> conversion::Model {
        match self {
            Self::New(row) | Self::Known(row) => row,
        }
    }
}

/// Records a sale that was made outside Stripe.
///
/// # Errors
/// `INVALID` and `NOT_FOUND` on the fields that they are about; `INVALID` where nobody would be credited; `TAKEN` on
/// `externalId` where another sale has it.
pub async fn record(domain: &Domain, actor: &Actor, input: &RecordConversion) -> Result<Outcome> {
    actor.require(Operation::ReportConversions)?;
    let figures = Figures::check(input, domain.clock.now())?;
    let outcome = sale_log::again(|| record_once(domain, actor, input, &figures)).await?;
    if let Outcome::New(_) = &outcome {
        domain.books.ring();
    }
    Ok(outcome)
}

async fn record_once(domain: &Domain, actor: &Actor, input: &RecordConversion, figures: &Figures) -> Result<Outcome> {
    let txn = domain.db.begin().await?;
    let known = reported_in_txn(&txn, domain, actor, &figures.external_id).await?;
    let named = Named::find(&txn, &actor.scope, input).await?;
    if let Some(sale) = &known.sale {
        if !is_same(sale, figures, &named) {
            let message = "Another sale has this external id.";
            return Err(Error::user(UserErrorCode::Taken, &["externalId"], message));
        }
        let row = conversion_in_txn(&txn, domain, actor, &figures.external_id).await?;
        return row.map(Outcome::Known).ok_or_else(lost);
    }
    let campaign = named.agree(&txn).await?;
    let now = domain.clock.now().timestamp();
    let sale = report(figures, &named, figures.at.unwrap_or(now), now, campaign);
    sale_log::tell_in_txn(&txn, domain, actor, &[Report::Sale(sale.clone())]).await?;
    let row = conversion_in_txn(&txn, domain, actor, &figures.external_id).await?;
    let row = row.ok_or_else(|| credits_nobody(&named))?;
    let told = json!({
        "externalId": sale.external_id, "amount": sale.amount, "tax": sale.tax, "currency": sale.currency,
        "occurredAt": row.occurred_at, "affiliateId": row.affiliate_id, "campaignId": row.campaign_id,
    });
    let entry = audit::Entry::created("conversion.recorded", row.id, &told)?;
    audit::record_in_txn(&txn, &domain.clock, actor, entry).await?;
    txn.commit().await?;
    Ok(Outcome::New(row))
}

/// A sale that was made at a time by the server's clock, and heard of at one by ours.
fn report(figures: &Figures, named: &Named, made: i64, heard: i64, campaign: Option<CampaignId>) -> ReportedSale {
    ReportedSale {
        external_id: figures.external_id.clone(),
        at: made.min(heard),
        claimed_at: Some(made).filter(|made| *made > heard),
        currency: figures.currency,
        amount: figures.amount,
        tax: figures.tax,
        customer_email: figures.customer_email.clone(),
        click: named.click.as_ref().map(|row| row.id),
        link: named.link.as_ref().map(|row| row.id),
        code: named.code.clone(),
        affiliate: named.affiliate,
        campaign,
    }
}

/// Whether a report says what is known already. What it leaves to us, the time and the campaign, is what we took then.
fn is_same(known: &ReportedSale, figures: &Figures, named: &Named) -> bool {
    let made = figures.at.or(known.claimed_at).unwrap_or(known.at);
    let again = report(figures, named, made, known.at, named.campaign.or(known.campaign));
    let email = |sale: &ReportedSale| sale.customer_email.as_deref().map(str::to_lowercase);
    let same_customer = email(&again) == email(known);
    let again = ReportedSale {
        customer_email: known.customer_email.clone(),
        ..again
    };
    same_customer && again == *known
}

fn credits_nobody(named: &Named) -> Error {
    let fields = named.fields();
    // Of several, all of them.
    let field = if fields.len() == 1 { fields } else { Vec::new() };
    let message = "It credits nobody, so the sale is not recorded.";
    Error::user(UserErrorCode::Invalid, &field, message)
}

/// Records what went back of such a sale; `None` while the sale has not come: it is kept until then.
///
/// # Errors
/// `INVALID` on the fields that break a rule.
pub async fn refund(domain: &Domain, actor: &Actor, input: &RefundConversion) -> Result<Option<Outcome>> {
    actor.require(Operation::ReportConversions)?;
    let refund = input.check()?;
    let (row, moved) = sale_log::again(|| refund_once(domain, actor, &refund)).await?;
    if moved {
        domain.books.ring();
        return Ok(row.map(Outcome::New));
    }
    Ok(row.map(Outcome::Known))
}

/// The conversion, and whether the refund told anything new.
async fn refund_once(
    domain: &Domain,
    actor: &Actor,
    refund: &ReportedRefund,
) -> Result<(Option<conversion::Model>, bool)> {
    let external_id = &refund.refunded_external_id;
    let txn = domain.db.begin().await?;
    let known = reported_in_txn(&txn, domain, actor, external_id).await?;
    if let Some(sale) = &known.sale {
        is_of(refund, sale)?;
    }
    if known.covers(refund) {
        let row = conversion_in_txn(&txn, domain, actor, external_id).await?;
        return Ok((row, false));
    }
    sale_log::tell_in_txn(&txn, domain, actor, &[Report::Refund(refund.clone())]).await?;
    let row = conversion_in_txn(&txn, domain, actor, external_id).await?;
    let object = row
        .as_ref()
        .map_or_else(|| external_id.clone(), |row| row.id.to_string());
    let refunded = match refund.amount {
        Some((amount, currency)) => format!("{} {currency}", currency.major_units(amount)),
        None => "all".to_owned(),
    };
    let told = json!({ "externalId": external_id, "refunded": refunded });
    let entry = audit::Entry::created("conversion.refunded", object, &told)?;
    audit::record_in_txn(&txn, &domain.clock, actor, entry).await?;
    txn.commit().await?;
    Ok((row, true))
}

/// Whether a refund can be one of this sale.
fn is_of(refund: &ReportedRefund, sale: &ReportedSale) -> Result<()> {
    let invalid =
        |field: &'static str, message: &str| Err(Error::user(UserErrorCode::Invalid, &["amount", field], message));
    match refund.amount {
        Some((_, currency)) if currency != sale.currency => invalid("currency", "It must be the sale's."),
        Some((amount, _)) if amount > sale.amount => invalid("minorUnits", "It is more than the sale."),
        _ => Ok(()),
    }
}

async fn reported_in_txn(
    txn: &DatabaseTransaction,
    domain: &Domain,
    actor: &Actor,
    external_id: &str,
) -> Result<ReportedSoFar> {
    let feed = FeedName::from(&actor.scope);
    domain.books.reported_in_txn(txn, feed, external_id).await
}

/// What stands of a reported sale: it has one part.
async fn conversion_in_txn(
    txn: &DatabaseTransaction,
    domain: &Domain,
    actor: &Actor,
    external_id: &str,
) -> Result<Option<conversion::Model>> {
    let known = reported_in_txn(txn, domain, actor, external_id).await?;
    let row = tenancy::find::<conversion::Entity>(&actor.scope)
        .filter(conversion::Column::SaleId.eq(known.row))
        .filter(conversions::not_joined());
    Ok(row.one(txn).await?)
}

fn lost() -> Error {
    Error::Internal("a reported sale without its conversion".into())
}
