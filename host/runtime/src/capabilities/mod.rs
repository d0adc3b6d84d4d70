//! What the host offers to plugins, one file a capability.
//!
//! Each has three moments: `check` when a component is inspected (a wrong wish fails there, not at a call), `link`
//! once a component, and `prepare` once a call.

use openhub_model::manifest::Manifest;
use wasmtime::component::Linker;

use crate::error::Refusal;
use crate::host::Host;

pub mod call;
pub mod clock;
pub mod customers;
pub mod events;
pub mod http;
pub mod kv;
pub mod log;
pub mod objects;
pub mod secrets;
pub mod settlement;
mod taped;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    Pure,
    Io,
}

pub struct Capability {
    /// As a component imports it, without its version.
    pub interface: &'static str,
    /// Whether it stays out of the pure lane.
    pub io_only: bool,
    pub check: fn(&Manifest) -> Result<(), Refusal>,
    pub link: fn(&mut Linker<Host>) -> wasmtime::Result<()>,
}

const ALL: [Capability; 10] = [
    Capability { interface: "openhub:call/call", io_only: false, check: call::check, link: call::link },
    Capability { interface: "openhub:log/log", io_only: false, check: log::check, link: log::link },
    Capability { interface: "openhub:clock/clock", io_only: true, check: clock::check, link: clock::link },
    Capability { interface: "openhub:http/http", io_only: true, check: http::check, link: http::link },
    Capability { interface: "openhub:kv/kv", io_only: true, check: kv::check, link: kv::link },
    Capability { interface: "openhub:events/events", io_only: true, check: events::check, link: events::link },
    Capability {
        interface: "openhub:customers/customers",
        io_only: true,
        check: customers::check,
        link: customers::link,
    },
    Capability { interface: "openhub:objects/objects", io_only: true, check: objects::check, link: objects::link },
    Capability { interface: "openhub:secrets/secrets", io_only: true, check: secrets::check, link: secrets::link },
    Capability {
        interface: "openhub:channel/settlement",
        io_only: true,
        check: settlement::check,
        link: settlement::link,
    },
];

/// All interfaces that plugins may import.
pub fn interfaces() -> impl Iterator<Item = &'static str> {
    ALL.iter().map(|capability| capability.interface)
}

/// The capability behind an import, if the hub offers it. `interface` has no version.
pub fn find(interface: &str) -> Option<&'static Capability> {
    ALL.iter().find(|capability| capability.interface == interface)
}

impl Capability {
    pub fn is_in(&self, lane: Lane) -> bool {
        lane == Lane::Io || !self.io_only
    }
}
