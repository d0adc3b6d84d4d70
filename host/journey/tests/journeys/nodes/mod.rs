//! One table a node type.

mod branch;
mod exit;
mod object;
mod send;
mod step;
mod update;
mod wait;
