//! Changes of a customer's state: what is set keeps its cause, and the segments that ask about it are told.

use std::borrow::Cow;

use openhub_model::{Cause, Customer};
use serde_json::Value;

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
    let Some(part) = source.part else { return };
    let Some(cause) = actor.admit(&change, source.cause, source.word, catalog, &mut 0) else { return };
    actor.segments.touch(change.touches(&catalog.segments));
    actor.write(part, &catalog.merges, |state, joined| change.put(state, joined, cause));
}

/// Makes changes in their order, and notes when the customer was seen.
pub fn put(actor: &mut Actor, catalog: &Catalog, source: &Source, changes: Vec<Change<'_>>) {
    let Some(part) = source.part else { return };
    let mut added = 0;
    let mut admit = |change: &Change<'_>| actor.admit(change, source.cause.clone(), source.word, catalog, &mut added);
    let admitted = changes.into_iter().filter_map(|change| Some((admit(&change)?, change)));
    let admitted: Vec<(Cause, Change<'_>)> = admitted.collect();
    for (_, change) in &admitted {
        actor.segments.touch(change.touches(&catalog.segments));
    }
    actor.write(part, &catalog.merges, |state, joined| {
        source.seen.into_iter().for_each(|at| state.saw(at));
        for (cause, change) in admitted {
            change.put(state, joined, cause);
        }
    });
}
