//! The command line of the developer's own commands.

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use xtask::steps::Steps;
use xtask::{bench, check, contract, demo, generated, lints, receiver, release, test};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The developer's own commands")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Replay 69,659 real purchases through a fresh hub and print its figures beside the truths.
    Demo(demo::Options),
    /// Format, lints, docs, and the house rules that cargo does not know.
    Check,
    /// Write the reference of the plugins' contract anew from `wit/`.
    Contract,
    /// `check`, then every test; sets up what the tests need.
    Test,
    /// Make calls from the hub's own description, and hold each answer against it.
    Generated(generated::Options),
    /// Build the binary to give away, with the plugins of ours inside.
    Release,
    /// Measure: prints a line of JSON and a table.
    Bench(bench::Options),
    /// The demo's receiver of webhooks, a process of its own.
    #[command(hide = true)]
    Receiver(receiver::Options),
}

fn main() -> ExitCode {
    let outcome = lints::compile(std::env::args_os()).unwrap_or_else(|| run(Cli::parse().command));
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Demo(options) => return demo::run(&root()?, options),
        Command::Check => check::check(&root()?, &mut Steps::default())?,
        Command::Contract => contract::write(&root()?)?,
        Command::Test => test::test(&root()?)?,
        Command::Generated(options) => generated::generated(&root()?, &options)?,
        Command::Release => release::release(&root()?)?,
        Command::Bench(options) => bench::run(&root()?, &options)?,
        Command::Receiver(options) => receiver::run(&options)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The workspace's folder: two above this package, which cargo names when it runs a program.
fn root() -> Result<PathBuf> {
    let start = match std::env::var_os("CARGO_MANIFEST_DIR") {
        Some(package) => PathBuf::from(package),
        None => std::env::current_dir()?,
    };
    let is_root = |folder: &&Path| folder.join("Cargo.lock").is_file() && folder.join("host").is_dir();
    start.ancestors().find(is_root).map(Path::to_path_buf).context("not inside a checkout of OpenHub")
}
