//! The roles of a tenant's people. What a role may do is said where permissions are: in the API.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What a person is in a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Everything, also what later versions of the hub can do. A tenant has one at least.
    Owner,
    /// Everything that there is today; makes no owners.
    Admin,
    /// Plugins, and nothing of customers.
    PluginInstaller,
    /// Customers, segments, journeys, messages and objects.
    Marketer,
    /// Reads what a marketer reads, without personal data.
    Analyst,
    /// What the hub knows of a customer, and its erasure.
    PrivacyOfficer,
    /// Who did what, and who may.
    Auditor,
    /// Whether the hub runs; without personal data.
    Operator,
}

impl Role {
    pub const ALL: [Role; 8] = [
        Role::Owner,
        Role::Admin,
        Role::PluginInstaller,
        Role::Marketer,
        Role::Analyst,
        Role::PrivacyOfficer,
        Role::Auditor,
        Role::Operator,
    ];

    /// The word for it: in the database, in JSON, at the command line.
    pub const fn word(self) -> &'static str {
        match self {
            Role::Owner => "owner",
            Role::Admin => "admin",
            Role::PluginInstaller => "plugin-installer",
            Role::Marketer => "marketer",
            Role::Analyst => "analyst",
            Role::PrivacyOfficer => "privacy-officer",
            Role::Auditor => "auditor",
            Role::Operator => "operator",
        }
    }

    pub fn from_word(word: &str) -> Option<Role> {
        Role::ALL.into_iter().find(|role| role.word() == word)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_has_one_word() {
        for role in Role::ALL {
            assert_eq!(Role::from_word(role.word()), Some(role));
            assert_eq!(serde_json::to_value(role).unwrap(), role.word());
        }
        assert_eq!(Role::from_word("superuser"), None);
    }
}
