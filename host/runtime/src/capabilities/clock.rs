//! `openhub:clock/clock`: the host's time, and when the call ends. I/O lane only: a pure call reads time from its rows.

use openhub_model::manifest::Manifest;
use wasmtime::component::Linker;

use crate::bindings::clock::clock;
use crate::capabilities::taped::{Tapes, taped};
use crate::error::Refusal;
use crate::host::Host;

pub fn link(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    clock::add_to_linker::<Host, Tapes>(linker, taped)
}

/// Every plugin of the I/O lane may have it.
pub fn check(_: &Manifest) -> Result<(), Refusal> {
    Ok(())
}

impl clock::Host for Host {
    fn now(&mut self) -> wasmtime::Result<i64> {
        self.meter.host_call(0)?;
        let io = self.io()?;
        Ok((io.clock)().micros())
    }

    fn deadline(&mut self) -> wasmtime::Result<i64> {
        self.meter.host_call(0)?;
        Ok(self.io()?.deadline.micros())
    }
}
