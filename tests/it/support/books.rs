//! Holds every total against the rows that it sums. Runs after each test, whatever the test was about.

use std::{collections::BTreeMap, str::FromStr};

use entity::{
    affiliate_balance, click, code_money,
    code_total::{self, ALL_TIME},
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
    counts(reader, &conversions).await;
    money(reader, &conversions).await;
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

async fn counts(db: &impl ConnectionTrait, conversions: &[conversion::Model]) {
    let mut counted: BTreeMap<(Uuid, i64), [i64; 3]> = BTreeMap::new();
    for row in redemption::Entity::find().all(db).await.unwrap() {
        for bucket in [ALL_TIME, hour(row.occurred_at)] {
            counted.entry((row.code_id.0, bucket)).or_default()[usize::from(row.refunded)] += 1;
        }
    }
    for row in conversions.iter().filter(|row| row.kind == ConversionKind::Renewal) {
        let Some(code) = winning_code(row) else { continue };
        for bucket in [ALL_TIME, hour(row.occurred_at)] {
            counted.entry((code.0, bucket)).or_default()[2] += 1;
        }
    }
    let totals = code_total::Entity::find().all(db).await.unwrap();
    let totals = totals.into_iter().map(|row| {
        (
            (row.code_id.0, row.hour),
            [row.redemptions, row.refunded_redemptions, row.renewals],
        )
    });
    assert_eq!(
        totals.filter(|(_, sums)| *sums != [0; 3]).collect::<BTreeMap<_, _>>(),
        counted,
        "code_total"
    );
}

/// The code whose affiliate is credited because of it.
fn winning_code(row: &conversion::Model) -> Option<CodeId> {
    let won = row.attribution_method == AttributionMethod::Coupon && row.code_is_own;
    won.then_some(row.code_id).flatten()
}

async fn money(db: &impl ConnectionTrait, conversions: &[conversion::Model]) {
    let mut counted: BTreeMap<(Uuid, i64, String), [i64; 3]> = BTreeMap::new();
    for row in conversions {
        let Some(CodeId(code)) = winning_code(row) else {
            continue;
        };
        for bucket in [ALL_TIME, hour(row.occurred_at)] {
            let sums = counted.entry((code, bucket, row.currency.clone())).or_default();
            sums[0] += row.amount;
            sums[1] += row.refunded_amount;
            counted
                .entry((code, bucket, row.commission_currency.clone()))
                .or_default()[2] += row.commission;
        }
    }
    counted.retain(|_, sums| *sums != [0; 3]);
    let totals = code_money::Entity::find().all(db).await.unwrap();
    let totals = totals.into_iter().map(|row| {
        (
            (row.code_id.0, row.hour, row.currency),
            [row.revenue, row.refunded, row.commission],
        )
    });
    assert_eq!(
        totals.filter(|(_, sums)| *sums != [0; 3]).collect::<BTreeMap<_, _>>(),
        counted,
        "code_money"
    );
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
