//! Rules: one call a wave and rule, with the rows of all customers; effects are applied as they come back.

use std::collections::BTreeMap;

use openhub_model::identity::Authority;
use openhub_model::{Cause, Id, Identity, NewEvent, Origin};
use openhub_runtime::{Action, CallContext, CallFault, Outcome};
use openhub_store::{FaultKind, NewFault};
use serde_json::Value;

use super::bisect::bisect;
use super::claims::PROPOSED;
use super::customer::Item;
use super::effects::Effect;
use super::event::{Happening, MAX_CAUSED, MAX_DEPTH};
use super::objects::{Asker, Operation, Request};
use super::project::{Lack, Row, project};
use super::retry::RequestKey;
use super::values::to_json;
use super::wave::{Batch, Stop, Turn};
use crate::body;
use crate::catalog::{Rule, WritePath};

/// Rows of one call at most.
const ROWS: usize = 1_000;

impl Batch<'_> {
    /// Calls the rules that this wave's events trigger, in their order, and applies what they answer.
    pub(super) fn run_rules(&mut self, wave: &[Turn]) -> Result<(), Stop> {
        let mut triggered: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (turn, (_, item)) in wave.iter().enumerate() {
            let Item::Event(event) = item else { continue };
            if let Some(only) = &event.only {
                let rule = self.catalog.rules.iter().position(|rule| rule.is(only));
                rule.into_iter().for_each(|rule| triggered.entry(rule).or_default().push(turn));
                continue;
            }
            let rules = self.catalog.rules_on.get(&event.name).filter(|_| event.triggers());
            for rule in rules.into_iter().flatten() {
                triggered.entry(*rule).or_default().push(turn);
            }
        }
        for (rule, turns) in triggered {
            for turns in turns.chunks(ROWS) {
                self.go_on()?;
                self.run_rule(rule, turns, wave)?;
            }
        }
        Ok(())
    }

    fn run_rule(&mut self, rule: usize, turns: &[usize], wave: &[Turn]) -> Result<(), Stop> {
        let catalog = self.catalog;
        let rule = &catalog.rules[rule];
        let mut sent: Vec<&Turn> = Vec::with_capacity(turns.len());
        let mut rows = Vec::with_capacity(turns.len());
        let mut skipped: BTreeMap<(usize, Lack), i64> = BTreeMap::new();
        for turn in turns {
            let (lane, Item::Event(event)) = &wave[*turn] else { continue };
            let Some(customer) = &self.lanes[*lane].customer else { continue };
            let row = Row { event, customer };
            match row.lacks(rule) {
                None => {
                    rows.push(row);
                    sent.push(&wave[*turn]);
                }
                Some(lack) => *skipped.entry(lack).or_default() += 1,
            }
        }
        self.faults.extend(skipped.into_iter().map(|((read, lack), count)| lacking(rule, read, lack, count)));
        let Some(first) = rows.first() else { return Ok(()) };
        let call = CallContext {
            id: format!("{}/{}/{}", self.tenant.0, first.event.message_id, rule.name),
            settings: rule.owner.settings.clone(),
            dry_run: false,
        };
        // All of them read the state before the call, whichever piece they are called in.
        let pieces = bisect(rows.len(), self.retries.give_up, |range| {
            let batch = project(self.tenant, &self.marker, rule, &rows[range]);
            rule.owner.plugin.evaluate(&call, &rule.name, &rule.params, &batch)
        });
        let pieces = pieces.map_err(|fault| Stop::fault(&rule.owner, &rule.name, &fault))?;
        for (range, evaluated) in pieces {
            self.tally.calls += 1;
            match evaluated {
                Ok(evaluated) => {
                    self.tally.rows += range.len() as u64;
                    self.tally.fuel += evaluated.receipt.fuel;
                    self.spent.fuel += evaluated.receipt.fuel;
                    self.apply(rule, &sent[range], evaluated.outcome);
                }
                Err(fault) => self.go_without(rule, sent[range.start], &fault),
            }
        }
        Ok(())
    }

    /// The event goes on without the rule that fails on it; the pair waits in the list of faults, to be tried again.
    fn go_without(&mut self, rule: &Rule, turn: &Turn, fault: &CallFault) {
        let (_, Item::Event(event)) = turn else { return };
        self.tally.row_faults += 1;
        let (id, message) = (&event.message_id, fault.message.as_str());
        let filed = NewFault::one(FaultKind::Rule, id, names(rule), fault.kind.as_str(), message);
        self.faults.push(NewFault {
            position: (event.depth == 0 && event.only.is_none()).then_some(event.position),
            message_id: Some(event.message_id.to_string()),
            part: event.part,
            ..filed
        });
    }

    fn apply(&mut self, rule: &Rule, sent: &[&Turn], outcome: Outcome) {
        let mut failed = vec![false; sent.len()];
        for fault in &outcome.faults {
            failed[fault.row as usize] = true;
            self.tally.row_faults += 1;
            tracing::warn!(
                tenant.id = self.tenant.0,
                plugin.name = rule.owner.installation.name,
                rule = &*rule.name,
                code = fault.reason.code,
                "A rule refused a row."
            );
            // A plugin's own words may name a customer: the code says enough.
            let text = "The rule refused the row.".to_owned();
            self.faults.push(NewFault::counted(FaultKind::RowSkipped, names(rule), &fault.reason.code, "", text));
        }
        for write in outcome.writes {
            let target = &rule.writes[write.target as usize];
            for (row, value) in write.rows.iter().zip(to_json(&target.of, &write.values)) {
                if !failed[*row as usize] {
                    self.write(rule, sent[*row as usize], &target.path, value);
                }
            }
            for row in write.unset.iter().filter(|row| !failed[**row as usize]) {
                self.write(rule, sent[*row as usize], &target.path, Value::Null);
            }
        }
        let mut ordinals = vec![0u32; sent.len()];
        let mut ordinal = |row: u32| {
            ordinals[row as usize] += 1;
            ordinals[row as usize]
        };
        for caused in outcome.events {
            let number = ordinal(caused.row);
            if failed[caused.row as usize] {
                continue;
            }
            let (lane, Item::Event(cause)) = sent[caused.row as usize] else { continue };
            let by = By::of(&rule.owner.installation.name, &rule.name);
            let properties = serde_json::from_str(&caused.properties).unwrap_or_default();
            self.cause(*lane, cause, by, number, caused.name, properties, caused.to);
        }
        for object in outcome.objects {
            let number = ordinal(object.row);
            if failed[object.row as usize] {
                continue;
            }
            let (lane, Item::Event(cause)) = sent[object.row as usize] else { continue };
            let fields = serde_json::from_str(&object.fields).unwrap_or_default();
            let plugin = rule.owner.installation.name.as_bytes();
            let asks = Id::named(&[b"rule-object", cause.message_id.as_bytes(), plugin, rule.name.as_bytes()]);
            self.requests.push(Request {
                lane: *lane,
                part: cause.part,
                asker: Asker::Rule,
                key: (asks, number),
                kind: object.kind,
                operation: match object.action {
                    Action::Create => Operation::Create { key: Some(object.key), fields },
                    Action::Merge => Operation::Merge { key: object.key, fields },
                    Action::Delete => Operation::Delete { key: object.key },
                },
                now: cause.now,
                depth: cause.depth,
                cause: cause.message_id.to_string(),
            });
        }
    }

    fn write(&mut self, rule: &Rule, turn: &Turn, path: &WritePath, value: Value) {
        let (lane, Item::Event(event)) = turn else { return };
        let Some(part) = event.part else { return };
        // What a rule derives from state is as new as the clock: rules run once, in arrival order. What it takes from
        // the event alone is a fact of the event's time, and never replaces a newer one.
        let cause = Cause {
            at: if rule.reads_state { event.now } else { event.at },
            event: event.message_id.clone(),
            plugin: Some(rule.digest.clone()),
            rule: Some(rule.name.clone()),
        };
        let effect = match path {
            WritePath::Attribute(name) => Effect::Attribute(name.into(), value),
            WritePath::Counter(name) => Effect::Counter(name.into(), value.as_i64().unwrap_or(0)),
            WritePath::Tag(name) => Effect::Tag(name.into(), value),
            WritePath::Decision => return,
        };
        self.lanes[*lane].apply_one(part, effect, cause, self.catalog);
    }

    fn file_uncaused(&mut self, by: By<'_>, code: &str, event: &str, text: String) {
        let subject = format!("{}/{}", by.plugin, by.rule);
        self.faults.push(NewFault::counted(FaultKind::RowSkipped, subject, code, event, text));
    }

    /// An event that a rule or an object's check causes: handled before the customer's next event or timer. One
    /// that names another customer goes through the log, so that its place there does not depend on the batch.
    #[expect(clippy::too_many_arguments, reason = "an event, its cause, and who caused it: each is a plain value")]
    pub(super) fn cause(
        &mut self,
        lane: usize,
        cause: &Happening,
        by: By<'_>,
        ordinal: u32,
        name: String,
        properties: Value,
        to: Option<Identity>,
    ) {
        if cause.depth >= MAX_DEPTH {
            self.tally.too_deep += 1;
            tracing::warn!(tenant.id = self.tenant.0, event.name = name, "An event at depth 8 would cause another.");
            let text = format!("An event at depth {MAX_DEPTH} would cause another `{name}`: the chain ends there.");
            return self.file_uncaused(by, "too-deep", &name, text);
        }
        if self.lanes[lane].causes >= MAX_CAUSED {
            self.tally.too_many += 1;
            tracing::warn!(
                tenant.id = self.tenant.0,
                event.name = name,
                "An event would cause more than 1,000 others."
            );
            let text = format!("An event would cause more than {MAX_CAUSED} others: `{name}` is left out.");
            return self.file_uncaused(by, "too-many", &name, text);
        }
        self.lanes[lane].causes += 1;
        let customer = &self.lanes[lane];
        let own = cause.part.and_then(|part| customer.member(part)).or(customer.members.first());
        let own = own.map(|member| member.part.identity.clone());
        let to = to.map(|to| self.catalog.policies.latest().normal(to));
        let to = to.filter(|to| customer.member(to.part(self.tenant)).is_none());
        let subject = to.clone().or(own);
        let id = by.id(cause, ordinal);
        let mut event = NewEvent {
            message_id: id.to_string(),
            kind: openhub_model::EventKind::Track,
            name,
            part: subject.as_ref().map(|subject| subject.part(self.tenant)),
            occurred_at: cause.at,
            received_at: cause.now,
            historical: cause.historical,
            authority: Authority::Server,
            cause: Some(cause.message_id.to_string()),
            body: String::new(),
        };
        // What goes through the log takes its depth along.
        let depth = to.is_some().then_some(cause.depth + 1);
        event.body = body::track(&event, subject.as_ref(), &properties, depth);
        self.spent.bytes += event.body.len() as u64;
        let place = self.lanes[lane].place;
        if to.is_some() {
            self.arrivals.push((place, event));
            return;
        }
        if event.name == PROPOSED {
            let proposes = Happening { part: event.part, subject: subject.clone(), ..Happening::noted(cause) };
            self.propose(lane, &proposes, &properties);
        }
        self.lanes[lane].caused.push_back(Box::new(Happening {
            message_id: event.message_id.as_str().into(),
            part: event.part,
            authority: event.authority,
            kind: event.kind,
            name: event.name.clone(),
            at: event.occurred_at,
            now: cause.now,
            bound: cause.bound,
            historical: event.historical,
            origin: Origin::Caused,
            depth: cause.depth + 1,
            position: cause.position,
            body: None,
            properties,
            subject,
            only: None,
        }));
        self.events.push((place, event));
    }
}

/// Who causes an event.
#[derive(Clone, Copy)]
pub struct By<'a> {
    plugin: &'a str,
    rule: &'a str,
    /// Of an object's check: what it was asked.
    request: Option<RequestKey>,
}

impl<'a> By<'a> {
    pub fn of(plugin: &'a str, rule: &'a str) -> By<'a> {
        By { plugin, rule, request: None }
    }

    /// The check of an object of this type, which was asked for so.
    pub fn check(shape: &'a str, request: RequestKey) -> By<'a> {
        By { request: Some(request), ..By::of("object", shape) }
    }

    /// Ids that sort by time: events of a batch then share pages of the index by id.
    fn id(&self, cause: &Happening, ordinal: u32) -> Id {
        let (ordinal, request) = (ordinal.to_le_bytes(), self.request.map(|(id, ordinal)| (id, ordinal.to_le_bytes())));
        let [message, plugin, rule] = [&*cause.message_id, self.plugin, self.rule].map(str::as_bytes);
        let mut parts = vec![b"caused".as_slice(), message, plugin, rule, &ordinal];
        if let Some((id, of)) = &request {
            parts.extend([id.as_bytes(), of.as_slice()]);
        }
        Id::at(cause.at, &parts)
    }
}

/// A rule by its plugin's name and its own.
fn names(rule: &Rule) -> String {
    format!("{}/{}", rule.owner.installation.name, rule.name)
}

/// Rows that lack what a rule requires are counted by what they lack.
fn lacking(rule: &Rule, read: usize, lack: Lack, count: i64) -> NewFault {
    let path = rule.reads[read].path.to_string();
    let text = match lack {
        Lack::Absent => format!("The rule requires `{path}`, which the event or its customer does not have."),
        Lack::OtherType => format!("The rule requires `{path}`, which does not read as the declared type."),
    };
    NewFault { count, ..NewFault::counted(FaultKind::RowSkipped, names(rule), lack.code(), &path, text) }
}
