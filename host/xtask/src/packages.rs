//! The unmodified client libraries that the API is tested with, of pinned versions, in `target/test-packages`, and a browser.
//!
//! What is installed is found again by the next run.

use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::build::{self, run};
use crate::test::{exists, install, step};

/// What runs in Node, what a page loads, and what drives the browser.
const NODE_PACKAGES: &[&str] = &[
    "@segment/analytics-node@3.1.0",
    "analytics-node@6.2.0",
    "@customerio/cdp-analytics-node@0.5.9",
    "@rudderstack/rudder-sdk-node@3.0.0",
    "@dittofeed/sdk-node@0.1.2",
    "@jitsu/js@1.11.0",
    "@segment/analytics-next@1.84.0",
    "analytics-next-1.63@npm:@segment/analytics-next@1.63.0",
    "@rudderstack/analytics-js@3.34.1",
    "playwright-core@1.64.1",
    "openapi-typescript@7.13.0",
    "openapi-fetch@0.17.0",
    "typescript@5.9.3",
    "@types/node@20.9.5",
    "standardwebhooks@1.1.1",
    "oidc-provider@9.13.3",
];
const PYTHON_PACKAGES: &[&str] = &[
    "segment-analytics-python==2.4.0",
    "rudder-sdk-python==2.1.3",
    "customerio-cdp-analytics==1.1.0",
    "standardwebhooks==1.1.0",
    "schemathesis==4.32.5",
];
/// Names the browser that the tests drive.
pub const CHROMIUM: &str = "CHROMIUM";

fn place(root: &Path) -> Result<PathBuf> {
    let place = build::target(root)?.join("test-packages");
    std::fs::create_dir_all(&place)?;
    Ok(place)
}

/// Whether these packages were installed there, which a file says.
fn is_there(place: &Path, packages: &[&str]) -> bool {
    std::fs::read_to_string(place.join("installed")).is_ok_and(|installed| installed == packages.join("\n"))
}

/// The `node_modules` that holds the client libraries.
pub fn node(root: &Path) -> Result<PathBuf> {
    let place = place(root)?.join("node");
    if !exists("npm") || !exists("node") {
        install(&["nodejs", "npm"], "Node.js 18 or newer, with npm")?;
    }
    if !is_there(&place, NODE_PACKAGES) {
        step(&format!("install {}", NODE_PACKAGES.join(" ")));
        std::fs::create_dir_all(&place)?;
        let mut npm = Command::new("npm");
        let npm = npm.args(["install", "--no-audit", "--no-fund", "--no-save", "--loglevel", "error", "--prefix"]);
        run(npm.arg(&place).args(NODE_PACKAGES))?;
        std::fs::write(place.join("installed"), NODE_PACKAGES.join("\n"))?;
    }
    Ok(place.join("node_modules"))
}

/// A Python that has the client libraries.
pub fn python(root: &Path) -> Result<PathBuf> {
    let place = place(root)?.join("python");
    if !exists("python3") {
        install(&["python3", "python3-venv"], "Python 3.10 or newer")?;
    }
    let python = place.join("bin/python");
    if !is_there(&place, PYTHON_PACKAGES) {
        step(&format!("install {}", PYTHON_PACKAGES.join(" ")));
        let made = run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&place));
        if made.is_err() {
            install(&["python3-venv"], "Python's module venv")?;
            run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&place))?;
        }
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
        run(Command::new(&python).args(pip).args(PYTHON_PACKAGES))?;
        std::fs::write(place.join("installed"), PYTHON_PACKAGES.join("\n"))?;
    }
    Ok(python)
}

/// Where `openhub plugin build` keeps the tools of other languages, which it installs by itself with what the two above need, too.
pub fn tools(root: &Path) -> Result<PathBuf> {
    Ok(place(root)?.join("tools"))
}

/// A program of the client libraries in Rust: `tests/libraries/rust`, a workspace with a lock file of its own.
pub fn rust(root: &Path) -> Result<PathBuf> {
    let target = place(root)?.join("rust");
    step("build the client libraries in Rust");
    let mut cargo = Command::new(build::cargo());
    cargo.args(["build", "--locked"]).current_dir(root.join("tests/libraries/rust")).env("CARGO_TARGET_DIR", &target);
    run(&mut cargo)?;
    Ok(target.join("debug/openhub-test-libraries"))
}

/// A Chromium: the one that the environment names, or one of the usual names.
pub fn chromium() -> Result<PathBuf> {
    let named = std::env::var_os(CHROMIUM).map(PathBuf::from);
    let find = || {
        let usual = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
        let path = std::env::var_os("PATH").unwrap_or_default();
        let places: Vec<PathBuf> = std::env::split_paths(&path).collect();
        usual.iter().flat_map(|name| places.iter().map(move |place| place.join(name))).find(|file| file.is_file())
    };
    if let Some(found) = named.or_else(find) {
        return Ok(found);
    }
    install(&["chromium"], "Chromium (or its path in `CHROMIUM`)")?;
    find().context("Chromium was installed, but not found")
}
