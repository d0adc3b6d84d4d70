//! Events that a plugin causes.

use crate::bindings::rule::openhub::types::columns::Column;
use crate::record::Record;

/// Made by `#[derive(Event)]`; the name is the type's, in words (`TierChanged` is `Tier Changed`), or `#[event(name)]`.
pub trait Event: Record {
    const NAME: &'static str;
    /// A column for each field, in order.
    type Columns: Default;

    fn put(self, columns: &mut Self::Columns);
    fn columns(columns: Self::Columns) -> Vec<Column>;

    /// The properties, as JSON text.
    fn to_json(&self) -> String {
        let mut json = String::with_capacity(64);
        self.write(&mut json);
        json
    }
}
