//! The one door to tenant-owned rows: [`find`] takes the caller's scope, and there is no other way to them for GraphQL
//! or REST. A test sees to it that no resolver or handler goes round.

use entity::{
    affiliate, affiliate_campaign, affiliate_link, affiliate_total, api_key, audit_entry, campaign, campaign_code,
    campaign_total, click, code, conversion, coupon, feed_event, id::AffiliateId, ledger_entry, redemption,
    stripe_event,
};
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, QueryFilter, QuerySelect, QueryTrait, Select,
    sea_query::{Expr, ExprTrait, LockType, SelectStatement},
};

use crate::auth::Scope;

/// A table whose rows belong to a brand.
pub trait Owned: EntityTrait {
    /// The brand's rows, of the scope's mode where the table has one.
    fn of_brand(scope: &Scope) -> Condition;

    /// Which of the brand's rows the scope may find.
    fn visible(scope: &Scope) -> Condition;
}

/// The rows of a table that a scope may find.
pub fn find<E: Owned>(scope: &Scope) -> Select<E> {
    E::find().filter(E::of_brand(scope)).filter(E::visible(scope))
}

/// That a row is one of them, for statements that join it to something else.
pub(super) fn seen<E: Owned>(scope: &Scope) -> Condition {
    E::of_brand(scope).add(E::visible(scope))
}

/// The same rows, each held against other changes until the end of the transaction, so that what is read is what is
/// changed. What only refers to them does not wait. SQLite's transactions hold everything as it is.
pub fn find_to_change<E: Owned>(scope: &Scope) -> Select<E> {
    find::<E>(scope).lock(LockType::NoKeyUpdate)
}

/// Rows that a row which the scope has found refers to: the coupon of its code, deleted or not. Only for ids that were
/// read from the database; whoever asks by an id that a caller gave, as minting does, checks what the caller may know.
pub fn referenced<E: Owned>(scope: &Scope) -> Select<E> {
    E::find().filter(E::of_brand(scope))
}

/// A condition for affiliates alone.
fn for_affiliate(scope: &Scope, condition: impl FnOnce(AffiliateId) -> Condition) -> Condition {
    scope.affiliate.map_or_else(Condition::all, condition)
}

/// The campaigns that an affiliate is in.
pub(super) fn campaigns_of(affiliate: AffiliateId) -> SelectStatement {
    affiliate_campaign::Entity::find()
        .select_only()
        .column(affiliate_campaign::Column::CampaignId)
        .filter(affiliate_campaign::Column::AffiliateId.eq(affiliate))
        .into_query()
}

/// Nothing at all.
fn none() -> Condition {
    Condition::all().add(Expr::val(1).eq(0))
}

fn all_of(conditions: impl IntoIterator<Item = sea_orm::sea_query::SimpleExpr>) -> Condition {
    conditions.into_iter().fold(Condition::all(), Condition::add)
}

impl Owned for campaign::Entity {
    fn of_brand(scope: &Scope) -> Condition {
        all_of([campaign::Column::BrandId.eq(scope.brand)])
    }

    /// An affiliate sees those that it is in.
    fn visible(scope: &Scope) -> Condition {
        for_affiliate(scope, |own| {
            all_of([campaign::Column::Id.in_subquery(campaigns_of(own))])
        })
    }
}

impl Owned for affiliate::Entity {
    fn of_brand(scope: &Scope) -> Condition {
        all_of([affiliate::Column::BrandId.eq(scope.brand)])
    }

    /// An affiliate sees itself alone.
    fn visible(scope: &Scope) -> Condition {
        for_affiliate(scope, |own| all_of([affiliate::Column::Id.eq(own)]))
    }
}

impl Owned for affiliate_link::Entity {
    fn of_brand(scope: &Scope) -> Condition {
        all_of([affiliate_link::Column::BrandId.eq(scope.brand)])
    }

    fn visible(scope: &Scope) -> Condition {
        for_affiliate(scope, |own| all_of([affiliate_link::Column::AffiliateId.eq(own)]))
    }
}

/// Of both modes.
impl Owned for click::Entity {
    fn of_brand(scope: &Scope) -> Condition {
        all_of([click::Column::BrandId.eq(scope.brand)])
    }

    fn visible(scope: &Scope) -> Condition {
        for_affiliate(scope, |own| all_of([click::Column::AffiliateId.eq(own)]))
    }
}

impl Owned for coupon::Entity {
    fn of_brand(scope: &Scope) -> Condition {
        all_of([
            coupon::Column::BrandId.eq(scope.brand),
            coupon::Column::Livemode.eq(scope.livemode),
        ])
    }

    /// Deleted ones are gone. An affiliate sees those of its campaigns that it may mint on or has codes on, and none
    /// that is exclusive to another.
    fn visible(scope: &Scope) -> Condition {
        let own = for_affiliate(scope, |own| {
            let with_codes = code::Entity::find()
                .select_only()
                .column(code::Column::CouponId)
                .filter(code::Column::AffiliateId.eq(own))
                .filter(code::Column::DeletedAt.is_null())
                .into_query();
            let mintable = all_of([
                coupon::Column::AllowAffiliateSelfMint.eq(true),
                coupon::Column::CampaignId.in_subquery(campaigns_of(own)),
            ]);
            let used = coupon::Column::Id.in_subquery(with_codes);
            let shared = coupon::Column::AffiliateId.is_null();
            Condition::all()
                .add(Condition::any().add(mintable).add(used))
                .add(Condition::any().add(shared).add(coupon::Column::AffiliateId.eq(own)))
        });
        Condition::all().add(coupon::Column::DeletedAt.is_null()).add(own)
    }
}

impl Owned for campaign_code::Entity {
    fn of_brand(scope: &Scope) -> Condition {
        all_of([
            campaign_code::Column::BrandId.eq(scope.brand),
            campaign_code::Column::Livemode.eq(scope.livemode),
        ])
    }

    /// An affiliate sees those of its campaigns.
    fn visible(scope: &Scope) -> Condition {
        for_affiliate(scope, |own| {
            all_of([campaign_code::Column::CampaignId.in_subquery(campaigns_of(own))])
        })
    }
}

impl Owned for code::Entity {
    fn of_brand(scope: &Scope) -> Condition {
        all_of([
            code::Column::BrandId.eq(scope.brand),
            code::Column::Livemode.eq(scope.livemode),
        ])
    }

    fn visible(scope: &Scope) -> Condition {
        for_affiliate(scope, |own| all_of([code::Column::AffiliateId.eq(own)]))
    }
}

impl Owned for conversion::Entity {
    fn of_brand(scope: &Scope) -> Condition {
        all_of([
            conversion::Column::BrandId.eq(scope.brand),
            conversion::Column::Livemode.eq(scope.livemode),
        ])
    }

    fn visible(scope: &Scope) -> Condition {
        for_affiliate(scope, |own| all_of([conversion::Column::AffiliateId.eq(own)]))
    }
}

/// One that is counted for nobody is seen by no affiliate.
impl Owned for affiliate_total::Entity {
    fn of_brand(scope: &Scope) -> Condition {
        all_of([
            affiliate_total::Column::BrandId.eq(scope.brand),
            affiliate_total::Column::Livemode.eq(scope.livemode),
        ])
    }

    fn visible(scope: &Scope) -> Condition {
        for_affiliate(scope, |own| all_of([affiliate_total::Column::AffiliateId.eq(own)]))
    }
}

impl Owned for campaign_total::Entity {
    fn of_brand(scope: &Scope) -> Condition {
        all_of([
            campaign_total::Column::BrandId.eq(scope.brand),
            campaign_total::Column::Livemode.eq(scope.livemode),
        ])
    }

    fn visible(scope: &Scope) -> Condition {
        for_affiliate(scope, |_| none())
    }
}

impl Owned for redemption::Entity {
    fn of_brand(scope: &Scope) -> Condition {
        all_of([
            redemption::Column::BrandId.eq(scope.brand),
            redemption::Column::Livemode.eq(scope.livemode),
        ])
    }

    /// An affiliate sees those of its codes.
    fn visible(scope: &Scope) -> Condition {
        for_affiliate(scope, |own| {
            let codes = code::Entity::find()
                .select_only()
                .column(code::Column::Id)
                .filter(code::Column::AffiliateId.eq(own))
                .into_query();
            all_of([redemption::Column::CodeId.in_subquery(codes)])
        })
    }
}

impl Owned for ledger_entry::Entity {
    fn of_brand(scope: &Scope) -> Condition {
        all_of([
            ledger_entry::Column::BrandId.eq(scope.brand),
            ledger_entry::Column::Livemode.eq(scope.livemode),
        ])
    }

    fn visible(scope: &Scope) -> Condition {
        for_affiliate(scope, |own| all_of([ledger_entry::Column::AffiliateId.eq(own)]))
    }
}

impl Owned for feed_event::Entity {
    fn of_brand(scope: &Scope) -> Condition {
        all_of([
            feed_event::Column::BrandId.eq(scope.brand),
            feed_event::Column::Livemode.eq(scope.livemode),
        ])
    }

    fn visible(scope: &Scope) -> Condition {
        for_affiliate(scope, |own| all_of([feed_event::Column::AffiliateId.eq(own)]))
    }
}

impl Owned for api_key::Entity {
    fn of_brand(scope: &Scope) -> Condition {
        all_of([
            api_key::Column::BrandId.eq(scope.brand),
            api_key::Column::Livemode.eq(scope.livemode),
        ])
    }

    fn visible(scope: &Scope) -> Condition {
        for_affiliate(scope, |_| none())
    }
}

impl Owned for stripe_event::Entity {
    fn of_brand(scope: &Scope) -> Condition {
        all_of([
            stripe_event::Column::BrandId.eq(scope.brand),
            stripe_event::Column::Livemode.eq(scope.livemode),
        ])
    }

    fn visible(scope: &Scope) -> Condition {
        for_affiliate(scope, |_| none())
    }
}

impl Owned for audit_entry::Entity {
    /// What is of no mode is of both.
    fn of_brand(scope: &Scope) -> Condition {
        let of_mode = Condition::any()
            .add(audit_entry::Column::Livemode.is_null())
            .add(audit_entry::Column::Livemode.eq(scope.livemode));
        all_of([audit_entry::Column::BrandId.eq(scope.brand)]).add(of_mode)
    }

    fn visible(scope: &Scope) -> Condition {
        for_affiliate(scope, |_| none())
    }
}
