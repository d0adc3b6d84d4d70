//! The tenant's clock.

pub(crate) mod advance;
pub(crate) mod get;
