//! Clicks, reported sales and managers' decisions come to the parts that they are about.

use chrono::TimeDelta;
use entity::id::ClickId;

use super::*;
use crate::{
    domain::{
        attribution::Click,
        reports::{Report, ReportedSale, Verdict},
    },
    stripe::facts::{Reported, read_report},
};

const CLICK: ClickId = ClickId(Uuid::from_u128(8));

/// Bob's click in Sarah's campaign, a second before 1970 was ten seconds old; he is approved.
fn with_click(mut evidence: Evidence) -> Evidence {
    let bob = AffiliateId(Uuid::from_u128(9));
    let click = Click {
        affiliate_id: bob,
        campaign_id: Uuid::from_u128(3).into(),
        visitor: Uuid::from_u128(7),
        at: DateTime::UNIX_EPOCH + TimeDelta::seconds(9),
        beyond: false,
    };
    evidence.known.clicks.insert(CLICK, click);
    let person = attribution::Person {
        statuses: vec![(DateTime::UNIX_EPOCH, AffiliateStatus::Approved)],
        ..attribution::Person::default()
    };
    evidence.known.people.insert(bob, person);
    evidence
}

/// A first invoice and a renewal without any code.
fn without_code() -> Facts {
    let mut facts = sale();
    facts.discounts.clear();
    facts
}

fn decision(number: u128, part: &str, verdict: Verdict) -> Facts {
    read_report(&Report::Decision(Decision {
        id: Uuid::from_u128(number),
        part: part.to_owned(),
        verdict,
        reason: "because".to_owned(),
        by: "max".to_owned(),
        at: 50,
    }))
}

fn told(facts: &Facts) -> Vec<(String, AttributionMethod, u128, i64)> {
    let projection = project(facts, &with_click(evidence(AffiliateStatus::Approved)));
    let line = |it: &Conversion| {
        let who = it.affiliate_id.0.as_u128();
        (it.part.clone(), it.attribution_method, who, it.earned)
    };
    projection.conversions.iter().map(line).collect()
}

#[test]
fn a_subscription_that_a_click_earned_keeps_its_affiliate_wherever_the_click_is_named() {
    let link = AttributionMethod::Link;
    let expected = [("sub_1".to_owned(), link, 9, 200), ("in_2".to_owned(), link, 9, 200)];
    let mut facts = without_code();
    facts.invoices.get_mut("in_1").unwrap().clicks.insert(CLICK);
    assert_eq!(told(&facts), expected);
    let mut facts = without_code();
    facts
        .subscriptions
        .entry("sub_1".into())
        .or_default()
        .clicks
        .insert(CLICK);
    assert_eq!(told(&facts), expected);
    let mut facts = without_code();
    let session = facts.sessions.entry("cs_1".into()).or_default();
    session.subscription = Some("sub_1".to_owned());
    session.clicks.insert(CLICK);
    assert_eq!(told(&facts), expected);
    // On the renewal alone it is the renewal's.
    let mut facts = without_code();
    facts.invoices.get_mut("in_2").unwrap().clicks.insert(CLICK);
    assert_eq!(told(&facts), expected[1..]);
}

#[test]
fn a_decision_is_about_the_part_that_goes_by_its_name() {
    let to_bob = Verdict::Reassigned(AffiliateId(Uuid::from_u128(9)));
    let coupon = AttributionMethod::Coupon;
    let line = |part: &str, who, earned| (part.to_owned(), coupon, who, earned);
    let with = |decisions: &[(u128, &str, Verdict)]| {
        let mut facts = sale();
        for (number, part, verdict) in decisions {
            facts.merge(decision(*number, part, *verdict));
        }
        told(&facts)
    };
    // The start was recorded as its invoice once; its renewal follows.
    assert_eq!(
        with(&[(1, "in_1", to_bob)]),
        [line("sub_1", 9, 200), line("in_2", 9, 200)]
    );
    assert_eq!(
        with(&[(1, "in_2", to_bob)]),
        [line("sub_1", 2, 200), line("in_2", 9, 200)]
    );
    let to_sarah = Verdict::Reassigned(AffiliateId(Uuid::from_u128(2)));
    let own = [(1, "sub_1", to_bob), (2, "in_2", to_sarah)];
    assert_eq!(with(&own), [line("sub_1", 9, 200), line("in_2", 2, 200)]);
    let rejected = [(2, "sub_1", Verdict::Rejected), (1, "sub_1", Verdict::Approved)];
    assert_eq!(with(&rejected), [line("sub_1", 2, 0), line("in_2", 2, 200)]);
    assert_eq!(
        with(&[(1, "in_9", to_bob)]),
        [line("sub_1", 2, 200), line("in_2", 2, 200)]
    );
}

#[test]
fn what_went_back_of_a_reported_sale_is_without_tax_to_the_last_unit() {
    let usd = "USD".parse().unwrap();
    let back = |refunded: i64, fully: bool, amount: i64, tax: i64| {
        let sale = ReportedSale {
            external_id: "1".to_owned(),
            at: 10,
            claimed_at: None,
            currency: usd,
            amount,
            tax,
            customer_email: None,
            click: Some(CLICK),
            link: None,
            code: None,
            affiliate: None,
            campaign: None,
        };
        let reported = Reported {
            sale: Some(sale),
            refunded: [(usd, refunded)].into(),
            fully_refunded: fully,
        };
        let facts = Facts {
            reported: [("s2s:1".to_owned(), reported)].into(),
            ..Facts::default()
        };
        let projection = project(
            &facts,
            &with_click(Evidence {
                known: evidence(AffiliateStatus::Approved).known,
                ..Evidence::default()
            }),
        );
        let it = &projection.conversions[0];
        assert_eq!((it.amount, it.tax), (amount, tax));
        (it.refunded_amount, it.earned - it.clawed_back, it.status)
    };
    use ConversionStatus::{PartiallyRefunded, Refunded, Standing};
    for refunded in 1..1000 {
        assert_eq!(back(refunded, false, 1000, 77).0, refunded);
    }
    assert_eq!(back(0, false, 1000, 77), (0, 200, Standing));
    assert_eq!(back(250, false, 1000, 77), (250, 150, PartiallyRefunded));
    assert_eq!(back(1000, false, 1000, 77), (1000, 0, Refunded));
    assert_eq!(back(4000, false, 1000, 77), (1000, 0, Refunded));
    assert_eq!(back(0, true, 1000, 77), (1000, 0, Refunded));
    assert_eq!(back(0, true, 0, 77), (0, 0, Refunded));
    assert_eq!(back(0, false, 0, 0), (0, 0, Standing));
    assert_eq!(back(0, true, 0, 0), (0, 0, Refunded));
}
