//! What leaves the hub on behalf of a plugin or a tenant: which hosts, which addresses, which requests.
//!
//! A request goes out only if its host was granted, to an address that was checked after name resolution; the checked
//! address is the one that is connected to. No redirect is followed, no proxy is used.

mod address;
mod client;
mod fill;
pub mod hosts;
mod lookup;
pub mod post;
pub mod request;
pub mod send;

pub use client::{Egress, NoOpenAddress};
