//! What rules read of objects: the one whose key a row names, as it is before the row's event. Who reads an object is linked with whoever
//! changes it in the batch, so that each sees what came before in the log.

use hashbrown::HashMap;
use openhub_model::manifest::Type;
use openhub_model::{Customer, PartId, limits};
use serde_json::Value;

use super::actor::{Item, Turn};
use super::batch::Batch;
use super::event::Happening;
use super::project::{Seen, at};
use crate::catalog::{ObjectPath, ReadPath, Rule};

/// By the turn of the wave; of a rule that reads no objects, all see nothing.
pub struct Looks(Option<HashMap<usize, Seen>>);

impl Looks {
    /// What is seen at a turn; none if it needs an object that LOAD did not bring.
    pub fn of(&mut self, turn: usize) -> Option<Seen> {
        match &mut self.0 {
            None => Some(Seen::default()),
            Some(seen) => seen.remove(&turn),
        }
    }
}

/// Looks at what a rule reads of objects. A customer who needs one that LOAD did not bring goes no further in this run.
pub fn look(batch: &mut Batch<'_>, rule: &Rule, turns: &[usize], wave: &[Turn]) -> Looks {
    if !rule.looks() {
        return Looks(None);
    }
    let mut all = HashMap::with_capacity(turns.len());
    for turn in turns {
        let (actor, Item::Event(event)) = &wave[*turn] else { continue };
        match seen(batch, rule, *actor, event) {
            Some(seen) => drop(all.insert(*turn, seen)),
            None => batch.actors[*actor].stall(),
        }
    }
    Looks(Some(all))
}

fn seen(batch: &mut Batch<'_>, rule: &Rule, actor: usize, event: &Happening) -> Option<Seen> {
    let mut values = Vec::with_capacity(rule.reads.len());
    let mut is_whole = true;
    for read in &rule.reads {
        let ReadPath::Object(path) = &read.path else {
            values.push(None);
            continue;
        };
        let customer = batch.actors[actor].customer.as_ref();
        let Some(key) = customer.and_then(|customer| key(path, event, customer)) else {
            values.push(None);
            continue;
        };
        match value(batch, actor, path, key) {
            None => is_whole = false,
            Some(value) if read.of == Type::Customer => {
                values.push(value.map(|value| as_known(batch, actor, value)));
            }
            Some(value) => values.push(value),
        }
    }
    is_whole.then_some(Seen(values))
}

/// The field of the object, if it is there; none if LOAD did not bring it.
fn value(batch: &mut Batch<'_>, actor: usize, path: &ObjectPath, named: String) -> Option<Option<Value>> {
    let key = match &path.by {
        None => named,
        Some(field) => {
            let value = (path.kind.clone(), field.clone(), named);
            batch.look(actor, value.clone());
            match batch.objects.holder(&value) {
                Some(Some(key)) => key.clone(),
                Some(None) => return Some(None),
                None => {
                    batch.lacks.values.push(value);
                    return None;
                }
            }
        }
    };
    batch.look(actor, (path.kind.clone(), String::new(), key.clone()));
    let slot = (path.kind.clone(), key);
    if !batch.objects.knows(&slot) {
        batch.lacks.objects.push(slot);
        return None;
    }
    Some(batch.objects.current(&slot).and_then(|object| object.fields.get(&path.field)).cloned())
}

/// A relation names a customer by the part that they were then. To a row of the same customer they are who they are now.
fn as_known(batch: &Batch<'_>, actor: usize, value: Value) -> Value {
    let part = value.as_str().and_then(|text| text.parse::<PartId>().ok());
    let is_own = part.is_some_and(|part| batch.homes.get(&part) == Some(&actor));
    let own = batch.actors[actor].customer.as_ref().filter(|_| is_own);
    own.map_or(value, |customer| customer.customer.to_string().into())
}

/// The key that a row names, if each of its parts is there.
fn key(path: &ObjectPath, event: &Happening, customer: &Customer) -> Option<String> {
    let parts = path.key.iter().map(|part| match part {
        ReadPath::Property(steps) => text(at(&event.properties, steps)?),
        ReadPath::Attribute(name) => text(customer.attribute(name)?),
        ReadPath::Customer => Some(customer.customer.to_string()),
        _ => None,
    });
    let key = parts.collect::<Option<Vec<String>>>()?.join("/");
    (1..=limits::OBJECT_KEY).contains(&key.len()).then_some(key)
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) if number.is_i64() => Some(number.to_string()),
        _ => None,
    }
}
