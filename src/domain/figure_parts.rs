//! The statements that figures are summed from: the totals of whole hours, and the rows of what is left of an hour.
//!
//! Each starts from its list of stretches and looks for each of them in an index: the join is a left one, so that SQLite
//! does not go the other way round, through all rows that there are. A stretch that is empty gives a row without a
//! currency.

use chrono::{DateTime, Utc};
use entity::{
    affiliate_total::{self, NO_CODE, NO_CURRENCY, NOBODY},
    campaign_code, campaign_total, code,
    conversion::{self, AttributionMethod, ConversionKind},
    redemption,
};
use sea_orm::{
    ActiveEnum, ColumnTrait, Condition, EntityTrait, JoinType, QueryFilter, QuerySelect, QueryTrait,
    sea_query::{
        CaseStatement, Expr, ExprTrait, Func, IntoValueTuple, Query, SelectStatement, SimpleExpr, SubQueryStatement,
        UnionType,
    },
};
use uuid::Uuid;

use super::{
    figures::{By, FiguresFilter},
    stats::{self, Period},
    tenancy::{self, Owned},
};
use crate::auth::Scope;

/// What is summed; the columns of the totals have the same names.
pub(super) const SUMS: [&str; 7] = [
    "conversions",
    "renewals",
    "redemptions",
    "refunded_redemptions",
    "revenue",
    "refunded",
    "commission",
];

/// The statements that are summed together: `part`, `currency`, and [`SUMS`].
pub(super) struct Parts {
    first: SelectStatement,
    others: Vec<SelectStatement>,
}

/// What the rows of one statement are summed apart by.
#[derive(Clone, Copy)]
enum Key {
    /// The place of the period in its list.
    Period,
    Subject(By),
}

struct Asked<'a> {
    scope: &'a Scope,
    filter: &'a FiguresFilter,
    key: Key,
    /// These subjects alone.
    ids: Option<&'a [Uuid]>,
}

/// A stretch that is not a whole hour: the place of its period, where it starts, where it ends.
type Edge = (i64, DateTime<Utc>, DateTime<Utc>);

/// A column of the stretches: the place of the period, where it starts, where it ends.
fn stretch(column: &'static str) -> Expr {
    Expr::col(("stretch", column))
}

impl Parts {
    /// `None` where there is nothing to sum.
    pub fn of_periods(scope: &Scope, filter: &FiguresFilter, periods: &[Period]) -> Option<Self> {
        let asked = Asked {
            scope,
            filter,
            key: Key::Period,
            ids: None,
        };
        asked.parts(periods)
    }

    /// The same of one period, for each subject or for some.
    pub fn of_subjects(
        scope: &Scope,
        filter: &FiguresFilter,
        period: Period,
        by: By,
        ids: Option<&[Uuid]>,
    ) -> Option<Self> {
        let asked = Asked {
            scope,
            filter,
            key: Key::Subject(by),
            ids,
        };
        asked.parts(&[period])
    }

    /// All of them under one another.
    pub fn union(self) -> SelectStatement {
        let mut union = self.first;
        for part in self.others {
            union.union(UnionType::All, part);
        }
        union
    }
}

impl Asked<'_> {
    fn parts(&self, periods: &[Period]) -> Option<Parts> {
        let filter = self.filter;
        let of_nothing = [
            filter.campaign_id == Some(None),
            filter.affiliate_id == Some(None),
            filter.code_id == Some(None),
        ];
        if of_nothing.contains(&true) {
            return None;
        }
        let mut hours: Vec<(i64, i64, i64)> = Vec::new();
        let mut edges: Vec<Edge> = Vec::new();
        for (place, period) in (0_i64..).zip(periods) {
            let (whole, ragged) = stats::split(*period);
            hours.extend(whole.filter(|it| !it.is_empty()).map(|it| (place, it.start, it.end)));
            edges.extend(ragged.iter().filter_map(|it| Some((place, it.from?, it.before?))));
        }
        edges.retain(|(_, from, before)| from < before);
        let mut parts = Vec::new();
        if !hours.is_empty() {
            parts.push(self.totals(hours));
        }
        if !edges.is_empty() {
            parts.push(self.sold(edges.clone()));
            parts.push(self.earned(edges.clone()));
            parts.push(self.used(edges));
        }
        let mut parts = parts.into_iter();
        Some(Parts {
            first: parts.next()?,
            others: parts.collect(),
        })
    }

    /// Of whole hours: the narrow totals where they will do.
    fn totals(&self, hours: Vec<(i64, i64, i64)>) -> SelectStatement {
        let of_affiliates = self.scope.affiliate.is_some()
            || self.filter.affiliate_id.is_some()
            || self.filter.code_id.is_some()
            || matches!(self.key, Key::Subject(By::Affiliate | By::Code));
        if of_affiliates {
            self.of_affiliates(hours)
        } else {
            self.of_campaigns(hours)
        }
    }

    fn of_affiliates(&self, hours: Vec<(i64, i64, i64)>) -> SelectStatement {
        use affiliate_total::Column::{AffiliateId, AttributionMethod, CampaignId, CodeId, Currency, Hour};
        let on = self
            .within::<affiliate_total::Entity>(Hour)
            .add_option(self.filter.campaign_id.flatten().map(|id| CampaignId.eq(id)))
            .add_option(self.filter.affiliate_id.flatten().map(|id| AffiliateId.eq(id)))
            .add_option(self.filter.code_id.flatten().map(|id| CodeId.eq(id)))
            .add_option(self.methods(AttributionMethod));
        let (part, on) = match self.key {
            Key::Period => (stretch("column1"), on),
            Key::Subject(By::Campaign) => (CampaignId.into_expr(), on),
            Key::Subject(By::Affiliate) => (AffiliateId.into_expr(), on.add(AffiliateId.ne(NOBODY))),
            Key::Subject(By::Code) => (
                CodeId.into_expr(),
                on.add(AffiliateId.ne(NOBODY)).add(CodeId.ne(NO_CODE)),
            ),
        };
        let sums = SUMS.map(|name| Expr::col((affiliate_total::Entity, name)));
        self.select::<affiliate_total::Entity, _>(hours, on, part, Currency.into_expr(), sums)
    }

    fn of_campaigns(&self, hours: Vec<(i64, i64, i64)>) -> SelectStatement {
        use campaign_total::Column::{AttributionMethod, CampaignId, Currency, Hour};
        let on = self
            .within::<campaign_total::Entity>(Hour)
            .add_option(self.filter.campaign_id.flatten().map(|id| CampaignId.eq(id)))
            .add_option(self.methods(AttributionMethod));
        let part = match self.key {
            Key::Period => stretch("column1"),
            Key::Subject(_) => CampaignId.into_expr(),
        };
        let sums = SUMS.map(|name| Expr::col((campaign_total::Entity, name)));
        self.select::<campaign_total::Entity, _>(hours, on, part, Currency.into_expr(), sums)
    }

    /// What the conversions of an edge count for, but for what they earn: that may be in another currency.
    fn sold(&self, edges: Vec<Edge>) -> SelectStatement {
        use conversion::Column::{Amount, Currency, Id, Kind, RefundedAmount};
        let sums = [
            one_if(Id.is_not_null()),
            one_if(Kind.eq(ConversionKind::Renewal)),
            Expr::cust("0"),
            Expr::cust("0"),
            Amount.into_expr(),
            RefundedAmount.into_expr(),
            Expr::cust("0"),
        ];
        self.conversions(edges, Currency.into_expr(), sums)
    }

    fn earned(&self, edges: Vec<Edge>) -> SelectStatement {
        use conversion::Column::{Commission, CommissionCurrency};
        let nothing = || Expr::cust("0");
        let sums = [
            nothing(),
            nothing(),
            nothing(),
            nothing(),
            nothing(),
            nothing(),
            Commission.into_expr(),
        ];
        self.conversions(edges, CommissionCurrency.into_expr(), sums)
    }

    fn conversions(&self, edges: Vec<Edge>, currency: Expr, sums: [Expr; 7]) -> SelectStatement {
        use conversion::Column::{
            AffiliateId, AttributionMethod as Method, CampaignId, CodeId, CodeIsOwn, MergedInto, OccurredAt,
        };
        let on = self
            .within::<conversion::Entity>(OccurredAt)
            .add(MergedInto.is_null())
            .add_option(self.filter.campaign_id.flatten().map(|id| CampaignId.eq(id)))
            .add_option(self.filter.affiliate_id.flatten().map(|id| AffiliateId.eq(id)))
            .add_option(self.filter.code_id.flatten().map(|id| CodeId.eq(id)))
            .add_option(self.methods(Method));
        let part = match self.key {
            Key::Period => stretch("column1"),
            Key::Subject(By::Affiliate) => AffiliateId.into_expr(),
            Key::Subject(By::Campaign) => CampaignId.into_expr(),
            Key::Subject(By::Code) => CodeId.into_expr(),
        };
        // For a code counts what it is credited for.
        let of_code = self.filter.code_id.is_some() || matches!(self.key, Key::Subject(By::Code));
        let credited = Condition::all()
            .add(Method.eq(AttributionMethod::Coupon))
            .add(CodeIsOwn.eq(true))
            .add(CodeId.is_not_null());
        let on = on.add_option(of_code.then_some(credited));
        self.select::<conversion::Entity, _>(edges, on, part, currency, sums)
    }

    /// The redemptions of an edge.
    fn used(&self, edges: Vec<Edge>) -> SelectStatement {
        use redemption::Column::{CodeId, OccurredAt, Refunded};
        let filter = self.filter;
        let methods = filter.attribution_method.as_ref();
        let none = methods.is_some_and(|methods| !methods.contains(&AttributionMethod::Coupon));
        let own = filter.affiliate_id.flatten().map(|id| code::Column::AffiliateId.eq(id));
        let in_campaign = filter.campaign_id.flatten().map(|id| {
            Condition::any()
                .add(CodeId.in_subquery(codes(code::Column::CampaignId.eq(id))))
                .add(CodeId.in_subquery(shared_codes(campaign_code::Column::CampaignId.eq(id))))
        });
        let affiliates_alone = matches!(self.key, Key::Subject(By::Affiliate | By::Code));
        let any_affiliates = affiliates_alone.then(|| code::Column::BrandId.eq(self.scope.brand));
        let on = self
            .within::<redemption::Entity>(OccurredAt)
            .add_option(none.then(|| Expr::cust("1 = 0")))
            .add_option(filter.code_id.flatten().map(|id| CodeId.eq(id)))
            .add_option(own.map(|own| CodeId.in_subquery(codes(own))))
            .add_option(any_affiliates.map(|any| CodeId.in_subquery(codes(any))))
            .add_option(in_campaign);
        let part = match self.key {
            Key::Period => stretch("column1"),
            Key::Subject(By::Affiliate) => of_its_code(code::Column::AffiliateId),
            Key::Subject(By::Code) => CodeId.into_expr(),
            Key::Subject(By::Campaign) => {
                let shared = campaign_code::Entity::find()
                    .select_only()
                    .column(campaign_code::Column::CampaignId)
                    .filter(campaign_code::Column::Id.into_expr().eq(CodeId.into_expr()));
                let campaign = of_its_code(code::Column::CampaignId);
                Func::coalesce([campaign, scalar(shared.into_query())]).into()
            }
        };
        let nothing = || Expr::cust("0");
        let sums = [
            nothing(),
            nothing(),
            one_if(Refunded.eq(false)),
            one_if(Refunded.eq(true)),
            nothing(),
            nothing(),
            nothing(),
        ];
        let currency = Expr::cust(format!("'{NO_CURRENCY}'"));
        self.select::<redemption::Entity, _>(edges, on, part, currency, sums)
    }

    /// That a row is the caller's to see, and of the stretch.
    fn within<E: Owned>(&self, time: E::Column) -> Condition {
        Condition::all()
            .add(tenancy::seen::<E>(self.scope))
            .add(time.into_expr().gte(stretch("column2")))
            .add(time.into_expr().lt(stretch("column3")))
    }

    fn methods<C: ColumnTrait>(&self, column: C) -> Option<SimpleExpr> {
        let methods = self.filter.attribution_method.as_ref()?;
        Some(column.is_in(methods.iter().map(ActiveEnum::to_value)))
    }

    fn select<E: Owned, V: IntoValueTuple>(
        &self,
        stretches: Vec<V>,
        on: Condition,
        part: Expr,
        currency: Expr,
        sums: [Expr; 7],
    ) -> SelectStatement {
        let subjects = self.ids.map(|ids| part.clone().is_in(ids.iter().copied()));
        let mut select = Query::select();
        select.expr_as(part, "part").expr_as(currency, "currency");
        for (name, sum) in SUMS.into_iter().zip(sums) {
            select.expr_as(sum, name);
        }
        select.from_values(stretches, "stretch").join(
            JoinType::LeftJoin,
            E::default().table_ref(),
            on.add_option(subjects),
        );
        select
    }
}

fn one_if(condition: SimpleExpr) -> Expr {
    CaseStatement::new()
        .case(condition, Expr::cust("1"))
        .finally(Expr::cust("0"))
        .into()
}

fn scalar(select: SelectStatement) -> Expr {
    SimpleExpr::SubQuery(None, Box::new(SubQueryStatement::SelectStatement(select)))
}

/// The ids of affiliates' codes.
fn codes(condition: SimpleExpr) -> SelectStatement {
    let codes = code::Entity::find().select_only().column(code::Column::Id);
    codes.filter(condition).into_query()
}

/// The same of codes that a campaign's affiliates share.
fn shared_codes(condition: SimpleExpr) -> SelectStatement {
    let codes = campaign_code::Entity::find()
        .select_only()
        .column(campaign_code::Column::Id);
    codes.filter(condition).into_query()
}

/// A column of the code that was redeemed, where it is an affiliate's.
fn of_its_code(column: code::Column) -> Expr {
    let code = code::Entity::find().select_only().column(column);
    let redeemed = redemption::Column::CodeId.into_expr();
    scalar(code.filter(code::Column::Id.into_expr().eq(redeemed)).into_query())
}
