//! What the end-to-end tests share: a hub in this process (`house`), a hub of its own process (`hub`), the
//! receiver of its webhooks, and the plugins that they install.

pub mod guests;
pub mod house;
