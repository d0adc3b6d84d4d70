//! Codes that only some operations answer, by the tags of those. A code that is not here may be an answer of each operation that has
//! its status.

/// Of each code, the tags.
const OWNERS: &[(&str, &[&str])] = &[
    ("already-decided", &["partners"]),
    ("being-tried", &["plugins", "partners"]),
    ("call-refused", &["plugins"]),
    ("cannot-be-tried", &["plugins", "partners"]),
    ("changed-here", &["partners"]),
    ("downgrade", &["plugins", "partners"]),
    ("hook-refused", &["plugins"]),
    ("invalid-event", &["segment", "events", "customers"]),
    ("invalid-installation", &["plugins", "partners"]),
    ("invalid-journey", &["journeys", "partners"]),
    ("invalid-object-type", &["objects", "partners"]),
    ("invalid-offering", &["partners"]),
    ("invalid-secret", &["plugins", "partners"]),
    ("invalid-subscription", &["partners", "statements"]),
    ("invalid-webhook", &["webhooks", "partners"]),
    ("invitation-ended", &["access"]),
    ("key-reused", &["partners", "statements"]),
    ("last-owner", &["access"]),
    ("live-clock", &["clock"]),
    ("login-refused", &["access"]),
    ("missing-parameter", &["partners", "statements"]),
    ("name-taken", &["plugins", "partners"]),
    ("narrows", &["objects", "partners"]),
    ("no-previous-version", &["plugins", "partners"]),
    ("not-active", &["partners", "statements"]),
    ("not-agreed", &["plugins", "partners"]),
    ("offering-archived", &["partners"]),
    ("operation-open", &["partners", "statements"]),
    ("origin-not-allowed", &["segment"]),
    ("other-difference", &["plugins", "partners"]),
    ("other-publisher-key", &["plugins", "partners"]),
    ("other-version", &["plugins", "partners"]),
    ("refused-fields", &["objects", "segment"]),
    ("second-factor-needed", &["access"]),
    ("tenant-cycle", &["access", "hub", "partners"]),
    ("too-many-logins", &["access"]),
    ("unsigned", &["plugins", "partners"]),
    ("usage-key-reused", &["partners", "statements"]),
    ("version-reused", &["plugins", "partners"]),
    ("wider-ceiling", &["access", "hub", "partners"]),
];

/// Whether an operation with these tags may answer a code.
pub(super) fn may_say(tags: &[String], code: &str) -> bool {
    let owners = OWNERS.iter().find(|(known, _)| *known == code).map(|(_, owners)| *owners);
    owners.is_none_or(|owners| tags.iter().any(|tag| owners.contains(&tag.as_str())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::KINDS;

    #[test]
    fn each_code_is_one_of_the_hubs() {
        assert!(OWNERS.is_sorted());
        for (code, owners) in OWNERS {
            assert!(KINDS.iter().any(|(_, known, _)| known == code) && !owners.is_empty(), "{code}");
        }
        let tags = |tag: &str| [tag.to_owned()];
        assert!(may_say(&tags("clock"), "live-clock") && !may_say(&tags("journeys"), "live-clock"));
        assert!(may_say(&tags("journeys"), "conflict"));
    }
}
