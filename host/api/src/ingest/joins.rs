//! The identities that an event names besides an id: whose it is if a file knows its customer by an address only, and what can be
//! seen at the door to join nobody.

use openhub_model::identity::{Policy, Refusal};
use openhub_model::{EventKind, Fault, Identity, limits};
use serde_json::Value;

use super::item::Item;

/// The code of a value that is no identity of its kind.
const INVALID: &str = "invalid-identity";

/// The identity of a row of a file, in the form of its kind; none if the row names none.
pub(super) fn subject(identity: &Value, policy: &Policy, pointer: &str) -> Result<Option<Identity>, Fault> {
    if identity.is_null() {
        return Ok(None);
    }
    let Some(named) = Identity::read(identity) else {
        let message = "An identity must be `{\"kind\": …, \"value\": …}`, both strings.";
        return Err(Fault::new(pointer, INVALID, message));
    };
    limits::identity(&named, pointer)?;
    let named = policy.normal(named);
    match policy.check(&named) {
        Ok(()) => Ok(Some(named)),
        Err(refusal) => {
            let (code, why) = said(refusal, &named.kind);
            let message = format!("{why}, so the row does not say whose it is.");
            Err(Fault::new(format!("{pointer}/value"), code, message))
        }
    }
}

/// What of a server's event would join its customer, if its form did not show that it is nobody's: it stays an attribute.
pub(super) fn unfit(kind: EventKind, item: &Item<'_>, policy: &Policy, pointer: &str) -> Vec<Fault> {
    let mut unfit = Vec::new();
    let mut look = |kind: &str, value: &str, at: String, stays: &str| {
        let named = policy.normal(Identity::new(kind, value));
        if let Err(refusal) = policy.check(&named) {
            let (code, why) = said(refusal, kind);
            unfit.push(Fault::new(at, code, format!("{why}, so it joins nobody{stays}.")));
        }
    };
    if kind != EventKind::Group {
        for (kind, name) in policy.traits() {
            let found = item.names.all.iter().position(|known| known == name);
            let value = found.and_then(|at| item.names.values[at].id());
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                let stays = "; as an attribute it was stored";
                look(kind, &value, limits::step(&format!("{pointer}/traits"), name), stays);
            }
        }
    }
    for (index, named) in item.identities.as_array().into_iter().flatten().enumerate() {
        if let Some(Identity { kind, value }) = Identity::read(named) {
            look(&kind, &value, format!("{pointer}/identities/{index}"), "");
        }
    }
    unfit
}

fn said(refusal: Refusal, kind: &str) -> (&'static str, String) {
    match refusal {
        Refusal::Blocked => ("blocked-identity", format!("The value is a placeholder, not a real `{kind}`")),
        _ => (INVALID, format!("The value is too long, or it does not have the form of the kind `{kind}`")),
    }
}
