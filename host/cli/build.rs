//! Packs components into the binary: those of the folder that `EMBEDDED_PLUGINS` names, as `cargo xtask release` does. Without it
//! there are none: then the binary is built by one call of cargo, from source alone.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

const FOLDER: &str = "EMBEDDED_PLUGINS";

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-env-changed={FOLDER}");
    let mut files = Vec::new();
    if let Some(folder) = env::var_os(FOLDER).filter(|folder| !folder.is_empty()) {
        println!("cargo::rerun-if-changed={}", Path::new(&folder).display());
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path().canonicalize()?;
            if path.extension().is_some_and(|extension| extension == "wasm") {
                files.push(path);
            }
        }
    }
    files.sort();
    let mut text = String::from("pub const EMBEDDED: &[(&str, &[u8])] = &[\n");
    for file in files {
        let name = file.file_stem().unwrap_or_default().display().to_string();
        let _infallible = writeln!(text, "    ({name:?}, include_bytes!({:?})),", file.display().to_string());
    }
    text.push_str("];\n");
    fs::write(PathBuf::from(env::var_os("OUT_DIR").expect("cargo names it")).join("embedded.rs"), text)
}
