//! The runtime against real components: small hand-written core modules, encoded as components of the hub's own worlds.

mod channel;
mod guest;
mod install;
mod pure;
mod recordings;
mod released;
