//! Events that a plugin causes.

use crate::record::Record;
use crate::writes::Columnar;

/// Made by `#[derive(Event)]`; the name is the type's, in words (`TierChanged` is `Tier Changed`), or `#[event(name)]`.
pub trait Event: Record + Columnar {
    const NAME: &'static str;

    /// The properties, as JSON text.
    fn to_json(&self) -> String {
        let mut json = String::with_capacity(64);
        self.write(&mut json);
        json
    }
}
