//! Builds plugins: from a crate, or a script, to one WebAssembly component with its manifest inside.
//!
//! What a plugin is made of comes from its code (the SDK's macros leave shape fragments in the core module; in JavaScript and
//! Python it stands in `plugin.toml`), what it asks for from its `plugin.toml`; here both become the manifest. Nothing of a plugin is executed.
//! Installing it is the hub's part, running it in a test that of `openhub-sdk-testing`.

mod check;
mod component;
mod fragments;
mod guest;
mod lock;
mod map;
mod merge;
mod new;
mod policy;
mod script;
mod sdk;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use openhub_model::manifest::Manifest;

pub use check::check;
pub use guest::toolchain;
pub use lock::{LOCK_FILE, canonical};
pub use map::{MAP, explain};
pub use new::{Kind, new_plugin, new_plugin_from, ours};
pub use policy::{POLICY_FILE, Policy};
pub use script::{CACHE as TOOLS, Language};

/// Names the binary `openhub` in whose runtime a plugin's tests run.
pub const BINARY: &str = "OPENHUB_BINARY";

/// How to build; the default builds into the workspace's own target folder and writes the lock file.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Fail if `manifest.lock.json` differs from what was built, instead of writing it.
    pub locked: bool,
    /// Cargo's target folder, if not the workspace's own.
    pub target_dir: Option<PathBuf>,
    /// The component's file (`….wasm`) or its folder, if not `<target>/plugins`.
    pub out: Option<PathBuf>,
}

/// A component as it was written.
#[derive(Clone, Debug)]
pub struct Built {
    pub path: PathBuf,
    pub manifest: Manifest,
    pub bytes: Vec<u8>,
    /// As that of [`Assembled`]; it lies beside the component.
    pub map: Option<Vec<u8>>,
}

/// A component in memory: nothing was written but cargo's own output.
#[derive(Clone, Debug)]
pub struct Assembled {
    pub manifest: Manifest,
    pub bytes: Vec<u8>,
    /// From which functions and lines it comes: see [`explain`]. A script has none.
    pub map: Option<Vec<u8>>,
}

/// Builds the plugin in `plugin_dir` and writes its component and its lock file.
pub fn build(plugin_dir: &Path, options: Options) -> Result<Built> {
    let mut built = build_each(&[plugin_dir.to_path_buf()], &options)?;
    built.pop().context("nothing was built")
}

/// Builds several plugins, those of one workspace by one run of cargo, with the default options.
pub fn build_all(plugin_dirs: &[PathBuf]) -> Result<Vec<Built>> {
    build_each(plugin_dirs, &Options::default())
}

/// Builds several plugins with the same options; the answer has their order.
pub fn build_each(plugin_dirs: &[PathBuf], options: &Options) -> Result<Vec<Built>> {
    let made = make(plugin_dirs, options.target_dir.as_deref())?;
    let mut built = Vec::with_capacity(made.len());
    for Made { dir, target_dir, assembled: Assembled { manifest, bytes, map } } in made {
        lock::settle(&dir, &manifest, options.locked)?;
        let folder = options.out.clone().unwrap_or_else(|| target_dir.join("plugins"));
        let path = match folder.extension() {
            Some(extension) if extension == "wasm" => folder,
            _ => folder.join(format!("{}.wasm", manifest.name)),
        };
        lock::write_whole(&path, &bytes)?;
        if let Some(map) = &map {
            lock::write_whole(&path.with_extension(MAP), map)?;
        }
        built.push(Built { path, manifest, bytes, map });
    }
    Ok(built)
}

/// Builds the plugin in `plugin_dir` and leaves its lock file and `target/plugins` alone: what tests run.
pub fn assemble(plugin_dir: &Path) -> Result<Assembled> {
    let mut made = make(&[plugin_dir.to_path_buf()], None)?;
    Ok(made.pop().context("nothing was built")?.assembled)
}

/// A plugin in memory, and where its files belong.
struct Made {
    dir: PathBuf,
    target_dir: PathBuf,
    assembled: Assembled,
}

/// Each in its language; those in Rust by one run of cargo a workspace. The answer has the order of the folders.
fn make(plugin_dirs: &[PathBuf], target_dir: Option<&Path>) -> Result<Vec<Made>> {
    let languages = plugin_dirs.iter().map(|dir| Language::of(dir)).collect::<Result<Vec<_>>>()?;
    let named = || plugin_dirs.iter().zip(&languages);
    let crates: Vec<PathBuf> =
        named().filter(|(_, language)| **language == Language::Rust).map(|(dir, _)| dir.clone()).collect();
    let mut guests = guest::compile(&crates, target_dir)?.into_iter();
    let made = named().map(|(dir, language)| match language {
        Language::Rust => {
            let guest = guests.next().context("a crate was not built")?;
            Ok(Made { assembled: assemble_guest(&guest)?, dir: guest.dir, target_dir: guest.target_dir })
        }
        language => {
            let assembled = script::assemble(dir, *language, Policy::read(dir)?)?;
            let target_dir = target_dir.map_or_else(|| dir.join("target"), Path::to_path_buf);
            Ok(Made { dir: dir.clone(), target_dir, assembled })
        }
    });
    made.collect()
}

/// As [`assemble`], with a version number of its own.
pub fn assemble_as(plugin_dir: &Path, version: &str) -> Result<Assembled> {
    let policy = Policy { version: version.to_owned(), ..Policy::read(plugin_dir)? };
    match Language::of(plugin_dir)? {
        Language::Rust => {
            let guests = guest::compile(&[plugin_dir.to_path_buf()], None)?;
            assemble_of(guests.first().context("nothing was built")?, policy)
        }
        language => script::assemble(plugin_dir, language, policy),
    }
}

fn assemble_guest(guest: &guest::Guest) -> Result<Assembled> {
    assemble_of(guest, Policy::read(&guest.dir)?)
}

fn assemble_of(guest: &guest::Guest, policy: Policy) -> Result<Assembled> {
    let module = std::fs::read(&guest.module).with_context(|| format!("cannot read {}", guest.module.display()))?;
    assemble_module(&module, &guest.dir, policy).with_context(|| format!("the plugin in {}", guest.dir.display()))
}

/// Makes the component of a compiled core module and its policy. `dir` is the folder of its source.
pub fn assemble_module(module: &[u8], dir: &Path, policy: Policy) -> Result<Assembled> {
    let fragments = fragments::read(module)?;
    let mut manifest = merge::merge(fragments, policy)?;
    check::check(&manifest)?;
    let (module, lines) = map::split(&fragments::strip(module)?)?;
    let encoded = component::encode(&module)?;
    let map = map::of(dir, &module, &lines, &encoded)?;
    let surface = component::surface(&encoded)?;
    check::exports(&manifest, &surface.exports)?;
    manifest.imports = surface.imports;
    let bytes = component::append_manifest(encoded, &canonical(&manifest)?);
    Ok(Assembled { manifest, bytes, map })
}
