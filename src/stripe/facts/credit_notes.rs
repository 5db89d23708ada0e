//! Credit notes (<https://docs.stripe.com/api/credit_notes/object>).
//!
//! What a credit note gives back through Stripe comes as a refund, too: the note only says whose refund it is. What it
//! gives to the customer's balance is not paid by the next invoice, which earns the less. What it gives back outside
//! Stripe is told by nothing else.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Facts, Merge, merge_amounts, merge_option,
    read::{Unreadable, id_of, items, minor, required},
};
use crate::money;

/// A credit note. Being voided is final.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CreditNote {
    pub invoice: Option<String>,
    /// Given back outside Stripe. Minor units.
    pub out_of_band: i64,
    pub voided: bool,
    /// What each refund gave back of this invoice, by `re_…`; 0 for all of it. Minor units.
    pub refunds: BTreeMap<String, i64>,
}

impl Merge for CreditNote {
    fn merge(&mut self, other: Self) {
        merge_option(&mut self.invoice, other.invoice);
        self.out_of_band = self.out_of_band.max(other.out_of_band);
        self.voided |= other.voided;
        merge_amounts(&mut self.refunds, other.refunds);
    }
}

impl Facts {
    /// Until 2025 a note had one `refund`; since then it has `refunds`, and some of them were only reported to Stripe: of
    /// those no refund's event tells.
    pub(super) fn read_credit_note(&mut self, object: &Value) -> Result<(), Unreadable> {
        let id = required(object, "credit note")?;
        let invoice = id_of(&object["invoice"]);
        if invoice.is_none() {
            return Err(Unreadable(format!("the credit note {id} has no invoice")));
        }
        let one = id_of(&object["refund"]).map(|refund| (refund, 0));
        let several = items(&object["refunds"]).filter_map(|part| {
            let amount = minor(&part["amount_refunded"]).unwrap_or(0).max(0);
            Some((id_of(&part["refund"])?, amount))
        });
        let recorded = items(&object["refunds"]).filter(|part| part["type"] == "payment_record_refund");
        let recorded = recorded.filter_map(|part| minor(&part["amount_refunded"]));
        let outside = recorded.chain(minor(&object["out_of_band_amount"]));
        let note = CreditNote {
            invoice,
            out_of_band: money::sum(outside.map(|amount| amount.max(0))),
            voided: object["status"] == "void",
            refunds: one.into_iter().chain(several).collect(),
        };
        self.credit_notes.insert(id, note);
        Ok(())
    }

    /// The notes of an invoice that stand.
    pub(super) fn credit_notes_of(&self, invoice: &str) -> impl Iterator<Item = &CreditNote> {
        let notes = self.credit_notes.values();
        notes.filter(move |note| !note.voided && note.invoice.as_deref() == Some(invoice))
    }
}
