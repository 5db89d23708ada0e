//! What holds a credit back, and what managers decide about it. Pure.
//!
//! A sale is held when its affiliate was not approved at its time, or when the customer is the affiliate: the same
//! mailbox, whatever the case, the blanks around it, and what follows a plus in it (`sarah+shop@…` is `sarah@…`). Of
//! managers' decisions the last reassignment counts, and the last of approvals and rejections; what holds is judged for
//! whom it was reassigned to.

use chrono::{DateTime, SecondsFormat};

use super::{Credit, Decision, Evidence, Step};
use crate::domain::reports::{self, Verdict};

/// The rule of managers' decisions. Affiliates are not told their words.
pub(super) const RULE: &str = "MANAGER";

/// Ends a decision.
pub(super) fn judge(evidence: &Evidence<'_>, mut credit: Credit, mut trail: Vec<Step>) -> Decision {
    let last = |of: fn(&Verdict) -> bool| {
        let verdicts = evidence.verdicts.iter().filter(|it| of(&it.verdict));
        verdicts.max_by_key(|it| it.id)
    };
    if let Some(decision) = last(|verdict| matches!(verdict, Verdict::Reassigned(_)))
        && let Verdict::Reassigned(affiliate) = decision.verdict
    {
        // What spoke for another is told to that one alone.
        for step in &mut trail {
            step.affiliate.get_or_insert(credit.affiliate_id);
        }
        credit.affiliate_id = affiliate;
        credit.reassigned = true;
        trail.push(step("REASSIGNED", &format!("to {affiliate} by "), decision));
    }
    let why = held(evidence, &credit);
    trail.extend(why.map(|(rule, detail)| Step::new(rule, "HELD", detail)));
    let mut held = why.is_some();
    let mut rejected = false;
    if let Some(decision) = last(|verdict| matches!(verdict, Verdict::Approved | Verdict::Rejected)) {
        held = false;
        rejected = decision.verdict == Verdict::Rejected;
        trail.push(step(if rejected { "REJECTED" } else { "APPROVED" }, "by ", decision));
    }
    Decision {
        credit: Some(credit),
        held,
        rejected,
        trail,
    }
}

/// Who decided it, when and why.
fn step(outcome: &str, what: &str, decision: &reports::Decision) -> Step {
    let at = DateTime::from_timestamp(decision.at, 0).unwrap_or_default();
    let at = at.to_rfc3339_opts(SecondsFormat::Secs, true);
    Step::new(
        RULE,
        outcome,
        format!("{what}{} at {at}: {}", decision.by, decision.reason),
    )
}

/// The rule that holds a sale, if one does.
fn held(evidence: &Evidence<'_>, credit: &Credit) -> Option<(&'static str, &'static str)> {
    let person = evidence.known.people.get(&credit.affiliate_id);
    let own = person
        .map(|person| mailbox(&person.email_key))
        .filter(|own| !own.is_empty());
    if !evidence.approved(credit.affiliate_id) {
        let detail = "the affiliate was not approved at the time of the sale";
        Some(("AFFILIATE_APPROVED", detail))
    } else if own.is_some() && own == evidence.customer_email.map(mailbox) {
        Some(("SELF_REFERRAL", "the customer's e-mail is the affiliate's"))
    } else {
        None
    }
}

/// Where mail to an address arrives.
fn mailbox(email: &str) -> String {
    let email = email.trim().to_lowercase();
    match email.rsplit_once('@') {
        Some((local, host)) => {
            let name = local.split('+').next().filter(|name| !name.is_empty()).unwrap_or(local);
            format!("{name}@{host}")
        }
        None => email,
    }
}
