//! Tells a sale without a server: what each event says, what has to be looked up for it, one fold, one projection.

use rekomi::{
    domain::reports::{Decision, Report, Verdict},
    stripe::{
        facts::{Facts, Reading, Request, needs, read_event, read_object, read_report},
        projection::{self, Conversion, Evidence},
    },
};

use serde_json::{Value, json};

use super::{
    Decided, Lived, News, Ruling,
    answers::Answers,
    oracle::{Line, line, redemption},
    programs::Owner,
};

/// What has been told so far.
#[derive(Default)]
pub struct Telling {
    /// Of each event, with what was looked up for it.
    pub pieces: Vec<Facts>,
    /// Facts that share no name: one sale may show itself as several at first.
    pub sales: Vec<Facts>,
}

impl Telling {
    /// Tells what happened. What has to be looked up for it is answered as Stripe would.
    pub fn tell(&mut self, news: &News, answers: &Answers, evidence: &Evidence) {
        match news {
            News::Event(event) => self.tell_event(event, answers, evidence),
            News::Decision(decided) => self.add(read_report(&Report::Decision(decision(decided)))),
        }
    }

    fn tell_event(&mut self, event: &Value, answers: &Answers, evidence: &Evidence) {
        let (event, mut piece) = match read_event(event).unwrap() {
            Reading::Facts(facts) => (Some((*facts).clone()), *facts),
            Reading::Lookup(request) => (None, answer(&request, answers)),
            Reading::Nothing(_) => return,
        };
        for _ in 0..4 {
            let known = self.known(&piece);
            let asking = event.as_ref().unwrap_or(&piece);
            let wanted = needs(asking, &known, |code| evidence.promotion_codes.contains_key(code));
            if wanted.is_empty() {
                break;
            }
            for request in wanted {
                piece.merge(answer(&request, answers));
            }
        }
        self.add(piece);
    }

    fn add(&mut self, piece: Facts) {
        self.fold(piece.clone());
        self.pieces.push(piece);
    }

    fn known(&self, piece: &Facts) -> Facts {
        let mut known = piece.clone();
        for sale in self.sales.iter().filter(|sale| !sale.keys().is_disjoint(&piece.keys())) {
            known.merge(sale.clone());
        }
        known
    }

    fn fold(&mut self, piece: Facts) {
        let keys = piece.keys();
        let sales = std::mem::take(&mut self.sales);
        let (same, mut others): (Vec<_>, Vec<_>) = sales.into_iter().partition(|it| !it.keys().is_disjoint(&keys));
        let mut sale = piece;
        for other in same {
            sale.merge(other);
        }
        others.push(sale);
        self.sales = others;
    }
}

fn decision(decided: &Decided) -> Decision {
    Decision {
        id: decided.id,
        part: decided.part.clone(),
        verdict: match decided.ruling {
            Ruling::Approve => Verdict::Approved,
            Ruling::Reject => Verdict::Rejected,
            Ruling::Reassign(owner) => Verdict::Reassigned(owner.id()),
        },
        reason: "because".to_owned(),
        by: "max".to_owned(),
        at: decided.at,
    }
}

fn answer(request: &Request, answers: &Answers) -> Facts {
    let found = match request {
        // Stripe's answer is the same whenever the event came.
        Request::Dispute(id, _) => answers[&Request::Dispute(id.clone(), 0)].clone(),
        Request::Customer(id, _) => json!({ "id": id, "object": "customer", "metadata": {} }),
        other => answers[other].clone(),
    };
    read_object(request, &found).unwrap()
}

/// A line for each conversion and each redemption that is projected, sorted.
pub fn told(lived: &Lived, telling: &Telling, evidence: &Evidence) -> Vec<String> {
    let mut lines = Vec::new();
    for sale in &telling.sales {
        let projection = projection::project(sale, evidence);
        lines.extend(projection.conversions.iter().map(|it| conversion(lived, it)));
        lines.extend(projection.redemptions.iter().map(|it| {
            let code = evidence
                .promotion_codes
                .values()
                .find(|code| code.id == it.code_id)
                .unwrap();
            redemption(&code.code, lived.number(&it.part), it.refunded)
        }));
    }
    lines.sort();
    lines
}

fn conversion(lived: &Lived, it: &Conversion) -> String {
    assert!(!it.amount_pending);
    line(&Line {
        number: lived.number(&it.part),
        kind: &format!("{:?}", it.kind),
        at: it.occurred_at.timestamp(),
        status: &format!("{:?}", it.status),
        owner: &format!("{:?}", Owner::named(it.affiliate_id)),
        method: &format!("{:?}", it.attribution_method),
        code: it.coupon_code.as_deref().unwrap_or_default(),
        amount: it.amount,
        tax: it.tax,
        refunded: it.refunded_amount,
        currency: it.currency.as_str(),
        earned: it.earned,
        clawed_back: it.clawed_back,
        earned_in: it.commission_currency.as_str(),
        on_top: it.overriding.as_ref().map(|on_top| {
            let recruiter = format!("{:?}", Owner::named(on_top.affiliate_id));
            (recruiter, on_top.earned, on_top.clawed_back)
        }),
    })
}

impl Lived {
    /// Which payment a part is, counted from the start.
    pub fn number(&self, part: &str) -> usize {
        let bills = self.sale.bills();
        let number = bills.iter().position(|bill| bill.invoice.as_deref() == Some(part));
        assert!(
            number != Some(0) || !self.script.is_subscription(),
            "the first invoice is a part of its own"
        );
        number.unwrap_or(0)
    }
}
