//! `cargo xtask check`: format, house rules, lints, docs.
//!
//! What reads only comes first, what compiles afterwards. The host's lints and documentation come with its build, tests included;
//! to run them is another command's.

mod circles;
mod crates;
mod floors;
mod licences;
mod sources;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use cargo_metadata::{Metadata, MetadataCommand};
use openhub_sdk_build::Options;

use crate::build::{cargo, run, wasm_target};
use crate::contract;
use crate::lints;
use crate::steps::Steps;

/// Runs every check and fails at the first kind that finds something.
pub fn check(root: &Path, steps: &mut Steps) -> Result<()> {
    steps.begin("format");
    run(Command::new(cargo()).args(["fmt", "--all", "--check"]).current_dir(root)).context("run `cargo fmt --all`")?;
    steps.begin("house rules");
    tidy(root)?;
    steps.begin("build of the host, with lints and documentation");
    let mut build = lints::cargo(root)?;
    build.args(["build", "--workspace", "--all-targets", "--locked"]);
    run(&mut build).context("the host does not build without warnings")?;
    steps.begin("lints of the guests");
    wasm_target(root)?;
    let metadata = MetadataCommand::new().current_dir(root).no_deps().exec()?;
    let guests = crates::guests(&metadata);
    let names = guests.iter().flat_map(|guest| ["--package", guest.name.as_str()]);
    let target = ["--target", "wasm32-unknown-unknown", "--lib", "--package", "openhub-sdk"];
    clippy(root, &target.into_iter().chain(names).collect::<Vec<_>>())?;
    steps.begin("manifests of the plugins");
    let ours = guests.iter().filter_map(|guest| guest.manifest_path.parent()).map(|folder| folder.as_std_path());
    let ours: Vec<PathBuf> =
        ours.filter(|folder| folder.starts_with(root.join("plugins"))).map(Path::to_path_buf).collect();
    openhub_sdk_build::build_each(&ours, &Options { locked: true, ..Options::default() })?;
    steps.begin("advisories");
    deny(root)
}

/// The rules of the house that cargo does not know; all that they find is told at once.
pub fn tidy(root: &Path) -> Result<()> {
    let metadata = MetadataCommand::new().current_dir(root).other_options(vec!["--locked".to_owned()]).exec()?;
    let sources = sources::check(root)?;
    for long in &sources.long {
        eprintln!("note: {long}");
    }
    let reference = contract::check(root)?;
    let faults =
        [floors(&metadata), licences::check(&metadata, root), circles::check(root)?, sources.faults, reference]
            .concat();
    if faults.is_empty() {
        return Ok(());
    }
    bail!("{} of the house's rules are broken:\n  {}", faults.len(), faults.join("\n  "))
}

fn floors(metadata: &Metadata) -> Vec<String> {
    floors::check(&crates::of_workspace(metadata))
}

fn clippy(root: &Path, arguments: &[&str]) -> Result<()> {
    let mut clippy = Command::new(cargo());
    clippy.args(["clippy", "--locked"]).args(arguments).args(["--", "-D", "warnings"]).current_dir(root);
    run(&mut clippy).context("clippy has warnings")
}

/// Advisories and duplicates, where cargo-deny is installed.
fn deny(root: &Path) -> Result<()> {
    let installed = Command::new("cargo-deny").arg("--version").output().is_ok_and(|output| output.status.success());
    if !installed {
        eprintln!("note: cargo-deny is not installed, so advisories were not looked up");
        return Ok(());
    }
    run(Command::new("cargo-deny").args(["check"]).current_dir(root))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    #[test]
    fn the_house_keeps_its_rules() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
        super::tidy(&root).unwrap_or_else(|error| panic!("{error:#}"));
    }
}
