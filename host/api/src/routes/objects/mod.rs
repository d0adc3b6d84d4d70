//! Records of custom types, checked by the plugin that declares them.

pub(crate) mod create;
pub(crate) mod get;
pub(crate) mod import;
pub(crate) mod list;
pub(crate) mod remove;
pub(crate) mod update;
