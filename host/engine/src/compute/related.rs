//! Relations of objects that runs and rules ask for: what an object leads to is there, and what others lead to is not deleted
//! under them. Whoever touches either end is linked, so that each sees what came before in the log.

use hashbrown::HashSet;
use openhub_model::Fault;
use openhub_model::manifest::ObjectShape;
use openhub_model::object::Object;
use openhub_store::Referrer;
use serde_json::Value;

use super::ask::Request;
use super::batch::Batch;
use super::segments::learn_beside;
use super::slots::Key;
use crate::objects::shape::{belongs_to, led_to, lost, relations, uniques, without};

/// Objects that lead to one that is deleted, and are changed with it.
pub const REFERRERS: usize = 100;

/// What is wrong with an object as it shall be: none of its fields if it is deleted.
pub fn relate(
    batch: &mut Batch<'_>,
    shape: &ObjectShape,
    request: &Request,
    slot: &Key,
    fields: Option<&Value>,
) -> Result<(), Vec<Fault>> {
    let of = |fields: &Value| relations(shape, fields);
    let led = batch.objects.current(slot).map(|object| of(&object.fields)).unwrap_or_default();
    let leads = fields.map(of).unwrap_or_default();
    for relation in led.iter().chain(&leads) {
        batch.touch(request.actor, &relation.to.kind, "", &relation.to.key);
    }
    let mut gone = HashSet::new();
    for relation in leads.iter().filter(|relation| !led.contains(relation)) {
        let to = (relation.to.kind.clone(), relation.to.key.clone());
        if to == *slot {
            continue;
        }
        if !batch.objects.knows(&to) {
            batch.lacks.objects.push(to);
        } else if batch.objects.current(&to).is_none() {
            gone.insert(relation.to.clone());
        }
    }
    match fields {
        None => release(batch, request, slot),
        Some(_) if gone.is_empty() => Ok(()),
        Some(fields) => Err(lost(shape, fields, |to| !gone.contains(to))),
    }
}

/// Has those that lead to an object lead there no more, or says who does not.
fn release(batch: &mut Batch<'_>, request: &Request, slot: &Key) -> Result<(), Vec<Fault>> {
    let Some(referrers) = batch.objects.referrers(slot) else {
        batch.lacks.referred.push(slot.clone());
        return Ok(());
    };
    let referrers = referrers.iter().filter(|each| each.leads.from != each.leads.to);
    let mut referrers: Vec<Referrer> = referrers.cloned().collect();
    referrers.sort_by(|a, b| a.leads.cmp(&b.leads));
    let faults = led_to(&referrers, REFERRERS);
    if !faults.is_empty() {
        return Err(faults);
    }
    for Referrer { leads, .. } in referrers {
        let from = (leads.from.kind, leads.from.key);
        batch.touch(request.actor, &from.0, "", &from.1);
        if !batch.objects.knows(&from) {
            batch.lacks.objects.push(from);
            continue;
        }
        let catalog = batch.catalog;
        let Some(before) = batch.objects.current(&from).cloned() else { continue };
        let Some(shape) = catalog.objects.get(&from.0).map(|object| &object.shape) else {
            let message =
                format!("The object {}/{} leads to it, and nobody declares its type any more.", from.0, from.1);
            return Err(vec![Fault::new("", "in-use", message)]);
        };
        clear(batch, request, shape, &before, without(&before.fields, &leads.field, &slot.1));
    }
    Ok(())
}

fn clear(batch: &mut Batch<'_>, request: &Request, shape: &ObjectShape, before: &Object, fields: Value) {
    let key = (before.kind.clone(), before.key.clone());
    let after = Object {
        part: belongs_to(shape, &fields, Some(before), request.part),
        version: before.version + 1,
        fields,
        updated_at: request.now,
        cause: request.cause.clone(),
        ..before.clone()
    };
    for (field, value) in uniques(shape, &before.fields) {
        batch.touch(request.actor, &key.0, &field, &value);
    }
    let owners = [before.part, after.part.filter(|part| Some(*part) != before.part)];
    let place = batch.actors[request.actor].place;
    let unseen = batch.objects.put(&key, Some(after), shape, (place, request.key));
    batch.lacks.objects.extend(unseen.object);
    batch.lacks.values.extend(unseen.values);
    for owner in owners.into_iter().flatten() {
        learn_beside(batch, request, owner, &key);
    }
}
