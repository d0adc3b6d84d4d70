//! What an event itself says of its customer: that they exist, their attributes and tags, and their claims.

use openhub_model::{Cause, Customer, EventKind};
use serde_json::Value;

use super::customer::Lane;
use super::event::Happening;
use crate::catalog::Segments;

pub fn absorb(lane: &mut Lane, segments: &Segments, event: &mut Happening) {
    let body = std::mem::take(&mut event.body);
    if let Some(subject) = &event.subject {
        for identity in body.claims(subject) {
            lane.claims.push((identity, event.message_id.clone(), event.position));
        }
    }
    if lane.customer.is_none() {
        let Some(subject) = &event.subject else { return };
        lane.claims.push((subject.clone(), event.message_id.clone(), event.position));
        lane.customer = Some(Customer::new(lane.part, subject.clone(), event.at));
    }
    let Some(customer) = &mut lane.customer else { return };
    lane.changed = true;
    customer.saw(event.at);
    if !matches!(event.kind, EventKind::Identify | EventKind::Update) {
        return;
    }
    let cause = Cause { at: event.at, event: event.message_id.clone(), plugin: None, rule: None };
    for (tag, present) in &body.tags {
        if let Value::Bool(_) | Value::Null = present {
            customer.set_tag(tag, present.clone(), cause.clone());
            lane.standing.touch(segments.on_tag(tag));
        }
    }
    for (name, value) in body.attributes() {
        customer.set(&name, value, cause.clone());
        lane.standing.touch(segments.on_attribute(&name));
    }
}
