//! Taking a customer out of every table, step by step, and the receipts of that.

pub mod erase;
pub mod erasures;
pub mod held;
pub(crate) mod mentions;
