//! The customers and objects of the kit's fake hub, in memory. What the plugin writes of its own types passes its own check.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::FutureExt;
use futures::future::BoxFuture;
use openhub_model::condition::{FieldTest, object_matches};
use openhub_model::{Identity, Timestamp};
use openhub_runtime::{
    CallContext, Change, Conflict, Customers, Declined, Found, Known, Objects, Operation, Plugin, Record, RecordChange,
};
use serde::Deserialize;
use serde_json::{Map, Value};

/// A customer, as a test says it.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Told {
    id: String,
    #[serde(default)]
    attributes: Map<String, Value>,
    #[serde(default)]
    tags: Map<String, Value>,
    #[serde(default)]
    consents: Map<String, Value>,
    #[serde(default)]
    identities: Vec<(String, String)>,
    #[serde(default)]
    segments: Vec<String>,
}

#[derive(Default)]
struct All {
    customers: BTreeMap<String, Told>,
    objects: BTreeMap<(String, String), Record>,
}

/// An object's key and fields as its check wants them stored.
type Accepted = (String, Map<String, Value>);

pub struct Records {
    plugin: Arc<Plugin>,
    all: Mutex<All>,
    now: Mutex<Timestamp>,
    settings: Mutex<Arc<str>>,
}

impl Records {
    pub fn of(plugin: Arc<Plugin>) -> Records {
        Records { plugin, all: Mutex::default(), now: Mutex::default(), settings: Mutex::new("{}".into()) }
    }

    fn lock(&self) -> MutexGuard<'_, All> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Timestamp {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn begin(&self, now: Timestamp, settings: Arc<str>) {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner) = now;
        *self.settings.lock().unwrap_or_else(PoisonError::into_inner) = settings;
    }

    pub fn know(&self, customer: Told) {
        self.lock().customers.insert(customer.id.clone(), customer);
    }

    pub fn put(&self, kind: String, key: String, fields: Map<String, Value>) {
        let record = Record { kind: kind.clone(), key: key.clone(), customer: None, version: 1, fields };
        self.lock().objects.insert((kind, key), record);
    }

    pub fn fields(&self, kind: &str, key: &str) -> Option<Value> {
        let all = self.lock();
        all.objects.get(&(kind.to_owned(), key.to_owned())).map(|record| Value::Object(record.fields.clone()))
    }

    /// By the plugin's own check, if the type is its own. The key and fields as they are stored.
    fn checked(&self, kind: &str, change: Change) -> Result<Option<Accepted>, Declined> {
        if !self.plugin.manifest().objects.iter().any(|shape| shape.name == kind) {
            return Ok(None);
        }
        let settings = self.settings.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let checked = self.plugin.check(&CallContext::new(settings), kind, vec![change]);
        let checked = checked.map_err(|fault| Declined::later("check-failed", fault.to_string()))?;
        match checked.answers.into_iter().next() {
            Some(Ok(accepted)) => Ok(Some((accepted.key, serde_json::from_str(&accepted.fields).unwrap_or_default()))),
            Some(Err(faults)) => match faults.into_iter().next() {
                Some(fault) => Err(Declined::never(&fault.code, format!("{}: {}", fault.pointer, fault.message))),
                None => Err(Declined::never("refused", "the object is refused")),
            },
            None => Ok(None),
        }
    }

    fn write(&self, changes: Vec<RecordChange>) -> Result<Result<(), Conflict>, Declined> {
        let mut after = self.lock().objects.clone();
        for (index, change) in changes.into_iter().enumerate() {
            if let Err(conflict) = self.apply(&mut after, change, index as u64)? {
                return Ok(Err(conflict));
            }
        }
        self.lock().objects = after;
        Ok(Ok(()))
    }

    fn apply(
        &self,
        objects: &mut BTreeMap<(String, String), Record>,
        change: RecordChange,
        index: u64,
    ) -> Result<Result<(), Conflict>, Declined> {
        let text = |fields: &Map<String, Value>| Value::Object(fields.clone()).to_string();
        let ask =
            |key: Option<String>, operation| Change { key, customer: None, at: self.now(), seed: index, operation };
        match change {
            RecordChange::Create { kind, fields } => {
                let made = self.checked(&kind, ask(None, Operation::Create(text(&fields))))?;
                let (key, fields) = made.unwrap_or_else(|| (format!("{kind}-{}", objects.len()), fields));
                let named = (kind.clone(), key.clone());
                if objects.contains_key(&named) {
                    return Ok(Err(Conflict::Exists(key)));
                }
                objects.insert(named, Record { kind, key, customer: None, version: 1, fields });
            }
            RecordChange::Replace { kind, key, version, fields } => {
                let stored = match stored(objects, &kind, &key, version) {
                    Ok(stored) => stored,
                    Err(conflict) => return Ok(Err(conflict)),
                };
                let operation = Operation::Update(text(&stored.fields), text(&fields));
                let made = self.checked(&kind, ask(Some(key.clone()), operation))?;
                let fields = made.map_or(fields, |(_, fields)| fields);
                objects.insert((kind, key), Record { fields, version: stored.version + 1, ..stored });
            }
            RecordChange::Delete { kind, key, version } => {
                let stored = match stored(objects, &kind, &key, version) {
                    Ok(stored) => stored,
                    Err(conflict) => return Ok(Err(conflict)),
                };
                self.checked(&kind, ask(Some(key.clone()), Operation::Delete(text(&stored.fields))))?;
                objects.remove(&(kind, key));
            }
        }
        Ok(Ok(()))
    }
}

fn stored(
    objects: &BTreeMap<(String, String), Record>,
    kind: &str,
    key: &str,
    version: u64,
) -> Result<Record, Conflict> {
    match objects.get(&(kind.to_owned(), key.to_owned())) {
        None => Err(Conflict::Missing(key.to_owned())),
        Some(stored) if stored.version != version => Err(Conflict::Version(key.to_owned())),
        Some(stored) => Ok(stored.clone()),
    }
}

fn known(told: &Told) -> Known {
    let identities = told.identities.iter().map(|(kind, value)| Identity::new(kind.clone(), value.clone()));
    Known {
        id: told.id.clone(),
        attributes: told.attributes.clone(),
        tags: told.tags.clone(),
        consents: told.consents.clone(),
        identities: identities.collect(),
    }
}

impl Customers for Records {
    fn get(&self, ids: Vec<String>) -> BoxFuture<'_, Result<Vec<Option<Known>>, Declined>> {
        let all = self.lock();
        let found = ids.iter().map(|id| all.customers.get(id).map(known)).collect();
        async { Ok(found) }.boxed()
    }

    fn find(&self, identities: Vec<Identity>) -> BoxFuture<'_, Result<Vec<Option<Known>>, Declined>> {
        let all = self.lock();
        let who = |identity: &Identity| {
            let has = |told: &&Told| {
                told.identities.iter().any(|(kind, value)| (kind, value) == (&identity.kind, &identity.value))
            };
            all.customers.values().find(has).map(known)
        };
        let found = identities.iter().map(who).collect();
        async { Ok(found) }.boxed()
    }

    fn members(
        &self,
        segment: String,
        after: Option<String>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<String>, Declined>> {
        let all = self.lock();
        let members = all
            .customers
            .values()
            .filter(|told| told.segments.contains(&segment) && after.as_ref().is_none_or(|after| told.id > *after));
        let members = members.take(limit).map(|told| told.id.clone()).collect();
        async { Ok(members) }.boxed()
    }
}

impl Objects for Records {
    fn get(&self, kind: String, keys: Vec<String>) -> BoxFuture<'_, Result<Vec<Option<Record>>, Declined>> {
        let all = self.lock();
        let found = keys.into_iter().map(|key| all.objects.get(&(kind.clone(), key)).cloned()).collect();
        async { Ok(found) }.boxed()
    }

    fn find(
        &self,
        kind: String,
        tests: Vec<FieldTest>,
        after: Option<String>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Found, Declined>> {
        let (all, now) = (self.lock(), self.now());
        let passes = |record: &&Record| {
            record.kind == kind
                && after.as_ref().is_none_or(|after| record.key > *after)
                && object_matches(&tests, &Value::Object(record.fields.clone()), now)
        };
        let mut records: Vec<Record> = all.objects.values().filter(passes).take(limit + 1).cloned().collect();
        let more = records.len() > limit;
        records.truncate(limit);
        let (next, looked) = (records.last().filter(|_| more).map(|record| record.key.clone()), records.len());
        async move { Ok(Found { records, next, looked }) }.boxed()
    }

    fn commit(&self, changes: Vec<RecordChange>) -> BoxFuture<'_, Result<Result<(), Conflict>, Declined>> {
        let done = tokio::task::block_in_place(|| self.write(changes));
        async { done }.boxed()
    }
}
