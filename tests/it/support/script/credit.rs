//! Who should earn a part of a sale, by the table of who gets the credit. It calls nothing of what it is to judge.

use std::cmp::Reverse;

use rekomi::standin::sales::Bill;

use super::{
    Code, Lived, Ruling,
    programs::{Campaign, DAY, Model, Owner},
    visit::{Click, NamedBy},
};

/// One of our codes on a bill.
pub struct Use {
    pub code: Code,
    pub owner: Owner,
    pub campaign: Campaign,
    pub off: i64,
    pub start: i64,
}

/// Whose a part is.
#[derive(Clone, Copy)]
pub struct Credit {
    pub owner: Owner,
    pub campaign: Campaign,
    pub by_code: bool,
    /// What is shown with it.
    pub code: Option<Code>,
}

/// Whose a bill is: of who earned the subscription, or else of who speaks for it.
pub fn credit(lived: &Lived, number: usize, bill: &Bill, uses: &mut [Use], bound: Option<Credit>) -> Option<Credit> {
    uses.sort_by_key(|used| (!used.owner.is_approved(bill.at), Reverse(used.off), used.start));
    let best = uses.first();
    let shown = best.map(|used| used.code);
    let credit = match bound {
        Some(bound) if bound.by_code => bound,
        Some(bound) => Credit { code: shown, ..bound },
        None => weighed(best, click(lived, number, bill.at), bill.at)?,
    };
    let mut reassigned = lived.rulings(number).filter_map(|ruling| match ruling {
        Ruling::Reassign(owner) => Some(owner),
        Ruling::Approve | Ruling::Reject => None,
    });
    Some(Credit {
        owner: reassigned.next_back().unwrap_or(credit.owner),
        ..credit
    })
}

/// A code that overrides clicks, a click, another code; whoever was not approved comes after all who were.
fn weighed(code: Option<&Use>, click: Option<&Click>, at: i64) -> Option<Credit> {
    let shown = code.map(|used| used.code);
    let of_code = code.map(|used| {
        let credit = Credit {
            owner: used.owner,
            campaign: used.campaign,
            by_code: true,
            code: shown,
        };
        (if used.code.overrides(at) { 0 } else { 2 }, credit)
    });
    let of_click = click.map(|click| {
        let credit = Credit {
            owner: click.followed.of,
            campaign: click.followed.campaign,
            by_code: false,
            code: shown,
        };
        (1, credit)
    });
    let voices = [of_code, of_click].into_iter().flatten();
    let first = voices.min_by_key(|(rank, credit)| (!credit.owner.is_approved(at), *rank));
    first.map(|(_, credit)| credit)
}

/// The click that counts at a time: in each campaign the first or the last of its window, of these the last.
fn click(lived: &Lived, number: usize, at: i64) -> Option<&Click> {
    if number > 0 && !lived.script.names_by(NamedBy::Metadata) {
        return None;
    }
    let approved = |click: &&Click| click.followed.of.is_approved(at);
    let of_campaign = |campaign: Campaign| {
        let (model, days) = campaign.clicks(at);
        let window = at - days * DAY..=at;
        let clicks = lived.clicks.iter();
        let valid = clicks.filter(|click| click.followed.campaign == campaign && window.contains(&click.at));
        valid.min_by_key(|click| {
            let by_time = match model {
                Model::First => (click.at, click.place),
                Model::Last => (-click.at, -click.place),
            };
            (!approved(click), by_time)
        })
    };
    let counting = Campaign::ALL.into_iter().filter_map(of_campaign);
    counting.max_by_key(|click| (approved(click), click.at, click.place))
}
