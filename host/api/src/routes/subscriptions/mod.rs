//! Subscriptions, as the partner sees them: what a tenant has asked those above it for, and has.

mod answer;
mod blocks;
mod limit;
mod list;
mod operate;
mod request;
mod upgrade;

pub(crate) use answer::*;
pub(crate) use blocks::*;
pub(crate) use limit::*;
pub(crate) use list::*;
pub(crate) use operate::*;
pub(crate) use request::*;
pub(crate) use upgrade::*;
