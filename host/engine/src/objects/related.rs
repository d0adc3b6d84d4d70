//! Relations of objects that the API writes: what an object leads to is there, and what others lead to is not deleted under them.

use std::collections::{BTreeMap, HashSet};

use openhub_model::Fault;
use openhub_model::manifest::ObjectShape;
use openhub_model::object::Object;
use openhub_store::{ObjectChange, ObjectKey, Referrer, Scope, StoreError};
use serde_json::Value;

use super::shape::{belongs_to, indexed, led_to, lost, relations, without};
use super::typed::{ObjectError, Typed, WriteContext};
use crate::engine::Engine;

/// Objects that lead to one that is deleted, and are changed with it.
const CLEARED: usize = 1_000;

/// An object that leads to others: its key, its fields, and those that it has had.
pub type Leading<'a> = (&'a str, &'a Value, Option<&'a Value>);

/// What objects of a type lead to and did not before, as far as it is not there.
pub async fn not_there(
    engine: &Engine,
    scope: &Scope,
    shape: &ObjectShape,
    objects: &[Leading<'_>],
) -> Result<HashSet<ObjectKey>, StoreError> {
    let mut wanted: HashSet<ObjectKey> = HashSet::new();
    for (_, fields, stored) in objects {
        let before = stored.map(|stored| relations(shape, stored)).unwrap_or_default();
        let anew = relations(shape, fields).into_iter().filter(|relation| !before.contains(relation));
        wanted.extend(anew.map(|relation| relation.to));
    }
    for (key, ..) in objects {
        wanted.remove(&ObjectKey::new(&shape.name, *key));
    }
    let keys: Vec<(String, String)> = wanted.iter().map(|to| (to.kind.clone(), to.key.clone())).collect();
    for there in engine.store().objects_by_key(scope, &keys).await? {
        wanted.remove(&ObjectKey::new(there.kind, there.key));
    }
    Ok(wanted)
}

/// A fault at each relation of an object that leads anew to what is not there, and is not made together with it.
pub async fn lost_of(
    engine: &Engine,
    scope: &Scope,
    shape: &ObjectShape,
    object: Leading<'_>,
    made: &HashSet<ObjectKey>,
) -> Result<Vec<Fault>, StoreError> {
    let mut gone = not_there(engine, scope, shape, &[object]).await?;
    gone.retain(|to| !made.contains(to));
    Ok(if gone.is_empty() { Vec::new() } else { lost(shape, object.1, |to| !gone.contains(to)) })
}

/// Refuses an object that leads anew to what is not there.
pub async fn refuse_lost(
    engine: &Engine,
    scope: &Scope,
    object: &Typed,
    made: &Object,
    stored: Option<&Object>,
    earlier: &HashSet<ObjectKey>,
) -> Result<(), ObjectError> {
    let leading = (made.key.as_str(), &made.fields, stored.map(|stored| &stored.fields));
    let faults = lost_of(engine, scope, &object.of().shape, leading, earlier).await?;
    if faults.is_empty() { Ok(()) } else { Err(ObjectError::Refused(faults)) }
}

/// The objects that lead to one that is deleted, as they are without it: or why it is not deleted.
pub async fn cleared(
    engine: &Engine,
    scope: &Scope,
    object: &Typed,
    stored: &Object,
    context: &WriteContext,
) -> Result<Vec<(ObjectChange, Object)>, ObjectError> {
    let key = (stored.kind.clone(), stored.key.clone());
    let referrers = engine.store().referrers(scope, &[key], CLEARED + 1).await?;
    let referrers: Vec<Referrer> = referrers.into_iter().filter(|each| each.leads.from != each.leads.to).collect();
    let faults = led_to(&referrers, CLEARED);
    if !faults.is_empty() {
        return Err(ObjectError::InUse(faults));
    }
    let mut fields: BTreeMap<&ObjectKey, Vec<&str>> = BTreeMap::new();
    for Referrer { leads, .. } in &referrers {
        fields.entry(&leads.from).or_default().push(&leads.field);
    }
    let keys: Vec<(String, String)> = fields.keys().map(|from| (from.kind.clone(), from.key.clone())).collect();
    let mut changes = Vec::with_capacity(keys.len());
    for before in engine.store().objects_by_key(scope, &keys).await? {
        let from = ObjectKey::new(&before.kind, &before.key);
        let Some(of) = object.catalog.objects.get(&before.kind) else {
            let message = format!("The object {from} leads to it, and nobody declares its type any more.");
            return Err(ObjectError::InUse(vec![Fault::new("", "in-use", message)]));
        };
        let named = fields.get(&from).into_iter().flatten();
        let left = named.fold(before.fields.clone(), |fields, field| without(&fields, field, &stored.key));
        let after = changed(&of.shape, &before, left, context);
        let indexed = indexed(&of.shape, &after.fields);
        let change = ObjectChange::Replace { stored: before.version, object: after.clone(), indexed };
        changes.push((change, after));
    }
    Ok(changes)
}

fn changed(shape: &ObjectShape, before: &Object, fields: Value, context: &WriteContext) -> Object {
    Object {
        part: belongs_to(shape, &fields, Some(before), None),
        version: before.version + 1,
        fields,
        updated_at: context.now,
        ..before.clone()
    }
}
