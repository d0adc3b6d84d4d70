//! The scenarios of `cargo xtask bench`: each prints a table and a line of JSON. No figure passes or fails;
//! sides of a comparison that find different answers do.
//!
//! Rounds of both sides of a comparison alternate, so that what else the machine does hits both; figures are medians.

mod audiences;
mod costs;
mod engine;
mod events;
mod extism;
mod feed;
mod fill;
mod history;
mod hub;
mod identity;
mod ingest;
mod installed;
mod mix;
mod plugins;
mod preview;
mod scale;
mod segments;
mod statistics;
mod sustained;
mod tenants;

use anyhow::{Context, Result};
use clap::Parser;
use scale::Scale;
use std::path::PathBuf;
use xtask::bench::Scenario;

/// As in the hub itself.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
struct Arguments {
    #[arg(value_enum)]
    scenario: Scenario,
    /// What is measured: the binary `openhub` (P1, P10, sustained), the component of `points` (P8), the folder of components (engine).
    subject: Option<PathBuf>,
    /// The folder of components, where the binary is measured with some of them; of the program beside it (P8).
    components: Option<PathBuf>,
    #[arg(long)]
    rounds: u64,
    #[arg(long)]
    customers: u64,
    #[arg(long, default_value = "1")]
    scale: Scale,
}

fn main() -> Result<()> {
    if let Some(loaded) = installed::asked() {
        return loaded;
    }
    let Arguments { scenario, subject, components, rounds, customers, scale } = Arguments::parse();
    let subject = || subject.as_deref().context("this scenario needs what it measures");
    match scenario {
        Scenario::P1 => ingest::run(subject()?, rounds),
        Scenario::P10 => tenants::run(subject()?, scale),
        Scenario::P8 => {
            let beside =
                components.as_deref().context("this scenario needs the folder of what is measured beside it")?;
            plugins::run(subject()?, beside, rounds, scale)
        }
        Scenario::Engine => engine::run(subject()?, rounds, scale),
        Scenario::Sustained => {
            let components = components.as_deref().context("this scenario needs the folder of components")?;
            sustained::run(subject()?, components, scale)
        }
        Scenario::Segments => segments::run(rounds, scale),
        Scenario::Fill => fill::run(rounds, scale),
        Scenario::Preview => preview::run(rounds, scale),
        Scenario::Identity => identity::run(customers, rounds),
    }
}
