//! Which part of what went back of a payment is an invoice's, where one payment paid several.

use std::collections::BTreeMap;

use crate::money;

/// What an invoice has of a payment. Minor units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Claim {
    /// What was paid of the invoice with the payment.
    pub(super) paid: i64,
    /// What is known to have gone back of just this invoice: credit notes say so.
    pub(super) own: i64,
}

/// The share of `invoice` in what went `back`, by the claims of all the invoices. What is nobody's own is shared out in the proportion of
/// what is left of each; `unclaimed` was paid for what is not known. The shares of all come to `back`, to the last unit.
pub(super) fn share(back: i64, claims: &BTreeMap<&str, Claim>, unclaimed: i64, invoice: &str) -> i64 {
    let own = |claim: &Claim| claim.own.clamp(0, claim.paid.max(0));
    let left = |claim: &Claim| i128::from(claim.paid.max(0) - own(claim));
    let all_own = money::sum(claims.values().map(own));
    let all_left: i128 = claims.values().map(left).sum::<i128>() + i128::from(unclaimed.max(0));
    let common = i128::from((back - all_own).max(0)).min(all_left);
    let mut before = 0;
    for (name, claim) in claims {
        if *name == invoice {
            let up_to = |sum: i128| if all_left == 0 { 0 } else { common * sum / all_left };
            let part = up_to(before + left(claim)) - up_to(before);
            return i64::try_from(part).unwrap_or(i64::MAX) + own(claim).min(back);
        }
        before += left(claim);
    }
    0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NAMES: [&str; 4] = ["in_1", "in_2", "in_3", "in_4"];

    fn shares(back: i64, claims: &[(i64, i64)], unclaimed: i64) -> Vec<i64> {
        let claims = claims.iter().map(|(paid, own)| Claim { paid: *paid, own: *own });
        let claims: BTreeMap<_, _> = NAMES.into_iter().zip(claims).collect();
        let names = claims.keys();
        names.map(|name| share(back, &claims, unclaimed, name)).collect()
    }

    #[test]
    fn the_table_of_shares() {
        assert_eq!(shares(1000, &[(600, 0), (400, 0)], 0), [600, 400]);
        assert_eq!(shares(500, &[(600, 0), (400, 0)], 0), [300, 200]);
        assert_eq!(shares(1, &[(500, 0), (500, 0)], 0), [0, 1]);
        // 400 of the payment went elsewhere.
        assert_eq!(shares(500, &[(600, 0)], 400), [300]);
        // A credit note said whose the 400 were.
        assert_eq!(shares(400, &[(600, 0), (400, 400)], 0), [0, 400]);
        assert_eq!(shares(700, &[(600, 0), (400, 400)], 0), [300, 400]);
        assert_eq!(shares(100, &[(0, 0), (0, 0)], 0), [0, 0]);
    }

    proptest! {
        #[test]
        fn shares_come_to_all_that_went_back_and_none_is_more_than_was_paid(
            paid in prop::collection::vec(0..1_000_000_i64, 1..4), own in 0..1000_i64, percent in 0..=100_i64,
        ) {
            let all: i64 = paid.iter().sum();
            let claims: Vec<_> = paid.iter().map(|paid| (*paid, own.min(paid / 2))).collect();
            let owned: i64 = claims.iter().map(|(_, own)| own).sum();
            let back = owned + (all - owned) * percent / 100;
            let shares = shares(back, &claims, 0);
            prop_assert_eq!(shares.iter().sum::<i64>(), back);
            prop_assert!(shares.iter().zip(&paid).all(|(share, paid)| share <= paid));
        }
    }
}
