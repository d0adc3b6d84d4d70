//! The Segment HTTP API.

pub(crate) mod alias;
pub(crate) mod batch;
pub(crate) mod doors;
pub(crate) mod group;
pub(crate) mod identify;
pub(crate) mod import;
pub(crate) mod page;
pub(crate) mod screen;
pub(crate) mod settings;
pub(crate) mod track;
