//! The order of a plugin's versions: semantic versions, as their numbers say.

use semver::Version;

/// Why a text is no version number; none: it is one.
pub fn misfit(version: &str) -> Option<String> {
    Version::parse(version).err().map(|error| error.to_string())
}

/// Whether `version` comes before `other`. What is no version number comes before nothing.
pub fn is_older(version: &str, other: &str) -> bool {
    match (Version::parse(version), Version::parse(other)) {
        // What stands behind a `+` says nothing about the order.
        (Ok(version), Ok(other)) => version.cmp_precedence(&other).is_lt(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_by_their_numbers() {
        for (older, newer) in [("1.9.0", "1.10.0"), ("1.0.0-beta.2", "1.0.0"), ("0.9.9", "1.0.0")] {
            assert!(is_older(older, newer) && !is_older(newer, older), "{older} {newer}");
        }
        assert!(!is_older("1.0.0", "1.0.0") && !is_older("1.0.0+a", "1.0.0+b"));
        assert!(!is_older("next", "1.0.0") && !is_older("1.0.0", "next"));
        assert!(misfit("1.0").is_some() && misfit("1.0.0-rc.1+3").is_none());
    }
}
