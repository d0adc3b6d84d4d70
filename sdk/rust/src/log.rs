//! Lines for whoever runs the plugin. Capped, escaped and masked by the host; no personal data belongs here.
//!
//! Outside of a component, as in a plugin's unit tests, lines go to standard error.

use serde_json::Value;

pub use crate::bindings::io::openhub::log::log::Level;

pub fn debug(message: &str) {
    put(Level::Debug, message, "{}");
}

pub fn info(message: &str) {
    put(Level::Info, message, "{}");
}

pub fn warn(message: &str) {
    put(Level::Warn, message, "{}");
}

pub fn error(message: &str) {
    put(Level::Error, message, "{}");
}

/// `fields` is a JSON object.
pub fn write(level: Level, message: &str, fields: &Value) {
    put(level, message, &fields.to_string());
}

#[cfg(target_arch = "wasm32")]
fn put(level: Level, message: &str, fields: &str) {
    crate::bindings::io::openhub::log::log::write(level, message, fields);
}

#[cfg(not(target_arch = "wasm32"))]
fn put(level: Level, message: &str, fields: &str) {
    eprintln!("{level:?} {message} {fields}");
}
