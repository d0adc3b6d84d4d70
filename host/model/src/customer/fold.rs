//! The fold of parts into one customer: a pure function of the parts' own states, so that taking parts away again
//! leaves exactly what the others are.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

use super::consent::most_restrictive;
use super::{Attribute, Customer, Values};

/// How one attribute of several parts becomes one. Ties of event time are broken by the event's id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Merge {
    /// The most recent by event time; a removal counts as a value.
    #[default]
    Newest,
    /// The oldest that is there.
    Oldest,
    /// The sum of the integers: counters.
    Sum,
    /// The most recent that is neither missing nor an empty text, list or object.
    NonEmpty,
    /// The smallest number.
    Min,
    /// The greatest number.
    Max,
}

/// The strategy of each attribute that has another than [`Merge::Newest`].
pub type Merges = BTreeMap<String, Merge>;

/// One customer of these parts, called like the first. `parts` are in the order of their age; none gives none.
pub fn fold<'a>(parts: impl IntoIterator<Item = &'a Customer>, merges: &Merges) -> Option<Customer> {
    let parts: Vec<&Customer> = parts.into_iter().collect();
    let (first, others) = parts.split_first()?;
    if others.is_empty() {
        return Some((*first).clone());
    }
    let mut customer = Customer::new(first.part, first.identity.clone(), first.first_seen_at);
    customer.customer = first.customer;
    for part in &parts {
        customer.saw(part.first_seen_at);
        customer.saw(part.last_seen_at);
        customer.events = customer.events.saturating_add(part.events);
    }
    customer.attributes = values(parts.iter().map(|part| &part.attributes), |name| merges.get(name).copied());
    customer.tags = values(parts.iter().map(|part| &part.tags), |_| None);
    customer.consents = most_restrictive(parts.iter().map(|part| &part.consents));
    Some(customer)
}

fn values<'a>(parts: impl Iterator<Item = &'a Values>, merge: impl Fn(&str) -> Option<Merge>) -> Values {
    let mut folded = Values::new();
    for (name, other) in parts.flatten() {
        match folded.get_mut(name) {
            None => drop(folded.insert(name.clone(), other.clone())),
            Some(one) => two(merge(name).unwrap_or_default(), one, other),
        }
    }
    folded
}

/// Takes `other` into `one`.
fn two(merge: Merge, one: &mut Attribute, other: &Attribute) {
    if one.cause.is_page() != other.cause.is_page() {
        // A visitor whom a page attached brings along what the page said, and no more than that.
        if one.cause.is_page() {
            *one = other.clone();
        }
        return;
    }
    let newer = (other.cause.at, &other.cause.event) > (one.cause.at, &one.cause.event);
    let takes = match merge {
        Merge::Newest => newer,
        Merge::Oldest => prefer(!one.value.is_null(), !other.value.is_null(), !newer),
        Merge::NonEmpty => prefer(!is_empty(&one.value), !is_empty(&other.value), newer),
        Merge::Min | Merge::Max => match (one.value.as_f64(), other.value.as_f64()) {
            (Some(a), Some(b)) if a == b => newer,
            (Some(a), Some(b)) => (b < a) == (merge == Merge::Min),
            (a, b) => prefer(a.is_some(), b.is_some(), newer),
        },
        Merge::Sum => match (one.value.as_i64(), other.value.as_i64()) {
            (Some(a), Some(b)) => {
                one.value = a.saturating_add(b).into();
                if newer {
                    one.cause = other.cause.clone();
                }
                false
            }
            (a, b) => prefer(a.is_some(), b.is_some(), newer),
        },
    };
    if takes {
        *one = other.clone();
    }
}

/// Whether the other wins: the one that has something, else by time.
fn prefer(one: bool, other: bool, by_time: bool) -> bool {
    if one == other { by_time } else { other }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}
