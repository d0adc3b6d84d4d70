//! Which tenants are moved, and whose turn it is.
//!
//! A node holds the leases of its tenants, and moves those that have work: something has arrived in the log, a timer or a message is
//! due. Each of these has a lane and a delivery for as long as it is awake. A tenant that sleeps is a row in the database and a
//! number in a map: it asks nothing, and no lease of its own is renewed.

mod awake;
pub mod node;
pub mod rest;
pub mod turns;
pub mod writes;
