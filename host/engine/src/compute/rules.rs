//! Rules: what a wave's events ask of them, one call a wave and rule with the rows of all customers, and what is done with the
//! answers.

use std::collections::BTreeMap;
use std::ops::Range;

use openhub_model::fault::own_words;
use openhub_model::{Cause, Id, PartId};
use openhub_runtime::{Action, CallFault, Outcome, Reason, Recorded, Replayed};
use openhub_store::{Called, FaultKind, NewFault, REFUSED_ROW};
use serde_json::Value;

use super::actor::{Item, Turn};
use super::ask::{Ask, Asker, Operation, Request};
use super::batch::Batch;
use super::beside::{Pair, broke_off, told};
use super::bisect::bisect;
use super::by::{By, Served};
use super::drawn::{Asked, drawn};
use super::effects::events::{CausedEvent, file_uncaused};
use super::effects::source::Source;
use super::effects::state::Change;
use super::effects::{Effect, apply};
use super::event::Happening;
use super::look::look;
use super::project::{Lack, Row, Seen, project};
use super::record::Drawn;
use super::stop::Stop;
use super::values::{to_json, to_lists};
use crate::catalog::{ROWS, Rule, WritePath};
use crate::meter::Meter;

/// The answer of a rule about these turns of the wave, or why it has none about one of them.
pub struct Answered<'a> {
    /// As the version has it that serves these customers.
    rule: &'a Rule,
    turns: Vec<usize>,
    outcome: Result<Outcome, CallFault>,
    /// What each of them saw of objects.
    seen: Vec<Seen>,
    /// Of the call about a row that it failed on.
    recording: Option<String>,
}

/// What this wave's events ask of rules.
pub fn ask_rules(batch: &mut Batch<'_>, wave: &[Turn]) {
    let catalog = batch.catalog;
    for (turn, (_, item)) in wave.iter().enumerate() {
        let Item::Event(event) = item else { continue };
        if let Some(only) = &event.only {
            let rule = catalog.rules.iter().position(|rule| rule.is(only));
            rule.into_iter().for_each(|rule| batch.asks.push(Ask::Rule { rule, turn }));
            continue;
        }
        let rules = catalog.rules_on.get(&event.name).filter(|_| event.triggers());
        rules.into_iter().flatten().for_each(|rule| batch.asks.push(Ask::Rule { rule: *rule, turn }));
    }
}

/// Puts what is asked of the first rule to it, or as much as goes into a call.
pub fn ask_rule<'a>(batch: &mut Batch<'a>, wave: &[Turn]) -> Result<Vec<Answered<'a>>, Stop> {
    batch.go_on()?;
    let Some((number, mut turns)) = batch.asks.rules.pop_first() else { return Ok(Vec::new()) };
    let catalog = batch.catalog;
    let rule = &catalog.rules[number];
    let tried = rule.tried_by_customers();
    let most = tried.map_or(ROWS, Rule::rows).min(rule.rows());
    let rest = turns.split_off(turns.len().min(most));
    if !rest.is_empty() {
        batch.asks.rules.insert(number, rest);
    }
    let Some(tried) = tried else { return call(batch, rule, &turns, wave) };
    let (tenant, marker) = (batch.tenant, batch.marker);
    let customer = |turn: &usize| batch.actors[wave[*turn].0].customer.as_ref().map(|customer| customer.customer);
    let canary = |turn: &usize| customer(turn).and_then(|customer| rule.canary(tenant, &marker, customer));
    let (theirs, others): (Vec<usize>, Vec<usize>) = turns.into_iter().partition(|turn| canary(turn).is_some());
    let mut answers = call(batch, rule, &others, wave)?;
    answers.extend(call(batch, tried, &theirs, wave)?);
    Ok(answers)
}

fn call<'a>(batch: &mut Batch<'a>, rule: &'a Rule, turns: &[usize], wave: &[Turn]) -> Result<Vec<Answered<'a>>, Stop> {
    let mut sent: Vec<usize> = Vec::with_capacity(turns.len());
    let mut rows = Vec::with_capacity(turns.len());
    let mut skipped: BTreeMap<(String, Lack), (i64, &Happening)> = BTreeMap::new();
    let mut seen = look(batch, rule, turns, wave);
    for turn in turns {
        let (actor, Item::Event(event)) = &wave[*turn] else { continue };
        let Some(customer) = &batch.actors[*actor].customer else { continue };
        let Some(seen) = seen.of(*turn) else { continue };
        let row = Row { event, customer, seen };
        match row.lacks(rule) {
            None => {
                rows.push(row);
                sent.push(*turn);
            }
            Some(lack) => {
                let (count, last) = skipped.entry(lack).or_insert((0, event));
                (*count, *last) = (*count + 1, std::cmp::max_by_key(*last, event, |event| event.place()));
            }
        }
    }
    batch.faults.extend(skipped.into_iter().map(|((path, lack), (count, last))| {
        let fault = lacking(rule, &path, lack);
        NewFault { count, ..fault.example(&last.message_id, last.position, last.depth) }
    }));
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let call = rule.owner.context();
    // All of them read the state before the call, whichever piece they are called in.
    let mut meter = Meter::default();
    let of = (&rule.owner.installation, Called::Rule, &*rule.name);
    let pieces = bisect(rows.len(), batch.retries.give_up, |range| {
        let count = range.len();
        let batch = project(batch.tenant, &batch.marker, rule, &rows[range]);
        let answer = rule.owner.plugin.evaluate(&call, &rule.name, &batch);
        meter.answered(of, count, &answer);
        answer
    });
    let pieces = pieces.map_err(|fault| Stop::fault(&rule.owner.installation.name, &rule.name, &fault))?;
    let mut recorder = std::mem::take(&mut batch.recorder);
    let mut comparison = std::mem::take(&mut batch.comparison);
    let row = |range: &Range<usize>| {
        let batch = project(batch.tenant, &batch.marker, rule, &rows[range.clone()]);
        Recorded::Rule { name: rule.name.to_string(), batch }
    };
    let pieces = pieces.into_iter().map(|(range, evaluated)| {
        let fault = evaluated.as_ref().err();
        let recording = fault.and_then(|fault| recorder.record(&rule.owner, fault, || row(&range)));
        (range, evaluated, recording)
    });
    let pieces: Vec<_> = pieces.collect();
    if rule.owner.installation.recording.is_some() {
        let drawn: Vec<Option<Drawn>> = sent.iter().map(|turn| drawn_of(batch, rule, &wave[*turn])).collect();
        for (range, evaluated, _) in
            pieces.iter().filter(|(range, ..)| drawn[range.clone()].iter().any(Option::is_some))
        {
            let answers = match evaluated {
                Ok(evaluated) => told(rule, range.len(), &evaluated.outcome),
                Err(fault) => vec![broke_off(fault)],
            };
            for (at, answer) in range.clone().zip(answers) {
                let Some(drawn) = drawn[at] else { continue };
                recorder.keep(&rule.owner, drawn, row(&(at..at + 1)), |alone| said_alone(rule, alone) == answer);
            }
        }
    }
    batch.recorder = recorder;
    if let (Some(shadow), Some(allowance)) = (rule.shadow(), &rule.owner.allowance) {
        let active = pieces.iter().flat_map(|(range, evaluated, _)| match evaluated {
            Ok(evaluated) => told(rule, range.len(), &evaluated.outcome),
            Err(fault) => vec![broke_off(fault)],
        });
        let (active, marker) = (active.collect::<Vec<_>>(), batch.marker);
        let pair = Pair { tenant: batch.tenant, marker: &marker, active: rule, shadow };
        comparison.compare(&pair, &rows, &active, meter.fuel(), allowance);
    }
    let mut seen: Vec<Seen> = rows.into_iter().map(|row| row.seen).collect();
    batch.comparison = comparison;
    batch.used(meter);
    let mut answers = Vec::with_capacity(pieces.len());
    for (range, evaluated, recording) in pieces {
        batch.tally.calls += 1;
        let seen = seen[range.clone()].iter_mut().map(std::mem::take).collect();
        let outcome = evaluated.map(|evaluated| {
            batch.answered(range.len());
            evaluated.outcome
        });
        answers.push(Answered { rule, turns: sent[range].to_vec(), outcome, seen, recording });
    }
    Ok(answers)
}

/// The event's row, if it is to be recorded.
fn drawn_of(batch: &Batch<'_>, rule: &Rule, turn: &Turn) -> Option<Drawn> {
    let (actor, Item::Event(event)) = turn else { return None };
    let asked = Asked { actor: *actor, part: event.part, now: event.now, of: &[event.message_id.as_bytes()] };
    drawn(batch, &rule.owner, ("rule", &rule.name), &asked)
}

/// What the rule does for a row that it is asked about alone, as JSON.
fn said_alone(rule: &Rule, alone: &Result<Replayed, CallFault>) -> Value {
    match alone {
        Ok(Replayed::Rule(evaluated)) => told(rule, 1, &evaluated.outcome).pop().unwrap_or_default(),
        Ok(_) => Value::Null,
        Err(fault) => broke_off(fault),
    }
}

/// The events go on with what the rule answered.
pub fn meet_outcome(batch: &mut Batch<'_>, wave: &[Turn], answered: Answered<'_>) {
    let rule = answered.rule;
    let sent: Vec<&Turn> = answered.turns.iter().map(|turn| &wave[*turn]).collect();
    match answered.outcome {
        Ok(outcome) => apply_outcome(batch, rule, (&sent, &answered.seen), outcome),
        Err(fault) => {
            sent.iter().for_each(|turn| go_without(batch, rule, turn, (&fault, answered.recording.as_deref())));
        }
    }
}

/// The event goes on without the rule that fails on it; the pair waits in the list of faults, to be tried again.
fn go_without(batch: &mut Batch<'_>, rule: &Rule, turn: &Turn, (fault, recording): (&CallFault, Option<&str>)) {
    let (_, Item::Event(event)) = turn else { return };
    batch.tally.row_faults += 1;
    let (id, message) = (&event.message_id, fault.message.as_str());
    let filed = NewFault::one(FaultKind::Rule, id, names(rule), fault.kind.as_str(), message);
    batch.faults.push(NewFault {
        position: in_the_log(event),
        message_id: Some(event.message_id.to_string()),
        part: event.part,
        recording: recording.map(str::to_owned),
        ..filed
    });
}

/// Applies what came of the rows: what the rule writes, then what it causes, then what it asks of objects.
fn apply_outcome(batch: &mut Batch<'_>, rule: &Rule, (sent, seen): (&[&Turn], &[Seen]), outcome: Outcome) {
    let mut failed = vec![false; sent.len()];
    for fault in &outcome.faults {
        failed[fault.row as usize] = true;
        refused(batch, rule, &fault.reason, sent[fault.row as usize]);
    }
    for write in outcome.writes {
        let target = &rule.writes[write.target as usize];
        let values: Box<dyn Iterator<Item = Value>> = if target.list {
            Box::new(to_lists(&target.of, &write.ends, &write.values).into_iter())
        } else {
            to_json(&target.of, &write.values)
        };
        for (row, value) in write.rows.iter().zip(values) {
            if !failed[*row as usize] {
                put(batch, rule, sent[*row as usize], &target.path, value);
            }
        }
        for row in write.unset.iter().filter(|row| !failed[**row as usize]) {
            put(batch, rule, sent[*row as usize], &target.path, Value::Null);
        }
    }
    let mut ordinals = vec![0u32; sent.len()];
    let mut ordinal = |row: u32| {
        ordinals[row as usize] += 1;
        ordinals[row as usize]
    };
    for caused in outcome.events {
        let ordinal = ordinal(caused.row);
        if failed[caused.row as usize] {
            continue;
        }
        let (actor, Item::Event(event)) = sent[caused.row as usize] else { continue };
        let served = Served { plugin: &rule.owner.installation.name, digest: &rule.digest };
        let by = By::of(&rule.owner.installation.name, &rule.name).served(Some(served));
        let relation = rule.recipients.get(caused.event as usize).copied().flatten();
        let to = relation.map(|read| seen[caused.row as usize].value(read).and_then(customer_in));
        let to = match to {
            Some(None) => {
                let text = format!("The rule caused `{}` for a customer whom no object names here.", caused.name);
                file_uncaused(batch, (by, event), "no-recipient", &caused.name, text);
                continue;
            }
            to => to.flatten(),
        };
        let properties = serde_json::from_str(&caused.properties).unwrap_or_default();
        let caused = CausedEvent { cause: event, by, ordinal, name: caused.name, properties, to };
        apply(batch, *actor, Effect::Event(caused));
    }
    for object in outcome.objects {
        let number = ordinal(object.row);
        if failed[object.row as usize] {
            continue;
        }
        let (actor, Item::Event(event)) = sent[object.row as usize] else { continue };
        let fields = serde_json::from_str(&object.fields).unwrap_or_default();
        let plugin = rule.owner.installation.name.as_bytes();
        let asks = Id::named(&[b"rule-object", event.message_id.as_bytes(), plugin, rule.name.as_bytes()]);
        let request = Request {
            actor: *actor,
            part: event.part,
            asker: Asker::Rule { position: in_the_log(event) },
            key: (asks, number),
            kind: object.kind,
            operation: match object.action {
                Action::Create => Operation::Create { key: Some(object.key), fields },
                Action::Merge => Operation::Merge { key: object.key, fields },
                Action::Delete => Operation::Delete { key: object.key },
            },
            now: event.now,
            depth: event.depth,
            cause: event.message_id.to_string(),
            by: Some(names(rule)),
        };
        apply(batch, *actor, Effect::Object(request));
    }
}

fn customer_in(value: &Value) -> Option<PartId> {
    value.as_str()?.parse().ok()
}

/// A row that the rule refused is counted by its code, with the rule's own words about the last one.
fn refused(batch: &mut Batch<'_>, rule: &Rule, Reason { code, message, .. }: &Reason, turn: &Turn) {
    batch.tally.row_faults += 1;
    tracing::warn!(
        tenant.id = batch.tenant.0,
        plugin.name = rule.owner.installation.name,
        rule = &*rule.name,
        code,
        "A rule refused a row."
    );
    let text = match own_words(message) {
        words if words.is_empty() => format!("{REFUSED_ROW}."),
        words => format!("{REFUSED_ROW}: {words}"),
    };
    let fault = NewFault::counted(FaultKind::RowSkipped, names(rule), code, "", text);
    batch.faults.push(match turn {
        (_, Item::Event(event)) => fault.example(&event.message_id, event.position, event.depth),
        _ => fault,
    });
}

fn put(batch: &mut Batch<'_>, rule: &Rule, turn: &Turn, path: &WritePath, value: Value) {
    let (actor, Item::Event(event)) = turn else { return };
    let change = match path {
        WritePath::Attribute(name) => Change::Attribute(name.into(), value),
        WritePath::Counter(name) => Change::Counter(name.into(), value.as_i64().unwrap_or(0)),
        WritePath::Tag(name) => Change::Tag(name.into(), value),
        WritePath::Decision => return,
    };
    apply(batch, *actor, Effect::Change(source(rule, event), change));
}

fn source(rule: &Rule, event: &Happening) -> Source {
    // What a rule derives from state is as new as the clock: rules run once, in arrival order. What it takes from
    // the event alone is a fact of the event's time, and never replaces a newer one.
    let cause = Cause {
        at: if rule.reads_state { event.now } else { event.at },
        event: event.message_id.clone(),
        plugin: Some(rule.digest.clone()),
        rule: Some(rule.name.clone()),
    };
    Source::of(event.part, cause)
}

/// The event's own place in the log: what it caused, and what is tried again, has the place of another.
fn in_the_log(event: &Happening) -> Option<i64> {
    (event.depth == 0 && event.only.is_none()).then_some(event.position)
}

/// A rule by its plugin's name and its own.
fn names(rule: &Rule) -> String {
    format!("{}/{}", rule.owner.installation.name, rule.name)
}

/// Rows that lack what a rule requires are counted by what they lack.
fn lacking(rule: &Rule, path: &str, lack: Lack) -> NewFault {
    let text = match lack {
        Lack::Absent => format!("The rule requires `{path}`, which the event or its customer does not have."),
        Lack::OtherType => format!("The rule requires `{path}`, which does not have the declared type here."),
    };
    NewFault::counted(FaultKind::RowSkipped, names(rule), lack.code(), path, text)
}
