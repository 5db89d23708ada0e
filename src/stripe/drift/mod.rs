//! What becomes of our coupons and codes at Stripe: somebody switches a code off in the dashboard, deletes a coupon.
//!
//! It is recorded beside what our rows want, and shown; nothing is done about it here. It is no fact of a sale: no sale,
//! no entry of the ledger comes of it, and a rebuild does not look at it.

pub mod events;
pub mod ours;
pub mod record;
pub mod told;

pub use told::{KINDS, Notice, notice};
