//! Taking a customer out of every table, step by step, the receipts of that, and what plugins are asked to do for it.

pub mod erase;
pub mod erasures;
pub mod held;
pub(crate) mod mentions;
pub mod requests;
