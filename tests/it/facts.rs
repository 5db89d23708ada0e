//! Facts merge: commutative, associative, idempotent, whatever the events. Pure: no app, no database.

use std::{collections::BTreeMap, sync::LazyLock};

use chrono::{DateTime, TimeDelta};
use entity::{affiliate::AffiliateStatus, conversion::ConversionStatus};
use proptest::prelude::*;
use rekomi::{
    clock::Clock,
    standin::{DisputeStep, Paid, Promo, SaleBuilder, Shape, SubscriptionSale},
    stripe::{
        facts::{Facts, Reading, read_event},
        projection::{Evidence, project},
    },
};
use uuid::Uuid;

use crate::support::{
    Value,
    app::NOON,
    evidence::{Ours, lifetime, of_codes},
    json,
};

/// What each shape's events tell of one and the same subscription's life.
static LIVES: LazyLock<Vec<Vec<Facts>>> = LazyLock::new(|| {
    let facts_of = |events: Vec<Value>| events.iter().filter_map(facts).collect();
    Shape::ALL.map(|shape| facts_of(life(shape))).to_vec()
});

fn facts(event: &Value) -> Option<Facts> {
    match read_event(event).unwrap() {
        Reading::Facts(facts) => Some(*facts),
        Reading::Lookup(_) | Reading::Nothing(_) => None,
    }
}

/// Told as if nothing had to be fetched: every reference to a discount is the discount itself.
fn life(shape: Shape) -> Vec<Value> {
    let clock = Clock::manual(DateTime::UNIX_EPOCH + TimeDelta::seconds(NOON));
    let sarah = Promo::percent("promo_sarah", "SARAH20", "co_1", 2000);
    let bob = Promo::percent("promo_bob", "BOB30", "co_2", 3000);
    let click = |last: char| format!("clk_0190000000007000800000000000000{last}");
    let sale = SaleBuilder::new(&clock).promo(sarah).promo(bob).tax(300);
    let sale = sale
        .client_reference_id(click('a'))
        .metadata("rekomi_click_id", click('b'));
    let mut sale = sale.build();
    let mut events = sale.start(shape);
    for month in 1..=3 {
        let number = sale.renew_at(NOON + month * 30 * 86_400);
        events.push(sale.renewal_paid(number, shape));
        events.extend(sale.invoice_payment_paid_for(shape, Paid::Renewal(number)));
    }
    for (amount, paid) in [
        (Some(900), Paid::First),
        (None, Paid::First),
        (Some(700), Paid::Renewal(1)),
        (None, Paid::Renewal(2)),
    ] {
        events.extend(sale.refund(shape, amount, paid));
    }
    events.extend(sale.refund_fails(shape, Paid::Renewal(2)));
    events.extend(disputes(&mut sale, shape));
    let mut discounts = BTreeMap::new();
    for discount in &sale.facts.discounts {
        let object = json!({
            "id": discount.id, "object": "discount", "promotion_code": discount.promo.promotion_code_id, "start": discount.start,
        });
        discounts.insert(discount.id.clone(), object);
    }
    for event in &mut events {
        expand(&mut event["data"]["object"], &discounts);
    }
    events
}

/// One that is won and one that stays open, a second from step to step; and one about a part that is lost within a second.
fn disputes(sale: &mut SubscriptionSale, shape: Shape) -> Vec<Value> {
    use DisputeStep::{Appealed, Created, FundsReinstated, FundsWithdrawn, Inquiry, Lost, PartReinstated, Won};
    let steps = [
        (Paid::Renewal(1), Created, 0),
        (Paid::Renewal(1), FundsWithdrawn, 1),
        (Paid::Renewal(1), Lost, 2),
        (Paid::Renewal(1), FundsReinstated, 3),
        (Paid::Renewal(1), Won, 3),
        (Paid::Renewal(2), Inquiry, 0),
        (Paid::Renewal(2), FundsWithdrawn, 0),
        (Paid::Renewal(2), Lost, 1),
        (Paid::Renewal(2), Appealed, 2),
        (Paid::Renewal(3), FundsWithdrawn, 0),
        (Paid::Renewal(3), PartReinstated(500), 0),
        (Paid::Renewal(3), Lost, 0),
    ];
    let mut events = vec![sale.dispute_part(shape, Created, 2000, Paid::Renewal(3))];
    for (paid, step, seconds) in steps {
        let mut event = sale.dispute(shape, step, paid);
        event["created"] = json!(NOON + seconds);
        events.push(event);
    }
    events
}

fn expand(value: &mut Value, discounts: &BTreeMap<String, Value>) {
    match value {
        Value::String(text) => {
            if let Some(discount) = discounts.get(text) {
                *value = discount.clone();
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| expand(item, discounts)),
        Value::Object(map) if map.get("object").is_none_or(|kind| kind != "discount") => {
            map.values_mut().for_each(|item| expand(item, discounts));
        }
        _ => {}
    }
}

/// Sarah's code and Bob's, by Stripe's ids.
pub fn codes() -> [(String, Ours); 2] {
    let code = |number: u128, text: &str| Ours {
        id: Uuid::from_u128(number).into(),
        text: text.to_owned(),
        affiliate: Uuid::from_u128(number).into(),
        email: format!("{text}@affiliates.example"),
        statuses: vec![(DateTime::UNIX_EPOCH, AffiliateStatus::Approved)],
        campaign: Uuid::from_u128(9).into(),
        rules: vec![lifetime(2000)],
    };
    [
        ("promo_sarah".to_owned(), code(1, "SARAH20")),
        ("promo_bob".to_owned(), code(2, "BOB30")),
    ]
}

fn evidence() -> Evidence {
    of_codes(codes())
}

fn merged<'a>(parts: impl IntoIterator<Item = &'a Facts>) -> Facts {
    let mut all = Facts::default();
    parts.into_iter().for_each(|part| all.merge(part.clone()));
    all
}

/// Places in a life's events, in any order, with any repeats.
fn places() -> impl Strategy<Value = (usize, Vec<usize>)> {
    (0..Shape::ALL.len()).prop_flat_map(|shape| (Just(shape), prop::collection::vec(0..LIVES[shape].len(), 0..40)))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn merging_is_idempotent_and_order_does_not_matter((shape, mut places) in places(), seed in any::<u64>()) {
        let life = &LIVES[shape];
        let one = merged(places.iter().map(|place| &life[*place]));
        crate::support::rng::Rng::seeded(seed).shuffle(&mut places);
        let other = merged(places.iter().chain(&places).map(|place| &life[*place]));
        prop_assert_eq!(&one, &other);
        prop_assert_eq!(project(&one, &evidence()), project(&other, &evidence()));
    }

    #[test]
    fn merging_is_associative((shape, places) in places(), cut in any::<(usize, usize)>()) {
        let parts: Vec<Facts> = places.iter().map(|place| LIVES[shape][*place].clone()).collect();
        let (a, b) = (cut.0 % (parts.len() + 1), cut.1 % (parts.len() + 1));
        let (a, b) = (a.min(b), a.max(b));
        let [first, second, third] = [&parts[..a], &parts[a..b], &parts[b..]].map(merged);
        let left = merged([&merged([&first, &second]), &third]);
        let right = merged([&first, &merged([&second, &third])]);
        prop_assert_eq!(left, right);
    }

    #[test]
    fn facts_read_back_from_the_store_are_the_same((shape, places) in places()) {
        let facts = merged(places.iter().map(|place| &LIVES[shape][*place]));
        let stored = serde_json::to_string(&facts).unwrap();
        prop_assert_eq!(serde_json::from_str::<Facts>(&stored).unwrap(), facts);
    }
}

#[test]
fn every_shape_tells_the_same_life() {
    let mut told: Vec<_> = LIVES
        .iter()
        .map(|life| {
            let projection = project(&merged(life), &evidence());
            let figures = projection.conversions.iter().map(|it| {
                (
                    it.kind,
                    it.status,
                    it.coupon_code.clone().unwrap(),
                    it.amount,
                    it.tax,
                    it.refunded_amount,
                    it.earned,
                    it.clawed_back,
                )
            });
            let uses = projection.redemptions.iter().map(|it| (it.code_id, it.refunded));
            (figures.collect::<Vec<_>>(), uses.collect::<Vec<_>>())
        })
        .collect();
    let first = told.remove(0);
    assert_eq!((first.0.len(), first.1.len()), (4, 2), "{first:?}");
    let stand: Vec<_> = first.0.iter().map(|it| (it.1, it.5)).collect();
    // 700 of 5300 went back of the first renewal, and 1500 of the third.
    let expected = [
        (ConversionStatus::Refunded, 2800),
        (ConversionStatus::PartiallyRefunded, 660),
        (ConversionStatus::Disputed, 0),
        (ConversionStatus::PartiallyRefunded, 1415),
    ];
    assert_eq!(stand, expected);
    // Bob's 1200 off 4000 are more than sarah's 1000 off 5000.
    assert!(first.0.iter().all(|it| it.2 == "BOB30"), "{first:?}");
    for other in told {
        assert_eq!(other, first);
    }
}
