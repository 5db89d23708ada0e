//! What Stripe would answer about a sale, as it has been lived so far, without a server: in the newest shape, with all
//! that a request expands.

use std::collections::BTreeMap;

use rekomi::{
    standin::{
        OneOffSale, Paid, Shape, SubscriptionSale,
        sales::{Bill, Refund},
    },
    stripe::facts::Request,
};
use serde_json::{Value, json};

use super::{Code, Lived, sale::Sale};

pub type Answers = BTreeMap<Request, Value>;

impl Lived {
    pub fn answers(&self) -> Answers {
        let mut answers = match &self.sale {
            Sale::Subscription(sale) => self.of_subscription(sale),
            Sale::OneOff(sale) => self.of_one_off(sale),
        };
        for bill in self.sale.bills() {
            let refund = |refund: &Refund| {
                let status = if refund.failed { "failed" } else { "succeeded" };
                json!({
                    "id": refund.id, "amount": refund.amount, "charge": bill.charge,
                    "payment_intent": bill.payment_intent, "status": status,
                })
            };
            let refunds: Vec<Value> = bill.refunds.iter().map(refund).collect();
            for refund in &refunds {
                let id = refund["id"].as_str().unwrap().to_owned();
                answers.insert(Request::Refund(id), refund.clone());
            }
            let charge = json!({
                "id": bill.charge, "amount_captured": self.script.paid(bill.total()), "amount_refunded": bill.refunded(),
                "payment_intent": bill.payment_intent, "refunds": { "data": refunds },
            });
            answers.insert(Request::Charge(bill.charge.clone()), charge);
            answers.insert(Request::Refunds(bill.charge.clone()), json!({ "data": refunds }));
        }
        for (id, told) in &self.objects {
            let request = match told["object"].as_str().unwrap() {
                "invoice_payment" => Request::InvoicePayment(id.clone()),
                "dispute" => Request::Dispute(id.clone(), 0),
                "credit_note" => Request::CreditNote(id.clone()),
                "checkout.session" => Request::Session(id.clone()),
                _ => continue,
            };
            answers.entry(request).or_insert_with(|| told.clone());
        }
        let foreign = Code::Foreign.promo();
        let told = json!({ "id": foreign.promotion_code_id, "code": foreign.code, "metadata": {} });
        answers.insert(Request::PromotionCode(foreign.promotion_code_id), told);
        answers
    }

    fn of_subscription(&self, sale: &SubscriptionSale) -> Answers {
        let mut answers = Answers::new();
        for (number, bill) in sale.bills.iter().enumerate() {
            let (paid, invoice) = match number {
                0 => (Paid::First, sale.invoice_paid(Shape::Endive)),
                number => (Paid::Renewal(number), sale.renewal_paid(number, Shape::Endive)),
            };
            self.add_invoice(
                &mut answers,
                bill,
                &invoice,
                sale.invoice_payment_paid_for(Shape::Endive, paid),
            );
        }
        let mut subscription = object(&sale.subscription_created(Shape::Endive));
        self.expand(&mut subscription["discounts"]);
        let renewals = sale.bills.len() - 1;
        subscription["latest_invoice"] = json!(sale.bills[renewals].invoice);
        if renewals > 0 {
            subscription["status"] = json!("active");
        }
        answers.insert(Request::Subscription(sale.subscription.clone()), subscription);
        answers
    }

    fn of_one_off(&self, sale: &OneOffSale) -> Answers {
        let mut answers = Answers::new();
        if let Some(invoice) = sale.invoice_paid(Shape::Endive) {
            self.add_invoice(
                &mut answers,
                &sale.bill,
                &invoice,
                sale.invoice_payment_paid(Shape::Endive),
            );
        } else {
            let request = Request::InvoicePayments(sale.bill.payment_intent.clone());
            answers.insert(request, json!({ "data": [] }));
        }
        let mut session = object(&sale.session_completed(Shape::Endive));
        let part = |(place, off): &(usize, i64)| {
            let id = json!(sale.facts.discounts[*place].id);
            json!({ "amount": off, "discount": self.discount(&id) })
        };
        let parts: Vec<Value> = sale.bill.discounts.iter().map(part).collect();
        session["total_details"]["breakdown"] = json!({ "discounts": parts });
        answers.insert(Request::Session(sale.facts.session.clone()), session);
        answers
    }

    fn add_invoice(&self, answers: &mut Answers, bill: &Bill, told: &Value, payment: Option<Value>) {
        let mut payments: Vec<Value> = payment.iter().map(object).collect();
        payments.iter_mut().for_each(|payment| self.amend(payment));
        if bill.is_charged() {
            let request = Request::InvoicePayments(bill.payment_intent.clone());
            answers.insert(request, json!({ "data": payments }));
        }
        let mut invoice = object(told);
        self.amend(&mut invoice);
        invoice["payments"] = json!({ "data": payments });
        self.expand(&mut invoice["discounts"]);
        for amount in invoice["total_discount_amounts"].as_array_mut().into_iter().flatten() {
            amount["discount"] = self.discount(&amount["discount"]);
        }
        for line in invoice["lines"]["data"].as_array_mut().into_iter().flatten() {
            self.expand(&mut line["discounts"]);
        }
        answers.insert(Request::Invoice(bill.invoice.clone().unwrap()), invoice);
    }

    fn expand(&self, discounts: &mut Value) {
        for discount in discounts.as_array_mut().into_iter().flatten() {
            *discount = self.discount(discount);
        }
    }

    fn discount(&self, id: &Value) -> Value {
        let discounts = &self.sale.facts().discounts;
        let discount = discounts.iter().find(|it| *id == it.id).unwrap();
        json!({ "id": discount.id, "promotion_code": discount.promo.promotion_code_id, "start": discount.start })
    }
}

fn object(event: &Value) -> Value {
    event["data"]["object"].clone()
}
