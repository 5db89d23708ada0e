//! What a reported sale names: found among the brand's rows, and made to agree.

use std::collections::BTreeSet;

use entity::{
    affiliate, affiliate_campaign, affiliate_link, campaign, campaign_code, click, code,
    id::{AffiliateId, CampaignId},
};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect, Select};

use super::{affiliates, code_text, reported_input::RecordConversion, reports::ReportedCode, taken, tenancy};
use crate::{
    auth::Scope,
    error::{Error, Problems, Result, UserErrorCode},
};

/// What a sale names, all of it the brand's.
pub(super) struct Named {
    pub(super) click: Option<click::Model>,
    pub(super) link: Option<affiliate_link::Model>,
    pub(super) code: Option<ReportedCode>,
    pub(super) affiliate: Option<AffiliateId>,
    pub(super) campaign: Option<CampaignId>,
}

impl Named {
    /// # Errors
    /// `NOT_FOUND` on the fields that name what is not there, or is not the brand's.
    pub(super) async fn find(db: &impl ConnectionTrait, scope: &Scope, input: &RecordConversion) -> Result<Self> {
        let mut problems = Problems::default();
        let click = found(db, &mut problems, "clickId", input.click_id, |id| {
            tenancy::find::<click::Entity>(scope).filter(click::Column::Id.eq(id))
        });
        let click = click.await?;
        let slug = input.link_slug.as_deref().map(slug);
        let link = found(db, &mut problems, "linkSlug", slug, |slug| {
            tenancy::find::<affiliate_link::Entity>(scope).filter(affiliate_link::Column::Slug.eq(slug))
        });
        let link = link.await?;
        let code = match input.code.as_deref().and_then(code_text::normalized) {
            Some(code) => {
                let owner = taken::owner(db, scope, &code).await?;
                owner.map(|id| ReportedCode { id, code })
            }
            None => None,
        };
        there(&mut problems, "code", input.code.is_none() || code.is_some());
        let affiliate = found(db, &mut problems, "affiliateId", input.affiliate_id, |id| {
            tenancy::find::<affiliate::Entity>(scope).filter(affiliate::Column::Id.eq(id))
        });
        let affiliate = affiliate.await?.map(|row| row.id);
        let campaign = found(db, &mut problems, "campaignId", input.campaign_id, |id| {
            tenancy::find::<campaign::Entity>(scope).filter(campaign::Column::Id.eq(id))
        });
        let campaign = campaign.await?.map(|row| row.id);
        problems.check()?;
        Ok(Self {
            click,
            link,
            code,
            affiliate,
            campaign,
        })
    }

    /// The campaign that the sale is told to be of: clicks of others do not count then. Where an affiliate is named, and
    /// neither a link nor a campaign, it is the only one that the affiliate is in.
    ///
    /// # Errors
    /// `INVALID` on the fields that contradict one another, or on the whole where nothing is named to credit by.
    pub(super) async fn agree(&self, db: &impl ConnectionTrait) -> Result<Option<CampaignId>> {
        if self.fields().is_empty() {
            let message = "Name what to credit it by: clickId, code, linkSlug or affiliateId.";
            return Err(invalid(&[], message));
        }
        if let (Some(link), Some(affiliate)) = (&self.link, self.affiliate)
            && link.affiliate_id != affiliate
        {
            return Err(invalid(&["linkSlug"], "It is another affiliate's link."));
        }
        match (&self.link, self.affiliate, self.campaign) {
            (Some(link), _, Some(campaign)) if link.campaign_id != campaign => {
                Err(invalid(&["campaignId"], "The link is of another campaign."))
            }
            (Some(_), _, campaign) => Ok(campaign),
            (None, Some(affiliate), Some(campaign)) => {
                if affiliates::is_in(db, affiliate, campaign).await? {
                    Ok(Some(campaign))
                } else {
                    Err(invalid(&["campaignId"], "The affiliate is not in this campaign."))
                }
            }
            (None, Some(affiliate), None) => {
                let only = only_campaign(db, affiliate).await?;
                if self.click.as_ref().is_some_and(|click| click.campaign_id != only) {
                    let message = "The click is of another campaign than the affiliate: say which counts.";
                    return Err(invalid(&["campaignId"], message));
                }
                Ok(Some(only))
            }
            (None, None, Some(campaign)) if !self.campaigns(db).await?.contains(&campaign) => Err(invalid(
                &["campaignId"],
                "What it is to be credited by is of another campaign.",
            )),
            (None, None, campaign) => Ok(campaign),
        }
    }

    /// The campaigns of the click and the code.
    async fn campaigns(&self, db: &impl ConnectionTrait) -> Result<BTreeSet<CampaignId>> {
        let mut campaigns: BTreeSet<CampaignId> = self.click.iter().map(|click| click.campaign_id).collect();
        if let Some(ReportedCode { id, .. }) = self.code {
            let own = code::Entity::find_by_id(id).one(db).await?;
            let shared = campaign_code::Entity::find_by_id(id).one(db).await?;
            campaigns.extend(own.map(|row| row.campaign_id));
            campaigns.extend(shared.map(|row| row.campaign_id));
        }
        Ok(campaigns)
    }

    /// The fields by which a sale can be credited that were given.
    pub(super) fn fields(&self) -> Vec<&'static str> {
        let given = [
            ("clickId", self.click.is_some()),
            ("linkSlug", self.link.is_some()),
            ("code", self.code.is_some()),
            ("affiliateId", self.affiliate.is_some()),
        ];
        given
            .into_iter()
            .filter_map(|(field, is_given)| is_given.then_some(field))
            .collect()
    }
}

/// The row that a field names; a problem where it names none. What could not be read is `Some(None)`.
async fn found<E: EntityTrait, K>(
    db: &impl ConnectionTrait,
    problems: &mut Problems,
    field: &'static str,
    given: Option<Option<K>>,
    rows: impl FnOnce(K) -> Select<E>,
) -> Result<Option<E::Model>> {
    let is_given = given.is_some();
    let row = match given.flatten() {
        Some(key) => rows(key).one(db).await?,
        None => None,
    };
    there(problems, field, !is_given || row.is_some());
    Ok(row)
}

fn there(problems: &mut Problems, field: &'static str, is_there: bool) {
    if !is_there {
        problems.add(UserErrorCode::NotFound, &[field], "There is no such object.");
    }
}

/// A slug as it is stored, if it can be one at all.
fn slug(text: &str) -> Option<String> {
    let slug = text.trim().to_ascii_lowercase();
    slug.bytes().all(|byte| byte.is_ascii_graphic()).then_some(slug)
}

async fn only_campaign(db: &impl ConnectionTrait, affiliate: AffiliateId) -> Result<CampaignId> {
    let memberships = affiliate_campaign::Entity::find()
        .filter(affiliate_campaign::Column::AffiliateId.eq(affiliate))
        .limit(2)
        .all(db)
        .await?;
    match memberships.as_slice() {
        [only] => Ok(only.campaign_id),
        _ => Err(invalid(
            &["campaignId"],
            "The affiliate is in several campaigns: say which.",
        )),
    }
}

fn invalid(field: &[&'static str], message: &str) -> Error {
    Error::user(UserErrorCode::Invalid, field, message)
}
