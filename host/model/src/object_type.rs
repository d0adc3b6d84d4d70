//! Object types that an admin declares, without code: what their fields are, whose an object is and what its key is.

mod check;
mod migration;
mod schema;
mod widening;

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use crate::manifest::{Field, ObjectShape};

pub(crate) use check::texts;
pub use check::{is_type_name, name_fault};
pub use migration::{FieldMigration, Migration};
pub use widening::Narrowing;

/// Fields of a type.
pub const FIELDS: usize = 100;
/// Types that a tenant declares.
pub const TYPES: usize = 100;
/// Bytes of a declaration as JSON.
pub const BYTES: usize = 256 * 1024;

/// A type as its admin writes it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Declaration {
    /// What people are shown, by language: `en`, `zh`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub title: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub description: BTreeMap<String, String>,
    pub fields: Vec<Field>,
    /// The field of type `customer` that tells whose an object is, if it is a customer's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// The field whose value is an object's key; without one the hub gives each object a key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

impl Declaration {
    /// As all that use objects see it: like the types that plugins declare.
    pub fn shape(&self, name: &str, version: i64) -> ObjectShape {
        ObjectShape {
            name: name.to_owned(),
            version: u32::try_from(version).unwrap_or(u32::MAX),
            fields: self.fields.clone(),
            owner: self.owner.clone(),
        }
    }

    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// The object types that its fields lead to.
    pub fn relations(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().filter_map(Field::relation)
    }
}
