//! `cargo xtask test`: `check`, then every test of the house, with what they need set up first.
//!
//! Cargo's own runner is used, so that its summary lines end the output. What is set up is found again by the
//! next run: packages lie in `target/test-packages`, and nothing of the checkout is touched.

use anyhow::{Result, bail, ensure};
use nix::unistd::Uid;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::build::{self, Profile, run};
use crate::check;

/// The unmodified client libraries that the API is tested with.
const NODE_PACKAGE: (&str, &str) = ("@segment/analytics-node", "3.1.0");
const PYTHON_PACKAGE: (&str, &str) = ("segment-analytics-python", "2.4.0");

pub fn test(root: &Path) -> Result<()> {
    check::check(root)?;
    let packages = build::target(root)?.join("test-packages");
    std::fs::create_dir_all(&packages)?;
    postgres()?;
    let node = node(&packages)?;
    let python = python(&packages)?;
    step("build the plugins and the hub");
    build::guests(root)?;
    let hub = build::hub(root, Profile::Dev)?;
    step("test");
    let mut cargo = Command::new(build::cargo());
    cargo.args(["test", "--workspace"]).current_dir(root);
    cargo.env("OPENHUB_TEST_BINARY", hub).env("OPENHUB_TEST_NODE_MODULES", node).env("OPENHUB_TEST_PYTHON", python);
    run(&mut cargo)
}

fn step(text: &str) {
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

/// The `node_modules` that holds the client library.
fn node(packages: &Path) -> Result<PathBuf> {
    if !exists("npm") || !exists("node") {
        install(&["nodejs", "npm"], "Node.js 18 or newer, with npm")?;
    }
    let (name, version) = NODE_PACKAGE;
    let place = packages.join("node");
    let modules = place.join("node_modules");
    let installed = std::fs::read_to_string(modules.join(name).join("package.json")).unwrap_or_default();
    if !installed.contains(&format!("\"version\": \"{version}\"")) {
        step(&format!("install {name} {version}"));
        std::fs::create_dir_all(&place)?;
        let mut npm = Command::new("npm");
        npm.args(["install", "--no-audit", "--no-fund", "--no-save", "--prefix"])
            .arg(&place)
            .arg(format!("{name}@{version}"));
        run(&mut npm)?;
    }
    Ok(modules)
}

/// A Python that has the client library.
fn python(packages: &Path) -> Result<PathBuf> {
    if !exists("python3") {
        install(&["python3", "python3-venv"], "Python 3.9 or newer")?;
    }
    let (name, version) = PYTHON_PACKAGE;
    let place = packages.join("python");
    let python = place.join("bin/python");
    let stamp = place.join(format!("{name}-{version}"));
    if !stamp.is_file() {
        step(&format!("install {name} {version}"));
        let made = run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&place));
        if made.is_err() {
            install(&["python3-venv"], "Python's module venv")?;
            run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&place))?;
        }
        let requirement = format!("{name}=={version}");
        run(Command::new(&python).args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            &requirement,
        ]))?;
        std::fs::write(&stamp, "")?;
    }
    Ok(python)
}

fn exists(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
}

/// Installs system packages where that is ours to do: as root, with apt.
fn install(packages: &[&str], what: &str) -> Result<()> {
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
