//! Objects that runs and rules ask for: checked by the plugin that declares their type, one call a wave and type.

use std::collections::BTreeMap;

use hashbrown::HashSet;
use openhub_model::identity::Authority;
use openhub_model::manifest::ObjectShape;
use openhub_model::{Fault, Object, Origin, PartId};
use openhub_runtime::{Accepted, CallContext, CallFault, Change};
use openhub_store::{FaultKind, NewFault};
use serde_json::Value;

use super::Now;
use super::bisect::bisect;
use super::retry::RequestKey;
use super::rules::By;
use super::wave::{Batch, Stop};
use crate::catalog::ObjectType;
use crate::objects::{belongs_to, conform, uniques};

/// Changes of one call at most.
const ROWS: usize = 1_000;
/// The code of what a check failed on as a whole.
const BROKE_OFF: &str = "plugin-failed";

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
    /// Of the event behind it.
    pub depth: u8,
    /// `message_id` of the event behind it; of a run that time has moved, the run's id.
    pub cause: String,
}

/// Key and fields as stored, or why not.
pub type Answered = Result<(String, Value), Vec<Fault>>;

/// What became of a request.
pub struct Answer {
    pub lane: usize,
    pub asker: Asker,
    pub now: Now,
    pub depth: u8,
    /// Of the request.
    pub cause: String,
    /// The object's type, if it was changed.
    pub kind: Option<String>,
    pub result: Answered,
}

impl Batch<'_> {
    /// Asks the plugins about the first open request of each customer, and says what became of each. What a customer asks
    /// for next is asked once this is known.
    pub(super) fn check_objects(&mut self) -> Result<Vec<Answer>, Stop> {
        let mut by_kind: BTreeMap<String, Vec<Request>> = BTreeMap::new();
        for request in self.first_requests() {
            by_kind.entry(request.kind.clone()).or_default().push(request);
        }
        let mut answers = Vec::new();
        for (kind, requests) in by_kind {
            let catalog = self.catalog;
            let Some(object) = catalog.objects.get(&kind) else {
                let fault = Fault::new("", "unknown-object-type", format!("no enabled plugin has the type {kind}"));
                let from = answers.len();
                answers.extend(requests.into_iter().map(|request| refused(request, vec![fault.clone()])));
                self.file_refused(&kind, &answers[from..]);
                continue;
            };
            let from = answers.len();
            let mut requests = requests;
            while !requests.is_empty() {
                self.go_on()?;
                let rest = requests.split_off(requests.len().min(ROWS));
                self.check(object, std::mem::replace(&mut requests, rest), &mut answers)?;
            }
            self.file_refused(&kind, &answers[from..]);
        }
        Ok(answers)
    }

    /// What rules asked for and did not get, counted by the reason; a run says itself what it was refused.
    fn file_refused(&mut self, kind: &str, answers: &[Answer]) {
        for answer in answers.iter().filter(|answer| answer.asker == Asker::Rule) {
            // What a check broke off on is filed with its own reason.
            let reason = answer.result.as_ref().err().and_then(|faults| faults.first());
            let Some(reason) = reason.filter(|reason| reason.code != BROKE_OFF) else { continue };
            let text = format!("What a rule asked of the type `{kind}` was refused: {}.", reason.code);
            let filed = NewFault::counted(FaultKind::Object, kind, &reason.code, &reason.pointer, text);
            self.faults.push(filed);
        }
    }

    /// One request of each customer, in order. A customer whose request needs a stored object that LOAD did not bring goes
    /// no further in this run.
    fn first_requests(&mut self) -> Vec<Request> {
        let mut asking = HashSet::new();
        let (mut first, mut later) = (Vec::with_capacity(self.requests.len()), Vec::new());
        for request in std::mem::take(&mut self.requests) {
            if !asking.insert(request.lane) {
                later.push(request);
                continue;
            }
            if let Operation::Merge { key, .. } | Operation::Delete { key } = &request.operation {
                let key = (request.kind.clone(), key.clone());
                if !self.objects.knows(&key) {
                    self.touch(request.lane, &key.0, "", &key.1);
                    self.lanes[request.lane].stall();
                    self.lacks.objects.push(key);
                    continue;
                }
            }
            first.push(request);
        }
        later.retain(|request| !self.lanes[request.lane].stalled);
        self.requests = later;
        first
    }

    /// Notes that a customer touches an object or a unique value; whoever touches it, too, is linked with them.
    fn touch(&mut self, lane: usize, kind: &str, field: &str, value: &str) {
        let lane = &self.lanes[lane];
        let what = (kind.to_owned(), field.to_owned(), value.to_owned());
        if let Some(other) = self.touched.touch(what, lane.cluster, lane.known_by)
            && let Some(part) = lane.known_by
        {
            self.lacks.links.push((other, part));
        }
    }

    fn check(&mut self, object: &ObjectType, requests: Vec<Request>, answers: &mut Vec<Answer>) -> Result<(), Stop> {
        let (mut asked, mut changes) = (Vec::with_capacity(requests.len()), Vec::with_capacity(requests.len()));
        for request in requests {
            if let Operation::Create { key: Some(key), .. } | Operation::Merge { key, .. } | Operation::Delete { key } =
                &request.operation
            {
                self.touch(request.lane, &request.kind, "", key);
            }
            match self.change(&request) {
                Ok(change) => {
                    asked.push(request);
                    changes.push(change);
                }
                Err(fault) => answers.push(refused(request, vec![fault])),
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
                    self.spent.fuel += checked.receipt.fuel;
                    results.extend(checked.answers);
                }
                // What the check breaks off on is refused, like what it refuses itself.
                Err(fault) => {
                    self.broke_off(object, &asked[range.start], &fault);
                    results.push(Err(vec![Fault::new("", BROKE_OFF, fault.to_string())]));
                }
            }
        }
        let mut again = Vec::new();
        for (request, answer) in asked.into_iter().zip(results) {
            let result = match answer {
                Ok(accepted) => match self.accept(&object.shape, &request, accepted) {
                    Accept::Answered(result) => result,
                    Accept::Taken => {
                        self.asked_again.spend(request.key);
                        again.push(request);
                        continue;
                    }
                },
                Err(faults) => Err(faults),
            };
            answers.push(answered(request, result));
        }
        // They go before what their customers ask for next.
        again.append(&mut self.requests);
        self.requests = again;
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
        let attempt = self.retries.attempt(&request.key, &self.asked_again).ok_or_else(spent)?;
        let tenant = self.tenant.0.to_le_bytes();
        let seed = self.marker.seed(&[&tenant, request.key.0.as_bytes()], request.key.1, attempt);
        let current = |key: &str| {
            let current = self.objects.current(&(request.kind.clone(), key.to_owned()));
            current.ok_or_else(|| Fault::new("", "not-found", format!("there is no {} {key}", request.kind)))
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

    fn accept(&mut self, shape: &ObjectShape, request: &Request, accepted: Accepted) -> Accept {
        let fields: Value = serde_json::from_str(&accepted.fields).unwrap_or_default();
        let deleted = matches!(request.operation, Operation::Delete { .. });
        if !deleted {
            let faults = conform(shape, &fields);
            if !faults.is_empty() {
                return Accept::Answered(Err(faults));
            }
        }
        if let Operation::Merge { key, .. } | Operation::Delete { key } = &request.operation
            && *key != accepted.key
        {
            return Accept::Answered(Err(vec![Fault::new("", "key-changed", "an object keeps its key")]));
        }
        let slot = (request.kind.clone(), accepted.key.clone());
        self.touch(request.lane, &request.kind, "", &accepted.key);
        let current = self.objects.current(&slot);
        if current.is_some() && matches!(request.operation, Operation::Create { .. }) {
            return Accept::Taken;
        }
        let (had, before) =
            (current.map(|object| uniques(shape, &object.fields)), current.and_then(|object| object.part));
        let object = (!deleted).then(|| Object {
            kind: request.kind.clone(),
            key: accepted.key.clone(),
            part: belongs_to(shape, &fields, current, request.part),
            version: current.map_or(1, |object| object.version + 1),
            fields: fields.clone(),
            created_at: current.map_or(request.now, |object| object.created_at),
            updated_at: request.now,
            cause: request.cause.clone(),
        });
        let has = object.as_ref().map(|object| uniques(shape, &object.fields));
        for (field, value) in had.into_iter().chain(has).flatten() {
            self.touch(request.lane, &request.kind, &field, &value);
        }
        if object.as_ref().is_some_and(|object| self.objects.clashes(shape, object)) {
            return Accept::Taken;
        }
        self.spent.bytes += accepted.fields.len() as u64;
        let after = object.as_ref().and_then(|object| object.part);
        let place = self.lanes[request.lane].place;
        let unseen = self.objects.put(&slot, object, shape, (place, request.key));
        self.lacks.objects.extend(unseen.object);
        self.lacks.values.extend(unseen.values);
        for owner in [before, after.filter(|after| Some(*after) != before)].into_iter().flatten() {
            self.learn_of_another(request.lane, owner, &slot);
        }
        self.cause_from_object(shape, request, accepted.events);
        Accept::Answered(Ok((accepted.key, fields)))
    }

    fn cause_from_object(&mut self, shape: &ObjectShape, request: &Request, events: Vec<(String, String)>) {
        if events.is_empty() {
            return;
        }
        let cause = super::event::Happening {
            message_id: request.cause.as_str().into(),
            part: request.part,
            authority: Authority::Browser,
            kind: openhub_model::EventKind::Object,
            name: String::new(),
            at: request.now,
            now: request.now,
            bound: request.now,
            historical: false,
            origin: Origin::Caused,
            depth: request.depth,
            position: 0,
            body: None,
            properties: Value::Null,
            subject: None,
            only: None,
        };
        for (ordinal, (name, properties)) in events.into_iter().enumerate() {
            let properties = serde_json::from_str(&properties).unwrap_or_default();
            let by = By::check(&shape.name, request.key);
            self.cause(request.lane, &cause, by, ordinal as u32, name, properties, None);
        }
    }
}

/// What becomes of an answer that a plugin gave.
enum Accept {
    Answered(Answered),
    /// Another object has its key or a unique value: it is asked again with another seed.
    Taken,
}

fn answered(request: Request, result: Answered) -> Answer {
    let kind = result.is_ok().then_some(request.kind);
    let Request { lane, asker, now, depth, cause, .. } = request;
    Answer { lane, asker, now, depth, cause, kind, result }
}

fn refused(request: Request, faults: Vec<Fault>) -> Answer {
    answered(request, Err(faults))
}
