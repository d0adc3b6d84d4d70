//! People who log in at an identity provider of their tenant's (OpenID Connect Core 1.0): the authorisation code flow with PKCE
//! (RFC 7636), `state` and `nonce`. What a browser carries between the two halves is sealed; the hub stores nothing of it.

mod attempt;
mod provider;
mod signature;
mod token;

pub(crate) use attempt::{Begun, Proven, no_attempt};
pub(crate) use provider::{Providers, refused_by_provider, secret_owner};
pub(crate) use token::Claims;
use token::Expected;
