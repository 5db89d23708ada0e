//! The table of role × operation: the only place that compares roles.

use entity::api_key::ApiKeyScope;
use serde::{Deserialize, Serialize};

/// What a token's holder is to the brand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    Owner,
    Manager,
    Analyst,
    Affiliate,
}

/// Everything that a caller can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    ReadCampaigns,
    ReadAffiliates,
    ReadCoupons,
    ReadCodes,
    ReadConversions,
    ReadStats,
    /// Read who sold the most.
    ReadLeaderboards,
    ReadFeed,
    /// Ask who would be credited.
    SimulateAttribution,
    ReadClicks,
    ReadLedger,
    ManageCampaigns,
    ManageAffiliates,
    ManageCoupons,
    /// Mint for any affiliate.
    ManageCodes,
    /// Mint for oneself; the brand's switches decide whether.
    MintOwnCode,
    /// Report sales that were made outside Stripe, and their refunds.
    ReportConversions,
    /// Set how many codes affiliates may mint, and with which words not.
    ManageCodeSettings,
    /// Approve, reject and reassign conversions.
    DecideConversions,
    /// Make, list, rotate and revoke API keys.
    ManageApiKeys,
    /// Read who changed what.
    ReadAuditLog,
    /// Look at what Stripe sent, and at what became of it.
    ReadInbox,
    /// Put events back into the inbox.
    ReplayEvents,
    /// Send documents that are not on the operator's list, where owners are let to.
    SendAnyDocument,
}

use Operation as O;

/// One line of the table: who may do an operation, by role of a token and by scope of an API key.
type Line = (Operation, &'static [Role], &'static [ApiKeyScope]);

/// What each role and scope may do. An affiliate reads what is its own; the finder sees to that. `read` may what an
/// analyst may and `read_write` what a manager may; the finer scopes may read what their own objects refer to.
const TABLE: [Line; 24] = {
    use ApiKeyScope::{CodesRead, CodesWrite, ConversionsRead, ConversionsWrite, Read, ReadWrite};
    use Role::{Affiliate, Analyst, Manager, Owner};
    const ALL: &[Role] = &[Owner, Manager, Analyst, Affiliate];
    const MANAGERS: &[Role] = &[Owner, Manager];
    const OWNER: &[Role] = &[Owner];
    const CODES: &[ApiKeyScope] = &[
        Read,
        ReadWrite,
        CodesRead,
        CodesWrite,
        ConversionsRead,
        ConversionsWrite,
    ];
    const CONVERSIONS: &[ApiKeyScope] = &[Read, ReadWrite, ConversionsRead, ConversionsWrite];
    [
        (O::ReadCampaigns, ALL, CODES),
        (O::ReadAffiliates, ALL, CODES),
        (O::ReadCoupons, ALL, CODES),
        (O::ReadCodes, ALL, CODES),
        (O::ReadConversions, ALL, CONVERSIONS),
        (O::ReadStats, ALL, CONVERSIONS),
        (O::ReadLeaderboards, &[Owner, Manager, Analyst], CONVERSIONS),
        (O::ReadFeed, ALL, CONVERSIONS),
        (O::SimulateAttribution, &[Owner, Manager, Analyst], CONVERSIONS),
        (O::ReadClicks, ALL, CONVERSIONS),
        (O::ReadLedger, ALL, CONVERSIONS),
        (O::ManageCampaigns, MANAGERS, &[ReadWrite]),
        (O::ManageAffiliates, MANAGERS, &[ReadWrite]),
        (O::ManageCoupons, MANAGERS, &[ReadWrite]),
        (O::ManageCodes, MANAGERS, &[ReadWrite, CodesWrite]),
        (O::MintOwnCode, &[Affiliate], &[]),
        (O::ReportConversions, MANAGERS, &[ReadWrite, ConversionsWrite]),
        (O::ManageCodeSettings, MANAGERS, &[ReadWrite]),
        (O::DecideConversions, MANAGERS, &[ReadWrite]),
        (O::ManageApiKeys, OWNER, &[]),
        (O::ReadAuditLog, OWNER, &[]),
        (O::ReadInbox, OWNER, &[]),
        (O::ReplayEvents, OWNER, &[]),
        (O::SendAnyDocument, OWNER, &[]),
    ]
};

/// Everything that somebody may do.
pub fn operations() -> impl Iterator<Item = Operation> {
    TABLE.iter().map(|(operation, ..)| *operation)
}

/// Whether a role may do it. What the table does not name, nobody may.
pub fn allows(role: Role, operation: Operation) -> bool {
    line(operation).is_some_and(|(_, roles, _)| roles.contains(&role))
}

/// Whether an API key of this scope may do it.
pub fn scope_allows(scope: ApiKeyScope, operation: Operation) -> bool {
    line(operation).is_some_and(|(_, _, scopes)| scopes.contains(&scope))
}

/// Whoever runs commands on the server's machine may do what an owner may.
pub fn operator_may(operation: Operation) -> bool {
    allows(Role::Owner, operation)
}

fn line(operation: Operation) -> Option<&'static Line> {
    TABLE.iter().find(|(named, ..)| *named == operation)
}

/// Whether a token of this role must name its affiliate, and no other may.
pub fn names_affiliate(role: Role) -> bool {
    role == Role::Affiliate
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_names_each_operation_once() {
        for (n, (operation, ..)) in TABLE.iter().enumerate() {
            assert!(TABLE[..n].iter().all(|(other, ..)| other != operation), "{operation:?}");
        }
    }

    #[test]
    fn analysts_read_and_affiliates_mint_for_themselves() {
        assert!(allows(Role::Analyst, O::ReadStats) && !allows(Role::Analyst, O::ManageCodes));
        assert!(allows(Role::Affiliate, O::MintOwnCode) && !allows(Role::Affiliate, O::ManageCodes));
        assert!(allows(Role::Manager, O::ManageCodes) && !allows(Role::Manager, O::MintOwnCode));
    }
}
