//! What a page's key may say of a customer. Anybody can read such a key: it sets what the tenant left to pages, and touches
//! nothing that a plugin or a server owns.

use hashbrown::{HashMap, HashSet};
use openhub_model::attribute::{Declaration, Pages as Declared};
use openhub_model::customer::Consent;
use openhub_store::Installation;
use serde_json::Value;

use super::path::WritePath;

/// The attributes that are open or closed to pages whoever set them last. The others are as long as only pages did.
#[derive(Default)]
pub struct Pages {
    attributes: HashMap<String, bool>,
    /// Events that plugins cause, whose word a page has not.
    caused: HashSet<String>,
}

impl Pages {
    pub fn of<'a>(
        installations: &[Installation],
        declared: impl IntoIterator<Item = (&'a String, &'a Declaration)>,
    ) -> Pages {
        let declared = declared.into_iter().filter_map(|(name, of)| Some((name.clone(), of.pages? == Declared::Open)));
        let mut pages = Pages { attributes: declared.collect(), caused: HashSet::new() };
        let rules = installations.iter().flat_map(|installation| &installation.manifest.rules);
        for path in rules.flat_map(|rule| &rule.writes).filter_map(|write| WritePath::parse(&write.path)) {
            if let WritePath::Attribute(name) | WritePath::Counter(name) = path {
                pages.attributes.insert(name, false);
            }
        }
        let caused = installations.iter().flat_map(|installation| &installation.manifest.events);
        pages.caused.extend(caused.map(|event| event.name.clone()));
        pages
    }

    /// Whether an installed plugin says this by itself.
    pub fn is_caused(&self, event: &str) -> bool {
        self.caused.contains(event)
    }

    /// Whether a page may set an attribute; none if that depends on who has set it.
    pub fn may_set(&self, attribute: &str) -> Option<bool> {
        self.attributes.get(attribute).copied()
    }

    /// Whether a page may record this consent: a withdrawal is always taken, and nothing else is.
    pub fn may_record(consent: &Value) -> bool {
        Consent::of(consent) == Consent::Denied
    }
}
