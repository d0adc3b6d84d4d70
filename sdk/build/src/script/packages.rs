//! Packages of a plugin's own: from npm by its `package.json`, from PyPI by its `requirements.txt`.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use super::run;

/// Installs into `node_modules` what `package.json` names, unless it is there. Scripts of packages do not run.
pub fn node(dir: &Path) -> Result<()> {
    let Ok(text) = std::fs::read_to_string(dir.join("package.json")) else { return Ok(()) };
    let package: Value = serde_json::from_str(&text).context("package.json is not JSON")?;
    let is_empty = package["dependencies"].as_object().is_none_or(serde_json::Map::is_empty);
    if is_empty || dir.join("node_modules").is_dir() {
        return Ok(());
    }
    let is_locked = dir.join("package-lock.json").is_file();
    eprintln!("installing the packages of package.json");
    let mut npm = Command::new("npm");
    npm.arg(if is_locked { "ci" } else { "install" });
    npm.args(["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel", "error"]).current_dir(dir);
    run(&mut npm, "npm")
}

/// Installs into a folder what `requirements.txt` names, unless it is there: packages in Python alone, since a component has no
/// machine code.
pub fn python(dir: &Path, into: &Path, python: &Path) -> Result<()> {
    let Ok(wanted) = std::fs::read_to_string(dir.join("requirements.txt")) else { return Ok(()) };
    let stamp = into.join("requirements.installed");
    if std::fs::read_to_string(&stamp).is_ok_and(|there| there == wanted) {
        return Ok(());
    }
    if into.exists() {
        std::fs::remove_dir_all(into)?;
    }
    eprintln!("installing the packages of requirements.txt");
    let mut pip = Command::new(python);
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--only-binary",
        ":all:",
        "--platform",
        "any",
    ]);
    pip.arg("--target").arg(into).arg("--requirement").arg(dir.join("requirements.txt"));
    run(&mut pip, "pip")?;
    Ok(std::fs::write(stamp, wanted)?)
}
