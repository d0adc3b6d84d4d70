//! One organisation in a hub.

use serde::{Deserialize, Serialize};

/// The number of a tenant within its hub. First column of every key in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TenantId(pub i64);

/// What a tenant's clock follows, for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClockKind {
    /// The host's clock.
    Live,
    /// The greatest event time so far, or an explicit advance: for past events run as if they happened now.
    Replay,
}

/// The language and the time zone of a tenant, or of a customer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Home {
    /// A language tag of BCP 47: `en`, `zh-CN`.
    pub locale: String,
    /// A name of the IANA time zone database: `Europe/Berlin`.
    pub time_zone: String,
}

impl Default for Home {
    fn default() -> Home {
        Home { locale: "en".to_owned(), time_zone: "UTC".to_owned() }
    }
}

/// Whether a tenant may have this name.
pub fn is_name(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=64).contains(&name.len())
        && name.bytes().all(fits)
        && name.starts_with(|first: char| first.is_ascii_alphanumeric())
}

/// Whether this has the form of a language tag: a language of two or three letters (ISO 639), then subtags of letters and digits.
pub fn is_locale(text: &str) -> bool {
    let is_subtag =
        |subtag: &str| (1..=8).contains(&subtag.len()) && subtag.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let language = text.split('-').next().unwrap_or_default();
    let is_language = (2..=3).contains(&language.len()) && language.bytes().all(|byte| byte.is_ascii_alphabetic());
    text.len() <= 35 && is_language && text.split('-').all(is_subtag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_have_tags() {
        for locale in ["en", "zh-CN", "zh-Hans-CN", "de-1996"] {
            assert!(is_locale(locale), "{locale}");
        }
        for locale in ["", "e", "en_GB", "en-", "deutsch", "deutschland-sprache", "12"] {
            assert!(!is_locale(locale), "{locale}");
        }
    }
}
