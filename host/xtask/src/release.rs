//! The binary that is given away: with the plugins of ours inside, so that who has no compiler can install them.
//!
//! Two calls of cargo, one after the other: the guests are built by themselves, and the hub then takes what was built. Neither
//! needs the other's source, so a plain `cargo build` makes the same hub without them.

use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::build::{cargo, run, target, wasm_target};

/// Tells the hub's build where the components lie.
const FOLDER: &str = "EMBEDDED_PLUGINS";

/// Builds the plugins and then the binary, and says where it is.
pub fn release(root: &Path) -> Result<()> {
    let folder = embedded(root)?;
    run(Command::new(cargo())
        .args(["build", "--release", "--package", "openhub"])
        .env(FOLDER, &folder)
        .current_dir(root))?;
    println!("{}", target(root)?.join("release/openhub").display());
    Ok(())
}

/// A folder with the components of all plugins of ours and nothing else.
fn embedded(root: &Path) -> Result<PathBuf> {
    wasm_target(root)?;
    let folders: Vec<PathBuf> = openhub_sdk_build::ours().iter().map(|name| root.join("plugins").join(name)).collect();
    let built = openhub_sdk_build::build_all(&folders).context("the plugins could not be built")?;
    let folder = target(root)?.join("embedded");
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::create_dir_all(&folder)?;
    for plugin in built {
        let file = folder.join(format!("{}.wasm", plugin.manifest.name));
        std::fs::write(&file, &plugin.bytes).with_context(|| file.display().to_string())?;
    }
    Ok(folder)
}
