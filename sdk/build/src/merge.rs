//! Fragments and policy become the manifest: names of types are resolved, everything gets its order.
//!
//! Fragments come in the linker's order, so shapes are sorted by name; reads, writes and fields keep the order of
//! the code, because columns cross the boundary in it. Whether the result makes sense is `check`'s question.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use openhub_model::endpoint::EndpointShape;
use openhub_model::manifest::{
    ChannelShape, EventShape, Field, FunctionShape, JobShape, ListShape, Manifest, ObjectShape, PrivacyShape, Read,
    Recipient, RuleShape, SourceShape, StepShape, Type, Write,
};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::fragments::{Fields, Fragment, List};
use crate::policy::Policy;

/// How deep lists may lie in each other, as in a hub.
const LIST_DEPTH: usize = 4;

/// The fragments by kind and by the name of their Rust type.
#[derive(Default)]
struct Types {
    reads: BTreeMap<String, Row>,
    writes: BTreeMap<String, Effects>,
    enums: BTreeMap<String, Vec<String>>,
    /// Rust type → name and fields.
    events: BTreeMap<String, (String, Vec<Value>)>,
    params: BTreeMap<String, Vec<Value>>,
    /// Rust type → name of the object type.
    objects: BTreeMap<String, String>,
    content: BTreeMap<String, Vec<Value>>,
    records: BTreeMap<String, Vec<Value>>,
    settings: BTreeMap<String, Vec<Value>>,
}

/// What a rule reads of a row, or of an element of a list.
struct Row {
    fields: Vec<Value>,
    lists: Vec<List>,
}

/// What a rule may write; events and objects by their Rust types.
struct Effects {
    fields: Vec<Value>,
    events: Vec<String>,
    to: Vec<Recipient>,
    objects: Vec<String>,
}

/// Makes the manifest; its `imports` stay empty until the component is there to be asked.
pub fn merge(fragments: Vec<Fragment>, policy: Policy) -> Result<Manifest> {
    if !(policy.rules.is_empty() && policy.events.is_empty() && policy.types.is_empty()) {
        bail!(
            "plugin.toml has rules, events or types, but this plugin is in Rust, where they come from the code: remove them"
        );
    }
    let types = collect(&fragments)?;
    let jobs = jobs(&fragments, policy.jobs)?;
    let mut manifest = Manifest {
        format: 1,
        name: policy.name,
        version: policy.version,
        publisher: policy.publisher,
        title: policy.title,
        description: policy.description,
        secrets: policy.secrets,
        hosts: policy.hosts,
        access: policy.access,
        limits: policy.limits,
        jobs,
        ..Manifest::default()
    };
    for fragment in fragments {
        match fragment {
            Fragment::Rule { name, on, reads, writes, params } => {
                manifest.rules.push(types.rule(name, on, &reads, &writes, params.as_deref())?);
            }
            Fragment::Object { name, version, fields, owner, .. } => {
                let place = format!("object `{name}`");
                let fields = types.fields::<Field>(&fields, &place)?;
                manifest.objects.push(ObjectShape { name, version, fields, owner });
            }
            Fragment::Channel { name, address, purpose, unknown, content } => {
                let place = format!("channel `{name}`");
                let content = match content {
                    Some(of) => {
                        types.fields::<Field>(named(&types.content, &of, &place, "content", "Content")?, &place)?
                    }
                    None => Vec::new(),
                };
                manifest.channels.push(ChannelShape { name, address, purpose, unknown, content });
            }
            Fragment::Source { name, events } => {
                let place = format!("source `{name}`");
                let events = events.iter().map(|of| Ok(named(&types.events, of, &place, "event", "Event")?.0.clone()));
                let events = events.collect::<Result<_>>()?;
                manifest.sources.push(SourceShape { name, events });
            }
            Fragment::Privacy { identities } => {
                if manifest.privacy.is_some() {
                    bail!("a plugin can have only one #[privacy]");
                }
                manifest.privacy = Some(PrivacyShape { identities });
            }
            Fragment::Endpoint { name, method, path } => {
                manifest.endpoints.push(EndpointShape { name, method, path });
            }
            Fragment::Step { name, outlets, events, input, state_version } => {
                manifest.steps.push(types.step(name, &outlets, events, input.as_deref(), state_version)?);
            }
            Fragment::Function { name, arguments, returns } => {
                let place = format!("function `{name}`");
                let arguments = types.fields::<Field>(&arguments, &place)?;
                // It is resolved as a field's is.
                let returns: Field = types.field(serde_json::json!({"name": "returns", "type": returns}), &place)?;
                manifest.functions.push(FunctionShape { name, arguments, returns: returns.of });
            }
            Fragment::Event { name, fields, .. } => {
                let place = format!("event `{name}`");
                let fields = types.fields::<Field>(&fields, &place)?;
                manifest.events.push(EventShape { name, fields });
            }
            _ => {}
        }
    }
    manifest.settings = types.settings()?;
    manifest.rules.sort_by(|one, other| one.name.cmp(&other.name));
    manifest.objects.sort_by(|one, other| one.name.cmp(&other.name));
    manifest.channels.sort_by(|one, other| one.name.cmp(&other.name));
    manifest.sources.sort_by(|one, other| one.name.cmp(&other.name));
    manifest.steps.sort_by(|one, other| one.name.cmp(&other.name));
    manifest.functions.sort_by(|one, other| one.name.cmp(&other.name));
    manifest.endpoints.sort_by(|one, other| one.name.cmp(&other.name));
    manifest.events.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(manifest)
}

/// A job's name comes from the code, and when it runs from `plugin.toml`: neither is there alone.
fn jobs(fragments: &[Fragment], policy: Vec<JobShape>) -> Result<Vec<JobShape>> {
    let named: Vec<&String> = fragments
        .iter()
        .filter_map(|fragment| match fragment {
            Fragment::Job { name } => Some(name),
            _ => None,
        })
        .collect();
    if let Some(name) = named.iter().find(|name| !policy.iter().any(|job| job.name == ***name)) {
        bail!(
            "job `{name}`: plugin.toml does not say when it runs: add [[jobs]] with name = \"{name}\" and cron or every"
        );
    }
    if let Some(job) = policy.iter().find(|job| !named.contains(&&job.name)) {
        bail!("plugin.toml, jobs: `{}` is no #[job] of the code", job.name);
    }
    let mut jobs = policy;
    jobs.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(jobs)
}

fn collect(fragments: &[Fragment]) -> Result<Types> {
    let mut types = Types::default();
    for fragment in fragments.iter().cloned() {
        match fragment {
            Fragment::Reads { of, fields, lists } => put(&mut types.reads, of, Row { fields, lists }, "Reads")?,
            Fragment::Writes { of, fields, events, to, objects } => {
                put(&mut types.writes, of, Effects { fields, events, to, objects }, "Writes")?;
            }
            Fragment::Enum { of, values } => put(&mut types.enums, of, values, "enum")?,
            Fragment::Event { of, name, fields } => put(&mut types.events, of, (name, fields), "Event")?,
            Fragment::Params(Fields { of, fields }) => put(&mut types.params, of, fields, "Params")?,
            Fragment::Object { of, name, .. } => put(&mut types.objects, of, name, "DataObject")?,
            Fragment::Content(Fields { of, fields }) => put(&mut types.content, of, fields, "Content")?,
            Fragment::Settings(Fields { of, fields }) => put(&mut types.settings, of, fields, "Settings")?,
            Fragment::Record(Fields { of, fields }) => put(&mut types.records, of, fields, "Record")?,
            Fragment::Rule { .. }
            | Fragment::Channel { .. }
            | Fragment::Source { .. }
            | Fragment::Endpoint { .. }
            | Fragment::Privacy { .. }
            | Fragment::Job { .. }
            | Fragment::Step { .. }
            | Fragment::Function { .. } => {}
        }
    }
    Ok(types)
}

fn put<T>(kind: &mut BTreeMap<String, T>, of: String, value: T, word: &str) -> Result<()> {
    if kind.contains_key(&of) {
        bail!("two {word} types have the name `{of}`: type names must be unique in a plugin");
    }
    kind.insert(of, value);
    Ok(())
}

fn named<'a, T>(kind: &'a BTreeMap<String, T>, of: &str, place: &str, role: &str, derive: &str) -> Result<&'a T> {
    kind.get(of).with_context(|| format!("{place}: its {role} type `{of}` needs #[derive({derive})]"))
}

impl Types {
    fn rule(
        &self,
        name: String,
        on: Vec<String>,
        reads: &str,
        writes: &str,
        params: Option<&str>,
    ) -> Result<RuleShape> {
        let place = format!("rule `{name}`");
        let Row { fields: reads, lists } = named(&self.reads, reads, &place, "reads", "Reads")?;
        let Effects { fields, events, to, objects } = named(&self.writes, writes, &place, "writes", "Writes")?;
        let events = events.iter().map(|of| Ok(named(&self.events, of, &place, "event", "Event")?.0.clone()));
        let objects = objects.iter().map(|of| named(&self.objects, of, &place, "object", "DataObject").cloned());
        let params = match params {
            Some(of) => self.fields::<Field>(named(&self.params, of, &place, "parameter", "Params")?, &place)?,
            None => Vec::new(),
        };
        Ok(RuleShape {
            on,
            reads: self.fields::<Read>(reads, &place)?,
            lists: self.lists(lists, &place, 1)?,
            writes: self.fields::<Write>(fields, &place)?,
            events: events.collect::<Result<_>>()?,
            to: to.clone(),
            objects: objects.collect::<Result<_>>()?,
            params,
            name,
        })
    }

    fn step(
        &self,
        name: String,
        outlets: &str,
        events: Vec<String>,
        input: Option<&str>,
        state_version: u32,
    ) -> Result<StepShape> {
        let place = format!("step `{name}`");
        let outlets = named(&self.enums, outlets, &place, "outlet", "Enum")?.clone();
        let input = match input {
            Some(of) => self.fields::<Field>(named(&self.records, of, &place, "input", "Record")?, &place)?,
            None => Vec::new(),
        };
        Ok(StepShape { name, outlets, events, input, state_version })
    }

    /// Lists with their elements' types resolved.
    fn lists(&self, lists: &[List], place: &str, depth: usize) -> Result<Vec<ListShape>> {
        if depth > LIST_DEPTH && !lists.is_empty() {
            bail!("{place}: its lists lie more than {LIST_DEPTH} deep in each other");
        }
        let lists = lists.iter().map(|list| {
            let place = format!("{place}, list `{}`", list.name);
            let Row { fields, lists } = named(&self.reads, &list.reads.named, &place, "element", "Reads")?;
            Ok(ListShape {
                name: list.name.clone(),
                path: list.path.clone(),
                bind: list.bind,
                reads: self.fields::<Read>(fields, &place)?,
                lists: self.lists(lists, &place, depth + 1)?,
            })
        });
        lists.collect()
    }

    fn settings(&self) -> Result<Vec<Field>> {
        if self.settings.len() > 1 {
            let names: Vec<&str> = self.settings.keys().map(String::as_str).collect();
            bail!("a plugin can have only one #[derive(Settings)]: there are {}", names.join(", "));
        }
        let fields = self.settings.values().next();
        fields.map_or_else(|| Ok(Vec::new()), |fields| self.fields(fields, "the settings"))
    }

    /// Fields with the names of enums resolved.
    fn fields<T: DeserializeOwned>(&self, fields: &[Value], place: &str) -> Result<Vec<T>> {
        fields.iter().map(|field| self.field(field.clone(), place)).collect()
    }

    fn field<T: DeserializeOwned>(&self, mut field: Value, place: &str) -> Result<T> {
        let name = field.get("name").and_then(Value::as_str).unwrap_or("?").to_owned();
        if let Some(of) = field.pointer("/type/named").and_then(Value::as_str) {
            let values = self.enums.get(of).with_context(|| {
                format!("{place}, field `{name}`: its type `{of}` is neither a type of openhub-sdk nor an enum with #[derive(Enum)]")
            })?;
            field["type"] = serde_json::to_value(Type::Enum(values.clone()))?;
        }
        serde_json::from_value(field).with_context(|| format!("{place}, field `{name}`"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fragments(values: Value) -> Vec<Fragment> {
        serde_json::from_value(values).unwrap()
    }

    fn points() -> Value {
        json!([
            {"rule": {"name": "points", "on": ["Order Completed"], "reads": "Purchase", "writes": "Effects", "params": "Params"}},
            {"writes": {"type": "Effects", "events": ["TierChanged"], "to": [{"event": 0, "read": "total"}], "objects": [], "fields": [
                {"name": "tier", "path": "customer.attributes.tier", "type": {"named": "Tier"}}]}},
            {"reads": {"type": "Purchase", "fields": [
                {"name": "total", "path": "event.properties.total", "type": {"decimal": 2}, "required": true, "bind": true}]}},
            {"params": {"type": "Params", "fields": [{"name": "gold", "type": "integer"}]}},
            {"enum": {"type": "Tier", "values": ["bronze", "gold"]}},
            {"event": {"type": "TierChanged", "name": "Tier Changed", "fields": [
                {"name": "tier", "type": {"named": "Tier"}, "required": true}]}},
        ])
    }

    #[test]
    fn names_become_what_they_stand_for() {
        let manifest = merge(fragments(points()), Policy { name: "points".into(), ..Policy::default() }).unwrap();
        let rule = &manifest.rules[0];
        assert_eq!(rule.events, ["Tier Changed"]);
        assert_eq!(rule.recipient(0).map(|read| read.path.as_str()), Some("event.properties.total"));
        assert_eq!(rule.reads[0].of, Type::Decimal(2));
        assert_eq!(rule.writes[0].of, Type::Enum(vec!["bronze".into(), "gold".into()]));
        assert_eq!(rule.params[0].name, "gold");
        assert_eq!(manifest.events[0].fields[0].of, rule.writes[0].of);
    }

    #[test]
    fn a_missing_type_is_told_with_rule_and_field() {
        let without = |index: usize| {
            let mut values = points();
            values.as_array_mut().unwrap().remove(index);
            format!("{:#}", merge(fragments(values), Policy::default()).unwrap_err())
        };
        assert!(without(1).contains("rule `points`: its writes type `Effects`"));
        assert!(without(2).contains("rule `points`: its reads type `Purchase`"));
        assert!(without(4).contains("field `tier`: its type `Tier`"), "{}", without(4));
        assert!(without(5).contains("rule `points`: its event type `TierChanged`"));
    }

    #[test]
    fn a_job_has_its_schedule_in_the_policy() {
        let poll = fragments(json!([{"job": {"name": "poll"}}]));
        let policy = |names: &[&str]| Policy {
            jobs: names.iter().map(|name| JobShape { name: (*name).to_owned(), ..JobShape::default() }).collect(),
            ..Policy::default()
        };
        assert_eq!(merge(poll.clone(), policy(&["poll"])).unwrap().jobs[0].name, "poll");
        assert!(merge(poll.clone(), policy(&[])).unwrap_err().to_string().contains("[[jobs]]"));
        assert!(merge(poll, policy(&["poll", "other"])).unwrap_err().to_string().contains("`other`"));
    }

    #[test]
    fn a_step_has_its_outlets_from_an_enum_and_a_function_its_types() {
        let fragments = fragments(json!([
            {"step": {"name": "route", "outlets": "Way", "events": ["Lead Scored"], "input": "With", "state_version": 2}},
            {"enum": {"type": "Way", "values": ["sales", "nurture"]}},
            {"record": {"type": "With", "fields": [{"name": "score", "type": "integer"}]}},
            {"function": {"name": "of", "arguments": [{"name": "way", "type": {"named": "Way"}, "required": true}], "returns": {"named": "Way"}}},
        ]));
        let manifest = merge(fragments.clone(), Policy::default()).unwrap();
        let step = &manifest.steps[0];
        assert_eq!((step.outlets.as_slice(), step.state_version), (&["sales".into(), "nurture".into()][..], 2));
        assert_eq!(step.input[0].name, "score");
        let ways = Type::Enum(vec!["sales".into(), "nurture".into()]);
        assert_eq!((&manifest.functions[0].returns, &manifest.functions[0].arguments[0].of), (&ways, &ways));
        let without = |index: usize| {
            let mut fragments = fragments.clone();
            fragments.remove(index);
            merge(fragments, Policy::default()).unwrap_err().to_string()
        };
        assert!(without(1).contains("step `route`: its outlet type `Way` needs #[derive(Enum)]"), "{}", without(1));
        assert!(without(2).contains("step `route`: its input type `With` needs #[derive(Record)]"), "{}", without(2));
    }

    #[test]
    fn one_name_one_type() {
        let mut values = points();
        values.as_array_mut().unwrap().push(json!({"enum": {"type": "Tier", "values": ["other"]}}));
        assert!(merge(fragments(values), Policy::default()).unwrap_err().to_string().contains("two enum types"));
    }
}
