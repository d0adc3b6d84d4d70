//! The database itself: its connections, the one writer, bulk rows, and what truly differs between SQLite and PostgreSQL. Knows no noun.

pub(crate) mod bulk;
pub(crate) mod checkpoints;
pub(crate) mod connection;
pub(crate) mod crowd;
pub(crate) mod decode;
pub(crate) mod dialect;
pub(crate) mod fate;
pub(crate) mod filters;
pub(crate) mod full;
pub(crate) mod log_bound;
pub(crate) mod open;
pub(crate) mod queues;
pub(crate) mod room;
pub(crate) mod scrub;
pub(crate) mod signals;
pub(crate) mod transaction;
pub(crate) mod turns;
pub(crate) mod writer;
