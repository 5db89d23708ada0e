//! Everything that has to do with Stripe: its events in, and what is owed to it out.
//!
//! An event never *does* anything to a conversion. It adds facts to its sale (`facts`), facts merge, and a pure
//! projection says what should stand (`projection`); applying it writes the difference (`apply`). `facts` and
//! `projection` do no I/O.

pub mod adoption;
pub mod answers;
pub mod apply;
pub mod backfill;
pub mod books;
mod calls;
pub mod client;
pub mod drift;
pub mod evidence;
pub mod facts;
pub mod fetch;
mod fold;
mod http;
pub mod inbox;
mod known;
mod lanes;
mod limit;
pub mod operations;
mod outcome;
pub mod process;
pub mod projection;
mod queue;
pub mod rebuild;
pub mod reconcile;
pub mod replay;
pub mod sales;
pub mod signature;
mod standing;
mod told;
pub mod totals;
