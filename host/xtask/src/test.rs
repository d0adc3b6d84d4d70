//! `cargo xtask test`: `check`, then every test of the house, with what they need set up first.
//!
//! Cargo's own runner is used, so that its summary lines end the output. What is set up is found again by the
//! next run: packages lie in `target/test-packages`, and nothing of the checkout is touched. What took how long is written to
//! `target/test-times.txt`.

use anyhow::{Result, bail, ensure};
use nix::unistd::Uid;
use std::path::Path;
use std::process::Command;

use crate::build::{self, run, run_each_line};
use crate::steps::Steps;
use crate::{check, lints, packages};

/// Names the hub that the end-to-end tests run, built already.
pub const HUB: &str = "OPENHUB_TEST_HUB";
/// Names the program with the receiver that they run, built already.
pub const RECEIVER: &str = "OPENHUB_TEST_RECEIVER";
/// How many tests of a binary run side by side.
const THREADS: &str = "RUST_TEST_THREADS";
/// Than cores: a third of the time of the end-to-end tests is waiting for hubs to start and for leases to end. With twice as many
/// as cores some run out of patience where others build.
const MORE_THREADS: usize = 1;
/// In the folder of the builds. A file, so that nothing stands behind the summary lines.
const TIMES: &str = "test-times.txt";

pub fn test(root: &Path) -> Result<()> {
    let mut steps = Steps::default();
    let outcome = in_steps(root, &mut steps);
    steps.end();
    let written = build::target(root).and_then(|target| Ok(std::fs::write(target.join(TIMES), steps.report())?));
    outcome.and(written)
}

fn in_steps(root: &Path, steps: &mut Steps) -> Result<()> {
    // First, so that what this machine lacks is said before anything is built.
    steps.begin("packages");
    lacking(&[("cc", "a C compiler", "build-essential")])?;
    postgres()?;
    packages::node(root)?;
    packages::python(root)?;
    packages::rust(root)?;
    packages::chromium()?;
    check::check(root, steps)?;
    let target = build::target(root)?;
    step(&format!("what took how long will stand in {}", target.join(TIMES).display()));
    steps.begin("test");
    // As `check` has built them, the hub and the receiver among them.
    let mut cargo = lints::cargo(root)?;
    cargo.args(["test", "--workspace", "--no-fail-fast"]);
    cargo.env(openhub_sdk_build::BINARY, target.join("debug/openhub"));
    cargo.env(HUB, target.join("debug/openhub")).env(RECEIVER, target.join("debug/xtask"));
    if std::env::var_os(THREADS).is_none() {
        let cores = std::thread::available_parallelism()?.get();
        cargo.env(THREADS, (cores + MORE_THREADS).to_string());
    }
    run_each_line(&mut cargo, |line| {
        println!("{line}");
        steps.line(line);
    })
}

pub(crate) fn step(text: &str) {
    eprintln!("── {text}");
}

/// PostgreSQL's server programs: the tests start servers of their own from them, unless they are given one by URL.
fn postgres() -> Result<()> {
    if std::env::var_os("OPENHUB_TEST_POSTGRES").is_some() || has_initdb() {
        return Ok(());
    }
    install(&["postgresql"], "a PostgreSQL server, 15 or newer (initdb and postgres)")?;
    ensure!(has_initdb(), "PostgreSQL was installed, but its initdb was not found");
    Ok(())
}

/// On the path, or where Debian and its kin keep the server programs.
fn has_initdb() -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let kept = versions.map(|version| version.path().join("bin"));
    std::env::split_paths(&path).chain(kept).any(|folder| folder.join("initdb").is_file())
}

/// Installs the programs that are not there, or says what to install.
pub(crate) fn lacking(programs: &[(&str, &str, &str)]) -> Result<()> {
    let missing: Vec<_> = programs.iter().filter(|(program, ..)| !exists(program)).collect();
    missing.into_iter().try_for_each(|(_, what, package)| install(&[package], what))
}

pub(crate) fn exists(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
}

/// Installs system packages where that is ours to do: as root, with apt.
pub(crate) fn install(packages: &[&str], what: &str) -> Result<()> {
    if !Uid::effective().is_root() || !exists("apt-get") {
        bail!("the tests need {what}: install it and run this again");
    }
    step(&format!("install {}", packages.join(" ")));
    run(Command::new("apt-get").args(["update", "--quiet"]))?;
    let mut apt = Command::new("apt-get");
    run(apt
        .args(["install", "--yes", "--quiet", "--no-install-recommends"])
        .args(packages)
        .env("DEBIAN_FRONTEND", "noninteractive"))
}
