//! What managers decide about a sale, in between what Stripe tells of it.

use serde_json::Value;
use uuid::Uuid;

use super::{Lived, programs::Owner, sale::Sale};

/// What a server is told.
#[derive(Clone, Debug)]
pub enum News {
    /// By Stripe.
    Event(Value),
    /// By a manager.
    Decision(Decided),
}

/// A decision about a payment.
#[derive(Clone, Debug)]
pub struct Decided {
    /// A later one has a greater id.
    pub id: Uuid,
    /// The names that the payment goes by, or went by.
    pub names: Vec<String>,
    /// The one of them that the decision is about.
    pub part: String,
    pub ruling: Ruling,
    /// Seconds since 1970.
    pub at: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ruling {
    Approve,
    Reject,
    Reassign(Owner),
}

impl Lived {
    /// What was decided about a payment, in order.
    pub fn rulings(&self, number: usize) -> impl DoubleEndedIterator<Item = Ruling> {
        let about = self.rulings.iter().filter(move |(of, _)| *of == number);
        about.map(|(_, ruling)| *ruling)
    }

    /// The names by which the payment of a number may be recorded, as far as they were told.
    pub fn names_of(&self, number: usize) -> Vec<String> {
        let invoice = self.sale.bills()[number].invoice.clone();
        let own = match &self.sale {
            Sale::Subscription(sale) => (number == 0).then(|| sale.subscription.clone()),
            Sale::OneOff(sale) => Some(sale.facts.session.clone()),
        };
        // What the payment goes by in the end is a name of it, told or not.
        let last = match (&self.sale, &own, &invoice) {
            (Sale::Subscription(_), Some(own), _) | (_, Some(own), None) => own.clone(),
            (_, _, invoice) => invoice.clone().unwrap(),
        };
        let names = own.into_iter().chain(invoice);
        names
            .filter(|name| *name == last || self.objects.contains_key(name))
            .collect()
    }

    /// Which payment goes by a name, or went by it.
    pub fn payment_named(&self, part: &str) -> usize {
        let invoices = self.sale.bills().iter();
        let number = invoices
            .map(|bill| bill.invoice.as_deref())
            .position(|invoice| invoice == Some(part));
        number.unwrap_or(0)
    }
}
