//! What a brand sets for the codes that its affiliates mint themselves.

use async_graphql::{InputObject, MaybeUndefined, SimpleObject};

use super::errors::UserError;
use crate::domain::code_settings::{self, UpdateCodeSettings};

/// What holds for the codes that affiliates mint themselves. Those who manage codes are not bound by it.
#[derive(SimpleObject)]
pub struct CodeSettings {
    /// How many codes an affiliate may have to mint one more, in each mode; null for no limit. Codes that are switched off
    /// count, for they keep their text; deleted ones and those of deleted coupons do not, for only the brand deletes.
    max_codes_per_affiliate: Option<i32>,
    /// Words that affiliates do not mint codes with, in upper case, sorted.
    reserved_words: Vec<String>,
}

impl From<code_settings::CodeSettings> for CodeSettings {
    fn from(settings: code_settings::CodeSettings) -> Self {
        Self {
            max_codes_per_affiliate: settings.max_codes_per_affiliate,
            reserved_words: settings.reserved_words,
        }
    }
}

/// What is left out stays as it is.
#[derive(InputObject, Clone, Debug)]
pub struct UpdateCodeSettingsInput {
    /// From 1 to 10000; null takes the limit away.
    max_codes_per_affiliate: MaybeUndefined<i32>,
    /// The whole list: at most 200 words of 2 to 32 characters of A-Z, 0-9, - and _, in any case, with a letter. A word bars
    /// the codes in which it stands between ends, digits, - and _: ACME bars ACME20 and SARAH-ACME, and not PACMEN.
    reserved_words: Option<Vec<String>>,
}

impl From<UpdateCodeSettingsInput> for UpdateCodeSettings {
    fn from(input: UpdateCodeSettingsInput) -> Self {
        Self {
            max_codes_per_affiliate: match input.max_codes_per_affiliate {
                MaybeUndefined::Undefined => None,
                MaybeUndefined::Null => Some(None),
                MaybeUndefined::Value(max) => Some(Some(max)),
            },
            reserved_words: input.reserved_words,
        }
    }
}

/// The settings as they are now, or what to mend.
#[derive(SimpleObject)]
pub struct UpdateCodeSettingsPayload {
    /// As it is now; null when there is something to mend.
    pub code_settings: Option<CodeSettings>,
    /// What to mend; then nothing was changed.
    pub user_errors: Vec<UserError>,
}
