//! Functions for the templates of journeys: money, dates and times as the receiver writes them.
//!
//! The forms are those of the Unicode CLDR (version 45) for the languages below; any other language is written as English is.

mod dates;
mod money;

openhub_sdk::plugin! { functions: [money::money, dates::date, dates::time] }

/// The languages whose forms are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    English,
    German,
    French,
    Chinese,
    Japanese,
}

impl Language {
    pub(crate) fn of(language: &str) -> Language {
        match language {
            "de" => Language::German,
            "fr" => Language::French,
            "zh" => Language::Chinese,
            "ja" => Language::Japanese,
            _ => Language::English,
        }
    }
}
