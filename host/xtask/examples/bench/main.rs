//! The scenarios of `cargo xtask bench`: each prints a table and a line of JSON. Nothing here passes or fails.
//!
//! Rounds of both sides of a comparison alternate, so that what else the machine does hits both; figures are medians.

mod events;
mod identity;
mod ingest;
mod plugins;
mod statistics;

use anyhow::{Context, Result};
use clap::Parser;
use std::path::PathBuf;
use xtask::bench::Scenario;

#[derive(Parser)]
struct Arguments {
    #[arg(value_enum)]
    scenario: Scenario,
    /// What is measured: the binary `openhub` (P1), or the component of `points` (P8).
    subject: Option<PathBuf>,
    #[arg(long)]
    rounds: u64,
    #[arg(long)]
    customers: u64,
}

fn main() -> Result<()> {
    let Arguments { scenario, subject, rounds, customers } = Arguments::parse();
    let subject = || subject.as_deref().context("this scenario needs what it measures");
    match scenario {
        Scenario::P1 => ingest::run(subject()?, rounds),
        Scenario::P8 => plugins::run(subject()?, rounds),
        Scenario::Identity => identity::run(customers, rounds),
    }
}
