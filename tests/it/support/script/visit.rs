//! What a visitor follows before a sale, or after it, and where the sale names it.

use entity::id::ClickId;
use rekomi::standin::SaleBuilder;

use super::{
    Script, Start,
    programs::{Campaign, Owner},
    sale::clock_at,
};

/// A visitor's clicks, all in one browser. The sale names one of them.
#[derive(Clone, Debug)]
pub struct Visit {
    /// At least one.
    pub clicks: Vec<Followed>,
    /// The place of the one that is named; there may be fewer.
    pub named: usize,
    pub by: NamedBy,
}

/// Somebody's link was followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Followed {
    pub of: Owner,
    pub campaign: Campaign,
    /// Seconds after the sale began; before it they are below zero.
    pub after: i64,
}

/// Where a sale names a click.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NamedBy {
    /// `client_reference_id`, which is on the session alone.
    Reference,
    /// The metadata of the session and of the subscription, which its invoices repeat.
    Metadata,
    /// The first invoice's own metadata. Where there is none, as [`Self::Metadata`].
    Invoice,
}

/// A click with its id.
#[derive(Clone, Copy, Debug)]
pub struct Click {
    pub id: ClickId,
    /// Among the visitor's clicks.
    pub place: i64,
    /// Seconds since 1970.
    pub at: i64,
    pub followed: Followed,
    /// The sale names it.
    pub named: bool,
    /// A server has it.
    pub is_stored: bool,
}

impl Script {
    /// The visitor's clicks; of those at the same second the later has the greater id.
    pub fn clicks(&self, began: i64) -> Vec<Click> {
        let Some(visit) = &self.visit else {
            return Vec::new();
        };
        let clock = clock_at(began);
        let named = visit.named.min(visit.clicks.len() - 1);
        let click = |(place, followed): (usize, &Followed)| Click {
            id: ClickId(clock.new_id()),
            place: i64::try_from(place).unwrap(),
            at: began + followed.after,
            followed: *followed,
            named: place == named,
            is_stored: false,
        };
        visit.clicks.iter().enumerate().map(click).collect()
    }

    /// The sale names its click.
    pub fn naming(&self, builder: SaleBuilder, clicks: &[Click]) -> SaleBuilder {
        let Some((visit, named)) = self.visit.as_ref().zip(clicks.iter().find(|click| click.named)) else {
            return builder;
        };
        let id = named.id.to_string();
        match visit.by {
            NamedBy::Reference => builder.client_reference_id(id),
            NamedBy::Invoice if self.has_invoice() => builder,
            NamedBy::Metadata | NamedBy::Invoice => builder.metadata("rekomi_click_id", id),
        }
    }

    pub fn names_by(&self, by: NamedBy) -> bool {
        self.visit.as_ref().is_some_and(|visit| visit.by == by)
    }

    /// Nothing but the session tells of the click.
    pub fn session_alone_names(&self) -> bool {
        let on_session = self.names_by(NamedBy::Metadata) && !self.is_subscription();
        self.names_by(NamedBy::Reference) || on_session || self.names_by(NamedBy::Invoice) && !self.has_invoice()
    }

    fn has_invoice(&self) -> bool {
        !matches!(self.start, Start::OneOff | Start::OneOffDelayed)
    }
}
