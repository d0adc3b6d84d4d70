//! The HTTP door of the hub: the Segment calls under `/v1`, and the hub's own API under `/api/v1`.
//!
//! Handlers extract, authorise by type, call, commit, answer. They hold no rules of the product: those live in
//! the engine, the journeys and the plugins. One endpoint is one file below `routes/<noun>/`.

mod admission;
mod app;
mod audit;
mod auth;
mod body;
mod change;
mod condition;
mod conditional;
mod contracts;
mod cors;
mod cursor;
mod declared;
mod event_query;
mod export;
mod foreign;
mod history;
mod ingest;
mod installation;
mod invitations;
mod journeys;
mod keys;
mod logins;
mod near;
mod objects;
mod observe;
mod oidc;
mod once;
mod openapi;
mod overload;
mod parameters;
mod people;
mod places;
mod problem;
mod provisioning;
mod rates;
mod records;
mod request_id;
mod router;
mod routes;
mod segments;
mod suppression;
mod text;
mod unread;
mod views;
mod why;
mod writes;

pub use app::{App, Limits, RateLimits};
pub use auth::{KeyScopes, MintedKey, mint_key};
pub use invitations::{is_email, mint_invitation};
pub use problem::Problem;
pub use provisioning::Provisioner;
pub use router::{Apart, Routers, router, routers};
