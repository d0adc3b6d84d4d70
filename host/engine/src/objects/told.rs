//! What is written of a change of an object, whoever makes it.

use openhub_model::identity::Authority;
use openhub_model::object::Object;
use openhub_model::{EventKind, Id, NewEvent, PartId, TenantId};
use openhub_runtime::Accepted;
use openhub_store::{ObjectChange, Op};
use serde_json::{Value, json};

use super::typed::{Typed, WriteContext, event_id};
use crate::body::object_changed;

/// What the log is told of a write.
pub struct Told<'a> {
    pub verb: &'a str,
    pub object: &'a Object,
    /// Whose it was.
    pub before: Option<PartId>,
    /// Of a write that its caller names.
    pub asked: Option<Id>,
    /// Objects that are changed with it, since they led to it: the change, and what it makes of them.
    pub cleared: Vec<(ObjectChange, Object)>,
}

impl<'a> Told<'a> {
    pub fn of(verb: &'a str, object: &'a Object) -> Told<'a> {
        Told { verb, object, before: None, asked: None, cleared: Vec::new() }
    }
}

/// What is written of a change: the object, its event, and what that causes.
pub fn ops(
    tenant: TenantId,
    object: &Typed,
    change: ObjectChange,
    told: Told<'_>,
    accepted: Accepted,
    context: &WriteContext,
) -> Vec<Op> {
    let Told { verb, object: made, before, asked, cleared } = told;
    let cause = event_id(tenant, context);
    let mut body = json!({
        "type": "object", "action": verb, "kind": made.kind, "key": made.key,
        "version": made.version, "fields": made.fields, "principal": context.by,
    });
    if let Some(asked) = asked {
        body["asked"] = asked.to_string().into();
    }
    let event = |message_id: String, kind, name, cause, body: Value| NewEvent {
        message_id,
        kind,
        name,
        part: made.part,
        occurred_at: context.now,
        received_at: context.now,
        historical: false,
        authority: Authority::Server,
        cause,
        body: body.to_string(),
    };
    let told = event(cause.clone(), EventKind::Object, format!("{}.{verb}", object.kind), None, body);
    let told = if context.once.is_some() { Op::AppendNew(vec![told]) } else { Op::Append(told) };
    let of_type = Some(object.of().held(&object.kind));
    let (also, cleared): (Vec<ObjectChange>, Vec<Object>) = cleared.into_iter().unzip();
    let changes = Op::Objects([change].into_iter().chain(also).collect());
    let mut beside: Vec<&str> = cleared.iter().map(|object| object.kind.as_str()).collect();
    beside.sort_unstable();
    beside.dedup();
    let beside = beside
        .into_iter()
        .filter(|kind| *kind != object.kind)
        .filter_map(|kind| Some(object.catalog.objects.get(kind)?.held(kind)));
    let mut ops: Vec<Op> = of_type.into_iter().chain(beside).chain([changes, told]).collect();
    for (ordinal, object) in cleared.into_iter().enumerate() {
        let id = Id::named(&[b"object-cleared", cause.as_bytes(), &(ordinal as u64).to_le_bytes()]).to_string();
        let body = json!({
            "type": "object", "action": "updated", "kind": object.kind, "key": object.key,
            "version": object.version, "fields": object.fields, "principal": context.by,
        });
        let name = format!("{}.updated", object.kind);
        let told = event(id, EventKind::Object, name, Some(cause.clone()), body);
        ops.push(Op::Append(NewEvent { part: object.part, ..told }));
    }
    for (ordinal, (name, properties)) in accepted.events.into_iter().enumerate() {
        let properties: Value = serde_json::from_str(&properties).unwrap_or_default();
        let id = Id::named(&[b"object-event", cause.as_bytes(), &(ordinal as u64).to_le_bytes()]).to_string();
        let body = json!({ "type": "track", "event": name, "messageId": id, "properties": properties });
        ops.push(Op::Append(event(id, EventKind::Track, name, Some(cause.clone()), body)));
    }
    // Whose it was has lost it, and nothing else may happen to them.
    if let Some(before) = before.filter(|before| Some(*before) != made.part) {
        let (object, of) = ((made.kind.clone(), made.key.clone()), Id::named(&[b"given-away", cause.as_bytes()]));
        ops.push(Op::Append(object_changed(before, &object, (of, 0), (&cause, 1), context.now)));
    }
    ops
}
