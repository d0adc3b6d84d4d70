//! `plugin.toml` of a plugin in JavaScript or Python: its shapes become the manifest.
//!
//! They stand there as the manifest has them, and what goes without saying may be left out. `type` may name one of `[types]`.

use std::collections::BTreeMap;

use anyhow::{Result, anyhow, bail, ensure};
use openhub_model::fault::form;
use openhub_model::manifest::{EventShape, Field, Limits, ListShape, Manifest, Read, RuleShape, Write};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use toml::Table;

use crate::policy::Policy;

/// An interpreter takes about 0.1 million units of fuel for a row, so that a call of a thousand would not fit into its budget.
const ROWS: u32 = 250;

type Types = BTreeMap<String, Vec<String>>;

/// Makes the manifest; its `imports` stay empty until the component is there to be asked.
pub fn manifest(policy: Policy) -> Result<Manifest> {
    let Policy { hosts, access, secrets, jobs, .. } = &policy;
    ensure!(
        hosts.is_empty() && access.is_empty() && secrets.is_empty() && jobs.is_empty(),
        "a plugin in JavaScript or Python has rules, which reach nothing by themselves: remove hosts, access, secrets and jobs, or write \
         the plugin in Rust"
    );
    ensure!(!policy.rules.is_empty(), "it declares no rule: add [[rules]] with name, on, reads and writes");
    let types = &policy.types;
    let rules: Vec<RuleShape> = policy.rules.iter().map(|rule| of_rule(rule, types)).collect::<Result<_>>()?;
    let events: Vec<EventShape> = policy.events.iter().map(|event| of_event(event, types)).collect::<Result<_>>()?;
    for rule in &rules {
        let unknown = rule.events.iter().find(|name| !events.iter().any(|event| event.name == **name));
        if let Some(name) = unknown {
            bail!("rule `{}`: it causes the event \"{name}\", which [[events]] does not declare", rule.name);
        }
        ensure!(
            rule.objects.is_empty(),
            "rule `{}`: only a plugin in Rust has object types, so it cannot write `{}`",
            rule.name,
            rule.objects.join(", ")
        );
    }
    Ok(Manifest {
        format: 1,
        name: policy.name,
        version: policy.version,
        publisher: policy.publisher,
        title: policy.title,
        description: policy.description,
        limits: Limits { rows: policy.limits.rows.or(Some(ROWS)), ..policy.limits },
        rules: sorted(rules, |rule| rule.name.clone()),
        events: sorted(events, |event| event.name.clone()),
        ..Manifest::default()
    })
}

fn sorted<T>(mut shapes: Vec<T>, name: impl Fn(&T) -> String) -> Vec<T> {
    shapes.sort_by_key(name);
    shapes
}

fn of_rule(rule: &Table, types: &Types) -> Result<RuleShape> {
    let mut rule = serde_json::to_value(rule)?;
    settle(&mut rule, types, "");
    let place = format!("rule `{}`", name_of(&rule));
    each::<Read>(&rule["reads"], &format!("{place}, reads"))?;
    each::<ListShape>(&rule["lists"], &format!("{place}, lists"))?;
    each::<Write>(&rule["writes"], &format!("{place}, writes"))?;
    each::<Field>(&rule["params"], &format!("{place}, params"))?;
    for member in ["reads", "writes"] {
        if rule[member].is_null() {
            rule[member] = json!([]);
        }
    }
    whole(rule, &place)
}

fn of_event(event: &Table, types: &Types) -> Result<EventShape> {
    let mut event = serde_json::to_value(event)?;
    settle(&mut event, types, "");
    let place = format!("event `{}`", name_of(&event));
    each::<Field>(&event["fields"], &format!("{place}, fields"))?;
    if event["fields"].is_null() {
        event["fields"] = json!([]);
    }
    whole(event, &place)
}

/// Names of types become what they stand for, and what is not said of a read is written out. `member` is where the value stands.
fn settle(value: &mut Value, types: &Types, member: &str) {
    match value {
        Value::Array(all) => all.iter_mut().for_each(|one| settle(one, types, member)),
        Value::Object(shape) => {
            if member == "reads" {
                shape.entry("required").or_insert(Value::Bool(false));
            }
            if member == "lists" {
                shape.entry("reads").or_insert_with(|| json!([]));
            }
            if let Some(values) = shape.get("type").and_then(Value::as_str).and_then(|name| types.get(name)) {
                shape.insert("type".to_owned(), json!({"enum": values}));
            }
            for (member, inner) in shape.iter_mut() {
                settle(inner, types, member);
            }
        }
        _ => {}
    }
}

fn name_of(shape: &Value) -> String {
    shape["name"].as_str().unwrap_or("?").to_owned()
}

/// Reads each by itself, so that a message names the one that is wrong.
fn each<T: DeserializeOwned>(all: &Value, place: &str) -> Result<()> {
    for one in all.as_array().into_iter().flatten() {
        whole::<T>(one.clone(), &format!("{place}, `{}`", name_of(one)))?;
    }
    Ok(())
}

fn whole<T: DeserializeOwned>(shape: Value, place: &str) -> Result<T> {
    serde_json::from_value(shape).map_err(|error| anyhow!("{place}: {}", form(&error.to_string())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use openhub_model::manifest::Type;

    const POINTS: &str = r#"
        name = "points"
        version = "1.0.0"
        publisher = "o"
        [types]
        tier = ["bronze", "gold"]
        [[rules]]
        name = "points"
        on = ["Order Completed"]
        reads = [{ name = "total", path = "event.properties.total", type = { decimal = 2 }, required = true, bind = true }]
        lists = [{ name = "items", path = "event.properties.items", reads = [{ name = "tier", path = "tier", type = "tier" }] }]
        writes = [{ name = "tier", path = "customer.attributes.tier", type = "tier" }]
        events = ["Tier Changed"]
        params = [{ name = "gold", type = "integer", default = 500 }]
        [[events]]
        name = "Tier Changed"
        fields = [{ name = "to", type = "tier", required = true }]
    "#;

    fn manifest_of(text: &str) -> Result<Manifest> {
        manifest(toml::from_str(text)?)
    }

    fn refused(from: &str, to: &str) -> String {
        assert!(POINTS.contains(from), "{from}");
        format!("{:#}", manifest_of(&POINTS.replacen(from, to, 1)).unwrap_err())
    }

    #[test]
    fn names_of_types_become_what_they_stand_for() {
        let manifest = manifest_of(POINTS).unwrap();
        let (rule, tier) = (&manifest.rules[0], Type::Enum(vec!["bronze".into(), "gold".into()]));
        assert_eq!(
            (&rule.writes[0].of, &rule.lists[0].reads[0].of, &manifest.events[0].fields[0].of),
            (&tier, &tier, &tier)
        );
        assert!(rule.reads[0].required && rule.reads[0].bind && !rule.lists[0].reads[0].required);
        assert_eq!(rule.params[0].default, Some(json!(500)));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let told = refused("path = \"event.properties.total\"", "pth = \"event.properties.total\"");
        assert!(
            told.starts_with("rule `points`, reads, `total`: There is no field `pth`. Did you mean `path`?"),
            "{told}"
        );
        let told = refused("type = \"tier\" }]\n        events", "type = \"tear\" }]\n        events");
        assert!(told.starts_with("rule `points`, writes, `tier`: `tear` is not allowed here."), "{told}");
        let told = refused("events = [\"Tier", "events = [\"Tear");
        assert!(told.contains("\"Tear Changed\", which [[events]] does not declare"), "{told}");
        assert!(
            refused("publisher = \"o\"", "publisher = \"o\"\nhosts = [\"a.example\"]")
                .contains("write the plugin in Rust")
        );
        assert!(
            format!("{:#}", manifest_of("name = 'a'\nversion = '1.0.0'\npublisher = 'o'").unwrap_err())
                .contains("[[rules]]")
        );
    }
}
