//! The tools of other languages: of pinned versions, from npm and PyPI, in a cache that all plugins of this machine share.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use super::run;

/// Names the folder of the cache, instead of the usual one.
pub const CACHE: &str = "OPENHUB_TOOLS";
const NPM_MANIFEST: &str = include_str!("../../../javascript/tool/package.json");
const NPM_LOCK: &str = include_str!("../../../javascript/tool/package-lock.json");
/// The tools, each with its version.
pub const QJS: &str = "componentize-qjs-0.4.5";
const PIP_LOCK: &str = include_str!("../../../python/tool/requirements.txt");
pub const PY: &str = "componentize-py-0.25.1";
/// Of the oldest Node.js and Python that the tools run on.
const NODE: &str = "Node.js 18 or newer, with npm";
const PYTHON: &str = "Python 3.10 or newer, with its module venv";

/// The script of componentize-qjs, for Node.js.
pub fn javascript() -> Result<PathBuf> {
    needs("node", &["--version"], "JavaScript", NODE)?;
    let place = settled(QJS, NPM_LOCK, |place| {
        needs("npm", &["--version"], "JavaScript", NODE)?;
        fs::write(place.join("package.json"), NPM_MANIFEST)?;
        fs::write(place.join("package-lock.json"), NPM_LOCK)?;
        let mut npm = Command::new("npm");
        npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel", "error"]).current_dir(place);
        run(&mut npm, "npm")
    })?;
    Ok(place.join("node_modules/componentize-qjs/bin/componentize-qjs"))
}

/// The environment of componentize-py, with the program in `bin`.
pub fn python() -> Result<PathBuf> {
    settled(PY, PIP_LOCK, |place| {
        needs("python3", &["-c", "import sys; sys.exit(sys.version_info < (3, 10))"], "Python", PYTHON)?;
        let venv = run(Command::new("python3").args(["-m", "venv"]).arg(place), "python3 -m venv");
        venv.with_context(|| {
            format!("a plugin in Python is built with {PYTHON}: install it (on Debian: python3-venv)")
        })?;
        let locked = place.join("requirements.txt");
        fs::write(&locked, PIP_LOCK)?;
        let mut pip = Command::new(place.join("bin/python"));
        pip.args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--no-deps",
            "--only-binary",
            ":all:",
        ]);
        run(pip.arg("--require-hashes").arg("--requirement").arg(&locked), "pip")
    })
}

fn needs(program: &str, arguments: &[&str], language: &str, what: &str) -> Result<()> {
    let works = Command::new(program).args(arguments).output().is_ok_and(|answer| answer.status.success());
    ensure!(works, "a plugin in {language} is built with {what}: install it, so that `{program}` is on the PATH");
    Ok(())
}

/// The folder of a tool, which is installed there if it is not yet. What says so is written last.
fn settled(name: &str, lock: &str, install: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    let cache = cache()?;
    let (place, stamp) = (cache.join(name), cache.join(name).join("installed"));
    let is_there = || fs::read_to_string(&stamp).is_ok_and(|there| there == lock);
    if is_there() {
        return Ok(place);
    }
    let cannot = || format!("cannot write to {}; {CACHE} names another folder", cache.display());
    fs::create_dir_all(&cache).with_context(cannot)?;
    let turn = File::create(cache.join(format!("{name}.lock"))).with_context(cannot)?;
    // Two builds at once: the second one finds what the first has installed.
    turn.lock().with_context(cannot)?;
    if !is_there() {
        eprintln!("installing {name} into {} (once)", place.display());
        if place.exists() {
            fs::remove_dir_all(&place).with_context(cannot)?;
        }
        fs::create_dir_all(&place).with_context(cannot)?;
        install(&place).with_context(|| format!("cannot install {name}"))?;
        fs::write(&stamp, lock).with_context(cannot)?;
    }
    Ok(place)
}

fn cache() -> Result<PathBuf> {
    let named = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(folder) = named(CACHE) {
        return Ok(folder);
    }
    let usual = named("XDG_CACHE_HOME").or_else(|| named("HOME").map(|home| home.join(".cache")));
    match usual {
        Some(usual) => Ok(usual.join("openhub/tools")),
        None => bail!("there is no HOME for the tools' cache: name a folder in {CACHE}"),
    }
}
