//! Conditions as they come in a request: their form and their meaning are checked with pointers.

use openhub_model::condition::Declarations;
use openhub_model::fault::{instead_of, nearest, syntax};
use openhub_model::identity::Policy;
use openhub_model::{Condition, Fault, limits, misfits};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeSet;

use crate::app::App;
use crate::auth::{Authorized, may_ask};
use crate::body::{fault_of, from_value};
use crate::problem::{INVALID_QUERY, Problem};

/// The condition of a list's query parameter `condition`, a JSON text.
pub(crate) async fn in_query<P>(
    app: &App,
    access: &Authorized<P>,
    text: Option<&str>,
) -> Result<Option<Condition>, Problem> {
    let Some(text) = text else { return Ok(None) };
    let condition = read(text).map_err(|faults| Problem::faults(INVALID_QUERY, faults))?;
    may_ask(access, &condition)?;
    let needs = condition.needs();
    let scope = &access.scope;
    if !needs.segments.is_empty() {
        let segments = app.store.latest_segment_versions(scope).await?;
        let known: Vec<&str> = segments.iter().map(|segment| segment.segment.as_str()).collect();
        are_known("segment", &needs.segments, known)?;
    }
    if !needs.journeys.is_empty() {
        let journeys = app.store.journeys(scope).await?;
        are_known("journey", &needs.journeys, journeys.iter().map(|journey| journey.name.as_str()).collect())?;
    }
    let policies = app.engine.policies(&access.scope).await?;
    let faults = misspelt_kinds(&json!(condition), "/condition", policies.latest());
    if !faults.is_empty() {
        return Err(Problem::faults(INVALID_QUERY, faults));
    }
    Ok(Some(condition.normal(policies.latest())))
}

/// Of a name that was mistyped nobody is a member and nobody is in it, which looks like an answer.
fn are_known(what: &str, asked: &BTreeSet<String>, known: Vec<&str>) -> Result<(), Problem> {
    match asked.iter().find(|name| !known.contains(&name.as_str())) {
        None => Ok(()),
        Some(unknown) => {
            let message = format!("There is no {what} `{unknown}`. {}", instead_of(unknown, known));
            Err(Problem::fault(INVALID_QUERY, Fault::new("/condition", format!("unknown-{what}"), message)))
        }
    }
}

/// A journey's definition with the identities that its conditions ask for in their form.
pub(crate) fn normal_in(definition: &mut Value, policy: &Policy) {
    match definition {
        Value::Array(items) => items.iter_mut().for_each(|item| normal_in(item, policy)),
        Value::Object(fields) => {
            for (name, field) in fields {
                let condition = matches!(name.as_str(), "if" | "condition").then(|| Condition::deserialize(&*field));
                match condition {
                    Some(Ok(condition)) => *field = json!(condition.normal(policy)),
                    _ => normal_in(field, policy),
                }
            }
        }
        _ => {}
    }
}

/// What is wrong with the kind of an identity that is most likely misspelt. Any kind that is like none of the tenant's may be one that
/// no rule was ever set for.
pub(crate) fn misspelt_kind(kind: &str, policy: &Policy) -> Option<String> {
    let known: Vec<&str> = policy.names().collect();
    nearest(kind, known.iter().copied()).filter(|_| !known.contains(&kind))?;
    Some(format!("There is no identity kind `{kind}`. {}", instead_of(kind, known)))
}

/// A fault for each test of a misspelt kind in a condition that lies at `pointer`: nobody has such an identity, which looks like an
/// answer.
pub(crate) fn misspelt_kinds(condition: &Value, pointer: &str, policy: &Policy) -> Vec<Fault> {
    match condition {
        Value::Array(parts) => {
            let parts = parts.iter().enumerate();
            parts.flat_map(|(index, part)| misspelt_kinds(part, &format!("{pointer}/{index}"), policy)).collect()
        }
        Value::Object(fields) => {
            let of = |(name, field): (&String, &Value)| match (name.as_str(), field["kind"].as_str()) {
                ("identity", Some(kind)) => {
                    let fault = |message| Fault::new(format!("{pointer}/identity/kind"), "unknown-identity", message);
                    misspelt_kind(kind, policy).map(fault).into_iter().collect()
                }
                ("all" | "any" | "not", _) => misspelt_kinds(field, &format!("{pointer}/{name}"), policy),
                _ => Vec::new(),
            };
            fields.iter().flat_map(of).collect()
        }
        _ => Vec::new(),
    }
}

fn read(text: &str) -> Result<Condition, Vec<Fault>> {
    let pointer = "/condition";
    let value: Value =
        serde_json::from_str(text).map_err(|error| vec![Fault::new(pointer, "invalid-json", syntax(&error))])?;
    parse(&value, pointer, &Declarations::default())
}

/// Faults that are told at most.
const TOLD: usize = misfits::TOLD;

/// The condition that lies at `pointer` of its document, or all that is wrong with it, up to a bound: its form, its meaning, and
/// what it mentions that was not declared.
pub(crate) fn parse(value: &Value, pointer: &str, declared: &Declarations<'_>) -> Result<Condition, Vec<Fault>> {
    if let Some(fault) = limits::value(value, pointer) {
        return Err(vec![fault]);
    }
    match from_value::<Condition>(value, pointer) {
        Ok(condition) => {
            let faults = condition.faults_against(pointer, declared);
            if faults.is_empty() { Ok(condition) } else { Err(faults) }
        }
        Err(first) => {
            let mut faults = Vec::new();
            gather(value, pointer, declared, &mut faults);
            Err(if faults.is_empty() { first } else { faults })
        }
    }
}

/// Each leaf is read by itself, so that one which does not have its form hides no fault of the others.
fn gather(value: &Value, pointer: &str, declared: &Declarations<'_>, faults: &mut Vec<Fault>) {
    let only = value.as_object().filter(|fields| fields.len() == 1).and_then(|fields| fields.iter().next());
    match only.map(|(word, content)| (word.as_str(), content)) {
        Some((word @ ("all" | "any"), Value::Array(parts))) => {
            for (index, part) in parts.iter().enumerate() {
                if faults.len() >= TOLD {
                    break;
                }
                gather(part, &format!("{pointer}/{word}/{index}"), declared, faults);
            }
        }
        Some(("not", part)) => gather(part, &format!("{pointer}/not"), declared, faults),
        _ => {
            let mut leaf = misfits::read::<Condition>(value);
            let misfits = std::mem::take(&mut leaf.misfits);
            faults.extend(misfits.into_iter().map(|misfit| fault_of(misfit, pointer)));
            let meaning = leaf.value.as_ref().map(|read| read.faults_against("", declared)).unwrap_or_default();
            let meaning = meaning.into_iter().filter(|fault| leaf.is_as_written(&fault.pointer));
            faults.extend(meaning.map(|fault| Fault { pointer: format!("{pointer}{}", fault.pointer), ..fault }));
        }
    }
    faults.truncate(TOLD);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_pointed_at() {
        assert!(read(r#"{"attribute": {"name": "tier", "is": "eq", "value": "gold"}}"#).is_ok());
        for (text, pointer) in [
            ("{", "/condition"),
            ("7", "/condition"),
            (r#"{"all": [{"tags": "vip"}]}"#, "/condition/all/0"),
            (r#"{"attribute": {"name": "tier", "is": "in", "value": []}}"#, "/condition/attribute/value"),
            (r#"{"tag": "\u0000"}"#, "/condition/tag"),
        ] {
            assert_eq!(read(text).expect_err(text)[0].pointer, pointer, "{text}");
        }
    }
    #[test]
    fn every_fault_of_form_is_pointed_at() {
        let leaf = json!({"attribute": {"name": "tier", "is": "above", "value": 1}});
        let condition = json!({"all": [
            {"tags": "vip"},
            {"any": [{"tag": "vip"}, leaf, {"attribute": ["tier"]}]},
            {"not": {"event": {"name": "E", "is": "ge", "within": "soon"}}},
            {"not": {"attribute": {"name": "tier", "is": "in", "value": []}}},
            7,
            {"tag": "a", "segment": "b"},
        ]});
        let parse = |value: Value, pointer: &str| parse(&value, pointer, &Declarations::default());
        let faults = parse(condition, "/c").unwrap_err();
        let pointers: Vec<&str> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
        let expected = [
            "/c/all/0",
            "/c/all/1/any/1/attribute/is",
            "/c/all/1/any/2/attribute",
            "/c/all/2/not/event/within",
            "/c/all/3/not/attribute/value",
            "/c/all/4",
            "/c/all/5",
        ];
        assert_eq!(pointers, expected);
        assert_eq!(parse(json!({"any": vec![leaf; 100]}), "").unwrap_err().len(), TOLD);
        assert_eq!(parse(json!({"all": 7}), "/c").unwrap_err()[0].pointer, "/c/all");
    }

    #[test]
    fn every_fault_within_one_leaf_is_pointed_at() {
        let pointers = |value: Value| {
            let faults = parse(&value, "/c", &Declarations::default()).unwrap_err();
            let mut pointers: Vec<String> = faults.into_iter().map(|fault| fault.pointer).collect();
            pointers.sort();
            pointers
        };
        // Of form: each once, and nothing that only a stand-in makes wrong.
        let form = json!({"attribute": {"name": 7, "is": "above", "value": [], "vlue": 1}});
        assert_eq!(pointers(form), ["/c/attribute/is", "/c/attribute/name", "/c/attribute/vlue"]);
        // Of meaning.
        let meaning = json!({"event": {"name": "", "within": "0s", "aggregate": "count", "of": "total", "is": "prefix", "value": "x",
            "where": [{"property": "", "is": "in", "value": []}]}});
        let expected = [
            "/c/event/is",
            "/c/event/name",
            "/c/event/of",
            "/c/event/where/0/property",
            "/c/event/where/0/value",
            "/c/event/within",
        ];
        assert_eq!(pointers(meaning), expected);
        // And of both, where the one says nothing of the other.
        let both = json!({"event": {"name": "", "is": "ge", "value": 1, "where": [{"property": "x", "is": "above", "value": 1}]}});
        assert_eq!(pointers(both), ["/c/event/name", "/c/event/where/0/is"]);
    }
}
