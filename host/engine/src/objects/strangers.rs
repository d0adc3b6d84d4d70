//! Customers whom nobody knows: an object is not made for an id that leads to nobody. An identity that nobody has yet may
//! still come, so that what a file names by an identity is taken.

use std::collections::HashSet;

use openhub_model::manifest::{Field, ObjectShape, Type};
use openhub_model::{Fault, PartId};
use openhub_store::{Scope, StoreError};
use serde_json::Value;

use super::shape::pointer;
use crate::engine::Engine;

/// The customers that an object names anew, by the field that names each.
pub fn named(shape: &ObjectShape, fields: &Value, stored: Option<&Value>) -> Vec<(String, PartId)> {
    let customers = shape.fields.iter().filter(|field| field.of == Type::Customer);
    let anew = customers.filter(|field| stored.is_none_or(|stored| stored[&field.name] != fields[&field.name]));
    let of = |field: &Field| {
        let several = fields[&field.name].as_array();
        let values = several.map_or_else(|| std::slice::from_ref(&fields[&field.name]), Vec::as_slice);
        let named = values.iter().filter_map(|value| value.as_str()?.parse().ok());
        named.map(|part| (field.name.clone(), part)).collect::<Vec<_>>()
    };
    anew.flat_map(of).collect()
}

/// For each of these objects, a fault at each field that names nobody.
pub async fn strangers(
    engine: &Engine,
    scope: &Scope,
    named: &[Vec<(String, PartId)>],
) -> Result<Vec<Vec<Fault>>, StoreError> {
    let parts: HashSet<PartId> = named.iter().flatten().map(|(_, part)| *part).collect();
    let known = engine.store().known_parts(scope, &parts.into_iter().collect::<Vec<_>>()).await?;
    let fault = |(field, part): &(String, PartId)| {
        let message =
            format!("`{field}` names a customer whom nobody knows: no customer has this id, or this identity.");
        (!known.contains(part)).then(|| Fault::new(format!("/{}", pointer(field)), "unknown-customer", message))
    };
    Ok(named.iter().map(|named| named.iter().filter_map(fault).collect()).collect())
}
