//! The developer's own commands: `cargo xtask demo`, `check`, `contract`, `test`, `bench`.
//!
//! They build what they need and use the hub from outside, as a user would. Nothing of the product lives here. It is a
//! library so that the benchmarks, a program of their own, share what the demo has.

pub mod bench;
pub mod build;
pub mod check;
pub mod contract;
pub mod demo;
pub mod generated;
pub mod lints;
pub mod packages;
pub mod process;
pub mod receiver;
pub mod release;
pub mod steps;
pub mod test;
