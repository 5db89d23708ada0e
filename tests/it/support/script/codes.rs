//! The codes that generated sales are made with: whose they are, what they take off, whether they go before clicks. The
//! stage of a server (`stage`) and the evidence of the pure tests (`known`) are both made from this.

use rekomi::standin::{CouponDuration, Promo};

use super::programs::{CHANGES, Campaign, Owner};

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

    /// Whether it goes before clicks.
    pub fn overrides(self, seconds: i64) -> bool {
        match self {
            Self::SarahX | Self::Carol30 | Self::Erik25 => false,
            Self::Bob20 => seconds < CHANGES,
            Self::Bob5 => seconds >= CHANGES,
            Self::Sarah20 | Self::Free | Self::Dora15 | Self::Foreign => true,
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
