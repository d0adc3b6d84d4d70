//! The SDK's source, as this binary was built with, unpacked into a plugin's folder: `.openhub`, which is no part of the plugin's
//! own source and is made anew by every version of `openhub`.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use openhub_model::Id;
use toml::{Table, Value};

pub mod packed {
    include!(concat!(env!("OUT_DIR"), "/sdk.rs"));
}

/// Below the plugin's folder.
pub const FOLDER: &str = ".openhub";
const STAMP: &str = "version";
const WORKSPACE: &str = "Cargo.toml";
const LOCK: &str = "Cargo.lock";

/// Unpacks the SDK beside a plugin whose `Cargo.toml` points there, unless this version is there already.
pub fn settle(plugin_dir: &Path) -> Result<()> {
    let manifest = fs::read_to_string(plugin_dir.join("Cargo.toml")).unwrap_or_default();
    if manifest.contains(&format!("{FOLDER}/sdk/")) { unpack(plugin_dir) } else { Ok(()) }
}

pub fn unpack(plugin_dir: &Path) -> Result<()> {
    let place = plugin_dir.join(FOLDER);
    let version = version();
    if fs::read_to_string(place.join(STAMP)).is_ok_and(|there| there == version) {
        return Ok(());
    }
    let cannot = || format!("cannot unpack the SDK into {}", place.display());
    if place.exists() {
        fs::remove_dir_all(&place).with_context(cannot)?;
    }
    for (path, text) in packed::FILES {
        match *path {
            WORKSPACE => crate::lock::write_whole(&place.join(path), workspace(text)?.as_bytes())?,
            LOCK => {}
            _ => crate::lock::write_whole(&place.join(path), text.as_bytes())?,
        }
    }
    // Last, so that what was cut off is done again.
    crate::lock::write_whole(&place.join(STAMP), version.as_bytes())
}

/// The versions of other crates that the SDK was tested with.
pub fn lock() -> &'static str {
    packed::FILES.iter().find(|(path, _)| *path == LOCK).map_or("", |(_, text)| text)
}

fn version() -> String {
    let texts: Vec<&[u8]> = packed::FILES.iter().flat_map(|(path, text)| [path.as_bytes(), text.as_bytes()]).collect();
    Id::named(&texts).to_string()
}

/// What the workspace says of the crates that a plugin depends on: `base64 = "0.22"`, one line each.
pub fn dependencies(names: &[&str]) -> Result<String> {
    let text = packed::FILES.iter().find(|(path, _)| *path == WORKSPACE).map_or("", |(_, text)| text);
    let root: Table = text.parse().context("the packed Cargo.toml")?;
    let known =
        root.get("workspace").and_then(|whole| whole.get("dependencies")).context("it names no dependencies")?;
    let lines = names.iter().map(|name| {
        let of = known.get(name).with_context(|| format!("the packed Cargo.toml does not know `{name}`"))?;
        Ok(format!("{name} = {of}\n"))
    });
    lines.collect()
}

/// The workspace of the checkout, with the SDK's crates alone.
fn workspace(text: &str) -> Result<String> {
    let mut root: Table = text.parse().context("the packed Cargo.toml")?;
    let mut whole =
        root.remove("workspace").and_then(|it| it.try_into::<Table>().ok()).context("it is no workspace")?;
    let mut members: Vec<&str> =
        packed::FILES.iter().filter_map(|(path, _)| path.strip_suffix("/Cargo.toml")).collect();
    members.sort_unstable();
    let mut kept = Table::new();
    for name in ["resolver", "package", "lints"] {
        kept.extend(whole.remove(name).map(|value| (name.to_owned(), value)));
    }
    if let Some(Value::Table(mut dependencies)) = whole.remove("dependencies") {
        dependencies.retain(|_, dependency| match dependency.get("path").and_then(Value::as_str) {
            Some(path) => members.contains(&path),
            None => true,
        });
        kept.insert("dependencies".to_owned(), Value::Table(dependencies));
    }
    kept.insert("members".to_owned(), Value::Array(members.into_iter().map(Value::from).collect()));
    Ok(toml::to_string(&Table::from_iter([("workspace".to_owned(), Value::Table(kept))]))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_unpacked_is_a_workspace_of_the_sdk_alone() {
        let folder = tempfile::tempdir().unwrap();
        unpack(folder.path()).unwrap();
        let place = folder.path().join(FOLDER);
        let root = fs::read_to_string(place.join(WORKSPACE)).unwrap();
        assert!(
            root.contains("members = [\"sdk/macros\", \"sdk/rust\", \"sdk/testing\", \"sdk/testing-macros\"]"),
            "{root}"
        );
        assert!(!root.contains("host/") && root.contains("wit-bindgen"), "{root}");
        for file in ["sdk/rust/src/lib.rs", "sdk/testing/src/kit.rs", "wit/plugin.wit"] {
            assert!(place.join(file).is_file(), "{file}");
        }
        assert!(!place.join(LOCK).exists() && lock().contains("name = \"wit-bindgen\""));
        // What is there is left alone, what is of another version is not.
        fs::write(place.join("sdk/rust/src/lib.rs"), "").unwrap();
        unpack(folder.path()).unwrap();
        assert_eq!(fs::read_to_string(place.join("sdk/rust/src/lib.rs")).unwrap(), "");
        fs::write(place.join(STAMP), "older").unwrap();
        unpack(folder.path()).unwrap();
        assert_ne!(fs::read_to_string(place.join("sdk/rust/src/lib.rs")).unwrap(), "");
    }
}
