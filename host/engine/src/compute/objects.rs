//! Objects that runs and rules ask for: checked by the plugin that declares their type, one call a wave and type.

use std::collections::BTreeMap;

use hashbrown::HashSet;

use openhub_model::manifest::ObjectShape;
use openhub_model::{EventKind, Fault, Object};
use openhub_runtime::{Accepted, CallFault, Change, Checked, Recorded, Replayed};
use openhub_store::{Called, FaultKind, NewFault};
use serde_json::Value;

use super::ask::{Answer, Answered, Asker, Operation, Request};
use super::batch::Batch;
use super::bisect::bisect;
use super::by::{By, Served};
use super::drawn::{Asked, drawn};
use super::effects::events::CausedEvent;
use super::effects::{Effect, apply};
use super::event::Happening;
use super::occasion::Occasion;
use super::related::relate;
use super::segments::learn_of_another;
use super::stop::Stop;
use crate::catalog::ObjectType;
use crate::meter::Meter;
use crate::objects::shape::{belongs_to, complete, complete_required, conform, normal_form, uniques};

/// Changes of one call at most.
const ROWS: usize = 1_000;
/// The code of what a check failed on as a whole.
const BROKE_OFF: &str = "plugin-failed";

/// Asks the plugins about the first open request of each customer, and says what became of each. What a customer asks
/// for next is asked once this is known.
pub fn check_objects(batch: &mut Batch<'_>) -> Result<Vec<Answer>, Stop> {
    let mut by_kind: BTreeMap<String, Vec<Request>> = BTreeMap::new();
    for request in first_requests(batch) {
        by_kind.entry(request.kind.clone()).or_default().push(request);
    }
    let mut answers = Vec::new();
    for (kind, requests) in by_kind {
        let catalog = batch.catalog;
        let Some(object) = catalog.objects.get(&kind) else {
            let fault = Fault::new("", "unknown-object-type", format!("Nobody declares the object type `{kind}`."));
            answers.extend(requests.into_iter().map(|request| refused(request, vec![fault.clone()])));
            continue;
        };
        let mut requests = requests;
        while !requests.is_empty() {
            batch.go_on()?;
            let rest = requests.split_off(requests.len().min(ROWS));
            check(batch, object, std::mem::replace(&mut requests, rest), &mut answers)?;
        }
    }
    batch.faults.extend(answers.iter_mut().filter_map(|answer| answer.fault.take()).map(|fault| *fault));
    Ok(answers)
}

/// What a rule asked for and did not get, each by itself, with the words of who refused it; a run says itself what it was refused.
fn unmade(request: &Request, faults: &[Fault]) -> Option<Box<NewFault>> {
    let (Asker::Rule { position }, Some(by)) = (request.asker, &request.by) else { return None };
    // What a check broke off on is filed with its own reason.
    let reason = faults.first().filter(|reason| reason.code != BROKE_OFF)?;
    let (verb, key) = match &request.operation {
        Operation::Create { key, .. } => ("create", key.as_deref().unwrap_or_default()),
        Operation::Merge { key, .. } => ("change", key.as_str()),
        Operation::Delete { key } => ("delete", key.as_str()),
    };
    let key = if key.is_empty() { String::new() } else { format!(" `{key}`") };
    let said: Vec<String> = faults.iter().map(in_words).collect();
    let text =
        format!("The rule `{by}` could not {verb} an object of the type `{}`{key}: {}", request.kind, said.join("; "));
    let of = format!("{}/{}", request.key.0, request.key.1);
    let filed = NewFault::one(FaultKind::Object, &of, request.kind.as_str(), &reason.code, text);
    let place = reason.pointer.clone();
    Some(Box::new(NewFault { place, position, message_id: Some(request.cause.clone()), part: request.part, ..filed }))
}

fn in_words(Fault { pointer, code, message }: &Fault) -> String {
    let at = if pointer.is_empty() { String::new() } else { format!("{pointer} ") };
    if message.is_empty() { format!("{at}{code}") } else { format!("{at}{message} ({code})") }
}

/// One request of each customer, in order. A customer whose request needs a stored object that LOAD did not bring goes
/// no further in this run.
fn first_requests(batch: &mut Batch<'_>) -> Vec<Request> {
    let mut asking = HashSet::new();
    let (mut first, mut later) = (Vec::with_capacity(batch.asks.objects.len()), Vec::new());
    for request in std::mem::take(&mut batch.asks.objects) {
        if !asking.insert(request.actor) {
            later.push(request);
            continue;
        }
        if let Operation::Merge { key, .. } | Operation::Delete { key } = &request.operation {
            let key = (request.kind.clone(), key.clone());
            if !batch.objects.knows(&key) {
                batch.touch(request.actor, &key.0, "", &key.1);
                batch.actors[request.actor].stall();
                batch.lacks.objects.push(key);
                continue;
            }
        }
        first.push(request);
    }
    later.retain(|request| !batch.actors[request.actor].stalled);
    batch.asks.objects = later;
    first
}

fn check(
    batch: &mut Batch<'_>,
    object: &ObjectType,
    requests: Vec<Request>,
    answers: &mut Vec<Answer>,
) -> Result<(), Stop> {
    let (mut asked, mut changes) = (Vec::with_capacity(requests.len()), Vec::with_capacity(requests.len()));
    for request in requests {
        if let Operation::Create { key: Some(key), .. } | Operation::Merge { key, .. } | Operation::Delete { key } =
            &request.operation
        {
            batch.touch(request.actor, &request.kind, "", key);
        }
        match change(batch, &object.shape, &request) {
            Ok(change) => {
                asked.push(request);
                changes.push(change);
            }
            Err(fault) => answers.push(refused(request, vec![fault])),
        }
    }
    if asked.is_empty() {
        return Ok(());
    }
    let mut meter = Meter::default();
    let checked = bisect(changes.len(), batch.retries.give_up, |range| {
        let count = range.len();
        let answer = object.check(changes[range].to_vec());
        if let Some(plugin) = object.plugin() {
            meter.answered((&plugin.installation, Called::Check, &object.shape.name), count, &answer);
        }
        answer
    });
    batch.used(meter);
    let checked = checked.map_err(|fault| Stop::fault(owner(object), &object.shape.name, &fault))?;
    let mut results = Vec::with_capacity(asked.len());
    for (range, answered) in checked {
        batch.tally.calls += 1;
        keep(batch, object, (&asked[range.clone()], &changes[range.clone()]), answered.as_ref());
        match answered {
            Ok(checked) => {
                batch.answered(range.len());
                results.extend(checked.answers);
            }
            // What the check breaks off on is refused, like what it refuses itself.
            Err(fault) => {
                let recording = record(batch, object, &changes[range.clone()], &fault);
                broke_off(batch, object, &asked[range.start], &fault, recording);
                results.push(Err(vec![Fault::new("", BROKE_OFF, fault.to_string())]));
            }
        }
    }
    let mut again = Vec::new();
    for (request, answer) in asked.into_iter().zip(results) {
        let result = match answer {
            Ok(accepted) => match accept(batch, object, &request, accepted) {
                Accept::Answered(result) => result,
                Accept::Taken => {
                    batch.asked_again.spend(request.key);
                    again.push(request);
                    continue;
                }
            },
            Err(faults) => Err(faults),
        };
        answers.push(answered(request, result));
    }
    // They go before what their customers ask for next.
    again.append(&mut batch.asks.objects);
    batch.asks.objects = again;
    Ok(())
}

/// Who checks its objects, as people know them.
fn owner(object: &ObjectType) -> &str {
    object.plugin().map_or("admin", |plugin| &plugin.installation.name)
}

/// The call that failed.
fn record(batch: &mut Batch<'_>, object: &ObjectType, changes: &[Change], fault: &CallFault) -> Option<String> {
    let recorded = || Recorded::Check { name: object.shape.name.clone(), changes: changes.to_vec() };
    batch.recorder.record(object.plugin()?, fault, recorded)
}

/// Keeps the calls about changes that are drawn. `among` is what was answered about all of them.
fn keep(
    batch: &mut Batch<'_>,
    object: &ObjectType,
    (requests, changes): (&[Request], &[Change]),
    among: Result<&Checked, &CallFault>,
) {
    let Some(owner) = object.plugin().filter(|owner| owner.installation.recording.is_some()) else { return };
    let name = &object.shape.name;
    for (at, (request, change)) in requests.iter().zip(changes).enumerate() {
        let of = [request.key.0.as_bytes(), &request.key.1.to_le_bytes()[..], &change.seed.to_le_bytes()];
        let asked = Asked { actor: request.actor, part: request.part, now: request.now, of: &of };
        let Some(drawn) = drawn(batch, owner, ("check", name), &asked) else { continue };
        let recorded = Recorded::Check { name: name.clone(), changes: vec![change.clone()] };
        batch.recorder.keep(owner, drawn, recorded, |alone| match (alone, among) {
            (Ok(Replayed::Check(checked)), Ok(among)) => {
                let mut alone = checked.answers.first().cloned();
                // Among others, it was brought into the normal form of its fields.
                alone.iter_mut().flatten().for_each(|accepted| normal_form(&object.shape, &mut accepted.fields));
                alone.as_ref() == among.answers.get(at)
            }
            (Err(fault), Err(among)) => fault.kind == among.kind,
            _ => false,
        });
    }
}

fn broke_off(
    batch: &mut Batch<'_>,
    object: &ObjectType,
    request: &Request,
    fault: &CallFault,
    recording: Option<String>,
) {
    batch.tally.row_faults += 1;
    let subject = format!("{}/{}", owner(object), object.shape.name);
    let of = format!("{}/{}", request.key.0, request.key.1);
    let filed = NewFault::one(FaultKind::Object, &of, subject, fault.kind.as_str(), fault.message.as_str());
    batch.faults.push(NewFault { message_id: Some(request.cause.clone()), part: request.part, recording, ..filed });
}

/// The question to the plugin; refused at once if its attempts are spent or it changes what is not there.
fn change(batch: &Batch<'_>, shape: &ObjectShape, request: &Request) -> Result<Change, Fault> {
    let spent = || Fault::new("", "not-unique", "The key or a unique value already exists, after three attempts.");
    let attempt = batch.retries.attempt(&request.key, &batch.asked_again).ok_or_else(spent)?;
    let tenant = batch.tenant.0.to_le_bytes();
    let seed = batch.marker.seed(&[&tenant, request.key.0.as_bytes()], request.key.1, attempt);
    let current = |key: &str| {
        let current = batch.objects.current(&(request.kind.clone(), key.to_owned()));
        current.ok_or_else(|| {
            Fault::new("", "not-found", format!("There is no object `{key}` of the type `{}`.", request.kind))
        })
    };
    let (key, operation) = match &request.operation {
        Operation::Create { key, fields } => {
            let mut fields = fields.as_object().cloned().unwrap_or_default();
            complete(shape, &mut fields);
            let fields = Value::Object(fields).to_string();
            (key.clone().filter(|key| !key.is_empty()), openhub_runtime::Operation::Create(fields))
        }
        Operation::Merge { key, fields } => {
            let old = &current(key)?.fields;
            let mut new = crate::objects::shape::merge(old, fields);
            complete_required(shape, &mut new);
            (Some(key.clone()), openhub_runtime::Operation::Update(old.to_string(), new.to_string()))
        }
        Operation::Delete { key } => {
            (Some(key.clone()), openhub_runtime::Operation::Delete(current(key)?.fields.to_string()))
        }
    };
    let customer = batch.actors[request.actor].customer.as_ref();
    let customer = customer.map(|customer| customer.customer.to_string());
    Ok(Change { key, customer, at: request.now, seed: seed.0, operation })
}

fn accept(batch: &mut Batch<'_>, of: &ObjectType, request: &Request, accepted: Accepted) -> Accept {
    let shape = &of.shape;
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
        return Accept::Answered(Err(vec![Fault::new("", "key-changed", "The key of an object cannot change.")]));
    }
    let slot = (request.kind.clone(), accepted.key.clone());
    batch.touch(request.actor, &request.kind, "", &accepted.key);
    let current = batch.objects.current(&slot);
    if current.is_some() && matches!(request.operation, Operation::Create { .. }) {
        return Accept::Taken;
    }
    if let Err(faults) = relate(batch, shape, request, &slot, (!deleted).then_some(&fields)) {
        return Accept::Answered(Err(faults));
    }
    let current = batch.objects.current(&slot);
    let (had, before) = (current.map(|object| uniques(shape, &object.fields)), current.and_then(|object| object.part));
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
        batch.touch(request.actor, &request.kind, &field, &value);
    }
    if object.as_ref().is_some_and(|object| batch.objects.clashes(shape, object)) {
        return Accept::Taken;
    }
    batch.spent.bytes += accepted.fields.len() as u64;
    let after = object.as_ref().and_then(|object| object.part);
    let place = batch.actors[request.actor].place;
    let unseen = batch.objects.put(&slot, object, shape, (place, request.key));
    batch.lacks.objects.extend(unseen.object);
    batch.lacks.values.extend(unseen.values);
    for owner in [before, after.filter(|after| Some(*after) != before)].into_iter().flatten() {
        learn_of_another(batch, request, owner, &slot);
    }
    cause_from_object(batch, of, request, accepted.events);
    Accept::Answered(Ok((accepted.key, fields)))
}

fn cause_from_object(batch: &mut Batch<'_>, of: &ObjectType, request: &Request, events: Vec<(String, String)>) {
    if events.is_empty() {
        return;
    }
    let occasion = Occasion { now: request.now, cause: &request.cause, depth: request.depth, historical: false };
    let behind = Happening { part: request.part, kind: EventKind::Object, ..occasion.happening() };
    for (ordinal, (name, properties)) in events.into_iter().enumerate() {
        let properties = serde_json::from_str(&properties).unwrap_or_default();
        let served = of.plugin().map(|plugin| &plugin.installation);
        let served = served.map(|version| Served { plugin: &version.name, digest: &version.digest });
        let by = By::check(&of.shape.name, request.key).served(served);
        let caused = CausedEvent { cause: &behind, by, ordinal: ordinal as u32, name, properties, to: None };
        apply(batch, request.actor, Effect::Event(caused));
    }
}

/// What becomes of an answer that a plugin gave.
enum Accept {
    Answered(Answered),
    /// Another object has its key or a unique value: it is asked again with another seed.
    Taken,
}

fn answered(request: Request, result: Answered) -> Answer {
    let fault = result.as_ref().err().and_then(|faults| unmade(&request, faults));
    let kind = result.is_ok().then_some(request.kind);
    let Request { actor, asker, now, depth, cause, .. } = request;
    Answer { actor, asker, now, depth, cause, kind, result, fault }
}

fn refused(request: Request, faults: Vec<Fault>) -> Answer {
    answered(request, Err(faults))
}

#[cfg(test)]
mod tests {
    use super::*;
    use openhub_model::{Id, Identity, TenantId, Timestamp};

    #[test]
    fn a7_what_a_rule_did_not_get_names_rule_customer_event_and_key() {
        let part = Identity::new(Identity::USER_ID, "ada").part(TenantId(1));
        let request = |asker, operation| Request {
            actor: 0,
            part: Some(part),
            asker,
            key: (Id::named(&[b"sale"]), 1),
            kind: "warranty".to_owned(),
            operation,
            now: Timestamp::from_micros(1),
            depth: 0,
            cause: "sale-1".to_owned(),
            by: (asker != Asker::Run(0)).then(|| "warranties/register".to_owned()),
        };
        let rule = Asker::Rule { position: Some(7) };
        let create = Operation::Create { key: Some("SN-1".to_owned()), fields: Value::Null };
        let faults = [Fault::new("/serial", "no-serial", "a warranty has a serial"), Fault::new("", "not-unique", "")];
        let filed = unmade(&request(rule, create.clone()), &faults).unwrap();
        assert_eq!(
            filed.text,
            "The rule `warranties/register` could not create an object of the type `warranty` `SN-1`: \
             /serial a warranty has a serial (no-serial); not-unique"
        );
        assert_eq!(
            (filed.kind, filed.subject.as_str(), filed.code.as_str()),
            (FaultKind::Object, "warranty", "no-serial")
        );
        assert_eq!((filed.message_id.as_deref(), filed.position, filed.part), (Some("sale-1"), Some(7), Some(part)));
        let other = unmade(&request(rule, Operation::Delete { key: String::new() }), &faults[1..]).unwrap();
        assert!(
            other.text.ends_with("could not delete an object of the type `warranty`: not-unique"),
            "{}",
            other.text
        );
        // A run says itself what it was refused, and what a check broke off on is filed with that.
        assert_eq!(unmade(&request(Asker::Run(0), create.clone()), &faults), None);
        assert_eq!(unmade(&request(rule, create), &[Fault::new("", BROKE_OFF, "")]), None);
    }
}
