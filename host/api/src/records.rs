//! The tenant's customers and objects as a plugin of the I/O lane reads and writes them: by the same ways as the API's own routes.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use openhub_engine::objects::{self, ObjectError, WriteContext};
use openhub_engine::{Engine, EngineError};
use openhub_model::condition::{Condition, Declarations, FieldTest, ObjectTest, Quantifier, object_matches};
use openhub_model::customer::Customer;
use openhub_model::object::Object;
use openhub_model::{Identity, PartId, Principal, Timestamp, Values};
use openhub_runtime::{Conflict, Customers, Declined, Found, Known, Objects, Record, RecordChange};
use openhub_store::{ObjectFilter, Scope, StoreError};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashMap};

use crate::app::App;

/// Objects that one look for some of them looks at.
const LOOKED_AT: usize = 1_000;

/// Of one tenant, for one plugin.
pub(crate) struct Records {
    engine: Arc<Engine>,
    clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    random: Arc<dyn Fn() -> [u8; 16] + Send + Sync>,
    event_bytes: usize,
    scope: Scope,
    by: Principal,
}

impl Records {
    pub fn of(app: &App, scope: Scope, by: Principal) -> Records {
        Records {
            engine: app.engine.clone(),
            clock: app.clock.clone(),
            random: app.random.clone(),
            event_bytes: app.limits.event_bytes,
            scope,
            by,
        }
    }

    async fn known(&self, parts: Vec<Option<PartId>>) -> Result<Vec<Option<Known>>, Declined> {
        let store = self.engine.store();
        let asked: Vec<PartId> = parts.iter().copied().flatten().collect();
        let found = store.customers_by_part(&self.scope, &asked).await.map_err(unread)?;
        let mut identities: HashMap<PartId, Vec<Identity>> = HashMap::new();
        for part in store.parts_around(&self.scope, &asked).await.map_err(unread)? {
            identities.entry(part.customer).or_default().push(part.identity);
        }
        let known = |part: Option<PartId>| {
            let customer = found.get(&part?)?;
            Some(known(customer, identities.get(&customer.customer).cloned().unwrap_or_default()))
        };
        Ok(parts.into_iter().map(known).collect())
    }

    async fn find_parts(&self, identities: Vec<Identity>) -> Result<Vec<Option<Known>>, Declined> {
        let policies = self.engine.policies(&self.scope).await.map_err(unread)?;
        let part = |identity: Identity| Some(policies.latest().normal(identity).part(self.scope.tenant()));
        self.known(identities.into_iter().map(part).collect()).await
    }

    async fn members_of(&self, segment: &str, after: Option<&str>, limit: usize) -> Result<Vec<String>, Declined> {
        let wrong = |_| Declined::never("invalid-cursor", "`after` is not the `next` of a page");
        let after: Option<PartId> = after.map(str::parse).transpose().map_err(wrong)?;
        let members = self.engine.store().members(&self.scope, segment, after, limit).await.map_err(unread)?;
        Ok(members.into_iter().map(|(customer, _)| customer.to_string()).collect())
    }

    async fn read(&self, kind: String, keys: Vec<String>) -> Result<Vec<Option<Record>>, Declined> {
        let named: Vec<(String, String)> = keys.iter().map(|key| (kind.clone(), key.clone())).collect();
        let found = self.engine.store().objects_by_key(&self.scope, &named).await.map_err(unread)?;
        let mut found: HashMap<String, Record> = found.into_iter().map(|it| (it.key.clone(), record(it))).collect();
        Ok(keys.iter().map(|key| found.remove(key)).collect())
    }

    async fn look(
        &self,
        kind: String,
        tests: Vec<FieldTest>,
        after: Option<String>,
        limit: usize,
    ) -> Result<Found, Declined> {
        let tests = self.checked(&kind, tests).await?;
        let filter = ObjectFilter { kind, part: None, after, limit: LOOKED_AT + 1 };
        let mut objects = self.engine.store().objects(&self.scope, &filter).await.map_err(unread)?;
        let mut more = objects.len() > LOOKED_AT;
        objects.truncate(LOOKED_AT);
        let now = self.engine.present(&self.scope, (self.clock)()).await.map_err(unread)?;
        let (mut records, mut looked, mut last) = (Vec::new(), 0, None);
        let count = objects.len();
        for object in objects {
            if records.len() == limit {
                break;
            }
            looked += 1;
            last = Some(object.key.clone());
            if object_matches(&tests, &object.fields, now) {
                records.push(record(object));
            }
        }
        more |= looked < count;
        Ok(Found { records, next: last.filter(|_| more), looked })
    }

    /// Tests that make sense of the type's fields.
    async fn checked(&self, kind: &str, tests: Vec<FieldTest>) -> Result<Vec<FieldTest>, Declined> {
        let catalog = self.engine.in_force(&self.scope).await.map_err(unreadable)?;
        let Some(object) = catalog.objects.get(kind) else {
            return Err(Declined::never(
                "unknown-type",
                format!("no enabled plugin declares the object type `{kind}`"),
            ));
        };
        let declared = BTreeMap::from([(kind.to_owned(), object.shape.fields.clone())]);
        let test = ObjectTest {
            kind: kind.to_owned(),
            quantifier: Quantifier::Any,
            tests: tests.clone(),
            is: None,
            value: Value::Null,
        };
        let declared = Declarations { objects: Some(&declared), ..Declarations::default() };
        match Condition::Object(Box::new(test)).faults_against("", &declared).into_iter().next() {
            Some(fault) => Err(Declined::never(&fault.code, format!("{}: {}", fault.pointer, fault.message))),
            None => Ok(tests),
        }
    }

    async fn write(&self, changes: Vec<RecordChange>) -> Result<Result<(), Conflict>, Declined> {
        let too_large = |change: &RecordChange| match change {
            RecordChange::Create { fields, .. } | RecordChange::Replace { fields, .. } => {
                serde_json::to_vec(fields).map_or(0, |json| json.len()) > self.event_bytes
            }
            RecordChange::Delete { .. } => false,
        };
        if changes.iter().any(too_large) {
            let message = format!("the fields of an object are too large: at most {} bytes", self.event_bytes);
            return Err(Declined::never("too-large", message));
        }
        let mut random = [0; 8];
        random.copy_from_slice(&(self.random)()[..8]);
        let now = self.engine.present(&self.scope, (self.clock)()).await.map_err(unread)?;
        let context = WriteContext { by: self.by.clone(), now, random: u64::from_le_bytes(random), once: None };
        match objects::commit(&self.engine, &self.scope, &changes, &context).await {
            Ok(done) => Ok(done.map_err(|conflict| match conflict {
                objects::Conflict::Exists(key) => Conflict::Exists(key),
                objects::Conflict::Missing(key) => Conflict::Missing(key),
                objects::Conflict::Version(key) => Conflict::Version(key),
            })),
            Err(error) => Err(unwritten(error)),
        }
    }
}

fn unread(error: StoreError) -> Declined {
    tracing::warn!(error = error.detail(), "What a plugin asked for could not be read or written.");
    Declined::later("unavailable", "the hub's database does not answer")
}

fn unreadable(error: EngineError) -> Declined {
    tracing::warn!(%error, "What the tenant runs could not be read.");
    Declined::later("unavailable", "what the tenant runs cannot be read")
}

fn unwritten(error: ObjectError) -> Declined {
    match error {
        ObjectError::Refused(faults) | ObjectError::InUse(faults) => match faults.into_iter().next() {
            Some(fault) => Declined::never(&fault.code, format!("{}: {}", fault.pointer, fault.message)),
            None => Declined::never("refused", "the object is refused"),
        },
        ObjectError::UnknownType(_) | ObjectError::NotFound => Declined::never("unknown-type", error.to_string()),
        ObjectError::Plugin(fault) => Declined::later("check-failed", fault.to_string()),
        ObjectError::VersionMoved => Declined::later("moved", error.to_string()),
        ObjectError::Store(error) => unread(error),
        ObjectError::Engine(error) => unreadable(error),
    }
}

fn known(customer: &Customer, identities: Vec<Identity>) -> Known {
    // A value that was taken away is there as `null`.
    let values = |values: &Values| -> Map<String, Value> {
        let present = values.iter().filter(|(_, held)| !held.value.is_null());
        present.map(|(name, held)| (name.clone(), held.value.clone())).collect()
    };
    Known {
        id: customer.customer.to_string(),
        attributes: values(&customer.attributes),
        tags: values(&customer.tags),
        consents: values(&customer.consents),
        identities,
    }
}

fn record(object: Object) -> Record {
    let fields = match object.fields {
        Value::Object(fields) => fields,
        _ => Map::new(),
    };
    Record {
        kind: object.kind,
        key: object.key,
        customer: object.part.map(|part| part.to_string()),
        version: object.version.unsigned_abs(),
        fields,
    }
}

impl Customers for Records {
    fn get(&self, ids: Vec<String>) -> BoxFuture<'_, Result<Vec<Option<Known>>, Declined>> {
        // What is no id is nobody.
        self.known(ids.into_iter().map(|id| id.parse().ok()).collect()).boxed()
    }

    fn find(&self, identities: Vec<Identity>) -> BoxFuture<'_, Result<Vec<Option<Known>>, Declined>> {
        self.find_parts(identities).boxed()
    }

    fn members(
        &self,
        segment: String,
        after: Option<String>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<String>, Declined>> {
        async move { self.members_of(&segment, after.as_deref(), limit).await }.boxed()
    }
}

impl Objects for Records {
    fn get(&self, kind: String, keys: Vec<String>) -> BoxFuture<'_, Result<Vec<Option<Record>>, Declined>> {
        self.read(kind, keys).boxed()
    }

    fn find(
        &self,
        kind: String,
        tests: Vec<FieldTest>,
        after: Option<String>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Found, Declined>> {
        self.look(kind, tests, after, limit).boxed()
    }

    fn commit(&self, changes: Vec<RecordChange>) -> BoxFuture<'_, Result<Result<(), Conflict>, Declined>> {
        self.write(changes).boxed()
    }
}
