//! `openhub:call/call`: what a call may know of its surroundings. Both lanes.

use openhub_model::manifest::Manifest;
use wasmtime::component::{HasSelf, Linker};

use crate::bindings::call::call;
use crate::error::Refusal;
use crate::host::Host;

pub fn link(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    call::add_to_linker::<Host, HasSelf<Host>>(linker, |host| host)
}

/// Every plugin may have it.
pub fn check(_: &Manifest) -> Result<(), Refusal> {
    Ok(())
}

impl call::Host for Host {
    fn settings(&mut self) -> wasmtime::Result<String> {
        self.meter.host_call(self.call.settings.len())?;
        Ok(self.call.settings.to_string())
    }
}
