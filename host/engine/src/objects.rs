//! Objects as the API writes them: through the plugin's check, with their event in the log in the same commit. What every writer
//! of them shares is in `shape`.

mod commit;
pub(crate) mod declared;
mod import;
mod related;
pub mod shape;
mod strangers;
mod told;
mod typed;

pub use self::commit::{Conflict, commit};
pub use self::typed::{ObjectError, WriteContext};
pub use import::{Fate, Importing, NewObject, Trial, import};

use std::collections::HashSet;

use openhub_model::object::Object;
use openhub_model::{EventKind, Fault, Id, PartId, Seed};
use openhub_runtime::{Accepted, Change, Operation};
use openhub_store::{Appended, ObjectChange, Scope, StoreError};
use serde_json::{Map, Value};

use self::related::{cleared, lost_of};
use self::shape::{complete_required, indexed, merge, settled, taken_value, uniques};
use self::told::{Told, ops};
use self::typed::{ATTEMPTS, Typed, type_as_stored, type_of};
use crate::engine::Engine;
use crate::suppression::{SUPPRESSED, SUPPRESSED_MESSAGE};

pub async fn create(
    engine: &Engine,
    scope: &Scope,
    kind: &str,
    fields: Map<String, Value>,
    context: WriteContext,
) -> Result<(Object, Appended), ObjectError> {
    let mut object = type_of(engine, scope, kind).await?;
    let given = Value::Object(fields);
    let (mut wanted, nothing) = (None, Map::new());
    for attempt in 0..ATTEMPTS {
        if let Some(made) = made_before(engine, scope, kind, &given, &context).await? {
            return Ok((made, Appended::default()));
        }
        let (known, unknown) = object.known(scope.tenant(), given.as_object().unwrap_or(&nothing));
        let fields = object.created(known);
        let customer = object.of().shape.owner.as_ref().and_then(|owner| fields[owner].as_str().map(str::to_owned));
        let change = Change {
            key: None,
            customer,
            at: context.now,
            seed: Seed::of(&[b"api-object", &context.random.to_le_bytes()], 0, attempt).0,
            operation: Operation::Create(fields.to_string()),
        };
        let checked = object.checked(scope.tenant(), change, None, &context).await;
        let (made, accepted) = judged(engine, scope, &object, (&fields, None), unknown, checked).await?;
        refuse_suppressed(engine, scope, &made).await?;
        let change = ObjectChange::Create(made.clone(), indexed(&object.of().shape, &made.fields));
        let told = Told { asked: context.once.map(|_| asked(&given)), ..Told::of("created", &made) };
        match write(engine, scope, &object, change, told, accepted, &context).await {
            // The same write may have been made at the same context: then it is found.
            Err(ObjectError::Store(StoreError::UniqueConflict(_))) => wanted = Some(made),
            Err(ObjectError::Store(StoreError::AlreadyExists(_))) if context.once.is_some() => {}
            // What it leads to was deleted meanwhile.
            Err(ObjectError::Store(StoreError::LeadsNowhere(_))) => {}
            // It is checked against the type as it is by now.
            Err(ObjectError::Store(StoreError::OtherType(_))) => object = type_as_stored(engine, scope, kind).await?,
            Ok(appended) => return Ok((made, appended)),
            Err(error) => return Err(error),
        }
    }
    if let Some(made) = made_before(engine, scope, kind, &given, &context).await? {
        return Ok((made, Appended::default()));
    }
    if wanted.is_none() {
        return Err(ObjectError::VersionMoved);
    }
    let unique = wanted.map(|made| uniques(&object.of().shape, &made.fields)).unwrap_or_default();
    let taken = engine.store().taken_values(scope, kind, &unique).await?;
    Err(ObjectError::Refused(not_unique(&taken)))
}

/// Which unique fields have a value that another object has; if none has, it is the key.
fn not_unique(taken: &[String]) -> Vec<Fault> {
    if taken.is_empty() {
        return vec![Fault::new("", "not-unique", "An object with this key already exists: choose another key.")];
    }
    taken.iter().map(|field| taken_value(field)).collect()
}

/// What was asked for, so that another request under the same name is known for one.
fn asked(fields: &Value) -> Id {
    Id::named(&[b"asked", fields.to_string().as_bytes()])
}

/// What this very write made when it was made before, as it is now.
async fn made_before(
    engine: &Engine,
    scope: &Scope,
    kind: &str,
    fields: &Value,
    context: &WriteContext,
) -> Result<Option<Object>, ObjectError> {
    let Some(id) = context.once else { return Ok(None) };
    let Some(event) = engine.store().said(scope, EventKind::Object, &id.to_string()).await? else { return Ok(None) };
    let body: Value = serde_json::from_str(&event.body).unwrap_or_default();
    if body["asked"].as_str().is_some_and(|before| before != asked(fields).to_string()) {
        let message = "This `Idempotency-Key` was already used with other fields: use a new one.";
        return Err(ObjectError::Refused(vec![Fault::new("", "idempotency-key-reused", message)]));
    }
    let key = body["key"].as_str().ok_or(ObjectError::NotFound)?;
    Ok(Some(engine.store().object(scope, kind, key).await?.ok_or(ObjectError::NotFound)?))
}

/// Merges `patch` into the stored fields; `null` removes a field. `expected` is the version the caller saw.
pub async fn update(
    engine: &Engine,
    scope: &Scope,
    kind: &str,
    key: &str,
    patch: &Map<String, Value>,
    expected: Option<i64>,
    context: WriteContext,
) -> Result<(Object, Appended), ObjectError> {
    let object = type_of(engine, scope, kind).await?;
    let stored = stored(engine, scope, kind, key, expected).await?;
    let (patch, unknown) = object.known(scope.tenant(), patch);
    let mut fields = merge(&stored.fields, &Value::Object(patch));
    complete_required(&object.of().shape, &mut fields);
    let operation = Operation::Update(stored.fields.to_string(), fields.to_string());
    let change = object.change_of(&stored, operation, &context);
    let checked = object.checked(scope.tenant(), change, Some(&stored), &context).await;
    let (made, accepted) = judged(engine, scope, &object, (&fields, Some(&stored)), unknown, checked).await?;
    refuse_suppressed(engine, scope, &made).await?;
    if made.key != stored.key {
        let fault = Fault::new("", "key-changed", "The key of an object cannot change.");
        return Err(ObjectError::Refused(vec![fault]));
    }
    let indexed = indexed(&object.of().shape, &made.fields);
    let change = ObjectChange::Replace { stored: stored.version, object: made.clone(), indexed };
    let told = Told { before: stored.part, ..Told::of("updated", &made) };
    let appended = write(engine, scope, &object, change, told, accepted, &context).await?;
    Ok((made, appended))
}

pub async fn delete(
    engine: &Engine,
    scope: &Scope,
    kind: &str,
    key: &str,
    expected: Option<i64>,
    context: WriteContext,
) -> Result<Appended, ObjectError> {
    let object = type_of(engine, scope, kind).await?;
    let stored = stored(engine, scope, kind, key, expected).await?;
    let operation = Operation::Delete(stored.fields.to_string());
    let accepted = object.check(object.change_of(&stored, operation, &context)).await?;
    for _ in 0..ATTEMPTS {
        let cleared = cleared(engine, scope, &object, &stored, &context).await?;
        let change = ObjectChange::Delete { kind: kind.to_owned(), key: key.to_owned(), version: stored.version };
        let told = Told { cleared, ..Told::of("deleted", &stored) };
        match write(engine, scope, &object, change, told, accepted.clone(), &context).await {
            // Another object leads to it by now.
            Err(ObjectError::Store(StoreError::LedTo(_))) => {}
            done => return done,
        }
    }
    Err(ObjectError::VersionMoved)
}

/// What was checked, or all that is wrong with it: fields that the type does not have, what its check says, customers and objects
/// that are not there, and, once something is wrong, values that another object has.
async fn judged(
    engine: &Engine,
    scope: &Scope,
    object: &Typed,
    (asked, stored): (&Value, Option<&Object>),
    unknown: Vec<Fault>,
    checked: Result<(Object, Accepted), ObjectError>,
) -> Result<(Object, Accepted), ObjectError> {
    let (shape, before) = (&object.of().shape, stored.map(|stored| &stored.fields));
    let mut faults = unknown;
    let checked = match checked {
        Ok(checked) => Some(checked),
        Err(ObjectError::Refused(more)) => {
            faults.extend(more);
            None
        }
        Err(error) => return Err(error),
    };
    let key = checked.as_ref().map(|(made, _)| made.key.as_str()).or(stored.map(|stored| stored.key.as_str()));
    let fields = checked.as_ref().map_or(asked, |(made, _)| &made.fields);
    let named = strangers::named(shape, fields, before);
    faults.extend(strangers::strangers(engine, scope, &[named]).await?.concat());
    faults.extend(lost_of(engine, scope, shape, (key.unwrap_or_default(), fields, before), &HashSet::new()).await?);
    if faults.is_empty()
        && let Some(checked) = checked
    {
        return Ok(checked);
    }
    let had = before.map(|before| uniques(shape, before)).unwrap_or_default();
    let unique: Vec<_> = uniques(shape, fields).into_iter().filter(|value| !had.contains(value)).collect();
    let taken = engine.store().taken_values(scope, &object.kind, &unique).await?;
    faults.extend(taken.iter().map(|field| taken_value(field)));
    Err(ObjectError::Refused(settled(shape, faults)))
}

/// An object may not belong to somebody who was erased and is refused since.
async fn refuse_suppressed(engine: &Engine, scope: &Scope, made: &Object) -> Result<(), ObjectError> {
    let owner: HashSet<PartId> = made.part.into_iter().collect();
    match engine.suppressed(scope, &owner).await?.is_empty() {
        true => Ok(()),
        false => Err(ObjectError::Refused(vec![Fault::new("", SUPPRESSED, SUPPRESSED_MESSAGE)])),
    }
}

async fn stored(
    engine: &Engine,
    scope: &Scope,
    kind: &str,
    key: &str,
    expected: Option<i64>,
) -> Result<Object, ObjectError> {
    let stored = engine.store().object(scope, kind, key).await?.ok_or(ObjectError::NotFound)?;
    if expected.is_some_and(|expected| expected != stored.version) {
        return Err(ObjectError::VersionMoved);
    }
    Ok(stored)
}

async fn write(
    engine: &Engine,
    scope: &Scope,
    object: &Typed,
    change: ObjectChange,
    told: Told<'_>,
    accepted: Accepted,
    context: &WriteContext,
) -> Result<Appended, ObjectError> {
    let ops = ops(scope.tenant(), object, change, told, accepted, context);
    match engine.store().transact(scope, ops).await {
        Err(StoreError::VersionConflict(_)) => Err(ObjectError::VersionMoved),
        appended => Ok(appended?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e11_what_is_not_unique_is_pointed_at() {
        let faults = not_unique(&["code".to_owned()]);
        assert_eq!((faults[0].pointer.as_str(), faults[0].code.as_str()), ("/code", "not-unique"));
        assert_eq!(not_unique(&[])[0].pointer, "");
    }
}
