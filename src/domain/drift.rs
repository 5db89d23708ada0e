//! What Stripe has otherwise than our rows say. Our row says what we want, Stripe what a customer meets: a difference is
//! shown, and mended only where somebody asks for it. Pure.
//!
//! What is still owed to Stripe is no difference. Nor is that a code is over: its time, or the last of its redemptions.

use std::fmt;

use chrono::{DateTime, Utc};
use entity::{
    campaign_code,
    code::{self, CodeStatus, StripeReason},
    coupon,
};

use super::owed::{Sync, SyncStatus};

/// Why a code cannot be redeemed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InactiveReason {
    Deactivated,
    Deleted,
    CouponDeleted,
    RefusedByStripe,
    DeactivatedAtStripe,
    CouponDeletedAtStripe,
    MissingAtStripe,
    Expired,
    FullyRedeemed,
}

/// How a code differs at Stripe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeDrift {
    /// It is on here.
    OffAtStripe,
    /// It is off here.
    OnAtStripe,
    /// It is deleted here.
    DeletedAndOn,
    CouponDeletedAtStripe,
    MissingAtStripe,
}

/// How a coupon differs at Stripe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CouponDrift {
    DeletedAtStripe,
    /// To this.
    RenamedAtStripe(String),
}

/// A code as it is wanted here, and as Stripe last told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    pub ours: CodeStatus,
    /// Deleted here, and so off.
    pub deleted: bool,
    pub at_stripe: AtStripe,
}

/// What is known of a promotion code at Stripe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtStripe {
    Unknown,
    On,
    Off(StripeReason),
}

impl AtStripe {
    pub fn of(active: Option<bool>, reason: Option<StripeReason>) -> Self {
        match active {
            None => Self::Unknown,
            Some(true) => Self::On,
            Some(false) => Self::Off(reason.unwrap_or(StripeReason::Deactivated)),
        }
    }

    pub fn columns(self) -> (Option<bool>, Option<StripeReason>) {
        match self {
            Self::Unknown => (None, None),
            Self::On => (Some(true), None),
            Self::Off(reason) => (Some(false), Some(reason)),
        }
    }
}

impl From<&code::Model> for Standing {
    fn from(row: &code::Model) -> Self {
        Self {
            ours: row.status,
            deleted: row.deleted_at.is_some(),
            at_stripe: AtStripe::of(row.stripe_active, row.stripe_reason),
        }
    }
}

impl From<&campaign_code::Model> for Standing {
    fn from(row: &campaign_code::Model) -> Self {
        Self {
            ours: row.status,
            deleted: false,
            at_stripe: AtStripe::of(row.stripe_active, row.stripe_reason),
        }
    }
}

impl Standing {
    /// Whether a customer can redeem it, as far as that is known.
    pub fn status(&self) -> CodeStatus {
        match self.at_stripe {
            AtStripe::Off(_) => CodeStatus::Inactive,
            AtStripe::Unknown | AtStripe::On => self.ours,
        }
    }

    /// Why a customer cannot redeem it; `None` where it can.
    pub fn inactive_reason(&self, coupon_deleted_at: Option<DateTime<Utc>>, refused: bool) -> Option<InactiveReason> {
        let at_stripe = match (self.ours, self.at_stripe) {
            _ if self.deleted => return Some(InactiveReason::Deleted),
            (CodeStatus::Inactive, _) if coupon_deleted_at.is_some() => return Some(InactiveReason::CouponDeleted),
            (CodeStatus::Inactive, _) if refused => return Some(InactiveReason::RefusedByStripe),
            (CodeStatus::Inactive, _) => return Some(InactiveReason::Deactivated),
            (CodeStatus::Active, AtStripe::Off(reason)) => reason,
            (CodeStatus::Active, _) => return None,
        };
        Some(match at_stripe {
            StripeReason::Deactivated => InactiveReason::DeactivatedAtStripe,
            StripeReason::CouponDeleted => InactiveReason::CouponDeletedAtStripe,
            StripeReason::Missing => InactiveReason::MissingAtStripe,
            StripeReason::Expired => InactiveReason::Expired,
            StripeReason::FullyRedeemed => InactiveReason::FullyRedeemed,
        })
    }

    /// How it differs, if it does.
    pub fn drift(&self) -> Option<CodeDrift> {
        match (self.ours, self.at_stripe) {
            (CodeStatus::Inactive, AtStripe::On) if self.deleted => Some(CodeDrift::DeletedAndOn),
            (CodeStatus::Inactive, AtStripe::On) => Some(CodeDrift::OnAtStripe),
            (CodeStatus::Active, AtStripe::Off(reason)) => match reason {
                StripeReason::Deactivated => Some(CodeDrift::OffAtStripe),
                StripeReason::CouponDeleted => Some(CodeDrift::CouponDeletedAtStripe),
                StripeReason::Missing => Some(CodeDrift::MissingAtStripe),
                StripeReason::Expired | StripeReason::FullyRedeemed => None,
            },
            _ => None,
        }
    }
}

/// How a coupon that is not deleted here differs, if it does.
pub fn of_coupon(row: &coupon::Model) -> Option<CouponDrift> {
    if row.stripe_gone {
        return Some(CouponDrift::DeletedAtStripe);
    }
    let name = row.stripe_name.as_ref().filter(|name| **name != row.name);
    name.cloned().map(CouponDrift::RenamedAtStripe)
}

/// Whether something is still owed to Stripe for an object.
pub fn is_owed(sync: Option<&Sync>) -> bool {
    sync.is_some_and(|sync| matches!(sync.status, SyncStatus::Pending | SyncStatus::Disabled))
}

impl fmt::Display for CodeDrift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OffAtStripe => "It is on here, and switched off at Stripe.",
            Self::OnAtStripe => "It is off here, and switched on at Stripe.",
            Self::DeletedAndOn => "It is deleted here, and switched on at Stripe.",
            Self::CouponDeletedAtStripe => "Its coupon was deleted at Stripe.",
            Self::MissingAtStripe => "Stripe does not have it.",
        })
    }
}

impl fmt::Display for CouponDrift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DeletedAtStripe => f.write_str("It was deleted at Stripe."),
            Self::RenamedAtStripe(name) => write!(f, "Stripe calls it {name:?}."),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_customer_meets_what_is_on_here_and_at_stripe() {
        use CodeStatus::{Active, Inactive};
        let off = |reason| AtStripe::Off(reason);
        let cases = [
            (Active, AtStripe::Unknown, Active, None, None),
            (Active, AtStripe::On, Active, None, None),
            (
                Active,
                off(StripeReason::Deactivated),
                Inactive,
                Some(InactiveReason::DeactivatedAtStripe),
                Some(CodeDrift::OffAtStripe),
            ),
            (
                Active,
                off(StripeReason::FullyRedeemed),
                Inactive,
                Some(InactiveReason::FullyRedeemed),
                None,
            ),
            (
                Inactive,
                AtStripe::On,
                Inactive,
                Some(InactiveReason::Deactivated),
                Some(CodeDrift::OnAtStripe),
            ),
            (
                Inactive,
                off(StripeReason::Deactivated),
                Inactive,
                Some(InactiveReason::Deactivated),
                None,
            ),
        ];
        for (ours, at_stripe, status, reason, drift) in cases {
            let standing = Standing {
                ours,
                deleted: false,
                at_stripe,
            };
            assert_eq!(standing.status(), status, "{standing:?}");
            assert_eq!(standing.inactive_reason(None, false), reason, "{standing:?}");
            assert_eq!(standing.drift(), drift, "{standing:?}");
            assert_eq!(AtStripe::of(at_stripe.columns().0, at_stripe.columns().1), at_stripe);
        }
        let off = Standing {
            ours: Inactive,
            deleted: false,
            at_stripe: AtStripe::Unknown,
        };
        let deleted = Some(DateTime::UNIX_EPOCH);
        assert_eq!(off.inactive_reason(deleted, true), Some(InactiveReason::CouponDeleted));
        assert_eq!(off.inactive_reason(None, true), Some(InactiveReason::RefusedByStripe));
        let gone = Standing {
            deleted: true,
            at_stripe: AtStripe::On,
            ..off
        };
        assert_eq!(gone.inactive_reason(deleted, true), Some(InactiveReason::Deleted));
        assert_eq!(gone.drift(), Some(CodeDrift::DeletedAndOn));
    }
}
