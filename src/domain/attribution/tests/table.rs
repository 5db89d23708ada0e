//! The decision table, case by case.

use super::*;
use AttributionMethod::{Coupon, Link as ByLink, S2s};

fn by(who: u128, method: AttributionMethod, code: &str) -> Option<(u128, AttributionMethod, String, bool)> {
    Some((who, method, code.to_owned(), false))
}

fn held(who: u128, method: AttributionMethod, code: &str) -> Option<(u128, AttributionMethod, String, bool)> {
    Some((who, method, code.to_owned(), true))
}

#[test]
fn the_decision_table() {
    let new = World::new;
    let cases = [
        (new().code(SARAH, true, 5, 1), by(SARAH, Coupon, "CODE1")),
        (new().code(SARAH, false, 5, 1), by(SARAH, Coupon, "CODE1")),
        (
            new().code(SARAH, true, 5, 1).click(BOB, 1, 3),
            by(SARAH, Coupon, "CODE1"),
        ),
        (
            new().code(SARAH, false, 5, 1).click(BOB, 1, 3),
            by(BOB, ByLink, "CODE1"),
        ),
        (
            new().code(SARAH, true, 5, 1).click(SARAH, 1, 3),
            by(SARAH, Coupon, "CODE1"),
        ),
        (
            new().code(SARAH, false, 5, 1).click(SARAH, 1, 3),
            by(SARAH, ByLink, "CODE1"),
        ),
        (new().shared().click(BOB, 1, 3), by(BOB, ByLink, "EVERYBODY")),
        (new().shared().click(BOB, 2, 3), by(BOB, ByLink, "EVERYBODY")),
        (new().shared(), None),
        (new().click(BOB, 1, 3), by(BOB, ByLink, "")),
        (new(), None),
        // Besides: the window, to the day.
        (new().click(BOB, 1, 60), by(BOB, ByLink, "")),
        (new().click(BOB, 1, 61), None),
        (new().click(BOB, 1, -1), None),
        (
            new().code(SARAH, false, 5, 1).click(BOB, 1, 61),
            by(SARAH, Coupon, "CODE1"),
        ),
        // Of several codes: the discount, the time, the id; the best one stands for all.
        (
            new().code(SARAH, true, 5, 1).code(BOB, true, 7, 2),
            by(BOB, Coupon, "CODE2"),
        ),
        (
            new().code(SARAH, true, 7, 2).code(BOB, true, 7, 1),
            by(BOB, Coupon, "CODE2"),
        ),
        (
            new().code(BOB, true, 7, 1).code(SARAH, true, 7, 1),
            by(SARAH, Coupon, "CODE1"),
        ),
        (
            new().code(SARAH, true, 5, 1).code(BOB, false, 7, 1).click(SARAH, 1, 3),
            by(SARAH, ByLink, "CODE2"),
        ),
        // Unapproved.
        (
            new().code(CAROL, true, 9, 1).code(SARAH, true, 5, 1),
            by(SARAH, Coupon, "CODE1"),
        ),
        (new().code(CAROL, true, 9, 1).click(BOB, 1, 3), by(BOB, ByLink, "CODE3")),
        (
            new().code(SARAH, false, 9, 1).click(CAROL, 1, 3),
            by(SARAH, Coupon, "CODE1"),
        ),
        (new().click(BOB, 1, 9).click(CAROL, 1, 3), by(BOB, ByLink, "")),
        (new().code(CAROL, true, 9, 1), held(CAROL, Coupon, "CODE3")),
        (new().click(CAROL, 1, 3), held(CAROL, ByLink, "")),
        (
            new().code(CAROL, false, 9, 1).click(CAROL, 1, 3),
            held(CAROL, ByLink, "CODE3"),
        ),
        // The server's word.
        (new().word(SARAH), by(SARAH, S2s, "")),
        (new().word(SARAH).click(BOB, 1, 3), by(BOB, ByLink, "")),
        (new().word(SARAH).code(BOB, false, 5, 1), by(BOB, Coupon, "CODE2")),
        (new().word(SARAH).click(CAROL, 1, 3), by(SARAH, S2s, "")),
        (new().word(CAROL), held(CAROL, S2s, "")),
    ];
    for (world, expected) in cases {
        assert_eq!(world.told(), expected, "{world:#?}");
    }
}

#[test]
fn each_campaigns_model_says_which_click_counts_and_among_campaigns_the_last() {
    let last = World::new().click(SARAH, 1, 9).click(BOB, 1, 3);
    assert_eq!(last.told(), by(BOB, ByLink, ""));
    let first = World::new().click(SARAH, 2, 9).click(BOB, 2, 3);
    assert_eq!(first.told(), by(SARAH, ByLink, ""));
    // In the second campaign it is Sarah's of day 9, which is before Bob's of day 5 in the first.
    let both = World::new().click(SARAH, 2, 9).click(BOB, 2, 3).click(BOB, 1, 5);
    let decision = both.decide();
    assert_eq!(
        decision.credit.map(|it| (it.affiliate_id, it.campaign_id)),
        Some((affiliate(BOB), campaign(1)))
    );
    let of_campaign = World {
        campaign: Some(campaign(2)),
        ..both
    };
    assert_eq!(of_campaign.told(), by(SARAH, ByLink, ""));
    // A click that the sale does not name counts where its visitor's other click is named.
    let mut named = World::new().click(SARAH, 1, 9).click(BOB, 1, 3);
    named.clicks.pop_last();
    assert_eq!(named.told(), by(BOB, ByLink, ""));
}

#[test]
fn the_trail_names_the_losers_and_what_they_lost_by() {
    let world = World::new().code(SARAH, false, 5, 1).code(CAROL, true, 9, 1).shared();
    let world = world
        .click(BOB, 1, 3)
        .click(SARAH, 1, 9)
        .click(BOB, 2, 5)
        .click(SARAH, 2, 80)
        .word(SARAH);
    let mut trail = world.trail();
    for (n, id) in world.known.clicks.keys().enumerate() {
        trail
            .iter_mut()
            .for_each(|line| *line = line.replace(&id.to_string(), &format!("click {n}")));
    }
    assert_eq!(
        trail,
        [
            "CLICK CREDITED click 0 was followed at 1972-09-24T00:00:00Z",
            "CODE PASSED_OVER CODE1: its coupon lets clicks go before it",
            "CODE PASSED_OVER CODE3: its affiliate was not approved",
            "CLICK PASSED_OVER click 1: another click came later",
            "CLICK PASSED_OVER click 2: the click that counts in another campaign came later",
            "CLICK PASSED_OVER click 3: it is older than 60 days",
            "SERVER PASSED_OVER the brand's server named an affiliate: a code or a click goes before it",
        ]
    );
    assert_eq!(
        World::new().shared().click(BOB, 1, 3).trail()[1],
        "SHARED_CODE SHOWN EVERYBODY is of all affiliates of its campaign"
    );
    // Whoever is credited is not told of others.
    let told: Vec<_> = world
        .decide()
        .trail
        .into_iter()
        .filter_map(|step| step.told_to(affiliate(BOB)))
        .collect();
    let told: Vec<_> = told.iter().map(|step| step.rule.as_str()).collect();
    assert_eq!(told, ["CLICK", "CLICK"]);
}

#[test]
fn a_self_referral_is_held_whatever_the_case_the_blanks_and_the_plus() {
    for (email, expected) in [
        (" Affiliate1@Example.test ", held(SARAH, ByLink, "")),
        ("affiliate1+shop@example.test", held(SARAH, ByLink, "")),
        ("affiliate1@example.org", by(SARAH, ByLink, "")),
        ("affiliate2@example.test", by(SARAH, ByLink, "")),
        ("+1@example.test", by(SARAH, ByLink, "")),
        ("", by(SARAH, ByLink, "")),
    ] {
        let world = World {
            email: Some(email.to_owned()),
            ..World::new().click(SARAH, 1, 3)
        };
        assert_eq!(world.told(), expected, "{email:?}");
    }
}

#[test]
fn a_renewal_stays_with_who_earned_the_subscription() {
    let start = World::new().click(SARAH, 1, 3).decide().credit;
    let world = World {
        bound: start,
        ..World::new().code(BOB, true, 5, 1).click(BOB, 1, 1)
    };
    assert_eq!(world.told(), by(SARAH, ByLink, "CODE2"));
    assert_eq!(
        world.trail(),
        [
            "SUBSCRIPTION CREDITED a click earned the subscription",
            "CODE PASSED_OVER CODE2: renewals stay with who earned the subscription",
        ]
    );
}

#[test]
fn managers_decide_last() {
    let sold = || World::new().code(SARAH, true, 5, 1);
    let to_bob = Verdict::Reassigned(affiliate(BOB));
    let to_carol = Verdict::Reassigned(affiliate(CAROL));
    let cases = [
        (sold().verdict(to_bob), BOB, false, false),
        (sold().verdict(to_bob).verdict(to_carol), CAROL, true, false),
        (sold().verdict(to_carol).verdict(Verdict::Approved), CAROL, false, false),
        (sold().verdict(Verdict::Rejected).verdict(to_bob), BOB, false, true),
        (
            sold().verdict(Verdict::Rejected).verdict(Verdict::Approved),
            SARAH,
            false,
            false,
        ),
        (
            World::new().code(CAROL, true, 5, 1).verdict(Verdict::Approved),
            CAROL,
            false,
            false,
        ),
    ];
    for (world, who, held, rejected) in cases {
        let decision = world.decide();
        let credit = decision.credit.clone().unwrap();
        assert_eq!(
            (credit.affiliate_id, decision.held, decision.rejected),
            (affiliate(who), held, rejected)
        );
        assert_eq!(credit.method, Coupon);
    }
    let world = sold().verdict(to_bob);
    let step = format!(
        "MANAGER REASSIGNED to {} by max at 1970-01-01T00:00:00Z: because",
        affiliate(BOB)
    );
    assert_eq!(world.trail(), ["CODE CREDITED CODE1 was redeemed", step.as_str()]);
    let credit = world.decide().credit.unwrap();
    assert!(credit.reassigned && !credit.code_is_own());
    // Bob is told neither of Sarah's code nor what the manager wrote.
    let told = world
        .decide()
        .trail
        .into_iter()
        .filter_map(|step| step.told_to(affiliate(BOB)));
    let told: Vec<_> = told.map(|step| (step.outcome, step.detail)).collect();
    assert_eq!(told, [("REASSIGNED".to_owned(), None)]);
}
