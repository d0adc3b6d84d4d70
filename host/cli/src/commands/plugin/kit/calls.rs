//! Calls of a plugin, JSON in and JSON out: rules by rows, objects by changes, channels by messages, sources and endpoints by
//! requests.

use anyhow::{Context, Result, anyhow, ensure};
use openhub_model::columns::RecordBatch;
use openhub_model::manifest::{RuleShape, Write};
use openhub_model::schedule::Schedule;
use openhub_model::{Fault, Timestamp, endpoint};
use openhub_runtime::{
    Accepted, Action, CallContext, CallFault, Captured, Change, EndpointCaller, HttpRequest, IoContext, JobFailure,
    JobRunCall, Operation, OutMessage, Outcome, Plugin, Reason, Receipt, Received, Unanswered, Verdict, hosts,
    read_secret,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

use super::backing::{Appended, Kept, Unnamed, happened};
use super::columns;
use super::records::Records;

/// A plugin that is installed for a test.
pub struct Installed {
    pub plugin: Arc<Plugin>,
    /// What it keeps of its own, from call to call.
    pub kept: Arc<Kept>,
    /// Secrets that the provider's answers gave.
    pub captured: Arc<Captured>,
    /// The tenant's customers and objects.
    pub records: Arc<Records>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretText {
    name: String,
    text: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleCall {
    name: String,
    settings: Map<String, Value>,
    /// Without, they are what the settings have under the rule's name.
    params: Option<Value>,
    rows: Vec<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObjectCall {
    name: String,
    settings: Map<String, Value>,
    changes: Vec<AskedChange>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AskedChange {
    key: Option<String>,
    customer: Option<String>,
    at: i64,
    seed: u64,
    /// The fields before and after: none before is a creation, none after a deletion.
    old: Option<Value>,
    new: Option<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChannelCall {
    name: String,
    settings: Map<String, Value>,
    secrets: Vec<SecretText>,
    at: i64,
    messages: Vec<AskedMessage>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AskedMessage {
    idempotency_key: String,
    attempt: u32,
    address: String,
    content: Value,
    unsubscribe_url: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceCall {
    name: String,
    settings: Map<String, Value>,
    secrets: Vec<SecretText>,
    at: i64,
    method: String,
    query: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndpointCall {
    settings: Map<String, Value>,
    secrets: Vec<SecretText>,
    at: i64,
    key: String,
    scopes: Vec<String>,
    method: String,
    path: String,
    query: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobCall {
    name: String,
    settings: Map<String, Value>,
    secrets: Vec<SecretText>,
    at: i64,
    /// None begins anew.
    cursor: Option<Value>,
}

/// What the plugin keeps is read, or written as if it had been there before.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KvCall {
    key: String,
    /// None reads.
    value: Option<Vec<u8>>,
}

/// An object is read, or put there as if it had been there before.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordCall {
    kind: String,
    key: String,
    /// None reads.
    fields: Option<Map<String, Value>>,
}

impl Installed {
    pub fn record(&self, call: RecordCall) -> Value {
        match call.fields {
            Some(fields) => {
                self.records.put(call.kind, call.key, fields);
                Value::Null
            }
            None => self.records.fields(&call.kind, &call.key).unwrap_or_default(),
        }
    }

    pub fn kv(&self, call: KvCall) -> Value {
        match call.value {
            Some(value) => json!({"version": self.kept.put(call.key, value)}),
            None => self.kept.look(&call.key).map_or(Value::Null, |value| json!({"value": value})),
        }
    }

    /// The bytes of a secret that the manifest declares.
    pub fn check_secret(&self, secret: &SecretText) -> Result<Vec<u8>> {
        let declared = &self.plugin.manifest().secrets;
        let shape = declared.iter().find(|shape| shape.name == secret.name);
        let shape = shape.with_context(|| format!("plugin.toml does not declare a secret `{}`", secret.name))?;
        ensure!(shape.capture.is_none(), "the secret `{}` is given by an answer: no test sets it", secret.name);
        read_secret(shape, &secret.text).map_err(|error| anyhow!("the secret `{}` {error}", secret.name))
    }

    pub fn rule(&self, call: &RuleCall) -> Result<Value> {
        let (shape, batch) = asked(&self.plugin, (&call.name, &call.settings, call.params.as_ref()), &call.rows)?;
        match self.plugin.evaluate(&context(&call.settings), &shape.name, &batch) {
            Ok(evaluated) => {
                let effects = by_row(shape, evaluated.outcome, &call.rows);
                Ok(json!({"effects": effects, "receipt": receipt(&evaluated.receipt)}))
            }
            Err(fault) => Ok(json!({"fault": told(&fault)})),
        }
    }

    pub fn object(&self, call: ObjectCall) -> Result<Value> {
        let objects = &self.plugin.manifest().objects;
        let there = objects.iter().map(|object| object.name.as_str());
        ensure!(there.clone().any(|name| name == call.name), unknown("object type", &call.name, there));
        let changes = call.changes.into_iter().map(AskedChange::change).collect::<Result<Vec<_>>>()?;
        match self.plugin.check(&context(&call.settings), &call.name, changes) {
            Ok(checked) => Ok(json!({"answers": answered(checked.answers), "receipt": receipt(&checked.receipt)})),
            Err(fault) => Ok(json!({"fault": told(&fault)})),
        }
    }

    pub async fn channel(&self, call: ChannelCall) -> Result<Value> {
        let manifest = self.plugin.manifest();
        let channels = &manifest.channels;
        let shape = channels.iter().find(|channel| channel.name == call.name);
        let shape = shape.ok_or_else(|| unknown("channel", &call.name, channels.iter().map(|it| it.name.as_str())))?;
        let tracked = Arc::new(Appended::new(Unnamed::Refused));
        let context = self.io(&call.settings, &call.secrets, call.at, &tracked)?;
        let purpose = shape.purpose.clone().unwrap_or_default();
        let messages = call.messages.into_iter().map(|message| OutMessage {
            idempotency_key: message.idempotency_key,
            attempt: message.attempt,
            address: message.address,
            customer: "customer-1".to_owned(),
            purpose: purpose.clone(),
            locale: "en".to_owned(),
            time_zone: "UTC".to_owned(),
            expires_at: None,
            unsubscribe_url: message.unsubscribe_url,
            content: message.content.to_string(),
        });
        let sent = self.plugin.send(context, &call.name, messages.collect()).await;
        let verdicts: Vec<Value> = sent.verdicts.iter().map(verdict).collect();
        let fault = sent.fault.as_ref().map(told);
        let tracked = tracked.take();
        Ok(json!({"verdicts": verdicts, "fault": fault, "tracked": tracked, "receipt": receipt(&sent.receipt)}))
    }
}

impl Installed {
    pub async fn source(&self, call: SourceCall) -> Result<Value> {
        let sources = &self.plugin.manifest().sources;
        let there = sources.iter().map(|source| source.name.as_str());
        ensure!(there.clone().any(|name| name == call.name), unknown("source", &call.name, there));
        let tracked = Arc::new(Appended::new(Unnamed::Refused));
        let context = self.io(&call.settings, &call.secrets, call.at, &tracked)?;
        let path = format!("/hooks/test/{}/{}", self.plugin.manifest().name, call.name);
        let SourceCall { name, method, query, headers, body, .. } = call;
        let request = HttpRequest { method, path, query, headers, body };
        let (received, used) = self.plugin.receive(context, &name, request, std::future::pending()).await;
        Ok(match received {
            Ok(received) => {
                let Received { answer, events, reports, verified } = received;
                let at = |at: Option<Timestamp>| at.map(|at| at.to_string());
                let events = events.iter().map(happened);
                let reports = reports.iter().map(|report| {
                    json!({"provider_id": report.provider_id, "status": report.status, "at": at(report.at),
                        "reason": report.reason.as_ref().map(reason)})
                });
                json!({
                    "status": answer.status, "headers": answer.headers, "body": answer.body, "verified": verified,
                    "events": events.collect::<Vec<_>>(), "reports": reports.collect::<Vec<_>>(),
                    "tracked": tracked.take(),
                    "receipt": receipt(&used),
                })
            }
            Err(why) => unanswered(&why),
        })
    }

    /// Finds the endpoint by method and path, as the hub does.
    pub async fn endpoint(&self, call: EndpointCall) -> Result<Value> {
        let EndpointCall { key, scopes, method, path, query, headers, body, .. } = call;
        let endpoints = &self.plugin.manifest().endpoints;
        let endpoint::Asked::Endpoint(shape) = endpoint::find(endpoints, &method, &path) else {
            let there: Vec<String> = endpoints.iter().map(|it| format!("{} {}", it.method.as_str(), it.path)).collect();
            return Err(anyhow!("the plugin has no endpoint {method} {path}; it has {}", there.join(", ")));
        };
        let unnamed = match headers.iter().any(|(name, _)| name == "idempotency-key") {
            true => Unnamed::Named,
            false => Unnamed::Refused,
        };
        let tracked = Arc::new(Appended::new(unnamed));
        let context = self.io(&call.settings, &call.secrets, call.at, &tracked)?;
        let asked = (EndpointCaller { key, scopes }, HttpRequest { method, path, query, headers, body });
        let (handled, used) = self.plugin.handle(context, &shape.name, asked, std::future::pending()).await;
        Ok(match handled {
            Ok(answer) => json!({
                "status": answer.status, "headers": answer.headers, "body": answer.body, "tracked": tracked.take(),
                "receipt": receipt(&used),
            }),
            Err(why) => unanswered(&why),
        })
    }

    pub async fn job(&self, call: JobCall) -> Result<Value> {
        let jobs = &self.plugin.manifest().jobs;
        let shape = jobs.iter().find(|job| job.name == call.name);
        let shape = shape.ok_or_else(|| unknown("job", &call.name, jobs.iter().map(|job| job.name.as_str())))?;
        let schedule = Schedule::of(shape, &[]).map_err(|why| anyhow!("the job `{}`: {why}", call.name))?;
        let tracked = Arc::new(Appended::new(Unnamed::Named));
        let context = self.io(&call.settings, &call.secrets, call.at, &tracked)?;
        let cursor = call.cursor.map(|cursor| cursor.to_string());
        let run = JobRunCall {
            job: &call.name,
            scheduled: Timestamp::from_micros(call.at),
            cursor: cursor.as_deref(),
            wall_ms: u32::try_from(schedule.timeout().micros() / 1_000).unwrap_or(u32::MAX),
        };
        let ran = self.plugin.run_job(context, run, std::future::pending()).await;
        let mut told = match ran.outcome {
            Ok(progress) => json!({
                "cursor": progress.cursor.as_deref().map(object), "done": progress.done, "note": progress.note,
            }),
            Err(JobFailure::Retry { after_ms, reason: why }) => {
                json!({"failed": {"retry": {"after_ms": after_ms, "reason": reason(&why)}}})
            }
            Err(JobFailure::Rejected(why)) => json!({"failed": {"rejected": reason(&why)}}),
            Err(JobFailure::Misconfigured(why)) => json!({"failed": {"misconfigured": reason(&why)}}),
            Err(JobFailure::Failed(fault)) => json!({"fault": self::told(&fault)}),
            Err(JobFailure::Stopped) => json!({"fault": {"kind": "refused", "message": "it was stopped"}}),
        };
        told["tracked"] = tracked.take().into();
        told["lines"] = json!(ran.lines);
        told["receipt"] = receipt(&ran.receipt);
        Ok(told)
    }

    /// What a call of the I/O lane gets: all that the manifest asks for is granted.
    pub fn io(
        &self,
        settings: &Map<String, Value>,
        secrets: &[SecretText],
        at: i64,
        tracked: &Arc<Appended>,
    ) -> Result<IoContext> {
        let secrets = secrets.iter().map(|secret| Ok((secret.name.clone(), self.check_secret(secret)?)));
        let secrets: BTreeMap<String, Vec<u8>> = secrets.collect::<Result<_>>()?;
        let hosts = hosts::resolve(&self.plugin.manifest().hosts, &Value::Object(settings.clone()));
        let hosts = hosts.map_err(|faults| anyhow!("the settings are not valid: {faults:?}"))?;
        let now = Timestamp::from_micros(at);
        self.kept.is_now(now);
        let call = context(settings);
        self.records.begin(now, call.settings.clone());
        Ok(IoContext {
            call,
            hosts,
            secrets: secrets.into(),
            captured: self.captured.clone(),
            clock: Arc::new(move || now),
            kv: Some(self.kept.clone()),
            events: Some(tracked.clone()),
            customers: Some(self.records.clone()),
            objects: Some(self.records.clone()),
            access: self.plugin.manifest().access.clone(),
            played: None,
        })
    }
}

impl AskedChange {
    fn change(self) -> Result<Change> {
        let operation = match (self.old, self.new) {
            (None, Some(new)) => Operation::Create(new.to_string()),
            (Some(old), Some(new)) => Operation::Update(old.to_string(), new.to_string()),
            (Some(old), None) => Operation::Delete(old.to_string()),
            (None, None) => return Err(anyhow!("a change has fields before it or after it")),
        };
        let at = Timestamp::from_micros(self.at);
        Ok(Change { key: self.key, customer: self.customer, at, seed: self.seed, operation })
    }
}

/// Why a request has no answer of the plugin's own.
pub fn unanswered(why: &Unanswered) -> Value {
    match why {
        Unanswered::Retry { after_ms, reason: why } => {
            json!({"failed": {"retry": {"after_ms": after_ms, "reason": reason(why)}}})
        }
        Unanswered::Rejected(why) => json!({"failed": {"rejected": reason(why)}}),
        Unanswered::Misconfigured(why) => json!({"failed": {"misconfigured": reason(why)}}),
        Unanswered::Unfit(fault) => {
            let message = format!("{}: {}", fault.pointer, fault.message);
            json!({"fault": {"kind": fault.code, "message": message}})
        }
        Unanswered::Failed(fault) => json!({"fault": told(fault)}),
    }
}

pub fn context(settings: &Map<String, Value>) -> CallContext {
    let settings = Value::Object(settings.clone()).to_string();
    CallContext::new(settings)
}

pub fn unknown<'n>(what: &str, name: &str, there: impl Iterator<Item = &'n str>) -> anyhow::Error {
    let there: Vec<&str> = there.collect();
    let meant = name.replace('_', "-");
    // The name of a Rust function becomes kebab-case in the manifest.
    let hint = if meant != name && there.contains(&meant.as_str()) {
        format!(" (names become kebab-case: `{meant}`)")
    } else {
        String::new()
    };
    anyhow!("the plugin has no {what} `{name}`; it has {}{hint}", there.join(", "))
}

/// What each change came to.
pub fn answered(answers: Vec<Result<Accepted, Vec<Fault>>>) -> Vec<Value> {
    let answers = answers.into_iter().map(|answer| match answer {
        Ok(accepted) => {
            let events = accepted.events.iter().map(|(name, properties)| event(name, properties));
            let events: Vec<Value> = events.collect();
            json!({"key": accepted.key, "fields": object(&accepted.fields), "events": events})
        }
        Err(faults) => json!({"faults": faults}),
    });
    answers.collect()
}

/// A rule's name, the settings, and the parameters in place of those in the settings.
type Asked<'c> = (&'c str, &'c Map<String, Value>, Option<&'c Value>);

/// A rule and the batch of some rows, each a JSON object by the names of its reads.
fn asked<'p>(
    plugin: &'p Plugin,
    (name, settings, params): Asked<'_>,
    rows: &[Value],
) -> Result<(&'p RuleShape, RecordBatch)> {
    let rules = &plugin.manifest().rules;
    let shape = rules.iter().find(|rule| rule.name == name);
    let shape = shape.ok_or_else(|| unknown("rule", name, rules.iter().map(|rule| rule.name.as_str())))?;
    let params = params.or_else(|| settings.get(name));
    Ok((shape, columns::batch(shape, params.unwrap_or(&Value::Null), rows)?))
}

/// The effects of each row; an error is a call that failed as a whole.
pub fn evaluated(plugin: &Plugin, call: Asked<'_>, rows: &[Value]) -> Result<(Vec<Value>, Receipt)> {
    let (shape, batch) = asked(plugin, call, rows)?;
    let evaluated = plugin.evaluate(&context(call.1), &shape.name, &batch);
    let evaluated =
        evaluated.map_err(|fault| anyhow!("the rule broke off ({}): {}", fault.kind.as_str(), fault.message))?;
    Ok((by_row(shape, evaluated.outcome, rows), evaluated.receipt))
}

/// What each row came to.
pub fn by_row(shape: &RuleShape, outcome: Outcome, given: &[Value]) -> Vec<Value> {
    let (targets, rows) = (&shape.writes, given.len());
    let mut effects = vec![json!({"written": {}, "events": [], "objects": [], "fault": null}); rows];
    for write in outcome.writes {
        let Write { path, of, list, .. } = &targets[write.target as usize];
        let mut values = columns::values(of, &write.values);
        if *list {
            let mut values_left = values.into_iter();
            let mut at = 0;
            let lists = write.ends.iter().map(|end| {
                let count = end - std::mem::replace(&mut at, *end);
                Value::Array(values_left.by_ref().take(count as usize).collect())
            });
            values = lists.collect();
        }
        for (row, value) in write.rows.iter().zip(values) {
            effects[*row as usize]["written"][path] = json!({"to": value});
        }
        for row in write.unset {
            effects[row as usize]["written"][path] = json!("unset");
        }
    }
    let mut push = |row: u32, list: &str, value: Value| {
        if let Some(values) = effects[row as usize][list].as_array_mut() {
            values.push(value);
        }
    };
    for caused in outcome.events {
        let mut told = event(&caused.name, &caused.properties);
        if let Some(read) = shape.recipient(caused.event as usize) {
            told["to"] = given.get(caused.row as usize).map_or(Value::Null, |row| row[&read.name].clone());
        }
        push(caused.row, "events", told);
    }
    for written in outcome.objects {
        let action = match written.action {
            Action::Create => "create",
            Action::Merge => "merge",
            Action::Delete => "delete",
        };
        let fields = object(&written.fields);
        let value = json!({"action": action, "kind": written.kind, "key": written.key, "fields": fields});
        push(written.row, "objects", value);
    }
    for fault in outcome.faults {
        effects[fault.row as usize]["fault"] = reason(&fault.reason);
    }
    effects
}

fn event(name: &str, properties: &str) -> Value {
    json!({"name": name, "properties": object(properties)})
}

/// The runtime has checked that this is a JSON object.
fn object(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or(Value::Null)
}

pub fn reason(reason: &Reason) -> Value {
    json!({"code": reason.code, "message": reason.message, "args": reason.args})
}

pub fn told(fault: &CallFault) -> Value {
    json!({"kind": fault.kind.as_str(), "message": fault.message})
}

pub fn receipt(receipt: &Receipt) -> Value {
    json!({
        "fuel": receipt.fuel, "peak_memory": receipt.peak_memory, "host_calls": receipt.host_calls,
        "bytes_out": receipt.bytes_out, "fetches": receipt.fetches,
    })
}

fn verdict(verdict: &Verdict) -> Value {
    match verdict {
        Verdict::Accepted { provider_id, units } => json!({"accepted": {"provider_id": provider_id, "units": units}}),
        Verdict::Retry { after_ms, reason: why } => json!({"retry": {"after_ms": after_ms, "reason": reason(why)}}),
        Verdict::Rejected(why) => json!({"rejected": reason(why)}),
        Verdict::BadAddress(why) => json!({"bad-address": reason(why)}),
        Verdict::OptedOut(why) => json!({"opted-out": reason(why)}),
        Verdict::Unknown(why) => json!({"unknown": reason(why)}),
        Verdict::Misconfigured(why) => json!({"misconfigured": reason(why)}),
    }
}
