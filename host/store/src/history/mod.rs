//! What is scanned: the events of customers, as conditions, timelines and histories ask for them.

pub(crate) mod conditions;
pub mod facts;
pub mod properties;
pub mod said;
pub mod timeline;
pub mod unfit;
