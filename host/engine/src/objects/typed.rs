//! An object type in use by an API write: its plugin's check, what it makes of it, and what may go wrong.

use std::sync::Arc;

use openhub_model::identity::Policy;
use openhub_model::manifest::{ObjectShape, Type};
use openhub_model::object::Object;
use openhub_model::{Fault, Id, Identity, Principal, Seed, TenantId, Timestamp};
use openhub_runtime::{Accepted, CallFault, Change, Checked, Operation};
use openhub_store::{Called, Scope, StoreError};
use serde_json::{Map, Value};

use super::shape::{belongs_to, complete, conform, unknown_fields};
use crate::catalog::{Catalog, ObjectType};
use crate::engine::Engine;
use crate::error::EngineError;
use crate::meter::Meter;
use crate::shared::Shared;

pub const ATTEMPTS: u32 = 3;

#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    #[error("nobody declares the object type `{0}`")]
    UnknownType(String),
    #[error("the object does not exist")]
    NotFound,
    #[error("the object is refused")]
    Refused(Vec<Fault>),
    /// Others lead to it, and do not give that up.
    #[error("other objects lead to it")]
    InUse(Vec<Fault>),
    /// It is not at the version that the caller saw, or was changed at the same context.
    #[error("the object is at another version: read it again")]
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
pub struct WriteContext {
    pub by: Principal,
    pub now: Timestamp,
    pub random: u64,
    /// The write that its caller names: made again, it changes nothing. What it makes is told by its event of this id.
    pub once: Option<Id>,
}

impl WriteContext {
    /// A write under a name of its caller's, which is the tenant's and of one object type.
    #[must_use]
    pub fn once(self, scope: &Scope, kind: &str, name: &str) -> WriteContext {
        let id = Id::named(&[b"object-once", &scope.tenant().0.to_le_bytes(), kind.as_bytes(), b"\0", name.as_bytes()]);
        WriteContext { once: Some(id), ..self }
    }
}

/// An object type of the tenant's catalog, kept alive while it is used.
pub struct Typed {
    pub catalog: Arc<Catalog>,
    pub kind: String,
    tenant: TenantId,
    shared: Arc<Shared>,
}

pub async fn type_of(engine: &Engine, scope: &Scope, kind: &str) -> Result<Typed, ObjectError> {
    let catalog = engine.in_force(scope).await?;
    if !catalog.objects.contains_key(kind) {
        return Err(ObjectError::UnknownType(kind.to_owned()));
    }
    Ok(Typed { catalog, kind: kind.to_owned(), tenant: scope.tenant(), shared: engine.shared.clone() })
}

/// The same as the database has it, for who was told that it is another by now.
pub async fn type_as_stored(engine: &Engine, scope: &Scope, kind: &str) -> Result<Typed, ObjectError> {
    let catalog = Arc::new(Catalog::load(engine.store(), scope, engine.prepared()).await?);
    if !catalog.objects.contains_key(kind) {
        return Err(ObjectError::UnknownType(kind.to_owned()));
    }
    Ok(Typed { catalog, kind: kind.to_owned(), tenant: scope.tenant(), shared: engine.shared.clone() })
}

impl Typed {
    pub fn of(&self) -> &ObjectType {
        &self.catalog.objects[&self.kind]
    }

    /// What of the fields that somebody sends the type has, each customer by their id; and a fault at each that it does not have.
    pub fn known(&self, tenant: TenantId, given: &Map<String, Value>) -> (Map<String, Value>, Vec<Fault>) {
        let shape = &self.of().shape;
        let faults = unknown_fields(shape, given);
        let mut fields = given.clone();
        fields.retain(|name, value| value.is_null() || shape.fields.iter().any(|field| field.name == *name));
        with_ids(shape, &mut fields, tenant, self.catalog.policies.latest());
        (fields, faults)
    }

    /// The fields of a new object, with what its type fills in.
    pub fn created(&self, mut fields: Map<String, Value>) -> Value {
        complete(&self.of().shape, &mut fields);
        Value::Object(fields)
    }

    pub fn change_of(&self, stored: &Object, operation: Operation, context: &WriteContext) -> Change {
        Change {
            key: Some(stored.key.clone()),
            customer: stored.part.map(|part| part.to_string()),
            at: context.now,
            seed: Seed::of(&[b"api-object", &context.random.to_le_bytes()], 0, 0).0,
            operation,
        }
    }

    /// Has changes checked, in one call.
    pub async fn ask(&self, changes: Vec<Change>) -> Result<Result<Checked, CallFault>, ObjectError> {
        let (catalog, kind, count) = (self.catalog.clone(), self.kind.clone(), changes.len());
        let checked = tokio::task::spawn_blocking(move || catalog.objects[&kind].check(changes));
        let checked = checked.await.map_err(|_| ObjectError::Store(StoreError::Unavailable))?;
        if let Some(plugin) = self.of().plugin() {
            let mut meter = Meter::default();
            meter.answered((&plugin.installation, Called::Check, &*self.kind), count, &checked);
            self.shared.meters.add(self.tenant, meter);
        }
        Ok(checked)
    }

    pub async fn check(&self, change: Change) -> Result<Accepted, ObjectError> {
        let checked = self.ask(vec![change]).await?.map_err(ObjectError::Plugin)?;
        match checked.answers.into_iter().next() {
            Some(answer) => answer.map_err(ObjectError::Refused),
            None => Err(ObjectError::NotFound),
        }
    }

    /// A change that was checked, and the object that it makes.
    pub async fn checked(
        &self,
        tenant: TenantId,
        change: Change,
        stored: Option<&Object>,
        context: &WriteContext,
    ) -> Result<(Object, Accepted), ObjectError> {
        let accepted = self.check(change).await?;
        Ok((self.made(tenant, &accepted, stored, context)?, accepted))
    }

    pub fn made(
        &self,
        tenant: TenantId,
        accepted: &Accepted,
        stored: Option<&Object>,
        context: &WriteContext,
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
            created_at: stored.map_or(context.now, |stored| stored.created_at),
            updated_at: context.now,
            cause: event_id(tenant, context),
        })
    }
}

/// Puts ids in the place of identities that name customers. What is no identity stays, and is refused by its type.
pub fn with_ids(shape: &ObjectShape, fields: &mut Map<String, Value>, tenant: TenantId, policy: &Policy) {
    for field in shape.fields.iter().filter(|field| field.of == Type::Customer) {
        let Some(value) = fields.get_mut(&field.name) else { continue };
        let values = match value {
            Value::Array(several) => several.as_mut_slice(),
            one => std::slice::from_mut(one),
        };
        for value in values {
            if let Some(identity) = identity_in(value) {
                *value = policy.normal(identity).part(tenant).to_string().into();
            }
        }
    }
}

/// The identity that a customer is named by; none if it is named by an id. An export writes `user_id:42`: no id has a colon.
fn identity_in(value: &Value) -> Option<Identity> {
    let (kind, of_kind) = match value {
        Value::String(text) => text.split_once(':')?,
        value => (value["kind"].as_str()?, value["value"].as_str()?),
    };
    Some(Identity::new(kind, of_kind))
}

pub fn event_id(tenant: TenantId, context: &WriteContext) -> String {
    if let Some(once) = context.once {
        return once.to_string();
    }
    Id::at(context.now, &[b"object", &tenant.0.to_le_bytes(), &context.random.to_le_bytes()]).to_string()
}
