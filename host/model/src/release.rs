//! The order of a plugin's versions: semantic versions, as their numbers say.

use semver::{BuildMetadata, Prerelease, Version};

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

/// A number for a build that nobody else gets: above the one that is active, and below the number that the author has given it if that
/// is above the active one too. A later `stamp` gives a higher number.
pub fn of_developer(number: &str, active: Option<&str>, stamp: u128) -> Result<String, semver::Error> {
    let pre = Prerelease::new(&format!("dev.{stamp}"))?;
    let dev = |base: &Version| Version { pre: pre.clone(), build: BuildMetadata::EMPTY, ..base.clone() };
    let mut next = dev(&Version::parse(number)?);
    if let Some(active) = active.map(Version::parse).transpose()?
        && next <= active
    {
        next = dev(&active);
        if next <= active {
            next.patch += 1;
        }
    }
    Ok(next.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_developers_build_is_above_what_is_active() {
        let number = |number, active| of_developer(number, active, 7).unwrap();
        assert_eq!(number("1.0.0", None), "1.0.0-dev.7");
        assert_eq!(number("1.1.0", Some("1.0.0")), "1.1.0-dev.7");
        assert_eq!(number("1.0.0", Some("1.0.0")), "1.0.1-dev.7");
        assert_eq!(number("1.0.0", Some("1.0.1-dev.6")), "1.0.1-dev.7");
        assert_eq!(number("1.0.0", Some("1.0.0-rc.1")), "1.0.1-dev.7");
        assert_eq!(number("1.0.0-rc.2+x", Some("0.9.0")), "1.0.0-dev.7");
        assert!(of_developer("1.0", None, 7).is_err());
    }

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
