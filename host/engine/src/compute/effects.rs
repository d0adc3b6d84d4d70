//! What is done to a customer's state, whoever asks for it: an event about its customer, a rule, a journey. This is the one place
//! where it is done: here the type of a value and the authority of who sends it are checked, what is set keeps its cause,
//! and the segments that ask about it are told.

use std::borrow::Cow;

use openhub_model::customer::{Consent, is_consent};
use openhub_model::{Cause, Customer, PartId, Timestamp};
use serde_json::Value;

use super::actor::Actor;
use crate::catalog::{Catalog, Pages, Place, Segments};

/// One change of a customer's state.
#[derive(Debug)]
pub enum Effect<'a> {
    /// `null` takes it away.
    Attribute(Cow<'a, str>, Value),
    /// Added to what is there.
    Counter(Cow<'a, str>, i64),
    /// `true`, `false` or `null`.
    Tag(Cow<'a, str>, Value),
    /// By purpose, or purpose and channel.
    Consent(Cow<'a, str>, Value),
}

/// On whose word effects are.
#[derive(Clone, Copy, Debug, Default)]
pub struct Word {
    /// A page's key, which anybody can read.
    pub page: bool,
    /// History without a time of its own: older than all that anybody denied.
    pub timeless: bool,
}

impl Effect<'_> {
    /// The segments that ask about what it changes.
    fn touches<'s>(&self, segments: &'s Segments) -> &'s [Place] {
        match self {
            Effect::Attribute(name, _) | Effect::Counter(name, _) => segments.on_attribute(name),
            Effect::Tag(name, _) => segments.on_tag(name),
            Effect::Consent(..) => segments.on_consent(),
        }
    }

    /// `joined` is the customer, if the part has a state of its own.
    fn put(self, state: &mut Customer, joined: Option<&Customer>, cause: Cause) {
        match self {
            Effect::Attribute(name, value) => drop(state.set(&name, value, cause)),
            Effect::Counter(name, by) => state.add(&name, by, cause),
            Effect::Tag(name, present) => drop(state.set_tag(&name, present, cause)),
            Effect::Consent(key, consent) => {
                let joined = joined.and_then(|joined| joined.consents.get(&*key));
                state.set_consent(&key, consent, cause, joined);
            }
        }
    }
}

impl Actor {
    /// Applies one effect to the state of a part.
    pub fn apply_one(&mut self, part: PartId, effect: Effect<'_>, cause: Cause, catalog: &Catalog) {
        let Some(cause) = self.admit(&effect, cause, Word::default(), catalog) else { return };
        self.segments.touch(effect.touches(&catalog.segments));
        self.write(part, &catalog.merges, |state, joined| effect.put(state, joined, cause));
    }

    /// Applies effects of one cause in their order, and notes when the customer was `seen`.
    pub fn apply<'a>(
        &mut self,
        part: PartId,
        seen: Option<Timestamp>,
        effects: impl Iterator<Item = Effect<'a>>,
        cause: &Cause,
        word: Word,
        catalog: &Catalog,
    ) {
        let admitted = effects.filter_map(|effect| Some((self.admit(&effect, cause.clone(), word, catalog)?, effect)));
        let admitted: Vec<(Cause, Effect<'_>)> = admitted.collect();
        for (_, effect) in &admitted {
            self.segments.touch(effect.touches(&catalog.segments));
        }
        self.write(part, &catalog.merges, |state, joined| {
            seen.into_iter().for_each(|at| state.saw(at));
            for (cause, effect) in admitted {
                effect.put(state, joined, cause);
            }
        });
    }

    /// The cause under which an effect is applied; none if it is not. A value that is refused is told once the item is done.
    fn admit(&mut self, effect: &Effect<'_>, cause: Cause, word: Word, catalog: &Catalog) -> Option<Cause> {
        match effect {
            Effect::Attribute(name, value) => {
                let fits = self.admits(&catalog.types, name, value, &cause);
                match word.page {
                    true => self.admits_page(&catalog.pages, name, value, &cause).filter(|_| fits),
                    false => fits.then_some(cause),
                }
            }
            Effect::Counter(name, by) => {
                let fits = self.admits(&catalog.types, name, &Value::from(*by), &cause);
                (fits && !word.page).then_some(cause)
            }
            Effect::Tag(_, present) => (!word.page && matches!(present, Value::Bool(_) | Value::Null)).then_some(cause),
            // What is malformed was refused at the door; were it there all the same, it would hide no other.
            Effect::Consent(key, consent) if is_consent(key, consent) => {
                let timeless = word.timeless && Consent::of(consent) == Consent::Granted;
                let at = if timeless { Timestamp::FIRST } else { cause.at };
                (!word.page || Pages::may_record(consent)).then_some(Cause { at, ..cause })
            }
            Effect::Consent(..) => None,
        }
    }
}
