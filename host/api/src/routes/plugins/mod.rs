//! Plugins: installed, set up, enabled, and taken away again.

pub(crate) mod disable;
pub(crate) mod enable;
pub(crate) mod get;
pub(crate) mod install;
pub(crate) mod list;
pub(crate) mod remove;
pub(crate) mod set_secret;
