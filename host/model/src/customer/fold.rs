//! The fold of parts into one customer: a pure function of the parts' own states, so that taking parts away again
//! leaves exactly what the others are.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

use super::consent::{bound as bound_consents, most_restrictive, most_restrictive_of};
use super::{Attribute, Customer, Values};
use crate::limits;

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
    let mut customer = (*first).clone();
    if others.is_empty() {
        return Some(customer);
    }
    customer.wake_at = None;
    others.iter().for_each(|other| customer.count(other));
    customer.attributes = values(parts.iter().map(|part| &part.attributes), |name| merge_of(merges, name));
    customer.tags = values(parts.iter().map(|part| &part.tags), |_| Merge::Newest);
    customer.consents = most_restrictive(parts.iter().map(|part| &part.consents));
    customer.bound();
    Some(customer)
}

/// Values of one customer, by their names, that the fold of its parts is to find anew.
#[derive(Debug, Default)]
pub struct Names {
    pub attributes: Vec<String>,
    pub tags: Vec<String>,
    pub consents: Vec<String>,
}

impl Customer {
    /// Takes another customer in, as the fold of all parts would have it. `parts` are those of both, in any order: looked at for
    /// what both have and two values do not tell, so that a join costs what the smaller half has.
    pub fn join<'a>(&mut self, other: &Customer, parts: impl Iterator<Item = &'a Customer> + Clone, merges: &Merges) {
        self.count(other);
        let is_full = [&self.consents, &other.consents].iter().any(|consents| consents.len() >= limits::PAGE_CONSENTS);
        let summed = take_in(&mut self.attributes, &other.attributes, |name| merge_of(merges, name));
        take_in(&mut self.tags, &other.tags, |_| Merge::Newest);
        if is_full {
            self.consents = most_restrictive(parts.clone().map(|part| &part.consents));
        }
        let mut both = Names { attributes: summed, ..Names::default() };
        for (key, record) in other.consents.iter().filter(|_| !is_full) {
            match self.consents.contains_key(key) {
                true => both.consents.push(key.clone()),
                false => drop(self.consents.insert(key.clone(), record.clone())),
            }
        }
        self.refold(&both, parts, merges);
    }

    /// Finds the named values of all parts anew.
    pub fn refold<'a>(&mut self, names: &Names, parts: impl Iterator<Item = &'a Customer> + Clone, merges: &Merges) {
        for name in &names.attributes {
            let records = parts.clone().filter_map(|part| part.attributes.get(name));
            put(&mut self.attributes, name, one_of(merge_of(merges, name), records));
        }
        for name in &names.tags {
            put(&mut self.tags, name, one_of(Merge::Newest, parts.clone().filter_map(|part| part.tags.get(name))));
        }
        // Of one that was left out there may be room from now on.
        if !names.consents.is_empty() && self.consents.len() >= limits::PAGE_CONSENTS {
            self.consents = most_restrictive(parts.map(|part| &part.consents));
        } else {
            for key in &names.consents {
                let records = parts.clone().filter_map(|part| part.consents.get(key));
                put(&mut self.consents, key, most_restrictive_of(records));
            }
        }
        self.bound();
    }

    /// What is counted of another one, too.
    fn count(&mut self, other: &Customer) {
        self.saw(other.first_seen_at);
        self.saw(other.last_seen_at);
        self.events = self.events.saturating_add(other.events);
    }

    /// Leaves out what is over the limits of one customer. What parts have beyond them, they keep.
    fn bound(&mut self) {
        bound(&mut self.attributes);
        bound(&mut self.tags);
        bound_consents(&mut self.consents);
    }
}

fn merge_of(merges: &Merges, name: &str) -> Merge {
    merges.get(name).copied().unwrap_or_default()
}

fn put(values: &mut Values, name: &str, found: Option<Attribute>) {
    match found {
        Some(found) => drop(values.insert(name.to_owned(), found)),
        None => drop(values.remove(name)),
    }
}

/// Of too many values those stay that come first by name: of those that a server, a rule or a journey has set up to
/// [`limits::VALUES`], of those that pages have set as many as there is room for below [`limits::PAGE_VALUES`]. By name, so
/// that it is the same in whatever order parts are joined.
fn bound(values: &mut Values) {
    if values.len() <= limits::PAGE_VALUES {
        return;
    }
    let others = values.values().filter(|value| !value.cause.is_page()).count().min(limits::VALUES);
    let (mut others, mut pages) = (others, limits::PAGE_VALUES.saturating_sub(others));
    values.retain(|_, value| {
        let left = if value.cause.is_page() { &mut pages } else { &mut others };
        let stays = *left > 0;
        *left = left.saturating_sub(1);
        stays
    });
}

/// All of one kind by name.
fn values<'a>(parts: impl Iterator<Item = &'a Values>, merge: impl Fn(&str) -> Merge) -> Values {
    let mut records: BTreeMap<&String, Vec<&Attribute>> = BTreeMap::new();
    for (name, record) in parts.flatten() {
        records.entry(name).or_default().push(record);
    }
    let folded = records.into_iter();
    folded.filter_map(|(name, records)| Some((name.clone(), one_of(merge(name), records.into_iter())?))).collect()
}

/// Takes `others` into `values`; answers the names whose sum takes more than two values.
fn take_in(values: &mut Values, others: &Values, merge: impl Fn(&str) -> Merge) -> Vec<String> {
    let (mut summed, mut added) = (Vec::new(), Vec::new());
    for (name, other) in others {
        let merge = merge(name);
        match values.get_mut(name) {
            None => added.push((name.clone(), other.clone())),
            Some(_) if merge == Merge::Sum => summed.push(name.clone()),
            Some(one) if wins(merge, other, one) => *one = other.clone(),
            Some(_) => {}
        }
    }
    values.extend(added);
    summed
}

/// What several parts have as one.
fn one_of<'a>(merge: Merge, records: impl Iterator<Item = &'a Attribute> + Clone) -> Option<Attribute> {
    let best = records.clone().reduce(|one, other| if wins(merge, other, one) { other } else { one })?;
    let mut best = best.clone();
    if merge == Merge::Sum && best.value.is_i64() {
        let alike = records.filter(|record| record.cause.is_page() == best.cause.is_page());
        let sum: i128 = alike.filter_map(|record| record.value.as_i64()).map(i128::from).sum();
        best.value = i64::try_from(sum).unwrap_or(if sum < 0 { i64::MIN } else { i64::MAX }).into();
    }
    Some(best)
}

/// Whether the other goes before the one. Of a sum, whose cause the sum has. A strict order of all that parts may have, so
/// that which parts are compared first makes no difference.
fn wins(merge: Merge, other: &Attribute, one: &Attribute) -> bool {
    if one.cause.is_page() != other.cause.is_page() {
        // A visitor whom a page attached brings along what the page said, and no more than that.
        return one.cause.is_page();
    }
    let (mine, theirs) = ((one.cause.at, &one.cause.event), (other.cause.at, &other.cause.event));
    let newer = theirs > mine;
    match merge {
        Merge::Newest => newer,
        Merge::Oldest => prefer(!one.value.is_null(), !other.value.is_null(), theirs < mine),
        Merge::NonEmpty => prefer(!is_empty(&one.value), !is_empty(&other.value), newer),
        Merge::Sum => prefer(one.value.is_i64(), other.value.is_i64(), newer),
        Merge::Min | Merge::Max => match (one.value.as_f64(), other.value.as_f64()) {
            (Some(a), Some(b)) if a == b => newer,
            (Some(a), Some(b)) => (b < a) == (merge == Merge::Min),
            (a, b) => prefer(a.is_some(), b.is_some(), newer),
        },
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
