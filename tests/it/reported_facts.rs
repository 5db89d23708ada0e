//! Facts of reports merge: commutative, associative, idempotent, whatever was reported. Pure: no app, no database.

use std::collections::BTreeMap;

use proptest::prelude::*;
use rekomi::{
    domain::reports::{Decision, Report, ReportedRefund, ReportedSale, Verdict},
    money::Currency,
    stripe::facts::{Facts, read_report},
};
use uuid::Uuid;

use crate::support::app::NOON;

fn currency(number: usize) -> Currency {
    ["USD", "EUR", "JPY"][number].parse().unwrap()
}

fn sale(number: usize) -> ReportedSale {
    ReportedSale {
        external_id: format!("order-{number}"),
        at: NOON + i64::try_from(number).unwrap(),
        told_at: None,
        currency: currency(number),
        amount: 4900,
        tax: 0,
        customer_email: None,
        click: None,
        link: None,
        code: None,
        affiliate: Some(Uuid::from_u128(7).into()),
        campaign: None,
    }
}

/// One sale has one report: what differs under its name is refused before it comes to the log.
fn report() -> impl Strategy<Value = Report> {
    let refund = (0..2usize, prop::option::of((0..6000i64, 0..3usize)));
    let decision = 1..6u128;
    prop_oneof![
        (0..2usize).prop_map(|number| Report::Sale(sale(number))),
        refund.prop_map(|(number, amount)| {
            Report::Refund(ReportedRefund {
                refunded_external_id: format!("order-{number}"),
                amount: amount.map(|(amount, number)| (amount, currency(number))),
            })
        }),
        decision.prop_map(|id| {
            Report::Decision(Decision {
                id: Uuid::from_u128(id),
                part: format!("s2s:order-{}", id / 3),
                verdict: if id % 2 == 0 {
                    Verdict::Approved
                } else {
                    Verdict::Rejected
                },
                reason: "seen".into(),
                by: "max".into(),
                at: NOON,
            })
        }),
    ]
}

fn merged<'a>(reports: impl IntoIterator<Item = &'a Report>) -> Facts {
    let mut all = Facts::default();
    reports.into_iter().for_each(|report| all.merge(read_report(report)));
    all
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_order_and_any_repeats_come_to_the_same(
        reports in prop::collection::vec(report(), 0..20), cut in any::<usize>(), seed in any::<u64>(),
    ) {
        let one = merged(&reports);
        let prefix = &reports[..cut % (reports.len() + 1)];
        let mut other: Vec<&Report> = reports.iter().chain(prefix).collect();
        crate::support::rng::Rng::seeded(seed).shuffle(&mut other);
        prop_assert_eq!(&merged(other), &one);
        // A prefix that is told again later changes nothing either.
        let mut again = merged(prefix);
        again.merge(one.clone());
        prop_assert_eq!(again, one);
    }

    #[test]
    fn merging_is_associative(reports in prop::collection::vec(report(), 0..20), cut in any::<(usize, usize)>()) {
        let (a, b) = (cut.0 % (reports.len() + 1), cut.1 % (reports.len() + 1));
        let (a, b) = (a.min(b), a.max(b));
        let [first, second, third] = [&reports[..a], &reports[a..b], &reports[b..]].map(merged);
        let join = |one: &Facts, other: &Facts| {
            let mut joined = one.clone();
            joined.merge(other.clone());
            joined
        };
        prop_assert_eq!(join(&join(&first, &second), &third), join(&first, &join(&second, &third)));
    }

    #[test]
    fn the_largest_refund_of_each_currency_is_kept(reports in prop::collection::vec(report(), 0..20)) {
        let facts = merged(&reports);
        for number in 0..2 {
            let name = format!("order-{number}");
            let refunds: Vec<_> = reports
                .iter()
                .filter_map(|report| match report {
                    Report::Refund(refund) if refund.refunded_external_id == name => Some(refund.amount),
                    _ => None,
                })
                .collect();
            let known = facts.reported.get(&format!("s2s:{name}")).cloned().unwrap_or_default();
            let mut largest: BTreeMap<Currency, i64> = BTreeMap::new();
            for (amount, currency) in refunds.iter().flatten() {
                let so_far = largest.entry(*currency).or_default();
                *so_far = amount.max(so_far).to_owned();
            }
            prop_assert_eq!(known.refunded, largest);
            prop_assert_eq!(known.fully_refunded, refunds.contains(&None));
        }
    }

    #[test]
    fn a_report_reads_back_from_the_log(report in report()) {
        let stored = serde_json::to_string(&report).unwrap();
        prop_assert_eq!(serde_json::from_str::<Report>(&stored).unwrap(), report.clone());
        let facts = read_report(&report);
        let stored = serde_json::to_string(&facts).unwrap();
        prop_assert_eq!(serde_json::from_str::<Facts>(&stored).unwrap(), facts);
    }
}
