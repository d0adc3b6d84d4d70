//! Packs the SDK's source into the crate, so that a binary writes plugins that need no checkout and no registry of ours.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// What a plugin builds and tests with, from the workspace's root.
const PARTS: [&str; 7] =
    ["sdk/rust", "sdk/macros", "sdk/testing", "sdk/testing-macros", "wit", "Cargo.toml", "Cargo.lock"];

fn main() -> io::Result<()> {
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo names it"));
    let root = here.join("../..").canonicalize()?;
    let mut files = Vec::new();
    for part in PARTS {
        collect(&root.join(part), &mut files)?;
        println!("cargo::rerun-if-changed={}", root.join(part).display());
    }
    files.sort();
    let mut text = String::from("pub const FILES: &[(&str, &str)] = &[\n");
    for file in files {
        let name = file.strip_prefix(&root).expect("it lies below the root").display().to_string();
        let _infallible = writeln!(text, "    ({name:?}, include_str!({:?})),", file.display().to_string());
    }
    text.push_str("];\n");
    fs::write(PathBuf::from(env::var_os("OUT_DIR").expect("cargo names it")).join("sdk.rs"), text)
}

/// Every file but tests, which stand on what is not packed.
fn collect(path: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    if path.is_file() {
        files.push(path.to_path_buf());
        return Ok(());
    }
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_name() != "tests" && entry.file_name() != "target" {
            collect(&entry.path(), files)?;
        }
    }
    Ok(())
}
