//! Disputes: who has the money, by what Stripe said of each last.
//!
//! A dispute goes back and forth: an inquiry grows into one, what was lost is won on appeal, the bank gives back a part.
//! Every event shows the whole dispute as it was then, with all that moved until then. So of all that was said, only
//! the last word is kept, and an event that never comes is made up for by the next.
//!
//! **Invariant.** Words have a total order: by time, which Stripe tells in whole seconds, within a second by how far the
//! dispute has come, then by amount. The larger of two is the last, in whatever order they are compared.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Facts, Merge, merge_option,
    read::{Unreadable, id_of, items, minor, required, seconds},
};
use crate::money::{self, Currency};

/// A dispute of a charge.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Dispute {
    pub charge: Option<String>,
    pub payment_intent: Option<String>,
    /// Mostly the charge's; banks may dispute in another.
    pub currency: Option<Currency>,
    pub last: Option<Word>,
}

/// What was said of a dispute at some time. The order is that of the fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Word {
    /// Seconds since 1970.
    pub at: i64,
    pub state: DisputeState,
    /// Minor units at stake, with tax: what the bank has taken and not given back or, as long as it took nothing, what
    /// is disputed.
    pub amount: i64,
}

/// How a dispute stands; of two in one second the later here is the later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DisputeState {
    /// The bank asks, or the dispute was prevented: no money moves.
    Inquiry,
    Open,
    Lost,
    /// It is won, or all the money is back.
    Over,
}

impl Dispute {
    /// It holds what the payment earned.
    pub fn is_open(&self) -> bool {
        self.is(DisputeState::Open)
    }

    /// It concerns money: what it is about has to be found.
    pub(super) fn matters(&self) -> bool {
        self.is_open() || self.is(DisputeState::Lost)
    }

    /// Minor units that are gone from a payment in `currency`. Amounts in another currency cannot be compared: then the
    /// whole payment is.
    pub(super) fn lost(&self, currency: Currency) -> Option<i64> {
        let word = self.last.filter(|word| word.state == DisputeState::Lost)?;
        let comparable = self.currency.is_none_or(|own| own == currency);
        Some(if comparable {
            word.amount
        } else {
            money::MAX_MINOR_UNITS
        })
    }

    fn is(&self, state: DisputeState) -> bool {
        self.last.is_some_and(|word| word.state == state)
    }
}

impl Merge for Dispute {
    fn merge(&mut self, other: Self) {
        merge_option(&mut self.charge, other.charge);
        merge_option(&mut self.payment_intent, other.payment_intent);
        merge_option(&mut self.currency, other.currency);
        self.last = self.last.max(other.last);
    }
}

impl Facts {
    /// Reads a dispute as an event of this kind told it, or as it was found, at `at`.
    pub(super) fn read_dispute(&mut self, kind: &str, at: Option<i64>, object: &Value) -> Result<(), Unreadable> {
        let id = required(object, "dispute")?;
        let wrong = |what: &str| Unreadable(format!("the dispute {id} has no {what}"));
        let currency = object["currency"].as_str().and_then(|code| code.parse().ok());
        let amount = minor(&object["amount"]).filter(|amount| *amount >= 0);
        let left = left(kind, object).or(amount).ok_or_else(|| wrong("amount"))?;
        let word = Word {
            at: at
                .or_else(|| seconds(&object["created"]))
                .ok_or_else(|| wrong("time"))?,
            state: match state(&object["status"]).ok_or_else(|| wrong("known status"))? {
                DisputeState::Open | DisputeState::Lost if left == 0 => DisputeState::Over,
                state => state,
            },
            amount: left,
        };
        let dispute = Dispute {
            charge: id_of(&object["charge"]),
            payment_intent: id_of(&object["payment_intent"]),
            currency,
            last: Some(word),
        };
        self.disputes.insert(id, dispute);
        Ok(())
    }
}

/// Stripe's word for a state. `charge_refunded` is from before 2020: the refund tells of itself.
fn state(status: &Value) -> Option<DisputeState> {
    match status.as_str()? {
        "needs_response" | "under_review" => Some(DisputeState::Open),
        "lost" => Some(DisputeState::Lost),
        "won" | "charge_refunded" => Some(DisputeState::Over),
        "prevented" => Some(DisputeState::Inquiry),
        other if other.starts_with("warning_") => Some(DisputeState::Inquiry),
        other if other.starts_with("appeal_") => Some(DisputeState::Open),
        _ => None,
    }
}

/// What the bank has taken and not given back, where that can be told.
///
/// The movements are in the currency of the account: only where that is the dispute's do they say how much.
fn left(kind: &str, object: &Value) -> Option<i64> {
    let moved = || items(&object["balance_transactions"]);
    let comparable = moved().all(|movement| movement["currency"] == object["currency"]);
    let amounts = || moved().filter_map(|movement| minor(&movement["amount"]));
    let taken = money::sum(amounts().filter(|amount| *amount < 0).map(|amount| -amount));
    let given_back = money::sum(amounts().filter(|amount| *amount > 0));
    let told = comparable && taken > 0;
    if kind == "charge.dispute.funds_reinstated" && !(told && given_back > 0) {
        return Some(0);
    }
    told.then(|| (taken - given_back).max(0))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::stripe::facts::{Reading, read_event};

    /// A dispute of 1000 USD, as an event of that kind tells it at second `at`, with what has moved until then.
    fn told(kind: &str, at: i64, status: &str, moved: &[i64]) -> Facts {
        let movement = |amount: &i64| json!({ "amount": amount, "currency": "usd" });
        let moved: Vec<Value> = moved.iter().map(movement).collect();
        read(json!({
            "type": format!("charge.dispute.{kind}"),
            "created": at,
            "data": { "object": {
                "id": "du_1", "object": "dispute", "amount": 1000, "charge": "ch_1", "payment_intent": "pi_1",
                "currency": "usd", "status": status, "created": 1, "balance_transactions": moved,
            } },
        }))
        .unwrap()
    }

    fn read(event: Value) -> Result<Facts, Unreadable> {
        match read_event(&event)? {
            Reading::Facts(facts) => Ok(*facts),
            other => panic!("{other:?}"),
        }
    }

    fn last(facts: &Facts) -> (DisputeState, i64) {
        let word = facts.disputes["du_1"].last.unwrap();
        (word.state, word.amount)
    }

    #[test]
    fn the_table_of_words() {
        use DisputeState::{Inquiry, Lost, Open, Over};
        let cases: &[(&str, &str, &[i64], DisputeState, i64)] = &[
            ("created", "warning_needs_response", &[], Inquiry, 1000),
            ("updated", "warning_under_review", &[], Inquiry, 1000),
            ("closed", "warning_closed", &[], Inquiry, 1000),
            ("created", "prevented", &[], Inquiry, 1000),
            ("created", "needs_response", &[], Open, 1000),
            ("updated", "under_review", &[-1000], Open, 1000),
            ("updated", "appeal_needs_response", &[-1000], Open, 1000),
            ("updated", "appeal_under_review", &[-1000], Open, 1000),
            ("funds_withdrawn", "needs_response", &[-1000], Open, 1000),
            ("closed", "lost", &[-1000], Lost, 1000),
            // The bank took less than it disputes, or gave a part back.
            ("closed", "lost", &[-600], Lost, 600),
            ("funds_reinstated", "lost", &[-1000, 400], Lost, 600),
            ("funds_reinstated", "needs_response", &[-1000, 400], Open, 600),
            // All is back, whatever the status.
            ("funds_reinstated", "under_review", &[-1000, 1000], Over, 0),
            ("updated", "under_review", &[-1000, 1000], Over, 0),
            ("closed", "lost", &[-1000, 1000], Over, 0),
            ("funds_reinstated", "lost", &[], Over, 0),
            ("funds_reinstated", "lost", &[-1000], Over, 0),
            ("closed", "won", &[-1000], Over, 1000),
            ("closed", "charge_refunded", &[], Over, 1000),
            // And taken again.
            ("updated", "under_review", &[-1000, 1000, -1000], Open, 1000),
        ];
        for (kind, status, moved, state, amount) in cases {
            let told = last(&told(kind, 5, status, moved));
            assert_eq!(told, (*state, *amount), "{kind} {status} {moved:?}");
        }
    }

    #[test]
    fn the_last_word_counts_in_any_order() {
        let lost = told("closed", 7, "lost", &[-1000]);
        let appealed = told("updated", 8, "appeal_under_review", &[-1000]);
        let won = told("closed", 9, "won", &[-1000]);
        let mut all = won.clone();
        all.merge(lost.clone());
        all.merge(appealed.clone());
        assert_eq!(last(&all).0, DisputeState::Over);
        let mut missing_the_last = appealed;
        missing_the_last.merge(lost);
        assert_eq!(last(&missing_the_last).0, DisputeState::Open);
    }

    #[test]
    fn within_a_second_the_further_word_is_the_later() {
        let steps = [
            told("created", 5, "warning_needs_response", &[]),
            told("created", 5, "needs_response", &[]),
            told("funds_withdrawn", 5, "needs_response", &[-1000]),
            told("closed", 5, "lost", &[-1000]),
            told("funds_reinstated", 5, "lost", &[-1000, 1000]),
        ];
        for pair in steps.windows(2) {
            let (mut there, mut back) = (pair[0].clone(), pair[1].clone());
            there.merge(pair[1].clone());
            back.merge(pair[0].clone());
            assert_eq!(there, pair[1]);
            assert_eq!(there, back);
        }
    }

    #[test]
    fn a_loss_in_another_currency_is_the_whole_payment() {
        let facts = told("closed", 5, "lost", &[]);
        let lost = |currency: &str| facts.disputes["du_1"].lost(currency.parse().unwrap());
        assert_eq!(lost("usd"), Some(1000));
        assert_eq!(lost("jpy"), Some(crate::money::MAX_MINOR_UNITS));
    }

    #[test]
    fn what_cannot_be_understood_is_said() {
        let with = |field: &str, value: Value| {
            let mut object = json!({ "id": "du_1", "amount": 1, "currency": "usd", "created": 1, "status": "lost" });
            object[field] = value;
            let event = json!({ "type": "charge.dispute.closed", "data": { "object": object } });
            read(event).err().map(|error| error.to_string())
        };
        assert_eq!(with("metadata", json!({})), None);
        let said = |what: &str| Some(what.to_owned());
        assert_eq!(with("id", json!(null)), said("the dispute has no id"));
        assert_eq!(
            with("status", json!("new")),
            said("the dispute du_1 has no known status")
        );
        assert_eq!(with("amount", json!(null)), said("the dispute du_1 has no amount"));
        assert_eq!(with("created", json!(null)), said("the dispute du_1 has no time"));
    }
}
