//! The node types, one file each: what an author writes, what is checked, and what a run does there. None of them sees another.

pub(crate) mod branch;
pub(crate) mod exit;
pub(crate) mod object;
pub(crate) mod registry;
pub(crate) mod send;
pub(crate) mod step;
pub(crate) mod update;
pub(crate) mod wait;
