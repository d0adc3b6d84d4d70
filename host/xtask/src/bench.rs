//! `cargo xtask bench`: builds the hub, the plugins and the measuring program with optimisation, and runs the latter.
//!
//! The scenarios live in `examples/bench`: what measures has to be optimised like what is measured, and needs
//! libraries that the other commands should not have to wait for.

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use std::path::Path;
use std::process::Command;

use crate::build::{self, Profile};

#[derive(Args)]
pub struct Options {
    /// Which scenario; all without.
    #[arg(value_enum)]
    scenario: Option<Scenario>,
    /// Rounds of each side.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=1000))]
    rounds: u64,
    /// Customers of the scenario `identity`.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1_000..=100_000_000))]
    customers: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Scenario {
    /// Ingest: HTTP batches into the log, beside a bare loop of the same inserts.
    P1,
    /// Identity: events on customers of three identities, 2 % of them merges, and what a merge costs.
    Identity,
    /// Plugins: the same rule native, and in a plugin with a fresh sandbox for every batch.
    P8,
}

pub fn run(root: &Path, options: &Options) -> Result<()> {
    let scenarios =
        options.scenario.map_or_else(|| vec![Scenario::P1, Scenario::P8, Scenario::Identity], |asked| vec![asked]);
    for scenario in scenarios {
        let (name, subject) = match scenario {
            Scenario::P1 => ("p1", Some(build::hub(root, Profile::Release)?)),
            Scenario::P8 => ("p8", Some(points(root)?)),
            Scenario::Identity => ("identity", None),
        };
        let mut cargo = Command::new(build::cargo());
        cargo
            .args(["run", "--quiet", "--release", "--package", "xtask", "--example", "bench", "--", name])
            .args(subject);
        cargo.args(["--rounds", &options.rounds.to_string(), "--customers", &options.customers.to_string()]);
        cargo.current_dir(root);
        build::run(&mut cargo)?;
    }
    Ok(())
}

/// The component of our plugin `points`.
fn points(root: &Path) -> Result<std::path::PathBuf> {
    let built = build::guests(root)?.into_iter().find(|built| built.manifest.name == "points");
    Ok(built.context("the plugin points was not built")?.path)
}
