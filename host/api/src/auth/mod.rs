//! Who is asking, and what it may do. Asking for an [`Authorized`] of a permission *is* the authorisation, and
//! the only place where the API makes a store scope.

mod authorized;
mod cache;
mod caller;
mod key;
mod partner;
mod password;
mod permission;
mod role;
mod second_factor;
mod session;
mod sight;

pub(crate) use authorized::{
    Asked, Authorized, WriteAccess, authorize_call, authorize_write, caller, is_open, key_in_body, known, logged_in,
    peer, secret_shown, sender_of, writer,
};
pub(crate) use cache::KeyCache;
pub(crate) use caller::Caller;
pub(crate) use key::KeyText;
pub use key::{MintedKey, mint_key};
pub(crate) use partner::{TokenText, name as name_of_secret};
pub(crate) use password::{Passwords, fault as password_fault};
pub use permission::KeyScopes;
pub(crate) use permission::*;
pub(crate) use role::scopes_of;
pub(crate) use second_factor::{Authenticator, proof, recovery_code, recovery_hash};
pub(crate) use session::{begin as begin_session, cookie, cookie_named, no_cookie, said, same_origin};
pub(crate) use sight::{may_ask, may_cause, sees_item, show_event, show_item, sights};
