//! Changes of a customer's state: what is set keeps its cause, and the segments that ask about it are told.

use std::borrow::Cow;

use openhub_model::customer::Names;
use openhub_model::{Cause, Customer};
use serde_json::Value;

use super::room::Room;
use super::source::Source;
use crate::catalog::{Catalog, Place, Segments};
use crate::compute::actor::Actor;

/// One change of the customer's state.
#[derive(Debug)]
pub enum Change<'a> {
    /// `null` takes it away.
    Attribute(Cow<'a, str>, Value),
    /// Added to what is there.
    Counter(Cow<'a, str>, i64),
    /// `true`, `false` or `null`.
    Tag(Cow<'a, str>, Value),
    /// By purpose, or purpose and channel.
    Consent(Cow<'a, str>, Value),
}

impl Change<'_> {
    /// The segments that ask about what it changes.
    fn touches<'s>(&self, segments: &'s Segments) -> &'s [Place] {
        match self {
            Change::Attribute(name, _) | Change::Counter(name, _) => segments.on_attribute(name),
            Change::Tag(name, _) => segments.on_tag(name),
            Change::Consent(..) => segments.on_consent(),
        }
    }

    /// Adds the name of what it changes.
    fn name(&self, names: &mut Names) {
        match self {
            Change::Attribute(name, _) | Change::Counter(name, _) => names.attributes.push(name.to_string()),
            Change::Tag(name, _) => names.tags.push(name.to_string()),
            Change::Consent(key, _) => names.consents.push(key.to_string()),
        }
    }

    /// `joined` is the customer, if the part has a state of its own.
    fn put(self, state: &mut Customer, joined: Option<&Customer>, cause: Cause) {
        match self {
            Change::Attribute(name, value) => drop(state.set(&name, value, cause)),
            Change::Counter(name, by) => state.add(&name, by, cause),
            Change::Tag(name, present) => drop(state.set_tag(&name, present, cause)),
            Change::Consent(key, consent) => {
                let joined = joined.and_then(|joined| joined.consents.get(&*key));
                state.set_consent(&key, consent, cause, joined);
            }
        }
    }
}

/// Makes one change.
pub fn put_one(actor: &mut Actor, catalog: &Catalog, source: Source, change: Change<'_>) {
    put(actor, catalog, &source, vec![change]);
}

/// Makes changes in their order, and notes when the customer was seen.
pub fn put(actor: &mut Actor, catalog: &Catalog, source: &Source, changes: Vec<Change<'_>>) {
    let Some(part) = source.part else { return };
    let mut room = Room::default();
    // Of a customer of one part, nothing is folded.
    let mut names = actor.is_joined().then(Names::default);
    let mut admitted: Vec<(Cause, Change<'_>)> = Vec::with_capacity(changes.len());
    for change in changes {
        let Some(cause) = actor.admit(&change, source.cause.clone(), source.word, catalog, &mut room) else { continue };
        actor.segments.touch(change.touches(&catalog.segments));
        names.iter_mut().for_each(|names| change.name(names));
        admitted.push((cause, change));
    }
    if let Some(at) = source.seen {
        actor.did(part, |state| state.saw(at));
    }
    if admitted.is_empty() {
        return;
    }
    actor.write(part, &catalog.merges, &names.unwrap_or_default(), |state, joined| {
        for (cause, change) in admitted {
            change.put(state, joined, cause);
        }
    });
}
