//! The codes that generated sales are made with, and all that a decision looks at: whose they are, what they take off,
//! what they earn. The stage of a server (`stage`) and the evidence of the pure tests are both made from this.

use chrono::{DateTime, Months, Utc};
use entity::{affiliate::AffiliateStatus, campaign_rule::CommissionDuration};
use rekomi::{
    domain::commission::{Pay, Rule},
    standin::{CouponDuration, Promo},
    stripe::projection::Evidence,
};
use uuid::Uuid;

use super::super::{
    app::NOON,
    evidence::{Ours, lifetime, of_codes},
};

/// Affiliates whose names are theirs alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owner {
    Sarah,
    Bob,
    /// Suspended before anything is sold.
    Carol,
    /// Suspended from [`CHANGES`] on.
    Dora,
    Erik,
}

/// What campaigns pay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Campaign {
    /// 20 % for life.
    Spring,
    /// 7 USD for the first sale.
    Autumn,
    /// 12.5 % for two months, 25 % from [`CHANGES`] on.
    Winter,
}

/// A code, as it may be redeemed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Code {
    Sarah20,
    SarahX,
    Bob20,
    Bob5,
    Free,
    Carol30,
    Dora15,
    Erik25,
    /// Of the same Stripe account, and not ours.
    Foreign,
}

/// When Dora is suspended and Winter pays more: between a sale's first renewal and its second.
pub const CHANGES: i64 = NOON + 45 * 86_400;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap()
}

impl Owner {
    pub fn email(self) -> String {
        format!("{self:?}@affiliates.example").to_lowercase()
    }

    pub fn is_approved(self, seconds: i64) -> bool {
        match self {
            Self::Carol => false,
            Self::Dora => seconds < CHANGES,
            Self::Sarah | Self::Bob | Self::Erik => true,
        }
    }
}

impl Campaign {
    /// What a sale of `amount` minor units without tax earns, and in which currency; `first_paid` is when the
    /// subscription's first amount above zero was paid.
    pub fn earns(self, amount: i64, currency: &str, seconds: i64, first_paid: Option<i64>) -> (i64, String) {
        let percent = |tenths: i64| (2 * amount * tenths + 1000) / 2000;
        let (earned, currency) = match self {
            Self::Spring => (percent(200), currency.to_uppercase()),
            Self::Autumn if first_paid == Some(seconds) => (700, "USD".to_owned()),
            Self::Autumn => (0, "USD".to_owned()),
            Self::Winter => {
                let end = first_paid.map(|first| at(first).checked_add_months(Months::new(2)).unwrap());
                let covered = end.is_none_or(|end| at(seconds) < end);
                let tenths = if seconds < CHANGES { 125 } else { 250 };
                (if covered { percent(tenths) } else { 0 }, currency.to_uppercase())
            }
        };
        (if amount > 0 { earned } else { 0 }, currency)
    }

    fn rules(self) -> Vec<Rule> {
        let rule = |from: i64, pay: Pay, duration: CommissionDuration, months: u32| Rule {
            effective_from: at(from),
            pay,
            duration,
            months,
            ..lifetime(0)
        };
        let usd = "USD".parse().unwrap();
        match self {
            Self::Spring => vec![rule(NOON, Pay::Percent(2000), CommissionDuration::Lifetime, 0)],
            Self::Autumn => vec![rule(NOON, Pay::Flat(700, usd), CommissionDuration::FirstSale, 0)],
            Self::Winter => vec![
                rule(NOON, Pay::Percent(1250), CommissionDuration::Months, 2),
                rule(CHANGES, Pay::Percent(2500), CommissionDuration::Months, 2),
            ],
        }
    }
}

/// What a code takes off.
pub enum Off {
    Percent(u32),
    /// US cents.
    Cents(i64),
}

impl Code {
    pub const ALL: [Self; 9] = [
        Self::Sarah20,
        Self::SarahX,
        Self::Bob20,
        Self::Bob5,
        Self::Free,
        Self::Carol30,
        Self::Dora15,
        Self::Erik25,
        Self::Foreign,
    ];

    pub fn text(self) -> String {
        format!("{self:?}").to_uppercase()
    }

    /// Whose it is and in which campaign; `None` where it is not ours.
    pub fn owned(self) -> Option<(Owner, Campaign)> {
        Some(match self {
            Self::Sarah20 | Self::SarahX => (Owner::Sarah, Campaign::Spring),
            Self::Bob20 | Self::Bob5 | Self::Free => (Owner::Bob, Campaign::Spring),
            Self::Carol30 => (Owner::Carol, Campaign::Spring),
            Self::Dora15 => (Owner::Dora, Campaign::Autumn),
            Self::Erik25 => (Owner::Erik, Campaign::Winter),
            Self::Foreign => return None,
        })
    }

    pub fn coupon(self) -> (Off, CouponDuration) {
        use CouponDuration::{Forever, Once, Repeating};
        match self {
            Self::Sarah20 | Self::Bob20 => (Off::Percent(20), Once),
            Self::SarahX => (Off::Percent(10), Forever),
            Self::Bob5 => (Off::Cents(500), Repeating(2)),
            Self::Free => (Off::Percent(100), Once),
            Self::Carol30 => (Off::Percent(30), Once),
            Self::Dora15 => (Off::Percent(15), Forever),
            Self::Erik25 => (Off::Percent(25), Repeating(3)),
            Self::Foreign => (Off::Percent(40), Forever),
        }
    }

    pub fn is_in_dollars(self) -> bool {
        matches!(self.coupon().0, Off::Cents(_))
    }

    /// As a sale takes it, where no server has minted it.
    pub fn promo(self) -> Promo {
        let (off, duration) = self.coupon();
        let text = self.text();
        let mut promo = Promo::percent(format!("promo_{text}"), text, format!("co_{self:?}"), 0);
        promo.duration = duration;
        match off {
            Off::Percent(percent) => promo.percent_off = Some(percent * 100),
            Off::Cents(cents) => {
                (promo.percent_off, promo.amount_off, promo.currency) = (None, Some(cents), Some("usd".to_owned()));
            }
        }
        promo
    }
}

/// What is known of the codes of [`Code::promo`].
pub fn evidence() -> Evidence {
    let ours = Code::ALL.into_iter().filter_map(|code| Some((code, code.owned()?)));
    let known = ours.map(|(code, (owner, campaign))| {
        let status = match owner {
            Owner::Carol => AffiliateStatus::Suspended,
            _ => AffiliateStatus::Approved,
        };
        let mut statuses = vec![(at(NOON), status)];
        if owner == Owner::Dora {
            statuses.push((at(CHANGES), AffiliateStatus::Suspended));
        }
        let known = Ours {
            id: Uuid::from_u128(code as u128 + 1).into(),
            text: code.text(),
            affiliate: Uuid::from_u128(owner as u128 + 100).into(),
            email: owner.email(),
            statuses,
            campaign: Uuid::from_u128(campaign as u128 + 200).into(),
            rules: campaign.rules(),
        };
        (code.promo().promotion_code_id, known)
    });
    of_codes(known)
}
