//! Holds every total against the rows that it sums. Runs after each test, whatever the test was about.

use std::{collections::BTreeMap, str::FromStr};

use entity::{
    affiliate_balance,
    affiliate_total::{self, ALL_TIME},
    campaign_code, campaign_total, click, code,
    conversion::{self, AttributionMethod, ConversionKind, ConversionStatus},
    feed_counter,
    feed_event::{self, FeedKind},
    id::CodeId,
    ledger_entry::{self, EntryKind},
    link_total, redemption,
};
use rekomi::{
    clock::Clock,
    db::{DatabaseUrl, Db},
    domain::stats::hour,
    stripe::rebuild,
};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter};
use uuid::Uuid;

pub async fn check(url: &str) {
    let db = Db::open(&DatabaseUrl::from_str(url).unwrap()).await.unwrap();
    let reader = db.reader();
    let conversions = conversion::Entity::find().filter(conversion::Column::MergedInto.is_null());
    let conversions = conversions.all(reader).await.unwrap();
    totals(reader, &conversions).await;
    ledger(reader, &conversions).await;
    feed(reader).await;
    clicks(reader).await;
    db.close().await;
}

/// Holds what stands against what the log tells.
pub async fn log(url: &str) {
    let db = Db::open(&DatabaseUrl::from_str(url).unwrap()).await.unwrap();
    let report = rebuild::verify(&db, &Clock::system()).await.unwrap();
    assert_eq!(report.differences, 0, "{:#?}", report.told);
    db.close().await;
}

/// Conversions, renewals, redemptions, refunded redemptions, revenue, refunds, commission.
type Sums = [i64; 7];

/// Campaign and mode, affiliate, code, method, hour and currency.
type Place = ((Uuid, bool), Uuid, Uuid, AttributionMethod, i64, String);

/// The totals by affiliate and code, and those by campaign, which are their sums.
async fn totals(db: &impl ConnectionTrait, conversions: &[conversion::Model]) {
    let mut counted: BTreeMap<Place, Sums> = BTreeMap::new();
    used(db, &mut counted).await;
    for row in conversions {
        let code = winning_code(row).map_or(Uuid::nil(), |code| code.0);
        for bucket in [ALL_TIME, hour(row.occurred_at)] {
            let place = |currency: &str| {
                let (campaign, affiliate) = ((row.campaign_id.0, row.livemode), row.affiliate_id.0);
                (
                    campaign,
                    affiliate,
                    code,
                    row.attribution_method,
                    bucket,
                    currency.to_owned(),
                )
            };
            let sums = counted.entry(place(&row.currency)).or_default();
            sums[0] += 1;
            sums[1] += i64::from(row.kind == ConversionKind::Renewal);
            sums[4] += row.amount;
            sums[5] += row.refunded_amount;
            counted.entry(place(&row.commission_currency)).or_default()[6] += row.commission;
        }
    }
    counted.retain(|_, sums| *sums != Sums::default());
    let mut of_campaigns: BTreeMap<_, Sums> = BTreeMap::new();
    for ((campaign, _, _, method, hour, currency), sums) in &counted {
        let sum = of_campaigns
            .entry((*campaign, *method, *hour, currency.clone()))
            .or_default();
        sum.iter_mut().zip(sums).for_each(|(sum, part)| *sum += part);
    }
    macro_rules! sums {
        ($row:ident) => {
            [
                $row.conversions,
                $row.renewals,
                $row.redemptions,
                $row.refunded_redemptions,
                $row.revenue,
                $row.refunded,
                $row.commission,
            ]
        };
    }
    let rows = affiliate_total::Entity::find().all(db).await.unwrap().into_iter();
    let totals: BTreeMap<Place, Sums> = rows
        .map(|row| {
            let sums = sums!(row);
            let campaign = (row.campaign_id.0, row.livemode);
            let (affiliate, code) = (row.affiliate_id.0, row.code_id.0);
            (
                (
                    campaign,
                    affiliate,
                    code,
                    row.attribution_method,
                    row.hour,
                    row.currency,
                ),
                sums,
            )
        })
        .filter(|(_, sums)| *sums != Sums::default())
        .collect();
    assert_eq!(totals, counted, "affiliate_total");
    let rows = campaign_total::Entity::find().all(db).await.unwrap().into_iter();
    let totals: BTreeMap<_, Sums> = rows
        .map(|row| {
            let sums = sums!(row);
            (
                (
                    (row.campaign_id.0, row.livemode),
                    row.attribution_method,
                    row.hour,
                    row.currency,
                ),
                sums,
            )
        })
        .filter(|(_, sums)| *sums != Sums::default())
        .collect();
    assert_eq!(totals, of_campaigns, "campaign_total");
}

/// Redemptions, of whose the code is.
async fn used(db: &impl ConnectionTrait, counted: &mut BTreeMap<Place, Sums>) {
    let mut sellers: BTreeMap<CodeId, (Uuid, Uuid)> = BTreeMap::new();
    for row in code::Entity::find().all(db).await.unwrap() {
        sellers.insert(row.id, (row.campaign_id.0, row.affiliate_id.0));
    }
    for row in campaign_code::Entity::find().all(db).await.unwrap() {
        sellers.insert(row.id, (row.campaign_id.0, Uuid::nil()));
    }
    for row in redemption::Entity::find().all(db).await.unwrap() {
        let (campaign, affiliate) = sellers[&row.code_id];
        for bucket in [ALL_TIME, hour(row.occurred_at)] {
            let method = AttributionMethod::Coupon;
            let place = (
                (campaign, row.livemode),
                affiliate,
                row.code_id.0,
                method,
                bucket,
                "XXX".to_owned(),
            );
            counted.entry(place).or_default()[2 + usize::from(row.refunded)] += 1;
        }
    }
}

/// The code whose affiliate is credited because of it.
fn winning_code(row: &conversion::Model) -> Option<CodeId> {
    let won = row.attribution_method == AttributionMethod::Coupon && row.code_is_own;
    won.then_some(row.code_id).flatten()
}

/// Each conversion's commission is the sum of its affiliate's entries, in its currency, and nobody else has any but its
/// one recruiter; each balance is the sum of all. What is held, rejected or refunded has nothing.
async fn ledger(db: &impl ConnectionTrait, conversions: &[conversion::Model]) {
    let entries = ledger_entry::Entity::find().all(db).await.unwrap();
    let mut commissions: BTreeMap<(Uuid, Uuid, String), i64> = BTreeMap::new();
    let mut overrides: BTreeMap<(Uuid, Uuid, String), i64> = BTreeMap::new();
    let mut of_affiliate: BTreeMap<(Uuid, bool, String), i64> = BTreeMap::new();
    for entry in &entries {
        let place = (entry.conversion_id.0, entry.affiliate_id.0, entry.currency.clone());
        let of_conversion = match entry.kind {
            EntryKind::Commission | EntryKind::Clawback => commissions.entry(place).or_default(),
            EntryKind::Override | EntryKind::OverrideClawback => overrides.entry(place).or_default(),
        };
        *of_conversion += entry.amount;
        *of_affiliate
            .entry((entry.affiliate_id.0, entry.livemode, entry.currency.clone()))
            .or_default() += entry.amount;
    }
    overrides.retain(|_, sum| *sum != 0);
    for row in conversions {
        let place = (row.id.0, row.affiliate_id.0, row.commission_currency.clone());
        let sum = commissions.remove(&place).unwrap_or(0);
        assert_eq!(sum, row.commission, "the ledger of {}", row.id);
        let of_recruiter = overrides
            .keys()
            .find(|(conversion, ..)| *conversion == row.id.0)
            .cloned();
        let on_top = of_recruiter
            .clone()
            .and_then(|place| overrides.remove(&place))
            .unwrap_or(0);
        assert!(on_top >= 0, "the override of {}", row.id);
        assert!(of_recruiter.is_none_or(|(_, who, currency)| who != row.affiliate_id.0 && currency == place.2));
        let nothing = matches!(
            row.status,
            ConversionStatus::Held | ConversionStatus::Rejected | ConversionStatus::Refunded
        );
        assert!(!nothing || (sum, on_top) == (0, 0), "{} is {:?}", row.id, row.status);
    }
    assert!(
        commissions.values().all(|sum| *sum == 0),
        "what is no one's: {commissions:?}"
    );
    assert!(overrides.is_empty(), "what is no one's: {overrides:?}");
    of_affiliate.retain(|_, sum| *sum != 0);
    let balances = affiliate_balance::Entity::find().all(db).await.unwrap();
    let balances = balances.into_iter().filter(|row| row.amount != 0);
    let balances: BTreeMap<_, _> = balances
        .map(|row| ((row.affiliate_id.0, row.livemode, row.currency), row.amount))
        .collect();
    assert_eq!(balances, of_affiliate, "affiliate_balance");
}

/// Each link's total is the number of its clicks.
async fn clicks(db: &impl ConnectionTrait) {
    let mut counted: BTreeMap<Uuid, i64> = BTreeMap::new();
    for row in click::Entity::find().all(db).await.unwrap() {
        *counted.entry(row.link_id.0).or_default() += 1;
    }
    let totals = link_total::Entity::find().all(db).await.unwrap();
    let totals: BTreeMap<_, _> = totals.into_iter().map(|row| (row.link_id.0, row.clicks)).collect();
    assert_eq!(totals, counted, "link_total");
}

/// The feed has no gaps behind what was forgotten, its counter is at its end, and each conversion was created in it once,
/// before anything else.
async fn feed(db: &impl ConnectionTrait) {
    let mut feeds: BTreeMap<(Uuid, bool), Vec<feed_event::Model>> = BTreeMap::new();
    for row in feed_event::Entity::find().all(db).await.unwrap() {
        feeds.entry((row.brand_id.0, row.livemode)).or_default().push(row);
    }
    for ((brand, livemode), mut rows) in feeds {
        rows.sort_by_key(|row| row.sequence);
        let counter = feed_counter::Entity::find_by_id((brand.into(), livemode))
            .one(db)
            .await
            .unwrap()
            .unwrap();
        rows.retain(|row| row.sequence > counter.pruned_sequence);
        let numbers: Vec<i64> = rows.iter().map(|row| row.sequence).collect();
        let all: Vec<i64> = (counter.pruned_sequence + 1..=counter.last_sequence).collect();
        assert_eq!(numbers, all, "the feed of {brand} has a gap");
        if counter.pruned_sequence > 0 {
            continue;
        }
        let mut created = std::collections::BTreeSet::new();
        for row in rows {
            let Some(conversion) = row.conversion_id else { continue };
            let new = created.insert(conversion.0);
            assert_eq!(
                new,
                row.kind == FeedKind::ConversionCreated,
                "the feed of {conversion} begins with its creation"
            );
        }
    }
}
