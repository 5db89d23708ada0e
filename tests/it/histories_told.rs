//! Generated histories of sales, told without a server: whatever the order, the repeats, the shapes and the moment at
//! which Stripe is asked, there stands what truly happened. `histories` tells them to servers.

use std::{collections::BTreeMap, sync::Arc};

use proptest::{
    prelude::*,
    test_runner::{TestCaseError, TestError},
};
use rekomi::{
    standin::{
        DisputeStep, Promo,
        Shape::{Basil, V2020_08_27},
    },
    stripe::facts::Facts,
};

use crate::support::{
    rng::Rng,
    script::{
        self,
        Code::{self, Bob20, Sarah20},
        Lived, News, Script, Start,
        Step::{Dispute, Redeem, Renew},
        Telling, Visit,
        known::evidence,
        programs::{Campaign, Owner},
        visit::{Followed, NamedBy},
    },
};

/// Holds a property on many scripts; the least that breaks it is shown as a test would hold it.
fn hold(property: impl Fn(&Script, &mut Rng) -> Result<(), String>) {
    let cases = u32::try_from(script::histories()).unwrap();
    let seed = script::seed();
    // The order stays while the script shrinks.
    let cases_of = (script::scripts(), any::<u64>().no_shrink());
    let result = script::runner(seed, cases).run(&cases_of, |(script, order)| {
        property(&script, &mut Rng::seeded(order)).map_err(TestCaseError::fail)
    });
    match result {
        Ok(()) => {}
        Err(TestError::Fail(reason, (script, _))) => {
            panic!("REKOMI_HISTORIES_SEED={seed}\n{reason}\n{}", script::as_code(&script));
        }
        Err(TestError::Abort(reason)) => panic!("{reason}"),
    }
}

fn promos() -> Arc<BTreeMap<Code, Promo>> {
    Arc::new(Code::ALL.map(|code| (code, code.promo())).into())
}

/// Lives through a script. Now and then, and at its end, all that happened since is told in some order, some of what was
/// told before again; then there must stand what happened until then.
fn told_in_some_order(script: &Script, rng: &mut Rng) -> Result<(), String> {
    let mut lived = Lived::start(script, 0, &promos());
    let evidence = evidence(&lived);
    let (mut telling, mut told) = (Telling::default(), 0);
    for step in 0..=script.steps.len() {
        if step == script.steps.len() || rng.below(4) == 0 {
            let mut open = lived.events[told..].to_vec();
            told = lived.events.len();
            again(&lived.events, &mut open, rng);
            rng.shuffle(&mut open);
            let answers = lived.answers();
            for event in &open {
                telling.tell(event, &answers, &evidence);
            }
            compare(&lived, &telling)?;
        }
        lived.live(1);
    }
    Ok(())
}

/// Some of what happened once more.
fn again(events: &[News], open: &mut Vec<News>, rng: &mut Rng) {
    for _ in 0..rng.below(4) {
        open.push(events[rng.below(events.len())].clone());
    }
}

fn compare(lived: &Lived, telling: &Telling) -> Result<(), String> {
    let (told, should) = (
        script::told(lived, telling, &evidence(lived)),
        script::should_stand(lived),
    );
    if told == should {
        return Ok(());
    }
    Err(format!(
        "after {} steps there stands\n{told:#?}\nand there should\n{should:#?}",
        lived.steps
    ))
}

fn merged<'a>(pieces: impl IntoIterator<Item = &'a Facts>) -> Facts {
    let mut all = Facts::default();
    for piece in pieces {
        all.merge(piece.clone());
    }
    all
}

#[test]
fn whatever_the_order_there_stands_what_happened() {
    hold(told_in_some_order);
}

#[test]
fn what_events_tell_merges_in_any_order_and_any_number() {
    hold(|script, rng| {
        let mut lived = Lived::start(script, 0, &promos());
        lived.live(script.steps.len());
        let answers = lived.answers();
        let mut telling = Telling::default();
        for event in &lived.events {
            telling.tell(event, &answers, &evidence(&lived));
        }
        let mut pieces = telling.pieces.clone();
        let whole = merged(&pieces);
        pieces.extend(telling.pieces.iter().take(rng.below(telling.pieces.len())).cloned());
        rng.shuffle(&mut pieces);
        let cut = rng.below(pieces.len() + 1);
        let (some, rest) = pieces.split_at(cut);
        let (mut there, mut back) = (merged(some), merged(rest));
        there.merge(merged(rest));
        back.merge(merged(some));
        if there == whole && back == whole {
            Ok(())
        } else {
            Err("the facts differ".to_owned())
        }
    });
}

/// A script that broke once, in many orders.
fn holds(script: &Script) {
    for order in 0..100 {
        told_in_some_order(script, &mut Rng::seeded(order)).unwrap();
    }
}

#[test]
fn a_code_that_is_redeemed_later_is_not_counted_with_the_start() {
    for thin in [false, true] {
        holds(&Script {
            codes: vec![Bob20],
            shapes: vec![Basil, V2020_08_27],
            thin,
            steps: vec![Redeem(Sarah20), Renew],
            ..Script::plain()
        });
    }
}

/// The click's sale has no code, so its invoice is not looked up; the session alone says which payment paid it.
#[test]
fn a_dispute_finds_its_invoice_by_the_session_that_names_both() {
    holds(&Script {
        start: Start::OneOffWithInvoice,
        visit: Some(Visit {
            clicks: vec![Followed {
                of: Owner::Sarah,
                campaign: Campaign::Spring,
                after: -60,
            }],
            named: 0,
            by: NamedBy::Reference,
        }),
        shapes: vec![Basil, V2020_08_27],
        steps: vec![Dispute(0, DisputeStep::Created, 100)],
        ..Script::plain()
    });
}
