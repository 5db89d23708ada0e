//! The table of role × operation: the only place that compares roles.

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
    ReadFeed,
    ManageCampaigns,
    ManageAffiliates,
    ManageCoupons,
    /// Mint for any affiliate.
    ManageCodes,
    /// Mint for oneself; the brand's switches decide whether.
    MintOwnCode,
}

use Operation as O;

/// What each role may do. An affiliate reads what is its own; the finder sees to that.
const TABLE: [(Operation, &[Role]); 12] = {
    use Role::{Affiliate, Analyst, Manager, Owner};
    const ALL: &[Role] = &[Owner, Manager, Analyst, Affiliate];
    const MANAGERS: &[Role] = &[Owner, Manager];
    [
        (O::ReadCampaigns, ALL),
        (O::ReadAffiliates, ALL),
        (O::ReadCoupons, ALL),
        (O::ReadCodes, ALL),
        (O::ReadConversions, ALL),
        (O::ReadStats, ALL),
        (O::ReadFeed, ALL),
        (O::ManageCampaigns, MANAGERS),
        (O::ManageAffiliates, MANAGERS),
        (O::ManageCoupons, MANAGERS),
        (O::ManageCodes, MANAGERS),
        (O::MintOwnCode, &[Affiliate]),
    ]
};

/// Whether a role may do it. What the table does not name, nobody may.
pub fn allows(role: Role, operation: Operation) -> bool {
    TABLE
        .iter()
        .any(|(named, roles)| *named == operation && roles.contains(&role))
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
        for (n, (operation, _)) in TABLE.iter().enumerate() {
            assert!(TABLE[..n].iter().all(|(other, _)| other != operation), "{operation:?}");
        }
    }

    #[test]
    fn analysts_read_and_affiliates_mint_for_themselves() {
        assert!(allows(Role::Analyst, O::ReadStats) && !allows(Role::Analyst, O::ManageCodes));
        assert!(allows(Role::Affiliate, O::MintOwnCode) && !allows(Role::Affiliate, O::ManageCodes));
        assert!(allows(Role::Manager, O::ManageCodes) && !allows(Role::Manager, O::MintOwnCode));
    }
}
