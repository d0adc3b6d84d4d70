//! Objects: what every writer of them shares (shape, owner, unique values), and the API's writes, which go
//! through the plugin's check and append their event to the log in the same commit.

mod import;
mod strangers;

pub use import::{Fate, Importing, NewObject, Trial, import};

use std::collections::HashSet;
use std::sync::Arc;

use openhub_model::identity::Authority;
use openhub_model::manifest::{Field, ObjectShape, Type};
use openhub_model::object::Object;
use openhub_model::{EventKind, Fault, Id, NewEvent, PartId, Principal, Seed, TenantId, Timestamp, limits};
use openhub_runtime::{Accepted, CallContext, CallFault, Change, Operation};
use openhub_store::{Appended, ObjectChange, Op, Scope, StoreError};
use serde_json::{Map, Value, json};

use crate::catalog::ObjectType;
use crate::{Catalog, Engine, EngineError, SUPPRESSED, SUPPRESSED_MESSAGE};

const ATTEMPTS: u32 = 3;

#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    #[error("no enabled plugin declares the object type `{0}`")]
    UnknownType(String),
    #[error("there is no such object")]
    NotFound,
    #[error("the object is refused")]
    Refused(Vec<Fault>),
    /// It is not at the version that the caller saw, or was changed at the same moment.
    #[error("the object has another version")]
    VersionMoved,
    #[error("the plugin could not check the object: {0}")]
    Plugin(CallFault),
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What the tenant runs cannot be read.
    #[error(transparent)]
    Engine(EngineError),
}

impl From<EngineError> for ObjectError {
    fn from(error: EngineError) -> ObjectError {
        match error {
            EngineError::Store(error) => ObjectError::Store(error),
            other => ObjectError::Engine(other),
        }
    }
}

/// An API write: who makes it and when, and the randomness that its ids and seeds come from.
#[derive(Clone, Debug)]
pub struct Moment {
    pub by: Principal,
    pub now: Timestamp,
    pub random: u64,
    /// The write that its caller names: made again, it changes nothing. What it makes is told by its event of this id.
    pub once: Option<Id>,
}

impl Moment {
    /// A write under a name of its caller's, which is the tenant's and of one object type.
    #[must_use]
    pub fn once(self, scope: &Scope, kind: &str, name: &str) -> Moment {
        let id = Id::named(&[b"object-once", &scope.tenant().0.to_le_bytes(), kind.as_bytes(), b"\0", name.as_bytes()]);
        Moment { once: Some(id), ..self }
    }
}

pub async fn create(
    engine: &Engine,
    scope: &Scope,
    kind: &str,
    fields: Map<String, Value>,
    moment: Moment,
) -> Result<(Object, Appended), ObjectError> {
    let object = type_of(engine, scope, kind).await?;
    let fields = Value::Object(fields);
    let mut wanted = None;
    for attempt in 0..ATTEMPTS {
        if let Some(made) = made_before(engine, scope, kind, &moment).await? {
            return Ok((made, Appended::default()));
        }
        let customer = object.of().shape.owner.as_ref().and_then(|owner| fields[owner].as_str().map(str::to_owned));
        let change = Change {
            key: None,
            customer,
            at: moment.now,
            seed: Seed::of(&[b"api-object", &moment.random.to_le_bytes()], 0, attempt).0,
            operation: Operation::Create(fields.to_string()),
        };
        let accepted = object.check(change, &moment).await?;
        let made = object.made(scope.tenant(), &accepted, None, &moment)?;
        refuse_strangers(engine, scope, &object, &made, None).await?;
        refuse_suppressed(engine, scope, &made).await?;
        let change = ObjectChange::Create(made.clone(), uniques(&object.of().shape, &made.fields));
        match write(engine, scope, &object, change, "created", &made, accepted, &moment).await {
            // The same write may have been made at the same moment: then it is found.
            Err(ObjectError::Store(StoreError::UniqueConflict(_))) => wanted = Some(made),
            Err(ObjectError::Store(StoreError::AlreadyExists(_))) if moment.once.is_some() => {}
            Ok(appended) => return Ok((made, appended)),
            Err(error) => return Err(error),
        }
    }
    if let Some(made) = made_before(engine, scope, kind, &moment).await? {
        return Ok((made, Appended::default()));
    }
    let unique = wanted.map(|made| uniques(&object.of().shape, &made.fields)).unwrap_or_default();
    let taken = engine.store().taken_values(scope, kind, &unique).await?;
    Err(ObjectError::Refused(not_unique(&taken)))
}

/// Which unique fields have a value that another object has; if none has, it is the key.
fn not_unique(taken: &[String]) -> Vec<Fault> {
    if taken.is_empty() {
        return vec![Fault::new("", "not-unique", "its key exists already")];
    }
    let fault = |field: &String| {
        let message = format!("another object has this {field} already");
        Fault::new(format!("/{}", pointer(field)), "not-unique", message)
    };
    taken.iter().map(fault).collect()
}

/// What this very write made when it was made before, as it is now.
async fn made_before(
    engine: &Engine,
    scope: &Scope,
    kind: &str,
    moment: &Moment,
) -> Result<Option<Object>, ObjectError> {
    let Some(id) = moment.once else { return Ok(None) };
    let event = engine.store().event(scope, &id.to_string()).await?;
    let Some(event) = event.filter(|event| event.kind == EventKind::Object) else { return Ok(None) };
    let body: Value = serde_json::from_str(&event.body).unwrap_or_default();
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
    moment: Moment,
) -> Result<(Object, Appended), ObjectError> {
    let object = type_of(engine, scope, kind).await?;
    let stored = stored(engine, scope, kind, key, expected).await?;
    let fields = merge(&stored.fields, &Value::Object(patch.clone()));
    let operation = Operation::Update(stored.fields.to_string(), fields.to_string());
    let accepted = object.check(object.change_of(&stored, operation, &moment), &moment).await?;
    let made = object.made(scope.tenant(), &accepted, Some(&stored), &moment)?;
    refuse_strangers(engine, scope, &object, &made, Some(&stored)).await?;
    refuse_suppressed(engine, scope, &made).await?;
    if made.key != stored.key {
        let fault = Fault::new("", "key-changed", "an object keeps its key");
        return Err(ObjectError::Refused(vec![fault]));
    }
    let uniques = uniques(&object.of().shape, &made.fields);
    let change = ObjectChange::Replace { stored: stored.version, object: made.clone(), uniques };
    let appended = write(engine, scope, &object, change, "updated", &made, accepted, &moment).await?;
    Ok((made, appended))
}

pub async fn delete(
    engine: &Engine,
    scope: &Scope,
    kind: &str,
    key: &str,
    expected: Option<i64>,
    moment: Moment,
) -> Result<Appended, ObjectError> {
    let object = type_of(engine, scope, kind).await?;
    let stored = stored(engine, scope, kind, key, expected).await?;
    let operation = Operation::Delete(stored.fields.to_string());
    let accepted = object.check(object.change_of(&stored, operation, &moment), &moment).await?;
    let change = ObjectChange::Delete { kind: kind.to_owned(), key: key.to_owned(), version: stored.version };
    write(engine, scope, &object, change, "deleted", &stored, accepted, &moment).await
}

/// An object may not name somebody whom nobody knows.
async fn refuse_strangers(
    engine: &Engine,
    scope: &Scope,
    object: &Typed,
    made: &Object,
    stored: Option<&Object>,
) -> Result<(), ObjectError> {
    let named = strangers::named(&object.of().shape, &made.fields, stored.map(|stored| &stored.fields));
    let faults = strangers::strangers(engine, scope, &[named]).await?.concat();
    if faults.is_empty() { Ok(()) } else { Err(ObjectError::Refused(faults)) }
}

/// An object may not belong to somebody who was erased and is refused since.
async fn refuse_suppressed(engine: &Engine, scope: &Scope, made: &Object) -> Result<(), ObjectError> {
    let owner: HashSet<PartId> = made.part.into_iter().collect();
    match engine.suppressed(scope, &owner).await?.is_empty() {
        true => Ok(()),
        false => Err(ObjectError::Refused(vec![Fault::new("", SUPPRESSED, SUPPRESSED_MESSAGE)])),
    }
}

/// An object type of the tenant's catalog, kept alive while it is used.
struct Typed {
    catalog: Arc<Catalog>,
    kind: String,
}

async fn type_of(engine: &Engine, scope: &Scope, kind: &str) -> Result<Typed, ObjectError> {
    let catalog = engine.in_force(scope).await?;
    if !catalog.objects.contains_key(kind) {
        return Err(ObjectError::UnknownType(kind.to_owned()));
    }
    Ok(Typed { catalog, kind: kind.to_owned() })
}

impl Typed {
    fn of(&self) -> &ObjectType {
        &self.catalog.objects[&self.kind]
    }

    fn change_of(&self, stored: &Object, operation: Operation, moment: &Moment) -> Change {
        Change {
            key: Some(stored.key.clone()),
            customer: stored.part.map(|part| part.to_string()),
            at: moment.now,
            seed: Seed::of(&[b"api-object", &moment.random.to_le_bytes()], 0, 0).0,
            operation,
        }
    }

    async fn check(&self, change: Change, moment: &Moment) -> Result<Accepted, ObjectError> {
        let (catalog, kind) = (self.catalog.clone(), self.kind.clone());
        let id = format!("api/{}/{:016x}", kind, moment.random);
        let checked = tokio::task::spawn_blocking(move || {
            let object = &catalog.objects[&kind];
            let call = CallContext { id, settings: object.owner.settings.clone(), dry_run: false };
            object.owner.plugin.check(&call, &kind, vec![change])
        });
        let checked = checked.await.map_err(|_| ObjectError::Store(StoreError::Unavailable))?;
        let checked = checked.map_err(ObjectError::Plugin)?;
        match checked.answers.into_iter().next() {
            Some(answer) => answer.map_err(ObjectError::Refused),
            None => Err(ObjectError::NotFound),
        }
    }

    fn made(
        &self,
        tenant: TenantId,
        accepted: &Accepted,
        stored: Option<&Object>,
        moment: &Moment,
    ) -> Result<Object, ObjectError> {
        let shape = &self.of().shape;
        let fields: Value = serde_json::from_str(&accepted.fields).unwrap_or_default();
        let faults = conform(shape, &fields);
        if !faults.is_empty() {
            return Err(ObjectError::Refused(faults));
        }
        Ok(Object {
            kind: self.kind.clone(),
            key: accepted.key.clone(),
            part: belongs_to(shape, &fields, stored, None),
            version: stored.map_or(1, |stored| stored.version + 1),
            fields,
            created_at: stored.map_or(moment.now, |stored| stored.created_at),
            updated_at: moment.now,
            cause: event_id(tenant, moment),
        })
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

#[expect(clippy::too_many_arguments, reason = "one write: where, what, what happened, and when")]
async fn write(
    engine: &Engine,
    scope: &Scope,
    object: &Typed,
    change: ObjectChange,
    verb: &str,
    made: &Object,
    accepted: Accepted,
    moment: &Moment,
) -> Result<Appended, ObjectError> {
    let tenant = scope.tenant();
    let cause = event_id(tenant, moment);
    let body = json!({
        "type": "object", "action": verb, "kind": made.kind, "key": made.key,
        "version": made.version, "fields": made.fields, "principal": moment.by,
    });
    let event = |message_id: String, kind, name, cause, body: Value| NewEvent {
        message_id,
        kind,
        name,
        part: made.part,
        occurred_at: moment.now,
        received_at: moment.now,
        historical: false,
        authority: Authority::Server,
        cause,
        body: body.to_string(),
    };
    let told = event(cause.clone(), EventKind::Object, format!("{}.{verb}", object.kind), None, body);
    let told = if moment.once.is_some() { Op::AppendNew(vec![told]) } else { Op::Append(told) };
    let mut ops = vec![Op::Object(change), told];
    for (ordinal, (name, properties)) in accepted.events.into_iter().enumerate() {
        let properties: Value = serde_json::from_str(&properties).unwrap_or_default();
        let id = Id::named(&[b"object-event", cause.as_bytes(), &(ordinal as u64).to_le_bytes()]).to_string();
        let body = json!({ "type": "track", "event": name, "messageId": id, "properties": properties });
        ops.push(Op::Append(event(id, EventKind::Track, name, Some(cause.clone()), body)));
    }
    match engine.store().transact(scope, ops).await {
        Err(StoreError::VersionConflict(_)) => Err(ObjectError::VersionMoved),
        appended => Ok(appended?),
    }
}

fn event_id(tenant: TenantId, moment: &Moment) -> String {
    if let Some(once) = moment.once {
        return once.to_string();
    }
    Id::at(moment.now, &[b"object", &tenant.0.to_le_bytes(), &moment.random.to_le_bytes()]).to_string()
}

/// `null` in the patch removes a field.
pub fn merge(fields: &Value, patch: &Value) -> Value {
    let mut merged = fields.as_object().cloned().unwrap_or_default();
    for (name, value) in patch.as_object().into_iter().flatten() {
        if value.is_null() {
            merged.remove(name);
        } else {
            merged.insert(name.clone(), value.clone());
        }
    }
    Value::Object(merged)
}

/// The part whose the object is, whoever writes it: by its owner field; of a type without one, the part that it was made
/// for stays, whoever changes it later.
pub fn belongs_to(
    shape: &ObjectShape,
    fields: &Value,
    stored: Option<&Object>,
    maker: Option<PartId>,
) -> Option<PartId> {
    match (&shape.owner, stored) {
        (Some(_), _) => owner(shape, fields),
        (None, Some(stored)) => stored.part,
        (None, None) => maker,
    }
}

/// The part that an owner field names.
pub fn owner(shape: &ObjectShape, fields: &Value) -> Option<PartId> {
    fields[shape.owner.as_ref()?].as_str()?.parse().ok()
}

/// Unique fields that have a value, as texts.
pub fn uniques(shape: &ObjectShape, fields: &Value) -> Vec<(String, String)> {
    let unique = shape.fields.iter().filter(|field| field.unique);
    let values = unique.filter_map(|field| match &fields[&field.name] {
        Value::Null => None,
        Value::String(text) => Some((field.name.clone(), text.clone())),
        other => Some((field.name.clone(), other.to_string())),
    });
    values.collect()
}

/// What a plugin accepted must have the declared shape: the plugin's own code is not trusted with it.
pub fn conform(shape: &ObjectShape, fields: &Value) -> Vec<Fault> {
    let Some(map) = fields.as_object() else {
        return vec![Fault::new("", "not-an-object", "the fields of an object are a JSON object")];
    };
    if let Some(fault) = limits::value(fields, "") {
        return vec![fault];
    }
    let mut faults: Vec<Fault> =
        shape.fields.iter().filter_map(|field| fault_of(field, map.get(&field.name))).collect();
    let names: Vec<&str> = shape.fields.iter().map(|field| field.name.as_str()).collect();
    for name in map.keys().filter(|name| shape.fields.iter().all(|field| field.name != **name)) {
        let message = format!("the type {} has no field {name}; it has {}", shape.name, names.join(", "));
        faults.push(Fault::new(format!("/{}", pointer(name)), "unknown-field", message));
    }
    faults
}

fn fault_of(field: &Field, value: Option<&Value>) -> Option<Fault> {
    let at = || format!("/{}", pointer(&field.name));
    match value.filter(|value| !value.is_null()) {
        None if field.required => Some(Fault::new(at(), "required", format!("{} is required", field.name))),
        None => None,
        Some(value) if has_type(&field.of, value) => {
            let text = value.as_str().filter(|_| field.unique)?;
            limits::length(text, limits::UNIQUE, at).err()
        }
        Some(_) => Some(Fault::new(at(), "wrong-type", format!("{} is no {}", field.name, called(&field.of)))),
    }
}

fn has_type(of: &Type, value: &Value) -> bool {
    match of {
        Type::Boolean => value.is_boolean(),
        Type::Integer => value.is_i64(),
        Type::Number => value.is_number(),
        Type::Text => value.is_string(),
        Type::Timestamp => value.as_str().is_some_and(|text| text.parse::<Timestamp>().is_ok()),
        Type::Decimal(scale) => openhub_model::decimal::from_json(value, *scale).is_some(),
        Type::Enum(values) => value.as_str().is_some_and(|text| values.iter().any(|known| known == text)),
        Type::Customer => value.as_str().is_some_and(|text| text.parse::<PartId>().is_ok()),
    }
}

fn called(of: &Type) -> String {
    match of {
        Type::Boolean => "boolean".into(),
        Type::Integer => "integer".into(),
        Type::Number => "number".into(),
        Type::Text => "text".into(),
        Type::Timestamp => "RFC 3339 timestamp".into(),
        Type::Decimal(scale) => format!("decimal with {scale} places"),
        Type::Enum(values) => format!("one of {}", values.join(", ")),
        Type::Customer => "customer id".into(),
    }
}

/// A name as a token of a JSON pointer (RFC 6901).
fn pointer(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape() -> ObjectShape {
        let field =
            |name: &str, of: Type, required: bool, unique: bool| Field { name: name.into(), of, required, unique };
        ObjectShape {
            name: "coupon".into(),
            version: 1,
            fields: vec![
                field("code", Type::Text, true, true),
                field("percent", Type::Integer, true, false),
                field("owner", Type::Customer, false, false),
            ],
            owner: Some("owner".into()),
        }
    }

    #[test]
    fn e11_what_is_not_unique_is_pointed_at() {
        let faults = not_unique(&["code".to_owned()]);
        assert_eq!((faults[0].pointer.as_str(), faults[0].code.as_str()), ("/code", "not-unique"));
        assert_eq!(not_unique(&[])[0].pointer, "");
    }

    #[test]
    fn each_fault_has_its_pointer() {
        assert_eq!(conform(&shape(), &json!({ "code": "A", "percent": 10 })), []);
        let faults = conform(&shape(), &json!({ "code": 1, "other/field": true, "owner": "nobody" }));
        let found: Vec<(&str, &str)> = faults.iter().map(|f| (f.pointer.as_str(), f.code.as_str())).collect();
        let expected = [
            ("/code", "wrong-type"),
            ("/percent", "required"),
            ("/owner", "wrong-type"),
            ("/other~1field", "unknown-field"),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a1_a_unique_value_is_as_long_as_an_index_takes() {
        let of = |length: usize| conform(&shape(), &json!({ "code": "x".repeat(length), "percent": 1 }));
        assert_eq!(of(limits::UNIQUE), []);
        let faults = of(limits::UNIQUE + 1);
        assert_eq!((faults[0].pointer.as_str(), faults[0].code.as_str()), ("/code", limits::TOO_LONG));
    }

    #[test]
    fn merge_removes_nulls() {
        let merged = merge(&json!({ "a": 1, "b": 2 }), &json!({ "b": null, "c": 3 }));
        assert_eq!(merged, json!({ "a": 1, "c": 3 }));
    }

    #[test]
    fn b6_an_object_without_an_owner_field_stays_with_whom_it_was_made_for() {
        let (mine, theirs) = (Id::named(&[b"mine"]), Id::named(&[b"theirs"]));
        let unowned = ObjectShape { owner: None, ..shape() };
        let fields = json!({ "owner": theirs.to_string() });
        assert_eq!(belongs_to(&unowned, &fields, None, Some(mine)), Some(mine));
        let stored = Object {
            kind: "coupon".into(),
            key: "A".into(),
            part: Some(mine),
            version: 1,
            fields: json!({}),
            created_at: Timestamp::MIN,
            updated_at: Timestamp::MIN,
            cause: String::new(),
        };
        assert_eq!(belongs_to(&unowned, &fields, Some(&stored), Some(theirs)), Some(mine));
        assert_eq!(belongs_to(&unowned, &fields, Some(&stored), None), Some(mine));
        let nobodys = Object { part: None, ..stored.clone() };
        assert_eq!(belongs_to(&unowned, &fields, Some(&nobodys), Some(theirs)), None);
        assert_eq!(belongs_to(&shape(), &fields, Some(&stored), Some(mine)), Some(theirs), "its field says so");
    }

    #[test]
    fn unique_values_are_texts() {
        assert_eq!(uniques(&shape(), &json!({ "code": "A", "percent": 10 })), [("code".into(), "A".into())]);
        assert_eq!(uniques(&shape(), &json!({})), []);
    }
}
