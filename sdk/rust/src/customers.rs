//! Reads the tenant's customers: of them the fields that `access` in `plugin.toml` names and an admin granted. What was not granted is
//! absent.
//!
//! A field is `attributes.<name>`, `tags.<name>`, `consents.<name>` or `identities.<kind>`.

use serde_json::Value;

use crate::bindings::io::openhub::customers::customers;
use crate::reason::Failure;

pub use crate::bindings::io::openhub::customers::customers::{Customer, MemberPage};
pub use crate::bindings::io::openhub::types::types::Identity;

fn owned(fields: &[&str]) -> Vec<String> {
    fields.iter().map(|field| (*field).to_owned()).collect()
}

/// At most 100; one that is unknown is none.
pub fn get(ids: &[String], fields: &[&str]) -> Result<Vec<Option<Customer>>, Failure> {
    customers::get(ids, &owned(fields))
}

/// The customers who have these identities, `[("email", "ada@example.com")]`: at most 100; one that is unknown is none.
pub fn find(identities: &[(&str, &str)], fields: &[&str]) -> Result<Vec<Option<Customer>>, Failure> {
    let identity = |(kind, value): &(&str, &str)| Identity { kind: (*kind).to_owned(), value: (*value).to_owned() };
    let identities: Vec<Identity> = identities.iter().map(identity).collect();
    customers::find(&identities, &owned(fields))
}

/// The customers of a segment that was granted, by id, behind `after`: at most `limit`, 1 to 1,000. [`MemberPage::next`] goes on.
pub fn members(segment: &str, after: Option<&str>, limit: u32) -> Result<MemberPage, Failure> {
    customers::members(segment, after, limit)
}

impl Customer {
    /// The value of a field that was asked for, if there is one and it was granted.
    pub fn field(&self, field: &str) -> Option<Value> {
        let fields: Value = serde_json::from_str(&self.fields).ok()?;
        let (group, name) = field.split_once('.')?;
        fields.get(group)?.get(name).cloned()
    }
}
