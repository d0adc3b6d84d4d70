//! Calls of object checks: changes in, records as they shall be stored out, in a fresh instance each time.

use openhub_model::fault::there_are;
use openhub_model::manifest::{Field, Manifest, ObjectShape, Type};
use openhub_model::{Fault, Timestamp, decimal, limits};
use serde_json::{Map, Value};

use crate::answer::{Accepted, CallContext, Change, Checked, Operation};
use crate::bindings::object::exports::openhub::data_object::data_object as bound;
use crate::bindings::types::types::Fault as PluginFault;
use crate::changes::is_key;
use crate::fault::{CallFault, FaultKind};
use crate::outcome::is_object;
use crate::plugin::Plugin;
use crate::reason;

const EVENTS_A_CHANGE: usize = 16;

impl Plugin {
    /// Has the plugin check changes of objects of one type. Blocks the thread.
    pub fn check(&self, call: &CallContext, kind: &str, changes: Vec<Change>) -> Result<Checked, CallFault> {
        let shape = self.manifest().objects.iter().find(|shape| shape.name == kind);
        let (Some(shape), Some(extension)) = (shape, &self.objects) else {
            return Err(CallFault::new(FaultKind::Host, format!("the plugin has no object type `{kind}`")));
        };
        let at_most = self.machine.limits.rows_per_call as usize;
        if changes.len() > at_most {
            let message = format!("the call has {} changes: at most {at_most}", changes.len());
            return Err(CallFault::new(FaultKind::Host, message));
        }
        let asked = changes.len();
        let deletes: Vec<bool> =
            changes.iter().map(|change| matches!(change.operation, Operation::Delete(_))).collect();
        let changes: Vec<bound::Change> = changes.into_iter().map(bound::Change::from).collect();
        let (answer, receipt) = self.pure(call, asked, |store| {
            let instance = extension.instantiate(&mut *store)?;
            instance.openhub_data_object_data_object().call_check(store, kind, &changes)
        })?;
        let answers = answer.map_err(reason::refused).map_err(|fault| fault.after(receipt))?;
        if answers.len() != asked {
            let message = format!("the plugin gave {} answers to {asked} changes", answers.len());
            return Err(CallFault::malformed(message).after(receipt));
        }
        let answers = answers.into_iter().zip(deletes).map(|(answer, is_delete)| match answer {
            Ok(accepted) => self::accepted(self.manifest(), shape, is_delete, accepted),
            Err(faults) => Err(refused(faults)),
        });
        Ok(Checked { answers: answers.collect(), receipt })
    }
}

impl From<Change> for bound::Change {
    fn from(change: Change) -> bound::Change {
        bound::Change {
            key: change.key,
            customer: change.customer,
            at: change.at.micros(),
            seed: change.seed,
            operation: match change.operation {
                Operation::Create(fields) => bound::Operation::Create(fields),
                Operation::Update(old, new) => bound::Operation::Update((old, new)),
                Operation::Delete(fields) => bound::Operation::Delete(fields),
            },
        }
    }
}

/// A refusal without a fault would refuse without saying why.
fn refused(faults: Vec<PluginFault>) -> Vec<Fault> {
    if faults.is_empty() {
        return vec![Fault::new(
            "",
            "refused",
            "The plugin refused this change and did not say why. Ask its author which fields to change.",
        )];
    }
    reason::faults(faults)
}

/// Holds the plugin to its own declaration: what it accepts must fit the type's fields.
fn accepted(
    manifest: &Manifest,
    shape: &ObjectShape,
    is_delete: bool,
    accepted: bound::Accepted,
) -> Result<Accepted, Vec<Fault>> {
    let mut faults = Vec::new();
    if !is_key(&accepted.key) {
        let most = limits::OBJECT_KEY;
        let message = format!("The plugin gave the object a key that is not valid: 1 to {most} bytes, no U+0000.");
        faults.push(Fault::new("", "bad-key", message));
    }
    if !is_delete {
        match serde_json::from_str::<Map<String, Value>>(&accepted.fields) {
            Ok(fields) if is_object(&accepted.fields) => check_fields(&shape.fields, &fields, &mut faults),
            _ => faults.push(Fault::new(
                "",
                "not-an-object",
                "The plugin gave the object fields that are not a JSON object.",
            )),
        }
    }
    if accepted.events.len() > EVENTS_A_CHANGE {
        faults.push(Fault::new(
            "",
            "too-many-events",
            format!("The plugin caused too many events by one change: at most {EVENTS_A_CHANGE}."),
        ));
    }
    for event in &accepted.events {
        if !manifest.events.iter().any(|declared| declared.name == event.name) {
            let message = format!("The plugin caused the event {:?}, which it does not declare.", event.name);
            faults.push(Fault::new("", "undeclared-event", message));
        } else if !is_object(&event.properties) {
            let message =
                format!("The plugin caused the event {:?} with properties that are not a JSON object.", event.name);
            faults.push(Fault::new("", "not-an-object", message));
        }
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    let events = accepted.events.into_iter().map(|event| (event.name, event.properties)).collect();
    Ok(Accepted { key: accepted.key, fields: accepted.fields, events })
}

/// Holds a record to its declaration.
pub(crate) fn check_fields(shape: &[Field], fields: &Map<String, Value>, faults: &mut Vec<Fault>) {
    for name in fields.keys().filter(|name| !shape.iter().any(|field| field.name == **name)) {
        let known = there_are(shape.iter().map(|field| &field.name));
        faults.push(Fault::new(pointer(name), "unknown-field", format!("There is no field `{name}`. {known}")));
    }
    for field in shape {
        match fields.get(&field.name).filter(|value| !value.is_null()) {
            None if field.required => {
                faults.push(Fault::new(pointer(&field.name), "required", "This field is required: set it."))
            }
            Some(value) if !holds(field, value) => {
                let message = format!("This must be {}.", field.in_words());
                faults.push(Fault::new(pointer(&field.name), "wrong-type", message));
            }
            _ => {}
        }
    }
}

fn pointer(name: &str) -> String {
    format!("/{}", name.replace('~', "~0").replace('/', "~1"))
}

/// Bounds are the host's to check.
fn holds(field: &Field, value: &Value) -> bool {
    match value {
        Value::Array(items) if field.list => items.iter().all(|item| fits(&field.of, item)),
        value => !field.list && fits(&field.of, value),
    }
}

fn fits(of: &Type, value: &Value) -> bool {
    match of {
        Type::Boolean => value.is_boolean(),
        Type::Integer => value.is_i64(),
        Type::Number => value.is_number(),
        Type::Text | Type::Customer | Type::Object(_) => value.is_string(),
        Type::Timestamp => value.is_i64() || value.as_str().is_some_and(|text| text.parse::<Timestamp>().is_ok()),
        Type::Decimal(scale) => decimal::from_json(value, *scale).is_some(),
        Type::Enum(allowed) => value.as_str().is_some_and(|text| allowed.iter().any(|value| value == text)),
    }
}
