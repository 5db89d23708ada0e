//! Rows that rows which the caller has found refer to.

use std::{collections::HashMap, sync::Arc};

use entity::{
    affiliate, affiliate_link, affiliate_rate, campaign, campaign_code, campaign_rule, code, conversion, coupon,
    id::{AffiliateId, CampaignId, CodeId, ConversionId, CouponId, EventId, LinkId},
    stripe_event, taken_code,
};
use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use crate::{
    auth::Scope,
    domain::{self, Domain, tenancy},
};

/// Reads rows by id.
macro_rules! by_id {
    ($name:ident, $table:ident, $key:ty) => {
        pub(super) async fn $name(
            domain: Domain,
            scope: Scope,
            ids: Vec<$key>,
        ) -> Result<HashMap<$key, Arc<$table::Model>>, DbErr> {
            let rows = tenancy::referenced::<$table::Entity>(&scope)
                .filter($table::Column::Id.is_in(ids))
                .all(domain.db.reader())
                .await?;
            Ok(rows.into_iter().map(|row| (row.id, Arc::new(row))).collect())
        }
    };
}

by_id!(campaigns, campaign, CampaignId);
by_id!(affiliates, affiliate, AffiliateId);
by_id!(links, affiliate_link, LinkId);
by_id!(coupons, coupon, CouponId);
by_id!(codes, code, CodeId);
by_id!(conversions, conversion, ConversionId);

pub(super) async fn campaign_codes(
    domain: Domain,
    scope: Scope,
    ids: Vec<CampaignId>,
) -> Result<HashMap<CampaignId, Arc<campaign_code::Model>>, DbErr> {
    let rows = tenancy::referenced::<campaign_code::Entity>(&scope)
        .filter(campaign_code::Column::CampaignId.is_in(ids))
        .all(domain.db.reader())
        .await?;
    Ok(rows.into_iter().map(|row| (row.campaign_id, Arc::new(row))).collect())
}

pub(super) async fn rules(
    domain: Domain,
    scope: Scope,
    ids: Vec<CampaignId>,
) -> Result<HashMap<CampaignId, Arc<campaign_rule::Model>>, DbErr> {
    let rows = campaign_rule::Entity::find()
        .filter(campaign_rule::Column::BrandId.eq(scope.brand))
        .filter(campaign_rule::Column::CampaignId.is_in(ids))
        .order_by_asc(campaign_rule::Column::EffectiveFrom)
        .order_by_asc(campaign_rule::Column::Id)
        .all(domain.db.reader())
        .await?;
    Ok(rows.into_iter().map(|row| (row.campaign_id, Arc::new(row))).collect())
}

pub(super) async fn texts(
    domain: Domain,
    scope: Scope,
    ids: Vec<CodeId>,
) -> Result<HashMap<CodeId, Vec<String>>, DbErr> {
    let rows = taken_code::Entity::find()
        .filter(taken_code::Column::BrandId.eq(scope.brand))
        .filter(taken_code::Column::Livemode.eq(scope.livemode))
        .filter(taken_code::Column::CodeId.is_in(ids))
        .order_by_asc(taken_code::Column::CreatedAt)
        .order_by_asc(taken_code::Column::Code)
        .all(domain.db.reader())
        .await?;
    let mut texts: HashMap<CodeId, Vec<String>> = HashMap::new();
    for row in rows {
        texts.entry(row.code_id).or_default().push(row.code);
    }
    Ok(texts)
}

pub(super) async fn links_of(
    domain: Domain,
    scope: Scope,
    ids: Vec<AffiliateId>,
) -> Result<HashMap<AffiliateId, Vec<Arc<affiliate_link::Model>>>, DbErr> {
    let rows = tenancy::referenced::<affiliate_link::Entity>(&scope)
        .filter(affiliate_link::Column::AffiliateId.is_in(ids))
        .order_by_asc(affiliate_link::Column::Id)
        .all(domain.db.reader())
        .await?;
    let mut links: HashMap<AffiliateId, Vec<Arc<affiliate_link::Model>>> = HashMap::new();
    for row in rows {
        links.entry(row.affiliate_id).or_default().push(Arc::new(row));
    }
    Ok(links)
}

pub(super) async fn rates(
    domain: Domain,
    scope: Scope,
    ids: Vec<AffiliateId>,
) -> Result<HashMap<AffiliateId, Arc<Vec<affiliate_rate::Model>>>, DbErr> {
    let rows = domain::rates::current(domain.db.reader(), &scope, ids).await?;
    let mut rates: HashMap<AffiliateId, Vec<affiliate_rate::Model>> = HashMap::new();
    for row in rows {
        rates.entry(row.affiliate_id).or_default().push(row);
    }
    Ok(rates.into_iter().map(|(id, rates)| (id, Arc::new(rates))).collect())
}

pub(super) async fn recruiters(
    domain: Domain,
    scope: Scope,
    ids: Vec<AffiliateId>,
) -> Result<HashMap<AffiliateId, AffiliateId>, DbErr> {
    let rows = domain::recruiters::current(domain.db.reader(), &scope, ids).await?;
    Ok(rows
        .into_iter()
        .filter_map(|row| Some((row.affiliate_id, row.recruiter_id?)))
        .collect())
}

pub(super) async fn event_bodies(
    domain: Domain,
    scope: Scope,
    ids: Vec<EventId>,
) -> Result<HashMap<EventId, Arc<Vec<u8>>>, DbErr> {
    let rows: Vec<(EventId, Vec<u8>)> = tenancy::referenced::<stripe_event::Entity>(&scope)
        .select_only()
        .column(stripe_event::Column::Id)
        .column(stripe_event::Column::Body)
        .filter(stripe_event::Column::Id.is_in(ids))
        .into_tuple()
        .all(domain.db.reader())
        .await?;
    Ok(rows.into_iter().map(|(id, body)| (id, Arc::new(body))).collect())
}
