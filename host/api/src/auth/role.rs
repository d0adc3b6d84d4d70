//! What each role may do, as the scopes that a key would need for it. A tenant's ceiling bounds both.

use openhub_model::Role;

use super::permission::{EVERYTHING, KeyScopes};

const PLUGIN_INSTALLER: &[&str] = &["plugins:read", "plugins:write", "status:read", "usage:read"];

const MARKETER: &[&str] = &[
    "customers:read",
    "customers:write",
    "events:read",
    "segments:read",
    "segments:write",
    "journeys:read",
    "journeys:write",
    "messages:read",
    "messages:write",
    "objects:read",
    "objects:write",
    "faults:read",
    "faults:write",
    "plugins:read",
    "status:read",
    "usage:read",
];

/// No objects: their keys may be what a customer is known by.
const ANALYST: &[&str] = &[
    "customers:read",
    "events:read",
    "segments:read",
    "journeys:read",
    "messages:read",
    "plugins:read",
    "status:read",
    "usage:read",
];

const PRIVACY_OFFICER: &[&str] = &[
    "privacy:read",
    "privacy:write",
    "customers:read",
    "events:read",
    "segments:read",
    "messages:read",
    "objects:read",
    "faults:read",
    "audit:read",
    "status:read",
];

const AUDITOR: &[&str] = &[
    "audit:read",
    "keys:read",
    "persons:read",
    "tenants:read",
    "plugins:read",
    "webhooks:read",
    "journeys:read",
    "segments:read",
    "status:read",
    "usage:read",
];

const OPERATOR: &[&str] =
    &["status:read", "usage:read", "plugins:read", "faults:read", "webhooks:read", "tenants:read", "keys:read"];

pub(crate) fn scopes_of(role: Role) -> &'static [&'static str] {
    match role {
        Role::Owner => &[EVERYTHING],
        Role::Admin => KeyScopes::ALL,
        Role::PluginInstaller => PLUGIN_INSTALLER,
        Role::Marketer => MARKETER,
        Role::Analyst => ANALYST,
        Role::PrivacyOfficer => PRIVACY_OFFICER,
        Role::Auditor => AUDITOR,
        Role::Operator => OPERATOR,
    }
}

/// Whether the role works with personal data. Those who do not change nothing of customers either.
pub(crate) fn sees_people(role: Role) -> bool {
    !matches!(role, Role::Analyst | Role::Auditor | Role::Operator)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::covers;

    fn has(role: Role) -> Vec<String> {
        scopes_of(role).iter().map(|scope| (*scope).to_owned()).collect()
    }

    fn may_give(giver: Role, role: Role) -> bool {
        scopes_of(role).iter().all(|scope| covers(&has(giver), scope))
    }

    #[test]
    fn each_scope_of_a_role_exists() {
        for role in Role::ALL {
            assert_eq!(has(role).into_iter().find(|scope| !KeyScopes::exists(scope)), None, "{role}");
        }
    }

    #[test]
    fn an_owner_gives_every_role_and_an_admin_all_but_that() {
        for role in Role::ALL {
            assert!(may_give(Role::Owner, role), "{role}");
            assert_eq!(may_give(Role::Admin, role), role != Role::Owner, "{role}");
            assert!(role == Role::Owner || role == Role::Admin || !may_give(role, Role::Admin), "{role}");
        }
    }

    #[test]
    fn who_sees_no_personal_data_changes_nothing_of_customers() {
        for role in Role::ALL.into_iter().filter(|role| !sees_people(*role)) {
            assert!(has(role).iter().all(|scope| scope.ends_with(":read")), "{role}");
        }
    }
}
