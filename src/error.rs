//! The closed set of ways in which an operation can end badly. One mapper per protocol turns them into answers.

use sea_orm::DbErr;

/// What a caller can mend in a mutation's input. The wire names are GraphQL's `UserErrorCode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserErrorCode {
    /// The value breaks a rule; the message names it.
    Invalid,
    /// Somebody has it already.
    Taken,
    /// There is no such object, or it is not yours.
    NotFound,
    /// The brand's plan does not include it, and no trial is running.
    PlanTierRequired,
    /// Affiliates may not mint codes on this coupon, or in this campaign.
    SelfMintDisabled,
    /// The affiliate is not approved.
    AffiliateNotApproved,
    /// Stripe refused it; the message is Stripe's.
    StripeRejected,
    /// There are too many already.
    LimitExceeded,
}

/// One thing that the caller can mend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserError {
    pub code: UserErrorCode,
    /// Path into the mutation's input, outermost first; empty for the whole of it.
    pub field: Vec<&'static str>,
    pub message: String,
}

/// Why an operation was not done. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the input was refused")]
    User(Vec<UserError>),
    #[error("no valid token")]
    Unauthenticated,
    #[error("the role does not allow it")]
    Forbidden,
    /// A query's argument is out of range; the message names it.
    #[error("{0}")]
    BadUserInput(String),
    /// A cursor of the feed leads nowhere.
    #[error("{}", .0.message())]
    Cursor(CursorFault),
    /// Another transaction was in the way; the same again may well succeed.
    #[error("{0}")]
    Retry(String),
    /// Ours to mend; never shown to a client.
    #[error("{0}")]
    Internal(String),
}

/// What is wrong with a cursor of the feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CursorFault {
    /// It is none.
    Invalid,
    /// Some of what came after it was forgotten since.
    Expired,
    /// The feed has no such place: it is of another one, or was told by a database that has since been restored to an
    /// earlier state.
    Unknown,
}

impl CursorFault {
    fn message(self) -> &'static str {
        match self {
            Self::Invalid => "This is not a cursor of a feed.",
            Self::Expired => "The cursor is older than what the feed keeps: read the page again, and its feedCursor.",
            Self::Unknown => "The feed does not have this cursor: read the page again, and its feedCursor.",
        }
    }
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error and what led to it, for a log.
pub fn causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

impl Error {
    /// One user error on one field.
    pub fn user(code: UserErrorCode, field: &[&'static str], message: impl Into<String>) -> Self {
        let mut problems = Problems::default();
        problems.add(code, field, message);
        Self::User(problems.0)
    }

    /// The same answer for what does not exist and for what is not the caller's.
    pub fn not_found(field: &[&'static str]) -> Self {
        Self::user(UserErrorCode::NotFound, field, "There is no such object.")
    }
}

impl From<DbErr> for Error {
    fn from(error: DbErr) -> Self {
        match error {
            // Ours, and whole sentences already.
            DbErr::Custom(text) => Self::Internal(text),
            error if is_conflict(&error) => Self::Retry(format!("database: {error}")),
            error => Self::Internal(format!("database: {error}")),
        }
    }
}

/// A deadlock or a serialisation failure, which PostgreSQL ends by giving up one of the transactions
/// (<https://www.postgresql.org/docs/current/errcodes-appendix.html>, class 40).
fn is_conflict(error: &DbErr) -> bool {
    let text = error.to_string();
    text.contains("deadlock detected") || text.contains("could not serialize access")
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::Internal(format!("stored JSON: {error}"))
    }
}

/// Collects everything that is wrong with an input, so that a form can show it all at once.
#[derive(Debug, Default)]
pub struct Problems(Vec<UserError>);

impl Problems {
    pub fn add(&mut self, code: UserErrorCode, field: &[&'static str], message: impl Into<String>) {
        self.0.push(UserError {
            code,
            field: field.to_vec(),
            message: message.into(),
        });
    }

    /// Adds an `INVALID` unless `holds`.
    pub fn require(&mut self, holds: bool, field: &[&'static str], message: &str) {
        if !holds {
            self.add(UserErrorCode::Invalid, field, message);
        }
    }

    /// A line of text that a person reads: not blank, at most `max` characters, no control characters.
    pub fn text(&mut self, field: &[&'static str], value: &str, max: usize) -> String {
        let value = value.trim();
        self.require(!value.is_empty(), field, "It must not be empty.");
        self.require(
            value.chars().count() <= max,
            field,
            &format!("It must have at most {max} characters."),
        );
        self.require(
            !value.chars().any(char::is_control),
            field,
            "It must not contain control characters.",
        );
        value.to_owned()
    }

    /// A whole number within bounds.
    pub fn range(&mut self, field: &[&'static str], value: i32, min: i32, max: i32) {
        self.require(
            (min..=max).contains(&value),
            field,
            &format!("It must be from {min} to {max}."),
        );
    }

    /// What was wrong.
    pub fn into_list(self) -> Vec<UserError> {
        self.0
    }

    /// Ends the check: an error when anything was wrong.
    pub fn check(self) -> Result<()> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Error::User(self.0))
        }
    }
}
