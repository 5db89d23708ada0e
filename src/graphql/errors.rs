//! The one mapper from the domain's errors to GraphQL's: user errors into payloads, the rest into `errors` with a code.

use async_graphql::{Enum, ErrorExtensions, SimpleObject};

use crate::error::{self, CursorFault, Error};

/// What kind of mistake a user error is.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "crate::error::UserErrorCode")]
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

/// Something in a mutation's input that the caller can mend.
#[derive(SimpleObject)]
pub struct UserError {
    /// What kind of mistake it is.
    code: UserErrorCode,
    /// Path into the input; null when it is about the whole of it.
    field: Option<Vec<String>>,
    /// What is wrong, for a person to read.
    message: String,
}

impl UserError {
    /// The same, of a row of the input's `rows`: the fields of a row stand below it, `couponId` does not.
    pub fn of_row(error: error::UserError, row: i32) -> Self {
        let of_row = error.field != ["couponId"];
        let error = Self::from(error);
        let place = ["rows".to_owned(), row.to_string()];
        let below = |field: Vec<String>| place.iter().cloned().chain(field).collect();
        Self {
            field: if of_row {
                Some(below(error.field.unwrap_or_default()))
            } else {
                error.field
            },
            ..error
        }
    }
}

impl UserError {
    /// The same, of an item of a list of the input's.
    pub fn of_item(error: error::UserError, item: i32) -> Self {
        let error = Self::from(error);
        let place = |mut field: Vec<String>| {
            field.push(item.to_string());
            field
        };
        Self {
            field: error.field.map(place),
            ..error
        }
    }
}

impl From<error::UserError> for UserError {
    fn from(error: error::UserError) -> Self {
        let field: Vec<String> = error.field.iter().map(|part| (*part).to_owned()).collect();
        Self {
            code: error.code.into(),
            field: Some(field).filter(|field| !field.is_empty()),
            message: error.message,
        }
    }
}

/// A top-level error. What is internal loses its text in the transport, which logs it with the request's id.
pub fn graphql_error(error: Error) -> async_graphql::Error {
    let code = match &error {
        Error::Unauthenticated => "UNAUTHENTICATED",
        Error::Forbidden => "FORBIDDEN",
        Error::BadUserInput(_) | Error::User(_) | Error::Cursor(_) => "BAD_USER_INPUT",
        Error::Internal(_) | Error::Retry(_) => "INTERNAL",
    };
    let reason = match &error {
        Error::Cursor(CursorFault::Invalid) => Some("CURSOR_INVALID"),
        Error::Cursor(CursorFault::Expired) => Some("CURSOR_EXPIRED"),
        Error::Cursor(CursorFault::Unknown) => Some("CURSOR_UNKNOWN"),
        _ => None,
    };
    async_graphql::Error::new(error.to_string()).extend_with(|_, extensions| {
        extensions.set("code", code);
        if let Some(reason) = reason {
            extensions.set("reason", reason);
        }
    })
}

/// Splits a mutation's result: the object, or what the caller can mend.
pub fn payload<T>(result: error::Result<T>) -> async_graphql::Result<(Option<T>, Vec<UserError>)> {
    match result {
        Ok(object) => Ok((Some(object), Vec::new())),
        Err(Error::User(problems)) => Ok((None, problems.into_iter().map(UserError::from).collect())),
        Err(error) => Err(graphql_error(error)),
    }
}
