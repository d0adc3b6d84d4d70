//! What a plugin asks for, in plain words: one line a thing, so that two versions are compared line by line. Shown before
//! anybody agrees, and when a manifest's lock changes.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::access::Access;
use crate::manifest::{ChannelShape, Limits, ListShape, Manifest, RuleShape, SecretShape};
use crate::schedule::in_words;

/// Who imports it appends events that it declares.
const EVENTS: &str = "openhub:events/events";

/// Every line, in a fixed order; none twice.
pub fn asks(manifest: &Manifest) -> Vec<String> {
    let mut lines = Vec::new();
    for rule in &manifest.rules {
        of_rule(rule, &mut lines);
    }
    for object in &manifest.objects {
        lines.push(format!("keeps objects of the type `{}` and decides which are valid", object.name));
    }
    for channel in &manifest.channels {
        lines.push(of_channel(channel));
    }
    for source in &manifest.sources {
        let by = format!("(source `{}`)", source.name);
        lines.push(format!("answers calls from outside at /hooks/<tenant>/{}/{} {by}", manifest.name, source.name));
        lines.extend(source.events.iter().map(|event| format!("says that the event \"{event}\" happened {by}")));
    }
    for step in &manifest.steps {
        let by = format!("(step `{}`)", step.name);
        lines.push(format!("decides how runs of journeys go on {by}"));
        lines.extend(step.input.iter().map(|field| format!("is given `{}` by journeys {by}", field.name)));
        lines
            .extend(step.events.iter().map(|event| format!("is told of the event \"{event}\" while a run waits {by}")));
    }
    lines.extend(
        manifest
            .functions
            .iter()
            .map(|function| format!("makes values for templates of journeys (function `{}`)", function.signature())),
    );
    lines.extend(manifest.jobs.iter().map(|job| format!("runs the job `{}` {}", job.name, in_words(job))));
    lines.extend(manifest.access.iter().filter_map(|access| Some(Access::parse(access)?.in_words())));
    for host in &manifest.hosts {
        lines.push(match host.strip_prefix("setting:") {
            Some(setting) => format!("reaches the host of the URL in its setting `{setting}`"),
            None => format!("reaches the host {host}"),
        });
    }
    lines.extend(manifest.secrets.iter().map(of_secret));
    if manifest.imports.iter().any(|import| import.starts_with(EVENTS)) {
        lines.extend(
            manifest.events.iter().map(|event| format!("says by itself that the event \"{}\" happened", event.name)),
        );
    }
    lines.extend(manifest.imports.iter().map(|import| format!("calls the hub's interface {import}")));
    of_limits(&manifest.limits, &mut lines);
    let mut seen = BTreeSet::new();
    lines.retain(|line| seen.insert(line.clone()));
    lines
}

/// What `new` asks for and `old` did not, and what it asks for no more.
pub fn difference(old: &Manifest, new: &Manifest) -> (Vec<String>, Vec<String>) {
    let (old, new) = (asks(old), asks(new));
    let without = |lines: &[String], other: &[String]| -> Vec<String> {
        lines.iter().filter(|line| !other.contains(line)).cloned().collect()
    };
    (without(&new, &old), without(&old, &new))
}

fn of_rule(rule: &RuleShape, lines: &mut Vec<String>) {
    let by = format!("(rule `{}`)", rule.name);
    lines.extend(rule.on.iter().map(|event| format!("runs on the event \"{event}\" {by}")));
    lines.extend(rule.reads.iter().map(|read| format!("reads {} {by}", read.path)));
    for list in &rule.lists {
        of_list(list, "", &by, lines);
    }
    lines.extend(rule.writes.iter().map(|write| match write.path.strip_prefix("customer.counters.") {
        Some(counter) => format!("adds to the counter {counter} {by}"),
        None => format!("writes {} {by}", write.path),
    }));
    lines.extend(rule.events.iter().map(|event| format!("causes the event \"{event}\" {by}")));
    lines.extend(rule.objects.iter().map(|kind| format!("makes and changes objects of the type `{kind}` {by}")));
}

fn of_list(list: &ListShape, within: &str, by: &str, lines: &mut Vec<String>) {
    let path = format!("{within}{}[].", list.path);
    lines.extend(list.reads.iter().map(|read| format!("reads {path}{} {by}", read.path)));
    for list in &list.lists {
        of_list(list, &path, by, lines);
    }
}

fn of_channel(channel: &ChannelShape) -> String {
    let ChannelShape { name, address, purpose, .. } = channel;
    match purpose {
        Some(purpose) => format!(
            "sends messages by the channel `{name}` to customers' `{address}`, to those who agreed to `{purpose}`"
        ),
        None => format!(
            "sends messages by the channel `{name}` to customers' `{address}`, for the purpose that each journey names"
        ),
    }
}

fn of_secret(secret: &SecretShape) -> String {
    let place = |place: Value| match place {
        Value::String(word) => word,
        Value::Object(named) => {
            let words = named.into_iter().map(|(word, of)| match of {
                Value::String(of) => format!("{word} {of}"),
                of => format!("{word} {of}"),
            });
            words.collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    };
    let places = secret.places.iter().filter_map(|it| serde_json::to_value(it).ok()).map(place);
    format!("lets the hub use the secret `{}`: {}", secret.name, places.collect::<Vec<_>>().join("; "))
}

fn of_limits(limits: &Limits, lines: &mut Vec<String>) {
    let asked = [
        (limits.pure_ms, "ms of CPU for each call of a rule, a check, a step or a function"),
        (limits.io_ms, "ms of CPU for each call of a channel, a source or a job"),
        (limits.memory_mib, "MiB of memory"),
    ];
    lines.extend(asked.into_iter().filter_map(|(most, of)| Some(format!("takes up to {} {of}", most?))));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::{Type, Write};

    #[test]
    fn a_new_version_is_told_by_what_it_asks_for() {
        let rule = |writes: &[&str]| RuleShape {
            name: "tier".into(),
            on: vec!["Order Completed".into()],
            reads: vec![],
            lists: vec![],
            writes: writes
                .iter()
                .map(|path| Write { name: "it".into(), path: (*path).into(), of: Type::Text, list: false })
                .collect(),
            events: vec![],
            objects: vec![],
            params: vec![],
        };
        let old = Manifest { rules: vec![rule(&["customer.attributes.tier"])], ..Manifest::default() };
        let new = Manifest {
            rules: vec![rule(&["customer.counters.spent"])],
            hosts: vec!["api.example.com".into(), "setting:url".into()],
            ..Manifest::default()
        };
        let (more, less) = difference(&old, &new);
        let expected = [
            "adds to the counter spent (rule `tier`)",
            "reaches the host api.example.com",
            "reaches the host of the URL in its setting `url`",
        ];
        assert_eq!(more, expected);
        assert_eq!(less, ["writes customer.attributes.tier (rule `tier`)"]);
        assert_eq!(difference(&new, &new), (vec![], vec![]));
    }
}
