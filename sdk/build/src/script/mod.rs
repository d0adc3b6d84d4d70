//! Plugins in JavaScript and Python: the same component, made by the language's own tool.
//!
//! What a plugin is made of stands in its `plugin.toml`. From that come the manifest, the plugin's own world, and a module
//! (`.openhub/openhub…`) that turns columns into rows and effects into columns, so that the plugin is a function of one row.

mod exports;
mod javascript;
mod layout;
mod packages;
mod python;
mod shapes;
#[cfg(test)]
mod spoken;
mod tools;
mod unchanged;
mod world;

pub use tools::CACHE;

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::policy::{POLICY_FILE, Policy};
use crate::{Assembled, canonical, check, component, sdk};

/// What a plugin is written in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    #[default]
    Rust,
    JavaScript,
    Python,
}

/// Where each language's plugin begins.
const BEGINNINGS: [(Language, &str); 3] =
    [(Language::Rust, "Cargo.toml"), (Language::JavaScript, javascript::FILE), (Language::Python, python::FILE)];

impl Language {
    /// What the plugin in a folder is written in, by the file that it begins with.
    pub fn of(dir: &Path) -> Result<Language> {
        ensure!(dir.is_dir(), "there is no folder {}", dir.display());
        let mut there = BEGINNINGS.into_iter().filter(|(_, file)| dir.join(file).is_file());
        match (there.next(), there.next()) {
            (Some((language, _)), None) => Ok(language),
            (Some((_, one)), Some((_, other))) => {
                bail!("{} has both {one} and {other}: a plugin is in one language", dir.display())
            }
            (None, _) => bail!(
                "{} is not a plugin's folder: it has no Cargo.toml (Rust), no {} and no {}",
                dir.display(),
                javascript::FILE,
                python::FILE
            ),
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Language::Rust => "rust",
            Language::JavaScript => "javascript",
            Language::Python => "python",
        })
    }
}

impl std::str::FromStr for Language {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Language> {
        let found = BEGINNINGS.into_iter().map(|(language, _)| language).find(|language| language.to_string() == text);
        found.with_context(|| format!("there is no SDK for `{text}`; there are: rust, javascript, python"))
    }
}

/// A script plugin that is about to be built: its folder, and the one that the build fills.
struct Project {
    dir: PathBuf,
    /// `.openhub`.
    place: PathBuf,
}

impl Project {
    fn write(&self, path: &str, text: &str) -> Result<()> {
        crate::lock::write_whole(&self.place.join(path), text.as_bytes())
    }

    /// Where the tool finds the plugin's world, and leaves the component.
    fn wit(&self) -> PathBuf {
        self.place.join("build/wit")
    }

    fn component(&self) -> PathBuf {
        self.place.join("build/component.wasm")
    }
}

/// Makes the component of a plugin in JavaScript or Python. Writes below its `.openhub` alone.
pub fn assemble(dir: &Path, language: Language, policy: Policy) -> Result<Assembled> {
    let dir = dir.canonicalize().with_context(|| format!("there is no folder {}", dir.display()))?;
    let place = dir.join(sdk::FOLDER);
    let project = Project { dir, place };
    made(&project, language, policy).with_context(|| format!("the plugin in {}", project.dir.display()))
}

fn made(project: &Project, language: Language, policy: Policy) -> Result<Assembled> {
    let mut manifest = shapes::manifest(policy).with_context(|| POLICY_FILE.to_owned())?;
    check::check(&manifest)?;
    let rules = layout::rules(&manifest)?;
    world::write(project)?;
    match language {
        Language::Python => python::componentize(project, &rules)?,
        Language::JavaScript | Language::Rust => javascript::componentize(project, &rules)?,
    }
    let path = project.component();
    let encoded = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let encoded = exports::only_ours(&encoded)?;
    let surface = component::surface(&encoded)?;
    check::exports(&manifest, &surface.exports)?;
    manifest.imports = surface.imports;
    let bytes = component::append_manifest(encoded, &canonical(&manifest)?);
    Ok(Assembled { manifest, bytes, map: None })
}

/// The files that an editor wants before the first build: what the plugin imports.
pub fn unpack(dir: &Path, language: Language) -> Result<()> {
    let project = Project { dir: dir.to_path_buf(), place: dir.join(sdk::FOLDER) };
    let rules = layout::rules(&shapes::manifest(Policy::read(dir)?)?)?;
    match language {
        Language::Rust => Ok(()),
        Language::JavaScript => javascript::write(&project, &rules),
        Language::Python => python::write(&project, &rules),
    }
}

/// Runs a tool; what it says is shown only if it fails.
fn run(command: &mut Command, what: &str) -> Result<()> {
    let answer = command.env("RUST_BACKTRACE", "0").output().with_context(|| format!("cannot start {what}"))?;
    if answer.status.success() {
        return Ok(());
    }
    let said = [answer.stderr, answer.stdout].map(|text| String::from_utf8_lossy(&text).trim().to_owned());
    let said = said.iter().find(|text| !text.is_empty()).map_or("it says nothing", String::as_str);
    // Where in the tool it was found says nothing to the plugin's author.
    let said = said.split("\n\nCaused by:").next().unwrap_or(said).trim_end();
    bail!("{what} failed:\n{said}")
}
