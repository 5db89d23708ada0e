//! Reads Stripe's lists, page by page, and asks again where Stripe is busy or cannot be reached.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;

use super::{Reconcile, Trouble};
use crate::stripe::{answers::CallError, drift::record::Span};

const PAGE: u8 = 100;
/// The pauses before a page is asked for again.
const PAUSES: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4)];

/// Where in a list we are.
pub(super) struct Pages {
    path: &'static str,
    after: Option<String>,
    ended: bool,
}

/// Some objects as Stripe has them, and when it was asked.
pub(super) struct Page {
    pub(super) objects: Vec<Value>,
    pub(super) span: Span,
}

#[derive(Serialize)]
struct Query<'a> {
    limit: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    starting_after: Option<&'a str>,
}

impl Pages {
    pub(super) fn new(path: &'static str) -> Self {
        Self {
            path,
            after: None,
            ended: false,
        }
    }
}

impl Reconcile<'_> {
    /// The next page; `None` after the last.
    pub(super) async fn page(&self, pages: &mut Pages) -> Result<Option<Page>, Trouble> {
        if pages.ended {
            return Ok(None);
        }
        let query = Query {
            limit: PAGE,
            starting_after: pages.after.as_deref(),
        };
        let mut pauses = PAUSES.into_iter();
        let (began, page) = loop {
            let began: DateTime<Utc> = self.stripe.clock.now();
            let error = match self.stripe.stripe.list(self.way, pages.path, &query).await {
                Ok(page) => break (began, page),
                Err(error) => error,
            };
            match (&error, pauses.next()) {
                (CallError::Refused(_), _) | (_, None) => return Err(Trouble::Stripe(error.message().to_owned())),
                (_, Some(pause)) => tokio::time::sleep(pause).await,
            }
        };
        let objects: Vec<Value> = page
            .data
            .iter()
            .filter_map(|object| serde_json::from_str(&miniserde::json::to_string(object)).ok())
            .collect();
        let last = objects
            .last()
            .and_then(|object| object["id"].as_str())
            .map(str::to_owned);
        if last.is_some() && last == pages.after {
            return Err(Trouble::Stripe("it gives the same page again and again".to_owned()));
        }
        pages.ended = !page.has_more || last.is_none();
        pages.after = last;
        let span = Span {
            began,
            ended: self.stripe.clock.now(),
        };
        Ok(Some(Page { objects, span }))
    }
}
