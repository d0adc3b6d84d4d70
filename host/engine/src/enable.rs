//! May this plugin be enabled beside the others, and beside what an admin declares? One owner for each attribute and tag, each
//! object type and channel; no cycles between rules. And the order in which rules run.

use std::collections::{BTreeMap, BTreeSet};

use openhub_model::Fault;
use openhub_model::manifest::Manifest;

use openhub_store::{DeclaredType, Installation};
use serde_json::Value;

use crate::catalog::path::{ListPath, ReadPath, WritePath, bound_paths};

/// A rule as the order sees it: what state it reads and writes (`attributes.tier`, `tags.vip`).
#[derive(Clone, Debug)]
pub struct Node {
    /// Plugin and rule.
    pub id: (String, String),
    pub reads: BTreeSet<String>,
    pub writes: BTreeSet<String>,
}

/// Rules that wait for each other.
#[derive(Debug)]
pub struct Cycle {
    pub between: Vec<(String, String)>,
    /// All rules, those of the cycle last.
    pub best_effort: Vec<usize>,
}

/// What of the customer's state a path reads. An object is read by a key that may be made of it.
pub fn state_read(path: &ReadPath) -> Vec<String> {
    match path {
        ReadPath::Attribute(name) | ReadPath::Element { list: ListPath::Attribute(name), .. } => {
            vec![format!("attributes.{name}")]
        }
        ReadPath::Tag(name) => vec![format!("tags.{name}")],
        ReadPath::Object(path) => path.key.iter().flat_map(state_read).collect(),
        _ => Vec::new(),
    }
}

pub fn state_written(path: &WritePath) -> Option<String> {
    match path {
        WritePath::Attribute(name) | WritePath::Counter(name) => Some(format!("attributes.{name}")),
        WritePath::Tag(name) => Some(format!("tags.{name}")),
        WritePath::Decision => None,
    }
}

/// Indexes in the order of evaluation: a writer before its readers, ties by plugin and rule. Reading one's own
/// write means the customer's previous row, and is no edge.
pub fn order(nodes: &[Node]) -> Result<Vec<usize>, Cycle> {
    let mut left: BTreeMap<&(String, String), usize> =
        nodes.iter().enumerate().map(|(index, node)| (&node.id, index)).collect();
    let mut order = Vec::with_capacity(nodes.len());
    while !left.is_empty() {
        let free = left.iter().find(|(id, index)| {
            let reader = &nodes[**index];
            left.iter().all(|(other, writer)| other == *id || nodes[*writer].writes.is_disjoint(&reader.reads))
        });
        match free.map(|(id, index)| (*id, *index)) {
            Some((id, index)) => {
                left.remove(id);
                order.push(index);
            }
            None => {
                let between = left.keys().map(|id| (*id).clone()).collect();
                order.extend(left.into_values());
                return Err(Cycle { between, best_effort: order });
            }
        }
    }
    Ok(order)
}

/// A version with the settings that it runs under: they may point its rules at other reads.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    pub manifest: &'a Manifest,
    pub settings: &'a Value,
}

impl<'a> From<&'a Installation> for Candidate<'a> {
    fn from(installation: &'a Installation) -> Candidate<'a> {
        Candidate { manifest: &installation.manifest, settings: &installation.settings }
    }
}

/// What a candidate comes beside.
#[derive(Clone, Copy)]
pub struct Beside<'a> {
    /// Its own older version is no hindrance.
    pub enabled: &'a [Candidate<'a>],
    /// The object types that an admin declares.
    pub types: &'a [DeclaredType],
}

/// Checks the candidate against the plugins that are enabled, and against the types that an admin declares.
pub fn check(beside: Beside<'_>, candidate: Candidate<'_>) -> Vec<Fault> {
    let name = &candidate.manifest.name;
    let others: Vec<Candidate<'_>> =
        beside.enabled.iter().copied().filter(|other| other.manifest.name != *name).collect();
    let mut faults = Vec::new();
    let mut owners: BTreeMap<String, String> = BTreeMap::new();
    for other in &others {
        owners.extend(owned(other.manifest).map(|(what, _)| (what, other.manifest.name.clone())));
    }
    for (what, pointer) in owned(candidate.manifest) {
        match owners.get(&what) {
            Some(owner) => faults.push(Fault::new(
                pointer,
                "already-owned",
                format!("The enabled plugin `{owner}` already owns this: {what}. Disable that plugin first."),
            )),
            None => {
                owners.insert(what, name.clone());
            }
        }
    }
    for (at, shape) in candidate.manifest.objects.iter().enumerate() {
        if beside.types.iter().any(|declared| declared.name == shape.name) {
            let message = format!("An admin declares the object type `{}`: delete that declaration first.", shape.name);
            faults.push(Fault::new(format!("/objects/{at}"), "already-owned", message));
        }
    }
    let nodes: Vec<Node> = others.iter().copied().chain([candidate]).flat_map(nodes).collect();
    if let Err(cycle) = order(&nodes) {
        let between: Vec<String> = cycle.between.iter().map(|(plugin, rule)| format!("{plugin}/{rule}")).collect();
        faults.push(Fault::new(
            "/rules",
            "rule-cycle",
            format!("These rules read what the others write, in a circle: {}.", between.join(", ")),
        ));
    }
    faults
}

/// What only one enabled plugin may have, with the pointer into the manifest. Counters may have many writers.
fn owned(manifest: &Manifest) -> impl Iterator<Item = (String, String)> {
    let writes = manifest.rules.iter().enumerate().flat_map(|(at, rule)| {
        rule.writes.iter().enumerate().filter_map(move |(index, write)| {
            let path = WritePath::parse(&write.path)?;
            let exclusive = matches!(path, WritePath::Attribute(_) | WritePath::Tag(_));
            let what = state_written(&path).filter(|_| exclusive)?;
            Some((format!("customer.{what}"), format!("/rules/{at}/writes/{index}")))
        })
    });
    let objects = manifest.objects.iter().enumerate();
    let objects = objects.map(|(at, object)| (format!("object type {}", object.name), format!("/objects/{at}")));
    let channels = manifest.channels.iter().enumerate();
    let channels = channels.map(|(at, channel)| (format!("channel {}", channel.name), format!("/channels/{at}")));
    writes.chain(objects).chain(channels)
}

fn nodes(Candidate { manifest, settings }: Candidate<'_>) -> Vec<Node> {
    let nodes = manifest.rules.iter().map(|rule| Node {
        id: (manifest.name.clone(), rule.name.clone()),
        reads: bound_paths(settings, rule).iter().flat_map(state_read).collect(),
        writes: rule.writes.iter().filter_map(|write| state_written(&WritePath::parse(&write.path)?)).collect(),
    });
    nodes.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use openhub_model::manifest::{Read, RuleShape, Type, Write};
    use serde_json::json;

    fn plugin(name: &str, reads: &[&str], writes: &[&str]) -> Manifest {
        let rule = RuleShape {
            name: "rule".into(),
            on: vec!["Order Completed".into()],
            reads: reads
                .iter()
                .map(|path| Read {
                    name: "read".into(),
                    path: path.to_string(),
                    of: Type::Integer,
                    required: false,
                    bind: false,
                })
                .collect(),
            lists: vec![],
            writes: writes
                .iter()
                .map(|path| Write { name: "write".into(), path: path.to_string(), of: Type::Integer, list: false })
                .collect(),
            events: vec![],
            to: vec![],
            objects: vec![],
            params: vec![],
        };
        Manifest { name: name.into(), rules: vec![rule], ..Manifest::default() }
    }

    fn beside<'a>(enabled: &'a [Candidate<'a>]) -> Beside<'a> {
        Beside { enabled, types: &[] }
    }

    fn alone(manifest: &Manifest) -> Candidate<'_> {
        Candidate { manifest, settings: &Value::Null }
    }

    #[test]
    fn a_writer_runs_before_its_reader() {
        let reader = plugin("a", &["customer.attributes.x"], &["customer.attributes.y"]);
        let writer = plugin("b", &["customer.attributes.x"], &["customer.attributes.x"]);
        let nodes: Vec<Node> = [&reader, &writer].into_iter().map(alone).flat_map(nodes).collect();
        assert_eq!(order(&nodes).unwrap(), [1, 0]);
    }

    #[test]
    fn two_owners_and_cycles_are_refused() {
        let one = plugin("one", &["customer.attributes.b"], &["customer.attributes.a"]);
        let two = plugin("two", &["customer.attributes.a"], &["customer.attributes.b"]);
        let faults = check(beside(&[alone(&one)]), alone(&two));
        assert_eq!(faults.iter().map(|fault| fault.code.as_str()).collect::<Vec<_>>(), ["rule-cycle"]);
        let same = plugin("same", &[], &["customer.attributes.a"]);
        assert_eq!(check(beside(&[alone(&one)]), alone(&same))[0].code, "already-owned");
        assert_eq!(check(beside(&[alone(&one)]), alone(&one)), [], "a plugin does not stand in its own way");
        let counter = plugin("counter", &[], &["customer.counters.n"]);
        let other = plugin("other", &[], &["customer.counters.n"]);
        assert_eq!(check(beside(&[alone(&counter)]), alone(&other)), [], "counters may have many");
    }

    #[test]
    fn a_read_that_is_pointed_at_anothers_write_closes_a_cycle() {
        let mut one = plugin("one", &["event.properties.x"], &["customer.attributes.a"]);
        one.rules[0].reads[0].bind = true;
        let two = plugin("two", &["customer.attributes.a"], &["customer.attributes.b"]);
        let settings = json!({"bindings": {"rule": {"reads": {"read": "customer.attributes.b"}}}});
        assert_eq!(check(beside(&[alone(&two)]), alone(&one)), []);
        let bound = Candidate { manifest: &one, settings: &settings };
        assert_eq!(check(beside(&[alone(&two)]), bound)[0].code, "rule-cycle");
    }
}
