//! Packs the SDK's source into the crate, so that a binary writes plugins that need no checkout and no registry of ours.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// What a plugin builds and tests with, from the workspace's root.
const PARTS: [&str; 7] =
    ["sdk/rust", "sdk/macros", "sdk/testing", "sdk/testing-macros", "wit", "Cargo.toml", "Cargo.lock"];

/// Plugins of ours, which others start from: with their tests, which stand on the SDK alone.
const PLUGINS: &str = "plugins";

fn main() -> io::Result<()> {
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo names it"));
    let root = here.join("../..").canonicalize()?;
    let mut files = Vec::new();
    for part in PARTS {
        collect(&root.join(part), &["tests", "target"], &mut files)?;
        println!("cargo::rerun-if-changed={}", root.join(part).display());
    }
    let mut plugins = Vec::new();
    collect(&root.join(PLUGINS), &["target"], &mut plugins)?;
    println!("cargo::rerun-if-changed={}", root.join(PLUGINS).display());
    let mut text = packed("FILES", files, &root);
    text.push_str(&packed("PLUGINS", plugins, &root.join(PLUGINS)));
    fs::write(PathBuf::from(env::var_os("OUT_DIR").expect("cargo names it")).join("sdk.rs"), text)
}

/// A constant with the text of each file by its path below `base`.
fn packed(name: &str, mut files: Vec<PathBuf>, base: &Path) -> String {
    files.sort();
    let mut text = format!("pub const {name}: &[(&str, &str)] = &[\n");
    for file in files {
        let name = file.strip_prefix(base).expect("it lies below the base").display().to_string();
        let _infallible = writeln!(text, "    ({name:?}, include_str!({:?})),", file.display().to_string());
    }
    text.push_str("];\n");
    text
}

/// Every file outside of folders that are left out: the SDK's tests stand on what is not packed.
fn collect(path: &Path, without: &[&str], files: &mut Vec<PathBuf>) -> io::Result<()> {
    if path.is_file() {
        files.push(path.to_path_buf());
        return Ok(());
    }
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if !without.iter().any(|name| entry.file_name() == *name) {
            collect(&entry.path(), without, files)?;
        }
    }
    Ok(())
}
