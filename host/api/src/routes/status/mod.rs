//! Where a tenant's work stands.

pub(crate) mod get;
