//! The reasons of a decision. Pure.

use entity::id::AffiliateId;
use serde::{Deserialize, Serialize};

use super::verdicts;

/// One reason. The trail is their list, in the order in which the rules spoke.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The rule that spoke.
    pub rule: String,
    /// What it said.
    pub outcome: String,
    pub detail: Option<String>,
    /// Whom it is about; other affiliates are not told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub affiliate: Option<AffiliateId>,
}

impl Step {
    pub(super) fn new(rule: &str, outcome: &str, detail: impl Into<String>) -> Self {
        Self {
            rule: rule.to_owned(),
            outcome: outcome.to_owned(),
            detail: Some(detail.into()),
            affiliate: None,
        }
    }

    /// A text that was typed and is nobody's code.
    pub fn unknown_code(text: &str) -> Self {
        Self::new("CODE", "PASSED_OVER", format!("{text} is no code of the brand's"))
    }

    /// A campaign that is not the brand's.
    pub fn unknown_campaign() -> Self {
        Self::new("CAMPAIGN", "PASSED_OVER", "it is not known, and no click counts")
    }

    /// A click that is not the brand's.
    pub fn unknown_click(text: &str) -> Self {
        Self::new("CLICK", "PASSED_OVER", format!("{text} is not known"))
    }

    /// Somebody was credited, until more was known of the sale.
    pub fn withdrawn() -> Self {
        Self::new("SALE", "WITHDRAWN", "by what is known of it now nobody is credited")
    }

    pub(super) fn about(self, affiliate: AffiliateId) -> Self {
        Self {
            affiliate: Some(affiliate),
            ..self
        }
    }

    /// What an affiliate is told of it: nothing of other affiliates, and not a manager's words.
    pub fn told_to(self, own: AffiliateId) -> Option<Self> {
        let about_others = self.affiliate.is_some_and(|affiliate| affiliate != own);
        let detail = self.detail.filter(|_| self.rule != verdicts::RULE);
        (!about_others).then_some(Self { detail, ..self })
    }
}
