//! Generates scripts, reproducibly.

use proptest::{
    prelude::*,
    sample::select,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use rekomi::standin::{DisputeStep, Shape, sales::CreditTo};

use super::{
    Code, Missing, Ruling, Script, Start, Step,
    programs::{Campaign, DAY, Owner},
    visit::{Followed, NamedBy, Visit},
};
use crate::support::env;

/// `REKOMI_HISTORIES_SEED`: what failed under a seed fails under it again.
pub fn seed() -> u64 {
    env("REKOMI_HISTORIES_SEED").map_or(1, |seed| seed.parse().expect("REKOMI_HISTORIES_SEED is a number"))
}

/// `REKOMI_HISTORIES`: how many.
pub fn histories() -> usize {
    env("REKOMI_HISTORIES").map_or(1000, |count| count.parse().expect("REKOMI_HISTORIES is a number"))
}

/// A runner whose cases follow from the seed alone.
pub fn runner(seed: u64, cases: u32) -> TestRunner {
    let config = Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 4096,
        ..Config::default()
    };
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes))
}

/// Sales of all sorts. They shrink to a plain sale without a code.
pub fn scripts() -> impl Strategy<Value = Script> {
    let money = (
        prop_oneof![Just(5000_i64), 100..20_000_i64],
        prop_oneof![Just(0_i64), 1..900_i64],
        any::<bool>(),
        prop_oneof![4 => Just(0_i64), 1 => 1..100_i64],
    );
    let start = prop_oneof![
        4 => Just(Start::Active),
        2 => Just(Start::Incomplete),
        2 => Just(Start::Trial),
        1 => Just(Start::OneOff),
        1 => Just(Start::OneOffWithInvoice),
        1 => Just(Start::OneOffDelayed),
    ];
    let codes = prop_oneof![1 => Just(vec![]), 9 => prop::collection::vec(code(), 1..=3)];
    let shapes = prop::collection::vec(select(Shape::ALL.to_vec()), 1..=4);
    let how = (
        prop::bool::weighted(0.3),
        prop::bool::weighted(0.1),
        prop::bool::weighted(0.3),
        prop::bool::weighted(0.15),
        missing(),
    );
    let steps = prop::collection::vec(step(), 0..=10);
    let begins = prop_oneof![3 => Just(0_i64), 2 => 1..=90_i64];
    let before = (begins, prop::option::weighted(0.4, visit()));
    (money, start, before, codes, shapes, how, steps).prop_map(|(money, start, before, codes, shapes, how, steps)| {
        let (begins, visit) = before;
        let (price, tax, yen, from_balance) = money;
        let (line_level, buyer_is_sarah, two_endpoints, thin, missing) = how;
        Script {
            // A trial's discounts are nowhere but on the subscription.
            line_level: line_level && start != Start::Trial,
            price,
            tax,
            yen,
            from_balance: if matches!(start, Start::Active | Start::Incomplete | Start::Trial) {
                from_balance
            } else {
                0
            },
            start,
            begins,
            visit,
            buyer_is_sarah,
            codes,
            shapes,
            two_endpoints,
            // A session that is looked up does not say when a delayed payment was through.
            thin: thin && start != Start::OneOffDelayed,
            missing,
            steps,
        }
    })
}

fn code() -> impl Strategy<Value = Code> {
    select(Code::ALL.to_vec())
}

/// Up to three clicks: on the edges of the windows and of the sale, and anywhere else.
fn visit() -> impl Strategy<Value = Visit> {
    let edges = [
        0,
        1,
        -20 * DAY,
        -20 * DAY - 1,
        -30 * DAY,
        -30 * DAY - 1,
        -60 * DAY,
        -60 * DAY - 1,
        -90 * DAY,
    ];
    let after = prop_oneof![
        3 => Just(-60_i64),
        2 => select(edges.to_vec()),
        2 => -100 * DAY..DAY,
        1 => 1..100 * DAY,
    ];
    let followed = (select(Owner::ALL.to_vec()), select(Campaign::ALL.to_vec()), after);
    let followed = followed.prop_map(|(of, campaign, after)| Followed { of, campaign, after });
    let by = select(vec![NamedBy::Reference, NamedBy::Metadata, NamedBy::Invoice]);
    let clicks = prop::collection::vec(followed, 1..=3);
    (clicks, 0..3_usize, by).prop_map(|(clicks, named, by)| Visit { clicks, named, by })
}

fn ruling() -> impl Strategy<Value = Ruling> {
    let reassigned = select(Owner::ALL.to_vec()).prop_map(Ruling::Reassign);
    prop_oneof![1 => Just(Ruling::Approve), 1 => Just(Ruling::Reject), 2 => reassigned]
}

fn missing() -> impl Strategy<Value = Missing> {
    let some = select(vec![
        Missing::SubscriptionCreated,
        Missing::FirstInvoicePaid,
        Missing::InvoicePaymentPaid,
        Missing::SessionCompleted,
        Missing::ChargeRefunded,
        Missing::RefundCreated,
    ]);
    prop_oneof![3 => Just(Missing::Nothing), 2 => some]
}

fn step() -> impl Strategy<Value = Step> {
    let payment = || 0..3_usize;
    let part = || prop_oneof![Just(100_i64), 1..100_i64];
    prop_oneof![
        6 => Just(Step::Renew),
        1 => code().prop_map(Step::Redeem),
        4 => (payment(), part()).prop_map(|(of, part)| Step::Refund(of, part)),
        1 => (payment(), part(), credit_to()).prop_map(|(of, part, to)| Step::Credit(of, part, to)),
        2 => payment().prop_map(Step::RefundFails),
        5 => (payment(), dispute_step(), part()).prop_map(|(of, step, part)| Step::Dispute(of, step, part)),
        2 => (payment(), dispute_step()).prop_map(|(of, step)| Step::DisputeAtOnce(of, step)),
        2 => (payment(), ruling()).prop_map(|(of, ruling)| Step::Decide(of, ruling)),
    ]
}

fn credit_to() -> impl Strategy<Value = CreditTo> {
    select(vec![CreditTo::Refund, CreditTo::OutsideStripe, CreditTo::Balance])
}

fn dispute_step() -> impl Strategy<Value = DisputeStep> {
    prop_oneof![
        3 => Just(DisputeStep::Created),
        1 => Just(DisputeStep::Inquiry),
        1 => Just(DisputeStep::Prevented),
        1 => Just(DisputeStep::InquiryClosed),
        4 => Just(DisputeStep::FundsWithdrawn),
        1 => Just(DisputeStep::UnderReview),
        1 => Just(DisputeStep::Won),
        3 => Just(DisputeStep::Lost),
        1 => Just(DisputeStep::Appealed),
        1 => Just(DisputeStep::FundsReinstated),
        1 => (1..3000_i64).prop_map(DisputeStep::PartReinstated),
    ]
}
