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
    /// A share of the default size of `engine`, `sustained`, `segments`, `fill`, `preview`, `p10` and of the plugins of `p8`, or `full` for all of it.
    #[arg(long, default_value = "1")]
    scale: String,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Scenario {
    /// Ingest: HTTP batches into the log, beside a bare loop of the same inserts.
    P1,
    /// P2: the whole engine, from append to checkpoint, by the number of events and of segments.
    #[value(alias = "p2")]
    Engine,
    /// P2s: 16 callers who go on for minutes, beside the engine and a quiet tenant.
    #[value(alias = "p2s")]
    Sustained,
    /// P5: segments that follow events, and those that events do not move.
    #[value(alias = "p5")]
    Segments,
    /// P6: the first fill of one and of 1,000 segments, beside DuckDB.
    #[value(alias = "p6")]
    Fill,
    /// Count and sample of a condition that is not saved.
    Preview,
    /// Identity: events on customers of three identities, 2 % of them merges, and what a merge costs.
    Identity,
    /// Plugins: the same rule native, in a plugin with a fresh sandbox for every batch, and in Extism; a thousand plugins at once.
    P8,
    /// Tenants: one, a hundred and ten thousand; a subscription; a noisy tenant beside a quiet one.
    P10,
}

pub fn run(root: &Path, options: &Options) -> Result<()> {
    let scenarios = options.scenario.map_or_else(|| Scenario::value_variants().to_vec(), |asked| vec![asked]);
    for scenario in scenarios {
        let components = || anyhow::Ok(points(root)?.parent().map(Path::to_path_buf));
        let subjects = match scenario {
            Scenario::P1 | Scenario::P10 => [Some(build::hub(root, Profile::Release)?), None],
            Scenario::P8 => [Some(points(root)?), Some(extism(root)?)],
            Scenario::Engine => [components()?, None],
            Scenario::Sustained => [Some(build::hub(root, Profile::Release)?), components()?],
            Scenario::Segments | Scenario::Fill | Scenario::Preview | Scenario::Identity => [None, None],
        };
        let value = scenario.to_possible_value().context("every scenario has a name")?;
        let name = value.get_name();
        let mut cargo = Command::new(build::cargo());
        cargo
            .args(["run", "--quiet", "--release", "--package", "xtask", "--example", "bench", "--", name])
            .args(subjects.into_iter().flatten());
        cargo.args(["--rounds", &options.rounds.to_string(), "--customers", &options.customers.to_string()]);
        cargo.args(["--scale", &options.scale]);
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

/// The folder with the rule in Extism and the program that runs it. They are a workspace of their own, which nothing else builds.
fn extism(root: &Path) -> Result<std::path::PathBuf> {
    let target = build::target(root)?.join("beside-extism");
    let release = target.join("release");
    for (package, on) in [("points-extism", Some(build::WASM)), ("beside-extism", None)] {
        let mut cargo = Command::new(build::cargo());
        cargo.args(["build", "--locked", "--release", "--package", package]);
        cargo.args(on.iter().flat_map(|on| ["--target", on]));
        cargo.current_dir(root.join("host/xtask/beside/extism")).env("CARGO_TARGET_DIR", &target);
        build::run(&mut cargo)?;
    }
    std::fs::copy(target.join(build::WASM).join("release/points_extism.wasm"), release.join("points_extism.wasm"))?;
    Ok(release)
}
