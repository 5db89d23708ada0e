//! Which payments paid which invoices, and what went back of each invoice.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Facts, Invoice, MoneyBack,
    shares::{Claim, share},
};
use crate::money::{self, Currency};

/// The payments of a sale, looked through once.
pub struct Payments<'a> {
    facts: &'a Facts,
    /// The payment intents of charges.
    intents: BTreeMap<&'a str, &'a str>,
    /// The invoices that each payment paid, by the one name of the payment.
    invoices: BTreeMap<&'a str, BTreeMap<&'a str, &'a Invoice>>,
}

impl<'a> Payments<'a> {
    pub fn new(facts: &'a Facts) -> Self {
        let names = facts.charge_names();
        let intents = names.filter_map(|(charge, intent)| Some((charge, intent?))).collect();
        let mut payments = Self {
            facts,
            intents,
            invoices: BTreeMap::new(),
        };
        for (id, invoice) in &facts.invoices {
            for payment in payments_of(facts, id, invoice) {
                let paid = payments.invoices.entry(payments.name(payment)).or_default();
                paid.insert(id, invoice);
            }
        }
        payments
    }

    /// The one name of a payment: its payment intent's where there is one.
    fn name<'b>(&self, name: &'b str) -> &'b str
    where
        'a: 'b,
    {
        self.intents.get(name).copied().unwrap_or(name)
    }

    /// What went back of an invoice in `currency`: its share in each of its payments, and what its credit notes gave back
    /// outside Stripe.
    pub fn back_of_invoice(&self, id: &str, invoice: &Invoice, currency: Currency) -> MoneyBack {
        let payments = payments_of(self.facts, id, invoice);
        let payments: BTreeSet<&str> = payments.map(|payment| self.name(payment)).collect();
        let outside = self.facts.credit_notes_of(id).map(|note| note.out_of_band);
        let mut back = MoneyBack {
            amount: money::sum(outside),
            ..MoneyBack::default()
        };
        for payment in payments {
            let whole = self.back_of(payment, currency);
            back.disputed |= whole.disputed;
            back.amount = money::sum([back.amount, self.share_of(id, payment, whole.amount)]);
        }
        back
    }

    /// What went back of a whole payment.
    pub fn back_of(&self, payment: &str, currency: Currency) -> MoneyBack {
        self.facts.money_back(&[payment.to_owned()].into(), currency)
    }

    /// The share of an invoice in what went back of one of its payments.
    fn share_of(&self, invoice: &str, payment: &str, back: i64) -> i64 {
        let mut claims = BTreeMap::new();
        let mut told = true;
        for (id, claimant) in self.invoices.get(payment).into_iter().flatten() {
            let paid_with = claimant.paid_with.iter();
            let paid_with = paid_with.filter(|(name, _)| self.name(name) == payment);
            let paid_with = paid_with.map(|(_, amount)| *amount).max();
            told &= paid_with.is_some();
            let paid = paid_with.or(claimant.paid.map(|paid| paid.amount_paid)).unwrap_or(0);
            let own = self.own_refunds(id, payment);
            claims.insert(*id, Claim { paid, own });
        }
        if claims.len() == 1 && !told {
            return back;
        }
        // Where every claim is told, what was paid beyond them was paid for something else.
        let charges = self.facts.charges.iter();
        let captured = charges.filter(|(id, _)| self.name(id) == payment);
        let captured = money::sum(captured.filter_map(|(_, charge)| charge.captured));
        let claimed = money::sum(claims.values().map(|claim| claim.paid));
        let unclaimed = if told { (captured - claimed).max(0) } else { 0 };
        share(back, &claims, unclaimed, invoice)
    }

    /// What credit notes say went back of just this invoice through this payment.
    fn own_refunds(&self, invoice: &str, payment: &str) -> i64 {
        let of_notes = self.facts.credit_notes_of(invoice).flat_map(|note| &note.refunds);
        let through = of_notes.filter_map(|(id, told)| {
            let refund = self.facts.refunds.get(id).filter(|refund| !refund.failed)?;
            let name = refund.payment_intent.as_deref().or(refund.charge.as_deref())?;
            let amount = if *told == 0 { refund.amount } else { *told };
            (self.name(name) == payment).then_some(amount.min(refund.amount))
        });
        money::sum(through)
    }
}

/// The payments of an invoice: those that it is told with, and that of the session which made it.
fn payments_of<'a>(facts: &'a Facts, id: &'a str, invoice: &'a Invoice) -> impl Iterator<Item = &'a str> {
    let sessions = facts.sessions.values();
    let made_it = sessions.filter(move |session| session.invoice.as_deref() == Some(id));
    let of_session = made_it.filter_map(|session| session.payment_intent.as_deref());
    invoice.payments.iter().map(String::as_str).chain(of_session)
}
