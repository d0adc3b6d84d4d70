//! What an operator decides about plugins: limits, the cache's place, private addresses.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use crate::error::{Refusal, RuntimeError};
use crate::revoked::Revoked;

const MIB: u64 = 1024 * 1024;

#[derive(Clone, Debug)]
pub struct Config {
    /// Where compiled code is kept; none compiles at every start.
    pub cache: Option<PathBuf>,
    pub limits: Defaults,
    /// Private addresses that plugins may reach all the same, if their grant names the host.
    pub allow_private: Vec<HostPort>,
    /// Addresses of this hub itself. They stay closed to plugins even if they are public, unless `allow_private` names
    /// them.
    pub own: Vec<IpAddr>,
    /// Interfaces that no plugin of this hub gets, whatever was granted: `openhub:http/http`.
    pub withhold: Vec<String>,
    /// Whether no component is let in that nobody signed.
    pub require_signed: bool,
    /// Public keys of publishers, and digests of components, that are let in no more: those that the runtime begins with.
    pub revoked: Vec<String>,
    /// Calls of each lane at the same time; more wait in line.
    pub instances: u32,
    /// A program that compiles in a process of its own, under limits: called with
    /// `compile-component <in> <out> <bytes> <seconds>`.
    /// None compiles on a thread of this process.
    pub compiler: Option<PathBuf>,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            cache: None,
            limits: Defaults::default(),
            allow_private: Vec::new(),
            own: Vec::new(),
            withhold: Vec::new(),
            require_signed: false,
            revoked: Vec::new(),
            instances: 64,
            compiler: None,
        }
    }
}

impl Config {
    /// Whether the operator lets a component in.
    pub(crate) fn admit(&self, revoked: &Revoked, digest: &str, signer: Option<&str>) -> Result<(), Refusal> {
        if let Some(signer) = signer.filter(|signer| revoked.has(signer)) {
            let message = format!(
                "the operator of this hub has revoked the key {signer}: ask the publisher for a version that is signed with another key"
            );
            return Err(Refusal::new(Refusal::REVOKED, message));
        }
        if revoked.has(digest) {
            let message =
                format!("the operator of this hub has revoked this component ({digest}): install another version");
            return Err(Refusal::new(Refusal::REVOKED, message));
        }
        if self.require_signed && signer.is_none() {
            let message = "the operator of this hub lets in signed components only, and this one is not signed: sign it with `openhub plugin sign`";
            return Err(Refusal::new(Refusal::SIGNATURE_REQUIRED, message));
        }
        Ok(())
    }
}

/// The limits of a call where the manifest does not ask for less.
#[derive(Clone, Debug)]
pub struct Defaults {
    /// CPU milliseconds of a pure call, counted as fuel.
    pub pure_ms: u32,
    /// CPU milliseconds of an I/O call, counted as fuel.
    pub io_ms: u32,
    /// How long an I/O call may take by the clock, in milliseconds.
    pub io_wall_ms: u32,
    /// How long one request may take at most, in milliseconds.
    pub fetch_ms: u32,
    pub memory_mib: u32,
    /// Fuel that stands for one CPU millisecond.
    pub fuel_per_ms: u64,
    pub host_calls_per_item: u32,
    pub fetches_per_item: u32,
    pub messages_per_call: u32,
    pub rows_per_call: u32,
    pub response_bytes: u64,
    pub log_bytes: u64,
    pub component_bytes: u64,
    /// What a call may be given, and may answer, in bytes.
    pub call_bytes: u64,
    pub compile_ms: u32,
    /// Address space of the compiling process, in bytes.
    pub compile_memory_bytes: u64,
}

impl Default for Defaults {
    fn default() -> Defaults {
        Defaults {
            pure_ms: 50,
            io_ms: 5_000,
            io_wall_ms: 60_000,
            fetch_ms: 30_000,
            memory_mib: 32,
            fuel_per_ms: 2_000_000,
            host_calls_per_item: 100,
            fetches_per_item: 20,
            messages_per_call: 20,
            rows_per_call: 1_000,
            response_bytes: MIB,
            log_bytes: 64 * 1024,
            component_bytes: 32 * MIB,
            call_bytes: 4 * MIB,
            compile_ms: 60_000,
            compile_memory_bytes: 1024 * MIB,
        }
    }
}

/// A host (a name or an address) with its port: `127.0.0.1:8080`, `[::1]:8080`, `receiver.internal:443`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPort {
    /// Lowercase, without brackets.
    pub host: String,
    pub port: u16,
}

impl FromStr for HostPort {
    type Err = RuntimeError;

    fn from_str(text: &str) -> Result<HostPort, RuntimeError> {
        let invalid = || RuntimeError::InvalidHostPort(text.to_owned());
        let (host, port) = text.rsplit_once(':').ok_or_else(invalid)?;
        let port = port.parse().map_err(|_| invalid())?;
        let host = match host.strip_prefix('[') {
            Some(rest) => rest.strip_suffix(']').ok_or_else(invalid)?,
            None if host.contains(':') => return Err(invalid()),
            None => host,
        };
        if host.is_empty() || port == 0 {
            return Err(invalid());
        }
        Ok(HostPort { host: host.to_ascii_lowercase(), port })
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}
