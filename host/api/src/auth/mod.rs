//! Who is asking, and what it may do. Asking for an [`Authorized`] of a permission *is* the authorisation, and
//! the only place where the API makes a store scope.

mod authorized;
mod cache;
mod key;
mod permission;
mod sight;

pub(crate) use authorized::{
    Authorized, WriteAccess, authorize_call, authorize_write, bearer, is_open, key_in_body, known, peer, sender_of,
    writer,
};
pub(crate) use cache::KeyCache;
pub(crate) use key::KeyText;
pub use key::{MintedKey, mint_key};
pub use permission::KeyScopes;
pub(crate) use permission::*;
pub(crate) use sight::{may_ask, may_cause, sees_item, show_event, show_item, sights};
