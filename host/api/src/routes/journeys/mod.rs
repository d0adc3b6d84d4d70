//! Journeys: drawn, checked, published, paused.

pub(crate) mod check;
pub(crate) mod counts;
pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod pause;
pub(crate) mod publish;
pub(crate) mod resume;
pub(crate) mod save;
