//! The settings of GraphQL: what its callers may ask for.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use super::ConfigError;
use crate::{
    budgets::{Limits, MAX_LIMIT},
    graphql::transport::documents::List,
};

/// A few dozen large pages a second, for as long as one likes: a tenth of a core.
const RATE_LIMIT: u32 = 6_000_000;
const RATE_LIMIT_ADDRESS: u32 = 600_000;
const QUERY_TIMEOUT: Duration = Duration::from_secs(10);

/// What GraphQL's callers may ask for.
#[derive(Clone)]
pub struct GraphqlConfig {
    /// `REKOMI_RATE_LIMIT` and `REKOMI_RATE_LIMIT_ADDRESS`, points a minute; 0 is no limit.
    pub limits: Limits,
    /// `REKOMI_INTROSPECTION`, on or off; default on. Off, names are not suggested either.
    pub introspection: bool,
    /// `REKOMI_GRAPHIQL`, on or off; default on.
    pub ide: bool,
    /// `REKOMI_QUERY_TIMEOUT`, a second to an hour; default 10s.
    pub query_timeout: Duration,
    /// `REKOMI_PERSISTED_DOCUMENTS`, a file: the only documents that run; default any.
    pub documents: Option<Arc<List>>,
    /// `REKOMI_PERSISTED_DOCUMENTS_BIND_OWNERS`, on or off; default on.
    pub owners_send_any: bool,
}

impl GraphqlConfig {
    pub(super) fn from_lookup(get: impl Fn(&'static str) -> Option<String>) -> Result<Self, ConfigError> {
        let switch = |setting| match get(setting).as_deref() {
            None | Some("on") => Ok(true),
            Some("off") => Ok(false),
            Some(_) => Err(ConfigError::new(setting, "must be on or off")),
        };
        Ok(Self {
            limits: Limits {
                token: limit("REKOMI_RATE_LIMIT", get("REKOMI_RATE_LIMIT"), RATE_LIMIT)?,
                address: limit(
                    "REKOMI_RATE_LIMIT_ADDRESS",
                    get("REKOMI_RATE_LIMIT_ADDRESS"),
                    RATE_LIMIT_ADDRESS,
                )?,
            },
            introspection: switch("REKOMI_INTROSPECTION")?,
            ide: switch("REKOMI_GRAPHIQL")?,
            query_timeout: query_timeout(get("REKOMI_QUERY_TIMEOUT"))?,
            documents: documents(get("REKOMI_PERSISTED_DOCUMENTS"))?,
            owners_send_any: !switch("REKOMI_PERSISTED_DOCUMENTS_BIND_OWNERS")?,
        })
    }
}

fn limit(setting: &'static str, value: Option<String>, default: u32) -> Result<Option<NonZeroU32>, ConfigError> {
    let limit = value.map_or(Ok(default), |value| value.parse().map_err(drop));
    match limit {
        Ok(limit) if limit <= MAX_LIMIT => Ok(NonZeroU32::new(limit)),
        _ => {
            let problem = format!("must be points a minute, up to {MAX_LIMIT}; 0 is no limit");
            Err(ConfigError::new(setting, problem))
        }
    }
}

fn query_timeout(value: Option<String>) -> Result<Duration, ConfigError> {
    let time = value.map_or(Ok(QUERY_TIMEOUT), |value| humantime::parse_duration(&value));
    let within = Duration::from_secs(1)..=Duration::from_secs(3600);
    time.ok()
        .filter(|time| within.contains(time))
        .ok_or_else(|| ConfigError::new("REKOMI_QUERY_TIMEOUT", "must be a time from 1s to 1h, such as 10s"))
}

fn documents(file: Option<String>) -> Result<Option<Arc<List>>, ConfigError> {
    let wrong = |problem| ConfigError::new("REKOMI_PERSISTED_DOCUMENTS", problem);
    let Some(file) = file else {
        return Ok(None);
    };
    let text = std::fs::read_to_string(file).map_err(|error| wrong(format!("the file cannot be read: {error}")))?;
    let list = text.parse::<List>().map_err(wrong)?;
    Ok(Some(Arc::new(list)))
}
