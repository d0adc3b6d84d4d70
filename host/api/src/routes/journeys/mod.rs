//! Journeys: drawn, checked, published, paused, stopped.

pub(crate) mod check;
pub(crate) mod counts;
pub(crate) mod drain;
pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod pause;
pub(crate) mod publish;
pub(crate) mod remove;
pub(crate) mod resume;
pub(crate) mod save;
pub(crate) mod stop;
