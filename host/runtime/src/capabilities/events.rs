//! `openhub:events/events`: a plugin appends events that its manifest declares. I/O lane only.

use std::sync::Arc;

use openhub_model::Fault;
use openhub_model::fault::there_are;
use openhub_model::manifest::Manifest;
use wasmtime::component::Linker;

use crate::backing::{Declined, Tracked};
use crate::bindings::events::events;
use crate::bindings::types::types::{self as bound, Failure, NewEvent};
use crate::capabilities::taped::{Tapes, taped};
use crate::error::Refusal;
use crate::fault::{FaultKind, Raised};
use crate::happened::{self, Wrong};
use crate::host::Host;

/// Events that are given at once, and all of a call.
const AT_ONCE: usize = 1_000;
const A_CALL: usize = 10_000;

type Answers = Vec<Result<(), Vec<bound::Fault>>>;

pub fn link(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    events::add_to_linker::<Host, Tapes>(linker, taped)
}

/// Who appends events must declare one.
pub fn check(manifest: &Manifest) -> Result<(), Refusal> {
    if manifest.events.is_empty() {
        let message = "the component uses openhub:events/events, but the manifest declares no event";
        return Err(Refusal::new(Refusal::BAD_MANIFEST, message));
    }
    Ok(())
}

fn size(event: &NewEvent) -> usize {
    let identities = event.identities.iter().map(|identity| identity.kind.len() + identity.value.len());
    event.id.len() + event.name.len() + event.properties.len() + identities.sum::<usize>()
}

fn refused(fault: Fault) -> Vec<bound::Fault> {
    let Fault { pointer, code, message } = fault;
    vec![bound::Fault { pointer, reason: bound::Reason { code, message, args: Vec::new() } }]
}

/// The event as it is appended, or why it cannot be.
fn checked(manifest: &Manifest, event: NewEvent) -> Result<crate::SourceEvent, Fault> {
    happened::event(&manifest.events, event).map_err(|wrong| match wrong {
        Wrong::Undeclared(name) => {
            let declared = there_are(manifest.events.iter().map(|event| &event.name));
            let message = format!("The plugin does not declare an event {name:.60?}. {declared}");
            Fault::new("/name", "undeclared-event", message)
        }
        Wrong::NoObject(_) => {
            Fault::new("/properties", "not-an-object", "The properties must be a JSON object, as text.")
        }
        Wrong::Unfit(fault) => fault,
    })
}

impl events::Host for Host {
    async fn track(&mut self, events: Vec<NewEvent>) -> wasmtime::Result<Result<Answers, Failure>> {
        self.meter.host_call(events.iter().map(size).sum())?;
        let io = self.io()?;
        let nowhere = || Raised::error(FaultKind::Refused, "events of this plugin go nowhere here");
        let (log, verified) = (io.events.clone().ok_or_else(nowhere)?, io.verified);
        let first = io.tracked;
        for (count, most) in [(events.len(), AT_ONCE), (first + events.len(), A_CALL)] {
            if count > most {
                let message = format!("these are {count} events: at most {AT_ONCE} at once, and {A_CALL} in a call");
                return Ok(Err(Declined::never("too-many", message).into()));
            }
        }
        let manifest = Arc::clone(&io.manifest);
        let mut answers: Answers = Vec::with_capacity(events.len());
        let (mut taken, mut places) = (Vec::new(), Vec::new());
        for (index, event) in events.into_iter().enumerate() {
            match checked(&manifest, event) {
                Ok(event) => {
                    taken.push(Tracked { number: first + index, event });
                    places.push(index);
                    answers.push(Ok(()));
                }
                Err(fault) => answers.push(Err(refused(fault))),
            }
        }
        if !taken.is_empty() {
            let told = match log.track(taken, verified).await {
                Ok(told) => told,
                // Given again, they have the same numbers: they may have been appended all the same.
                Err(declined) => return Ok(Err(declined.into())),
            };
            for (place, told) in places.into_iter().zip(told) {
                answers[place] = told.map_err(refused);
            }
        }
        self.io()?.tracked = first + answers.len();
        Ok(Ok(answers))
    }
}
