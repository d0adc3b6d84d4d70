//! What a tenant knows: what a condition may mention.

use std::collections::{BTreeMap, BTreeSet};

use super::check::Paths;
use crate::attribute::Types;
use crate::manifest::{Field, Type};

/// Each name is `None` where anything may be mentioned.
#[derive(Clone, Copy, Debug, Default)]
pub struct Declarations<'a> {
    pub attributes: Option<&'a BTreeMap<String, Type>>,
    /// Attributes that have a type; others may be mentioned, too, and compared with anything.
    pub typed: Option<&'a Types>,
    /// Identity kinds.
    pub identities: Option<&'a BTreeSet<String>>,
    /// Of consent.
    pub purposes: Option<&'a BTreeSet<String>>,
    pub channels: Option<&'a BTreeSet<String>>,
    pub segments: Option<&'a BTreeSet<String>>,
    pub journeys: Option<&'a BTreeSet<String>>,
    /// By name; one without fields may have any property.
    pub events: Option<&'a BTreeMap<String, Vec<Field>>>,
    /// By object type.
    pub objects: Option<&'a BTreeMap<String, Vec<Field>>>,
    pub paths: Paths,
}
