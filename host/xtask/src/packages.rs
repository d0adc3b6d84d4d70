//! The unmodified client libraries that the API is tested with, of pinned versions, in `target/test-packages`.
//!
//! What is installed is found again by the next run.

use anyhow::Result;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::build::{self, run};
use crate::test::{exists, install, step};

const NODE_PACKAGE: (&str, &str) = ("@segment/analytics-node", "3.1.0");
const PYTHON_PACKAGE: (&str, &str) = ("segment-analytics-python", "2.4.0");

fn place(root: &Path) -> Result<PathBuf> {
    let place = build::target(root)?.join("test-packages");
    std::fs::create_dir_all(&place)?;
    Ok(place)
}

/// The `node_modules` that holds the client library.
pub fn node(root: &Path) -> Result<PathBuf> {
    let packages = place(root)?;
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
pub fn python(root: &Path) -> Result<PathBuf> {
    let packages = place(root)?;
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
