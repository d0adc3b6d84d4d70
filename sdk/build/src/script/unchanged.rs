//! The component of the last build, taken again if nothing that it was made of has changed since: the tools put a snapshot of an
//! interpreter into it, whose seeds differ each time, so that made again it would have another digest.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use openhub_model::Id;

use super::Project;

/// What the build itself writes, or reads for the manifest alone, which is put beside the code.
const BESIDE: [&str; 2] = ["manifest.lock.json", "plugin.toml"];
/// Folders that no code is taken from.
const FOLDERS: [&str; 3] = ["tests", "target", "__pycache__"];
const OUTPUT: [&str; 2] = ["wasm", "map"];

/// Has the component made by `make`, a tool of this name and version, unless it is there.
pub fn or_made(project: &Project, tool: &str, make: impl FnOnce() -> Result<()>) -> Result<()> {
    let (component, stamp) = (project.component(), project.place.join("build/component.inputs"));
    let inputs = inputs(project, tool)?;
    let made_of = |component: &[u8]| format!("{inputs} {}\n", Id::named(&[component]));
    let is_there = || Some(fs::read_to_string(&stamp).ok()? == made_of(&fs::read(&component).ok()?));
    if is_there().unwrap_or_default() {
        return Ok(());
    }
    if stamp.exists() {
        fs::remove_file(&stamp).with_context(|| format!("cannot remove {}", stamp.display()))?;
    }
    make()?;
    let made = fs::read(&component).with_context(|| format!("cannot read {}", component.display()))?;
    crate::lock::write_whole(&stamp, made_of(&made).as_bytes())
}

/// All that the tool can read, as one digest.
fn inputs(project: &Project, tool: &str) -> Result<Id> {
    let mut files = Vec::new();
    gather(&project.dir, "", &mut files)?;
    for entry in ["sdk.js", "openhub.js", "entry.js", "openhub", "packages", "build/wit", "build/openhub_entry.py"] {
        let path = project.place.join(entry);
        if path.is_dir() {
            gather(&path, &format!("{}/{entry}", crate::sdk::FOLDER), &mut files)?;
        } else if path.is_file() {
            files.push((entry.to_owned(), read(&path)?));
        }
    }
    files.sort_unstable();
    let count = files.len().to_string();
    let texts = files.iter().flat_map(|(name, bytes)| [Id::named(&[name.as_bytes(), bytes]).to_string()]);
    let texts: Vec<String> = [tool.to_owned(), count].into_iter().chain(texts).collect();
    Ok(Id::named(&texts.iter().map(String::as_bytes).collect::<Vec<_>>()))
}

fn gather(dir: &Path, below: &str, files: &mut Vec<(String, Vec<u8>)>) -> Result<()> {
    for entry in fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))? {
        let entry = entry?;
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        let is_output = path.extension().is_some_and(|extension| OUTPUT.iter().any(|output| extension == *output));
        if name.starts_with('.') || is_output || (below.is_empty() && BESIDE.contains(&name.as_str())) {
            continue;
        }
        let inside = format!("{below}/{name}");
        if entry.file_type()?.is_dir() {
            if !FOLDERS.contains(&name.as_str()) {
                gather(&path, &inside, files)?;
            }
        } else if path.is_file() {
            files.push((inside, read(&path)?));
        }
    }
    Ok(())
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b5_a_component_is_made_again_only_of_something_else() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().to_path_buf();
        let project = Project { place: dir.join(crate::sdk::FOLDER), dir };
        let write = |path: &str, text: &str| {
            let path = project.dir.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let mut made = 0;
        let mut makes = |tool: &str| {
            let before = made;
            or_made(&project, tool, || {
                made += 1;
                Ok(fs::write(project.component(), format!("snapshot {made}"))?)
            })
            .unwrap();
            made > before
        };
        write("plugin.js", "export const rule = 1;");
        write(".openhub/openhub.js", "// 1");
        write(".openhub/build/wit/plugin.wit", "world");
        assert!(makes("tool-1") && !makes("tool-1"));
        // What the build leaves behind, and what says nothing of the code.
        for path in ["manifest.lock.json", "plugin.toml", "out.wasm", "tests/orders.json", ".git/HEAD"] {
            write(path, "other");
        }
        assert!(!makes("tool-1"));
        for path in [
            "plugin.js",
            "lib/more.js",
            "node_modules/a/index.js",
            ".openhub/openhub.js",
            ".openhub/build/wit/plugin.wit",
        ] {
            write(path, "other");
            assert!(makes("tool-1") && !makes("tool-1"), "{path}");
        }
        assert!(makes("tool-2"));
        write(".openhub/build/component.wasm", "half of a snap");
        assert!(makes("tool-2") && !makes("tool-2"));
        // A name is no part of what is in the file.
        fs::rename(project.dir.join("lib/more.js"), project.dir.join("lib/mores.js")).unwrap();
        assert!(makes("tool-2"));
    }
}
