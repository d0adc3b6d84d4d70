//! Objects that runs and rules ask for: checked by the plugin that declares their type, one call a wave and type.

use std::collections::BTreeMap;

use openhub_model::identity::Authority;
use openhub_model::manifest::ObjectShape;
use openhub_model::{Fault, Id, Object, PartId, Seed};
use openhub_runtime::{Accepted, CallContext, CallFault, Change};
use openhub_store::{FaultKind, NewFault, ObjectChange};
use serde_json::Value;

use super::Now;
use super::bisect::bisect;
use super::retry::RequestKey;
use super::wave::{Batch, Stop};
use crate::catalog::ObjectType;
use crate::objects::{belongs_to, conform, uniques};

/// Changes of one call at most.
const ROWS: usize = 1_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asker {
    /// The run at this index of the lane, which waits for the answer.
    Run(usize),
    Rule,
}

#[derive(Clone, Debug)]
pub enum Operation {
    Create { key: Option<String>, fields: Value },
    Merge { key: String, fields: Value },
    Delete { key: String },
}

#[derive(Clone, Debug)]
pub struct Request {
    pub lane: usize,
    /// The customer's part that it is made for.
    pub part: Option<PartId>,
    pub asker: Asker,
    pub key: RequestKey,
    pub kind: String,
    pub operation: Operation,
    pub now: Now,
    /// `message_id` of the event behind it.
    pub cause: String,
}

/// Key and fields as stored, or why not.
pub type Answered = Result<(String, Value), Vec<Fault>>;

/// What became of a request.
pub struct Answer {
    pub lane: usize,
    pub asker: Asker,
    pub now: Now,
    /// The object's type, if it was changed.
    pub kind: Option<String>,
    pub result: Answered,
}

/// An object that the batch touches: as stored, and as it is now.
pub struct Slot {
    pub stored: Option<Object>,
    pub current: Option<Object>,
}

impl Slot {
    /// What COMMIT does about it; a version grows by one a commit, however often the batch changed it.
    pub fn change(self, shape: Option<&ObjectShape>) -> Option<ObjectChange> {
        let uniques = |object: &Object| shape.map(|shape| uniques(shape, &object.fields)).unwrap_or_default();
        match (self.stored, self.current) {
            (None, Some(object)) => {
                let uniques = uniques(&object);
                Some(ObjectChange::Create(object, uniques))
            }
            (Some(stored), Some(object)) if stored != object => {
                let object = Object { version: stored.version + 1, created_at: stored.created_at, ..object };
                let uniques = uniques(&object);
                Some(ObjectChange::Replace(object, uniques))
            }
            (Some(stored), None) => {
                Some(ObjectChange::Delete { kind: stored.kind, key: stored.key, version: stored.version })
            }
            _ => None,
        }
    }
}

impl Batch<'_> {
    /// Asks the plugins about all requests that are open, and says what became of each.
    pub(super) fn check_objects(&mut self) -> Result<Vec<Answer>, Stop> {
        let mut by_kind: BTreeMap<String, Vec<Request>> = BTreeMap::new();
        for request in std::mem::take(&mut self.requests) {
            by_kind.entry(request.kind.clone()).or_default().push(request);
        }
        self.need_loaded(&by_kind)?;
        let mut answers = Vec::new();
        for (kind, requests) in by_kind {
            let catalog = self.catalog;
            let Some(object) = catalog.objects.get(&kind) else {
                let fault = Fault::new("", "unknown-object-type", format!("no enabled plugin has the type {kind}"));
                answers.extend(requests.into_iter().map(|request| refused(request, vec![fault.clone()])));
                continue;
            };
            for requests in requests.chunks(ROWS) {
                self.check(object, requests, &mut answers)?;
            }
        }
        Ok(answers)
    }

    /// A merge or a delete needs the stored object; what LOAD did not know of is asked for by a rerun.
    fn need_loaded(&self, by_kind: &BTreeMap<String, Vec<Request>>) -> Result<(), Stop> {
        let keys = by_kind.values().flatten().filter_map(|request| match &request.operation {
            Operation::Merge { key, .. } | Operation::Delete { key } => Some((request.kind.clone(), key.clone())),
            Operation::Create { .. } => None,
        });
        let needs: Vec<(String, String)> = keys.filter(|key| !self.objects.contains_key(key)).collect();
        if needs.is_empty() { Ok(()) } else { Err(Stop::Needs(needs)) }
    }

    fn check(&mut self, object: &ObjectType, requests: &[Request], answers: &mut Vec<Answer>) -> Result<(), Stop> {
        let (mut asked, mut changes) = (Vec::with_capacity(requests.len()), Vec::with_capacity(requests.len()));
        for request in requests {
            match self.change(request) {
                Ok(change) => {
                    asked.push(request);
                    changes.push(change);
                }
                Err(fault) => answers.push(refused(request.clone(), vec![fault])),
            }
        }
        let Some(first) = asked.first() else { return Ok(()) };
        let call = CallContext {
            id: format!("{}/{}/{}", self.tenant.0, first.key.0, object.shape.name),
            settings: object.owner.settings.clone(),
            dry_run: false,
        };
        let (plugin, name) = (&object.owner.plugin, &object.shape.name);
        let checked =
            bisect(changes.len(), self.retries.give_up, |range| plugin.check(&call, name, changes[range].to_vec()));
        let checked = checked.map_err(|fault| Stop::fault(&object.owner, name, &fault))?;
        let mut results = Vec::with_capacity(asked.len());
        for (range, answered) in checked {
            self.tally.calls += 1;
            match answered {
                Ok(checked) => {
                    self.tally.rows += range.len() as u64;
                    self.tally.fuel += checked.receipt.fuel;
                    results.extend(checked.answers);
                }
                // What the check breaks off on is refused, like what it refuses itself.
                Err(fault) => {
                    self.broke_off(object, asked[range.start], &fault);
                    results.push(Err(vec![Fault::new("", "plugin-failed", fault.to_string())]));
                }
            }
        }
        for (request, answer) in asked.into_iter().zip(results) {
            let result = match answer {
                Ok(accepted) => self.accept(&object.shape, request, accepted)?,
                Err(faults) => Err(faults),
            };
            let kind = result.is_ok().then(|| request.kind.clone());
            answers.push(Answer { lane: request.lane, asker: request.asker, now: request.now, kind, result });
        }
        Ok(())
    }

    fn broke_off(&mut self, object: &ObjectType, request: &Request, fault: &CallFault) {
        self.tally.row_faults += 1;
        let subject = format!("{}/{}", object.owner.installation.name, object.shape.name);
        let of = format!("{}/{}", request.key.0, request.key.1);
        let filed = NewFault::one(FaultKind::Object, &of, subject, fault.kind.as_str(), fault.message.as_str());
        self.faults.push(NewFault { message_id: Some(request.cause.clone()), part: request.part, ..filed });
    }

    /// The question to the plugin; refused at once if its attempts are spent or it changes what is not there.
    fn change(&self, request: &Request) -> Result<Change, Fault> {
        let spent = || Fault::new("", "not-unique", "its key or a unique field exists, after three attempts");
        let attempt = self.retries.attempt(&request.key).ok_or_else(spent)?;
        let tenant = self.tenant.0.to_le_bytes();
        let seed = Seed::of(&[&tenant, request.key.0.as_bytes()], request.key.1, attempt);
        let current = |key: &str| {
            let slot = self.objects.get(&(request.kind.clone(), key.to_owned()));
            slot.and_then(|slot| slot.current.as_ref())
                .ok_or_else(|| Fault::new("", "not-found", format!("there is no {} {key}", request.kind)))
        };
        let (key, operation) = match &request.operation {
            Operation::Create { key, fields } => {
                (key.clone().filter(|key| !key.is_empty()), openhub_runtime::Operation::Create(fields.to_string()))
            }
            Operation::Merge { key, fields } => {
                let old = &current(key)?.fields;
                let new = crate::objects::merge(old, fields);
                (Some(key.clone()), openhub_runtime::Operation::Update(old.to_string(), new.to_string()))
            }
            Operation::Delete { key } => {
                (Some(key.clone()), openhub_runtime::Operation::Delete(current(key)?.fields.to_string()))
            }
        };
        let customer = self.lanes[request.lane].customer.as_ref();
        let customer = customer.map(|customer| customer.customer.to_string());
        Ok(Change { key, customer, at: request.now, seed: seed.0, operation })
    }

    fn accept(&mut self, shape: &ObjectShape, request: &Request, accepted: Accepted) -> Result<Answered, Stop> {
        let fields: Value = serde_json::from_str(&accepted.fields).unwrap_or_default();
        let deleted = matches!(request.operation, Operation::Delete { .. });
        if !deleted {
            let faults = conform(shape, &fields);
            if !faults.is_empty() {
                return Ok(Err(faults));
            }
        }
        let slot_key = (request.kind.clone(), accepted.key.clone());
        let creates = matches!(request.operation, Operation::Create { .. });
        let exists = self.objects.get(&slot_key).is_some_and(|slot| slot.current.is_some());
        if creates && exists {
            return Err(Stop::Conflict(request.key));
        }
        let slot = self.objects.entry(slot_key.clone()).or_insert(Slot { stored: None, current: None });
        let part = belongs_to(shape, &fields, slot.current.as_ref(), request.part);
        slot.current = (!deleted).then(|| Object {
            kind: request.kind.clone(),
            key: accepted.key.clone(),
            part,
            version: 1,
            fields: fields.clone(),
            created_at: request.now,
            updated_at: request.now,
            cause: request.cause.clone(),
        });
        if creates {
            self.made.insert(slot_key, request.key);
        }
        self.cause_from_object(shape, request, accepted.events);
        Ok(Ok((accepted.key, fields)))
    }

    fn cause_from_object(&mut self, shape: &ObjectShape, request: &Request, events: Vec<(String, String)>) {
        if events.is_empty() {
            return;
        }
        let cause = super::event::Happening {
            message_id: Id::named(&[request.cause.as_bytes(), request.key.0.as_bytes(), &request.key.1.to_le_bytes()])
                .to_string()
                .into(),
            part: request.part,
            authority: Authority::Browser,
            kind: openhub_model::EventKind::Object,
            name: String::new(),
            at: request.now,
            now: request.now,
            bound: request.now,
            historical: false,
            depth: 1,
            position: 0,
            body: None,
            properties: Value::Null,
            subject: None,
            only: None,
        };
        for (ordinal, (name, properties)) in events.into_iter().enumerate() {
            let properties = serde_json::from_str(&properties).unwrap_or_default();
            self.cause(request.lane, &cause, ("object", &shape.name), ordinal as u32, name, properties, None);
        }
    }
}

fn refused(request: Request, faults: Vec<Fault>) -> Answer {
    Answer { lane: request.lane, asker: request.asker, now: request.now, kind: None, result: Err(faults) }
}
