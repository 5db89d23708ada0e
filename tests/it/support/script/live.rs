//! Lives through a script, step by step; what happens is told as it happens.

use std::{collections::BTreeMap, sync::Arc};

use chrono::TimeDelta;
use rekomi::{
    clock::Clock,
    standin::{
        DisputeStep, Paid, Promo, Shape,
        sales::{CreditTo, Discount},
    },
};
use serde_json::Value;

use super::{
    super::app::NOON,
    Code, Decided, Missing, News, Ruling, Script, Step,
    programs::DAY,
    sale::{Sale, clock_at},
    truth::{can_happen, outside_stripe},
    visit::Click,
};

const MONTH: i64 = 30 * DAY;

/// A sale as far as it has been lived.
pub struct Lived {
    pub script: Script,
    pub sale: Sale,
    /// In the order of the sale's discounts.
    pub codes: Vec<Code>,
    /// How many of them were there at the start.
    pub at_start: usize,
    /// Of its visitor, before it began and after.
    pub clicks: Vec<Click>,
    pub events: Vec<News>,
    /// What managers decided about payments, by their numbers, in order.
    pub rulings: Vec<(usize, Ruling)>,
    /// Everything that was told of, as it was told last, by id.
    pub objects: BTreeMap<String, Value>,
    /// How many of the events were told already.
    pub told: usize,
    /// How many of the script's steps are done.
    pub steps: usize,
    promos: Arc<BTreeMap<Code, Promo>>,
    clock: Clock,
    shapes: std::iter::Cycle<std::vec::IntoIter<Shape>>,
}

impl Lived {
    /// Starts. The number keeps sales that are told together apart in time.
    pub fn start(script: &Script, number: usize, promos: &Arc<BTreeMap<Code, Promo>>) -> Self {
        let created = NOON + script.begins * DAY + i64::try_from(number % 3600).unwrap();
        let clock = clock_at(created);
        let mut codes = Vec::new();
        for code in &script.codes {
            if script.takes(*code) && !codes.contains(code) {
                codes.push(*code);
            }
        }
        let clicks = script.clicks(created);
        let mut lived = Self {
            sale: Sale::start(script.builder(&clock, &codes, promos, &clicks), script.start),
            at_start: codes.len(),
            codes,
            clicks,
            events: Vec::new(),
            rulings: Vec::new(),
            objects: BTreeMap::new(),
            told: 0,
            steps: 0,
            promos: promos.clone(),
            clock,
            shapes: script.shapes.clone().into_iter().cycle(),
            script: script.clone(),
        };
        for _ in 0..lived.endpoints() {
            let Self { sale, shapes, .. } = &mut lived;
            let missing = script.missing_at_start();
            let started = sale.started(script.start, missing, || shapes.next().unwrap_or(Shape::Endive));
            lived.tell(started);
        }
        lived
    }

    /// Lives on, for this many steps at most.
    pub fn live(&mut self, steps: usize) {
        for step in self.script.steps.clone().into_iter().skip(self.steps).take(steps) {
            self.steps += 1;
            self.step(step);
        }
    }

    /// Seconds since 1970.
    pub fn now(&self) -> i64 {
        self.clock.now().timestamp()
    }

    fn step(&mut self, step: Step) {
        let at_once = matches!(step, Step::DisputeAtOnce(of, step) if self.is_told_in_order(of, step));
        self.pass(i64::from(!at_once));
        match step {
            Step::Renew => self.renew(),
            Step::Redeem(code) => self.redeem(code),
            Step::Refund(of, part) => self.refund(of, part, None),
            Step::Credit(of, part, to) => self.refund(of, part, Some(to)),
            Step::RefundFails(of) => self.refund_fails(of),
            Step::Dispute(of, step, part) => self.dispute(of, step, part),
            Step::DisputeAtOnce(of, step) => self.dispute(of, step, 100),
            Step::Decide(of, ruling) => self.decide(of, ruling),
        }
    }

    fn pass(&self, seconds: i64) {
        self.clock.advance(TimeDelta::seconds(seconds.max(0)));
    }

    fn renew(&mut self) {
        let Sale::Subscription(sale) = &mut self.sale else {
            return;
        };
        let at = sale.facts.created + i64::try_from(sale.bills.len()).unwrap() * MONTH;
        let number = sale.renew_at(at);
        self.pass(at - self.now());
        for _ in 0..self.endpoints() {
            let (invoice, payment) = (self.shape(), self.shape());
            let Sale::Subscription(sale) = &self.sale else { return };
            let mut events = vec![sale.renewal_paid(number, invoice)];
            if self.script.missing != Missing::InvoicePaymentPaid {
                events.extend(sale.invoice_payment_paid_for(payment, Paid::Renewal(number)));
            }
            self.tell(events);
        }
    }

    /// Where the start is only looked up, what is redeemed within a day is taken for a part of it.
    fn redeem(&mut self, code: Code) {
        if !self.script.takes(code) || self.codes.contains(&code) || !matches!(self.sale, Sale::Subscription(_)) {
            return;
        }
        self.pass(if self.script.thin { 2 * DAY } else { 60 });
        self.codes.push(code);
        let discount = Discount {
            id: format!("di_1{}", self.clock.new_id().simple()),
            promo: self.promos[&code].clone(),
            start: self.now(),
        };
        self.sale.facts_mut().discounts.push(discount);
    }

    /// Refunds, or writes a credit note.
    fn refund(&mut self, of: usize, part: i64, credit: Option<CreditTo>) {
        let paid = self.payment(of);
        let bill = self.sale.bill(paid);
        let total = self.script.paid(bill.total());
        let left = total - bill.refunded() - outside_stripe(bill);
        let amount = if part == 100 {
            left
        } else {
            (total * part / 100).min(left)
        };
        if amount <= 0 || (credit.is_some() && bill.invoice.is_none()) {
            return;
        }
        let shape = self.shape();
        let events = match credit {
            None => self.sale.refund(shape, amount, paid),
            Some(to) => self.sale.credit(shape, amount, to, paid),
        };
        let missed = match self.script.missing {
            Missing::ChargeRefunded => "charge.refunded",
            Missing::RefundCreated => "refund.created",
            _ => "",
        };
        self.tell(events.into_iter().filter(|event| event["type"] != missed));
    }

    fn refund_fails(&mut self, of: usize) {
        let paid = self.payment(of);
        if self.sale.bill(paid).refunds.last().is_some_and(|refund| !refund.failed) {
            let shape = self.shape();
            let events = self.sale.refund_fails(shape, paid);
            self.tell(events);
        }
    }

    fn dispute(&mut self, of: usize, step: DisputeStep, part: i64) {
        let paid = self.payment(of);
        let bill = self.sale.bill(paid);
        if can_happen(bill, step) {
            let amount = (self.script.paid(bill.total()) * part / 100).max(1);
            let shape = self.shape();
            let event = self.sale.dispute(shape, step, amount, paid);
            self.tell([event]);
        }
    }

    fn decide(&mut self, of: usize, ruling: Ruling) {
        let number = (self.sale.bills().len() - 1).saturating_sub(of);
        let names = self.names_of(number);
        let decided = Decided {
            id: self.clock.new_id(),
            part: names[self.rulings.len() % names.len()].clone(),
            names,
            ruling,
            at: self.now(),
        };
        self.rulings.push((number, ruling));
        self.events.push(News::Decision(decided));
    }

    /// Within a second the further state is the later.
    fn is_told_in_order(&self, of: usize, step: DisputeStep) -> bool {
        let dispute = self.sale.bill(self.payment(of)).dispute.as_ref();
        match step {
            DisputeStep::Lost | DisputeStep::Won | DisputeStep::FundsReinstated => true,
            DisputeStep::FundsWithdrawn => dispute.is_some_and(|dispute| dispute.movements.is_empty()),
            _ => false,
        }
    }

    fn payment(&self, back: usize) -> Paid {
        match (self.sale.bills().len() - 1).saturating_sub(back) {
            0 => Paid::First,
            number => Paid::Renewal(number),
        }
    }

    fn shape(&mut self) -> Shape {
        self.shapes.next().unwrap_or(Shape::Endive)
    }

    fn endpoints(&self) -> usize {
        1 + usize::from(self.script.two_endpoints)
    }
}
