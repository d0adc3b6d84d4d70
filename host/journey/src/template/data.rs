//! What templates see: `customer`, `trigger` and the run's objects, of which only what a node uses is built.

use crate::error::StepError;
use crate::state::Kept;
use crate::step::Walk;
use crate::uses::{Uses, Wanted};

/// The data that a node's templates use, and no more.
pub(super) fn data(uses: &Uses, walk: &Walk<'_>) -> Result<minijinja::Value, StepError> {
    let kept = if uses.keeps_state() { walk.kept()? } else { Kept::default() };
    let mut roots: Vec<(String, minijinja::Value)> = Vec::with_capacity(2 + kept.objects.len());
    if !uses.customer.is_nothing() || !uses.attributes.is_nothing() {
        roots.push(("customer".to_owned(), customer(uses, walk)));
    }
    if !uses.trigger.is_nothing() || !uses.properties.is_nothing() {
        let mut trigger = vec![("properties", minijinja::Value::from_serialize(&kept.trigger.properties))];
        trigger.extend(kept.trigger.name.map(|name| ("name", name.into())));
        trigger.extend(kept.trigger.at.map(|at| ("at", at.to_string().into())));
        roots.push(("trigger".to_owned(), trigger.into_iter().collect()));
    }
    for (name, fields) in kept.objects {
        if uses.objects.contains_key(&name) {
            roots.push((name, minijinja::Value::from_serialize(&fields)));
        }
    }
    Ok(roots.into_iter().collect())
}

fn customer(uses: &Uses, walk: &Walk<'_>) -> minijinja::Value {
    let customer = walk.facts.customer;
    let mut data: Vec<(&str, minijinja::Value)> = Vec::with_capacity(4);
    let value =
        |name: &str| customer.attribute(name).map(|value| (name.to_owned(), minijinja::Value::from_serialize(value)));
    data.push((
        "attributes",
        match &uses.attributes {
            Wanted::Nothing => minijinja::Value::from_iter::<[(String, minijinja::Value); 0]>([]),
            Wanted::Only(names) => names.iter().filter_map(|name| value(name)).collect(),
            Wanted::All => customer.attributes.keys().filter_map(|name| value(name)).collect(),
        },
    ));
    if uses.customer.wants("id") {
        data.push(("id", customer.customer.to_string().into()));
    }
    if uses.customer.wants("tags") {
        let tags: Vec<&str> = customer.tags.keys().map(String::as_str).filter(|tag| customer.has_tag(tag)).collect();
        data.push(("tags", minijinja::Value::from_serialize(tags)));
    }
    if uses.customer.wants("identity") {
        data.push(("identity", minijinja::Value::from_serialize(&customer.identity)));
    }
    data.into_iter().collect()
}
