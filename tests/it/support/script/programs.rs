//! The affiliates and the campaigns that generated sales are about: who is approved and who recruited whom, what is paid,
//! which clicks count. The stage of a server (`stage`) and the evidence of the pure tests (`known`) follow it.

use chrono::{DateTime, Months, Utc};

use super::super::app::NOON;

pub const DAY: i64 = 86_400;

/// Affiliates whose names are theirs alone. Each is in all campaigns.
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

/// Which of a visitor's clicks counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Model {
    First,
    Last,
}

/// When the rules change: for a sale of [`NOON`], between its first renewal and its second.
pub const CHANGES: i64 = NOON + 45 * DAY;

pub fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap()
}

impl Owner {
    pub const ALL: [Self; 5] = [Self::Sarah, Self::Bob, Self::Carol, Self::Dora, Self::Erik];

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

    /// Carol earns nothing of Sarah's sales, as she is not approved.
    pub fn recruiter(self, seconds: i64) -> Option<Self> {
        match self {
            Self::Sarah => Some(Self::Carol),
            Self::Bob => (seconds >= CHANGES).then_some(Self::Sarah),
            Self::Carol => None,
            Self::Dora => Some(Self::Erik),
            Self::Erik => Some(Self::Bob),
        }
    }
}

impl Campaign {
    pub const ALL: [Self; 3] = [Self::Spring, Self::Autumn, Self::Winter];

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

    /// Basis points of a recruit's commission, for its recruiter.
    pub fn on_top(self, seconds: i64) -> i64 {
        match self {
            Self::Spring => 1000,
            Self::Autumn => 550,
            Self::Winter if seconds < CHANGES => 0,
            Self::Winter => 1250,
        }
    }

    /// Which click counts, of those of the last so many days.
    pub fn clicks(self, seconds: i64) -> (Model, i64) {
        match self {
            Self::Spring => (Model::Last, 60),
            Self::Autumn => (Model::First, 30),
            Self::Winter if seconds < CHANGES => (Model::Last, 20),
            Self::Winter => (Model::First, 90),
        }
    }
}
