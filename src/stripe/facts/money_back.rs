//! What went back of a payment: its refunds and its lost disputes together, never more than was paid.

use std::collections::{BTreeMap, BTreeSet};

use super::Facts;
use crate::money::{self, Currency};

/// What became of the money of some payments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MoneyBack {
    /// Minor units that went back, with tax.
    pub amount: i64,
    /// A dispute is open.
    pub disputed: bool,
    /// The brand's server said that all of it went back, also where that is nothing.
    pub whole: bool,
}

/// What is known of one charge. Minor units.
#[derive(Default)]
struct Sums {
    /// What was captured.
    captured: Option<i64>,
    /// The charge's own figure of what was refunded.
    cumulative: i64,
    /// Refunds that failed, and those that stand.
    failed: i64,
    standing: i64,
    lost: i64,
}

impl Sums {
    /// A charge's cumulative figure may or may not fall when a refund fails afterwards, so what failed is taken off the
    /// largest figure seen, and the refunds that are known to stand are the least.
    ///
    /// A bank may take the whole payment though a part of it was refunded, so there is a limit to the two together.
    fn gone(&self) -> i64 {
        let refunded = (self.cumulative - self.failed).max(self.standing);
        (refunded + self.lost).min(self.captured.unwrap_or(i64::MAX))
    }
}

impl Facts {
    /// What went back on some payments (`pi_…` or `ch_…`) in `currency`, each charge once, whatever names it goes by.
    pub fn money_back(&self, payments: &BTreeSet<String>, currency: Currency) -> MoneyBack {
        let paid = |name: Option<&str>| name.is_some_and(|name| payments.contains(name));
        let ours: BTreeSet<&str> = self
            .charge_names()
            .filter(|(charge, payment_intent)| payments.contains(*charge) || paid(*payment_intent))
            .map(|(charge, _)| charge)
            .collect();
        // The one name of the charge that something is about, if it is one of these payments.
        let name = |charge: Option<&str>, payment_intent: Option<&str>| -> Option<String> {
            let charge = charge.or_else(|| self.charge_of(payment_intent?));
            let known = charge.is_some_and(|charge| ours.contains(charge));
            (known || paid(payment_intent)).then_some(charge.or(payment_intent)?.to_owned())
        };
        let mut sums: BTreeMap<String, Sums> = BTreeMap::new();
        let mut disputed = false;
        for id in &ours {
            if let Some(charge) = self.charges.get(*id) {
                let sums = sums.entry((*id).to_owned()).or_default();
                (sums.captured, sums.cumulative) = (charge.captured, charge.amount_refunded);
            }
        }
        for refund in self.refunds.values() {
            if let Some(name) = name(refund.charge.as_deref(), refund.payment_intent.as_deref()) {
                let sums = sums.entry(name).or_default();
                let sum = if refund.failed {
                    &mut sums.failed
                } else {
                    &mut sums.standing
                };
                *sum = money::sum([*sum, refund.amount]);
            }
        }
        for dispute in self.disputes.values() {
            if let Some(name) = name(dispute.charge.as_deref(), dispute.payment_intent.as_deref()) {
                let sums = sums.entry(name).or_default();
                sums.lost = money::sum([sums.lost, dispute.lost(currency).unwrap_or(0)]);
                disputed |= dispute.is_open();
            }
        }
        let amount = money::sum(sums.values().map(Sums::gone));
        MoneyBack {
            amount,
            disputed,
            whole: false,
        }
    }

    /// Every charge that anything names, with its payment intent where that is named beside it.
    pub(super) fn charge_names(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        let refunds = self.refunds.values();
        let refunds = refunds.filter_map(|it| Some((it.charge.as_deref()?, it.payment_intent.as_deref())));
        let disputes = self.disputes.values();
        let disputes = disputes.filter_map(|it| Some((it.charge.as_deref()?, it.payment_intent.as_deref())));
        let charges = self.charges.iter();
        charges
            .map(|(id, charge)| (id.as_str(), charge.payment_intent.as_deref()))
            .chain(refunds)
            .chain(disputes)
    }

    /// The charge that money went back from, of those of a payment intent.
    fn charge_of(&self, payment_intent: &str) -> Option<&str> {
        let mut names = self.charge_names();
        let of_intent = names.find(|(_, intent)| *intent == Some(payment_intent));
        of_intent.map(|(charge, _)| charge)
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Charge, Dispute, DisputeState, Refund, Word},
        *,
    };

    fn charge(facts: &mut Facts, id: &str, captured: Option<i64>, refunded: i64) {
        let charge = Charge {
            payment_intent: Some(format!("pi_{id}")),
            captured,
            amount_refunded: refunded,
            without_invoice: false,
        };
        facts.charges.insert(format!("ch_{id}"), charge);
    }

    fn dispute(facts: &mut Facts, id: &str, number: usize, state: DisputeState, amount: i64) {
        let dispute = Dispute {
            charge: Some(format!("ch_{id}")),
            payment_intent: Some(format!("pi_{id}")),
            currency: None,
            last: Some(Word { at: 5, state, amount }),
        };
        facts.disputes.insert(format!("du_{id}_{number}"), dispute);
    }

    fn of(facts: &Facts, payments: &[&str]) -> (i64, bool) {
        let payments = payments.iter().map(|payment| (*payment).to_owned()).collect();
        let back = facts.money_back(&payments, "usd".parse().unwrap());
        (back.amount, back.disputed)
    }

    #[test]
    fn a_lost_dispute_stands_beside_refunds_up_to_what_was_paid() {
        use DisputeState::{Inquiry, Lost, Open, Over};
        type Case<'a> = (Option<i64>, i64, &'a [(DisputeState, i64)], (i64, bool));
        let cases: &[Case] = &[
            (Some(1000), 0, &[(Lost, 1000)], (1000, false)),
            (Some(1000), 300, &[(Lost, 500)], (800, false)),
            (Some(1000), 300, &[(Lost, 1000)], (1000, false)),
            (None, 300, &[(Lost, 1000)], (1300, false)),
            (Some(1000), 300, &[(Open, 700)], (300, true)),
            (Some(1000), 0, &[(Inquiry, 1000)], (0, false)),
            (Some(1000), 0, &[(Over, 1000)], (0, false)),
            (Some(1000), 0, &[(Lost, 400), (Open, 300), (Over, 300)], (400, true)),
            (Some(1000), 0, &[(Lost, 600), (Lost, 600)], (1000, false)),
        ];
        for (captured, refunded, disputes, expected) in cases {
            let mut facts = Facts::default();
            charge(&mut facts, "1", *captured, *refunded);
            for (number, (state, amount)) in disputes.iter().enumerate() {
                dispute(&mut facts, "1", number, *state, *amount);
            }
            for payments in [["pi_1"], ["ch_1"]] {
                assert_eq!(of(&facts, &payments), *expected, "{refunded} {disputes:?} {payments:?}");
            }
        }
    }

    #[test]
    fn the_limit_is_that_of_each_charge() {
        let mut facts = Facts::default();
        charge(&mut facts, "1", Some(1000), 400);
        charge(&mut facts, "2", Some(1000), 0);
        dispute(&mut facts, "1", 0, DisputeState::Lost, 1000);
        assert_eq!(of(&facts, &["pi_1", "pi_2"]), (1000, false));
        assert_eq!(of(&facts, &["pi_2"]), (0, false));
        assert_eq!(of(&facts, &["pi_3"]), (0, false));
    }

    #[test]
    fn names_are_put_together_whoever_tells_them() {
        let mut facts = Facts::default();
        dispute(&mut facts, "1", 0, DisputeState::Lost, 200);
        let refund = |charge: Option<&str>, payment_intent: Option<&str>| Refund {
            charge: charge.map(str::to_owned),
            payment_intent: payment_intent.map(str::to_owned),
            amount: 100,
            failed: false,
        };
        facts.refunds.insert("re_1".into(), refund(Some("ch_1"), None));
        facts.refunds.insert("re_2".into(), refund(None, Some("pi_1")));
        assert_eq!(of(&facts, &["pi_1"]), (400, false));
        assert_eq!(of(&facts, &["ch_1"]), (400, false));
    }
}
