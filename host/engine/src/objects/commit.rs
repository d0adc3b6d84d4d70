//! Several changes of objects at once, all or none: as a plugin makes them by itself. Each passes the check of the plugin that declares
//! its type, and has its event in the log, like any other. They are written in their order, so one may lead to what those before it make.

use openhub_model::object::Object;
use openhub_model::{Fault, Id, Seed};
use openhub_runtime::{Change, Operation, RecordChange};
use openhub_store::{ObjectChange, ObjectKey, Op, Scope, StoreError};
use serde_json::{Map, Value};
use std::collections::HashSet;

use super::related::{cleared, refuse_lost};
use super::shape::{complete_required, indexed, unknown_fields};
use super::strangers;
use super::told::{Told, ops};
use super::typed::{ATTEMPTS, ObjectError, Typed, WriteContext, type_of};
use crate::engine::Engine;
use crate::suppression::{SUPPRESSED, SUPPRESSED_MESSAGE};

/// Nothing was written because of this key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Conflict {
    /// It, or a unique value of its object, is there already.
    Exists(String),
    Missing(String),
    /// It is at another version.
    Version(String),
}

/// Writes all changes, or none of them.
pub async fn commit(
    engine: &Engine,
    scope: &Scope,
    changes: &[RecordChange],
    context: &WriteContext,
) -> Result<Result<(), Conflict>, ObjectError> {
    let mut taken = String::new();
    for attempt in 0..ATTEMPTS {
        let (mut all, mut made) = (Vec::new(), Made::new());
        for (index, change) in changes.iter().enumerate() {
            // Each has randomness of its own, for its ids.
            let named = Id::named(&[b"of-many", &context.random.to_le_bytes(), &(index as u64).to_le_bytes()]);
            let mut random = [0; 8];
            random.copy_from_slice(&named.as_bytes()[8..]);
            let context = WriteContext { random: u64::from_le_bytes(random), once: None, ..context.clone() };
            match prepared(engine, scope, change, (attempt, &mut made), &context).await? {
                Ok(ops) => all.extend(ops),
                Err(conflict) => return Ok(Err(conflict)),
            }
        }
        match engine.store().transact(scope, all).await {
            Ok(_) => return Ok(Ok(())),
            // A plugin that draws its keys draws others.
            Err(StoreError::UniqueConflict(clashes)) => {
                taken = clashes.into_iter().next().map(|clash| clash.object.key).unwrap_or_default();
            }
            // Relations or types have changed meanwhile: all is looked at again.
            Err(StoreError::LeadsNowhere(_) | StoreError::LedTo(_) | StoreError::OtherType(_)) => {}
            Err(StoreError::VersionConflict(keys)) => {
                let key = keys.into_iter().next().map(|key| key.key).unwrap_or_default();
                return Ok(Err(Conflict::Version(key)));
            }
            Err(error) => return Err(error.into()),
        }
    }
    if taken.is_empty() {
        return Err(ObjectError::VersionMoved);
    }
    Ok(Err(Conflict::Exists(taken)))
}

type Prepared = Result<Result<Vec<Op>, Conflict>, ObjectError>;

/// Objects that the changes before one make.
type Made = HashSet<ObjectKey>;

async fn prepared(
    engine: &Engine,
    scope: &Scope,
    change: &RecordChange,
    (attempt, made): (u32, &mut Made),
    context: &WriteContext,
) -> Prepared {
    let object = type_of(engine, scope, change.kind()).await?;
    match change {
        RecordChange::Create { fields, .. } => {
            created(engine, scope, &object, fields, (attempt, made), context).await.map(Ok)
        }
        RecordChange::Replace { key, version, fields, .. } => {
            match stored(engine, scope, &object, key, *version).await? {
                Ok(before) => replaced(engine, scope, &object, (&before, fields), (made, context)).await.map(Ok),
                Err(conflict) => Ok(Err(conflict)),
            }
        }
        RecordChange::Delete { key, version, .. } => {
            let before = match stored(engine, scope, &object, key, *version).await? {
                Ok(before) => before,
                Err(conflict) => return Ok(Err(conflict)),
            };
            let operation = Operation::Delete(before.fields.to_string());
            let accepted = object.check(object.change_of(&before, operation, context)).await?;
            let cleared = cleared(engine, scope, &object, &before, context).await?;
            let change = ObjectChange::Delete { kind: object.kind.clone(), key: key.clone(), version: before.version };
            let told = Told { cleared, ..Told::of("deleted", &before) };
            Ok(Ok(ops(scope.tenant(), &object, change, told, accepted, context)))
        }
    }
}

async fn stored(
    engine: &Engine,
    scope: &Scope,
    object: &Typed,
    key: &str,
    version: u64,
) -> Result<Result<Object, Conflict>, ObjectError> {
    Ok(match engine.store().object(scope, &object.kind, key).await? {
        None => Err(Conflict::Missing(key.to_owned())),
        Some(stored) if stored.version.unsigned_abs() != version => Err(Conflict::Version(key.to_owned())),
        Some(stored) => Ok(stored),
    })
}

async fn created(
    engine: &Engine,
    scope: &Scope,
    object: &Typed,
    fields: &Map<String, Value>,
    (attempt, earlier): (u32, &mut Made),
    context: &WriteContext,
) -> Result<Vec<Op>, ObjectError> {
    known(object, fields)?;
    let fields = object.created(fields.clone());
    let owner = object.of().shape.owner.as_ref();
    let customer = owner.and_then(|owner| fields.get(owner)?.as_str().map(str::to_owned));
    let change = Change {
        key: None,
        customer,
        at: context.now,
        seed: Seed::of(&[b"plugin-object", &context.random.to_le_bytes()], 0, attempt).0,
        operation: Operation::Create(fields.to_string()),
    };
    let accepted = object.check(change).await?;
    let made = object.made(scope.tenant(), &accepted, None, context)?;
    welcome(engine, scope, object, &made, None).await?;
    refuse_lost(engine, scope, object, &made, None, earlier).await?;
    earlier.insert(ObjectKey::new(&made.kind, &made.key));
    let change = ObjectChange::Create(made.clone(), indexed(&object.of().shape, &made.fields));
    let told = Told::of("created", &made);
    Ok(ops(scope.tenant(), object, change, told, accepted, context))
}

async fn replaced(
    engine: &Engine,
    scope: &Scope,
    object: &Typed,
    (stored, fields): (&Object, &Map<String, Value>),
    (earlier, context): (&Made, &WriteContext),
) -> Result<Vec<Op>, ObjectError> {
    known(object, fields)?;
    let mut fields = Value::Object(fields.clone());
    complete_required(&object.of().shape, &mut fields);
    let operation = Operation::Update(stored.fields.to_string(), fields.to_string());
    let accepted = object.check(object.change_of(stored, operation, context)).await?;
    let made = object.made(scope.tenant(), &accepted, Some(stored), context)?;
    welcome(engine, scope, object, &made, Some(stored)).await?;
    if made.key != stored.key {
        let fault = Fault::new("", "key-changed", "The key of an object cannot change.");
        return Err(ObjectError::Refused(vec![fault]));
    }
    refuse_lost(engine, scope, object, &made, Some(stored), earlier).await?;
    let indexed = indexed(&object.of().shape, &made.fields);
    let change = ObjectChange::Replace { stored: stored.version, object: made.clone(), indexed };
    let told = Told { before: stored.part, ..Told::of("updated", &made) };
    Ok(ops(scope.tenant(), object, change, told, accepted, context))
}

fn known(object: &Typed, fields: &Map<String, Value>) -> Result<(), ObjectError> {
    let faults = unknown_fields(&object.of().shape, fields);
    if faults.is_empty() { Ok(()) } else { Err(ObjectError::Refused(faults)) }
}

/// Neither does it name somebody whom nobody knows, nor belong to somebody who was erased and is refused since.
async fn welcome(
    engine: &Engine,
    scope: &Scope,
    object: &Typed,
    made: &Object,
    stored: Option<&Object>,
) -> Result<(), ObjectError> {
    let named = strangers::named(&object.of().shape, &made.fields, stored.map(|stored| &stored.fields));
    let faults = strangers::strangers(engine, scope, &[named]).await?.concat();
    if !faults.is_empty() {
        return Err(ObjectError::Refused(faults));
    }
    match engine.suppressed(scope, &made.part.into_iter().collect()).await?.is_empty() {
        true => Ok(()),
        false => Err(ObjectError::Refused(vec![Fault::new("", SUPPRESSED, SUPPRESSED_MESSAGE)])),
    }
}
