//! Which of our codes are on a part of a sale. Pure.

use std::collections::BTreeMap;

use entity::id::CodeId;

use super::{Evidence, Named, Part};
use crate::{
    domain::attribution::Candidate,
    money,
    stripe::facts::{Discount, Facts},
};

/// Our codes on a part, each once, with all that it took off.
pub(super) struct OnPart {
    pub(super) codes: Vec<Candidate>,
    /// As typed at checkout.
    pub(super) shared: BTreeMap<CodeId, String>,
}

impl OnPart {
    pub(super) fn of(facts: &Facts, evidence: &Evidence, part: &Part<'_>) -> Self {
        let mut codes: BTreeMap<CodeId, Candidate> = BTreeMap::new();
        let mut shared = BTreeMap::new();
        let mut add = |named: &Named, promotion_code: &str, off: i64, start: i64| {
            if evidence.known.shared.contains_key(&named.id) {
                shared.entry(named.id).or_insert_with(|| named.code.clone());
            } else if evidence.known.codes.contains_key(&named.id) {
                let candidate = codes.entry(named.id).or_insert_with(|| Candidate {
                    code_id: named.id,
                    code: named.code.clone(),
                    promotion_code: promotion_code.to_owned(),
                    discount: 0,
                    start,
                });
                candidate.discount = money::sum([candidate.discount, off]);
                candidate.start = candidate.start.min(start);
            }
        };
        for (promotion_code, discount, off) in promotion_codes(facts, part) {
            if let Some(named) = evidence.promotion_codes.get(promotion_code) {
                // A session tells of a code without its discount's start.
                let start = if discount.start == 0 { i64::MAX } else { discount.start };
                add(named, promotion_code, off, start);
            }
        }
        if let Some(code) = part.reported.and_then(|sale| sale.code.as_ref()) {
            let named = Named {
                id: code.id,
                code: code.code.clone(),
            };
            add(&named, &code.id.to_string(), 0, part.at);
        }
        Self {
            codes: codes.into_values().collect(),
            shared,
        }
    }

    /// None of our codes is on it.
    pub(super) fn is_silent(&self) -> bool {
        self.codes.is_empty() && self.shared.is_empty()
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = CodeId> {
        let codes = self.codes.iter().map(|candidate| candidate.code_id);
        codes.chain(self.shared.keys().copied())
    }
}

/// The promotion codes on a part, each with its discount and what that took off.
fn promotion_codes<'a>(facts: &'a Facts, part: &'a Part<'_>) -> impl Iterator<Item = (&'a String, &'a Discount, i64)> {
    part.discounts.iter().filter_map(|(id, off)| {
        let discount = facts.discounts.get(*id)?;
        Some((discount.promotion_code.as_ref()?, discount, *off))
    })
}
