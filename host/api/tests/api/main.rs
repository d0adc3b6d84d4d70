//! The API over a real store, runtime and engine. A test is three beats: a hub with keys, one request, a snapshot of
//! status and body. Clock and randomness are the tests' own, so answers repeat.

mod access;
mod bad_input;
mod catalog;
mod clock;
mod customers;
mod described;
mod door;
mod doors;
mod endpoints;
mod events;
mod export;
mod faults;
mod hub;
mod identities;
mod import;
mod journeys;
mod keys;
mod object_types;
mod objects;
mod overload;
mod plugin_removals;
mod plugin_trials;
mod plugin_versions;
mod plugins;
mod privacy;
mod profile;
mod receivers;
mod scopes;
mod segment;
mod segments;
mod settings;
mod system;
mod tenants;
mod tree;
mod webhooks;
