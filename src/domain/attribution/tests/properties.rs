//! What never changes a decision, and what each switch changes.

use AttributionMethod::{Coupon, Link as ByLink};
use proptest::prelude::*;

use super::*;

/// Any evidence, out of a few codes and clicks.
fn worlds() -> impl Strategy<Value = World> {
    let codes = prop::collection::vec((1..4u128, any::<bool>(), 0..3i64, 0..3i64), 0..4);
    let clicks = prop::collection::vec((1..4u128, 1..3u128, -2..70i64), 0..5);
    (codes, clicks, any::<bool>(), prop::option::of(1..4u128)).prop_map(|(codes, clicks, shared, word)| {
        let mut world = World::new();
        for (who, overrides, discount, start) in codes {
            world = world.code(who, overrides, discount, start);
        }
        for (who, of, days) in clicks {
            world = world.click(who, of, days);
        }
        world = if shared { world.shared() } else { world };
        word.map_or(world.clone(), |who| world.word(who))
    })
}

fn with_rules(world: &World, change: impl Fn(&mut Rule)) -> World {
    let mut world = world.clone();
    world.known.campaigns.values_mut().flatten().for_each(change);
    world
}

proptest! {
    #[test]
    fn the_order_of_the_evidence_never_matters(world in worlds(), turn in 0..4usize) {
        let mut turned = world.clone();
        turned.codes.reverse();
        let turn = turn.min(turned.codes.len());
        turned.codes.rotate_left(turn);
        prop_assert_eq!(world.decide(), turned.decide());
    }

    /// Off or on, it matters only where a code meets a click.
    #[test]
    fn overriding_clicks_matters_only_between_a_code_and_a_click(world in worlds()) {
        let overriding = |on: bool| {
            let mut world = world.clone();
            world.known.codes.values_mut().for_each(|code| code.overrides = vec![(day(-500), on)]);
            world
        };
        let (on, off) = (overriding(true), overriding(false));
        let (credited_on, credited_off) = (on.decide().credit, off.decide().credit);
        let shown = |credit: &Option<Credit>| credit.as_ref().and_then(|it| it.code.clone());
        prop_assert_eq!(shown(&credited_on), shown(&credited_off));
        if on.told() != off.told() {
            prop_assert_eq!(credited_on.map(|it| it.method), Some(Coupon));
            prop_assert_eq!(credited_off.map(|it| it.method), Some(ByLink));
        }
    }

    /// A wider window never takes a click away, and without clicks it says nothing.
    #[test]
    fn the_window_matters_only_to_clicks(world in worlds(), days in 0..200u32) {
        let other = with_rules(&world, |rule| rule.cookie_window_days = days);
        let without = |world: &World| World { clicks: BTreeSet::new(), ..world.clone() };
        prop_assert_eq!(without(&world).decide(), without(&other).decide());
        if days >= WINDOW && world.decide().credit.is_some_and(|it| it.method == ByLink) {
            let mine = with_rules(&world, |rule| rule.cookie_window_days = days);
            prop_assert!(mine.decide().credit.is_some_and(|it| it.method == ByLink));
        }
    }

    /// The click model says which click, never whether one.
    #[test]
    fn the_click_model_never_makes_or_ends_a_credit(world in worlds()) {
        let [first, last] = [ClickModel::FirstClick, ClickModel::LastClick]
            .map(|model| with_rules(&world, |rule| rule.click_model = model).decide().credit);
        prop_assert_eq!(first.as_ref().map(|it| (it.method, &it.code)), last.as_ref().map(|it| (it.method, &it.code)));
    }

    /// Approving everybody holds nothing, and credits no sale that nobody was credited for.
    #[test]
    fn approval_says_whether_it_is_held_never_whether_there_is_a_credit(world in worlds()) {
        let mut approved = world.clone();
        for person in approved.known.people.values_mut() {
            person.statuses = vec![(day(-500), AffiliateStatus::Approved)];
        }
        let (before, after) = (world.decide(), approved.decide());
        prop_assert_eq!(before.credit.is_some(), after.credit.is_some());
        prop_assert!(!after.held);
        let carols = before.credit.as_ref().is_some_and(|it| it.affiliate_id == affiliate(CAROL));
        prop_assert_eq!(before.held, carols);
    }
}
