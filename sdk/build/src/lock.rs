//! The manifest as text: canonical inside the component, readable in `manifest.lock.json` beside `plugin.toml`.
//!
//! The lock file is committed, so that a plugin that reads, writes or asks for more than before shows in review.

use std::path::Path;

use anyhow::{Context, Result, bail};
use openhub_model::asks;
use openhub_model::manifest::Manifest;
use serde_json::Value;

/// The file's name, beside the plugin's `plugin.toml`.
pub const LOCK_FILE: &str = "manifest.lock.json";

/// One text for one manifest: keys sorted, no spaces.
pub fn canonical(manifest: &Manifest) -> Result<String> {
    Ok(sorted(manifest)?.to_string())
}

fn pretty(manifest: &Manifest) -> Result<String> {
    let mut text = serde_json::to_string_pretty(&sorted(manifest)?)?;
    text.push('\n');
    Ok(text)
}

fn sorted(manifest: &Manifest) -> Result<Value> {
    let mut value = serde_json::to_value(manifest).context("the manifest has no JSON form")?;
    value.sort_all_objects();
    Ok(value)
}

/// Writes the lock file of the plugin in `dir`, or only compares it if it is to stay as it is.
pub fn settle(dir: &Path, manifest: &Manifest, locked: bool) -> Result<()> {
    let path = dir.join(LOCK_FILE);
    let text = pretty(manifest)?;
    let found = match std::fs::read_to_string(&path) {
        Ok(found) => Some(found.replace("\r\n", "\n")),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    match found {
        Some(found) if found == text => Ok(()),
        None if locked => {
            bail!("{} is missing: build the plugin once without --locked, and commit the file", path.display())
        }
        Some(found) if locked => {
            let change = difference(&found, manifest, &text);
            bail!(
                "{} differs from the built manifest: {change}. Build without --locked, and review the file",
                path.display()
            )
        }
        _ => write_whole(&path, text.as_bytes()),
    }
}

/// What the plugin newly asks for, or no more; else the first line that differs.
fn difference(found: &str, built: &Manifest, text: &str) -> String {
    let locked: Option<Manifest> = serde_json::from_str(found).ok();
    let (more, less) = locked.map(|locked| asks::difference(&locked, built)).unwrap_or_default();
    let more = more.into_iter().map(|line| format!("the plugin now {line}"));
    let told: Vec<String> = more.chain(less.into_iter().map(|line| format!("the plugin no longer {line}"))).collect();
    if told.is_empty() { first_difference(found, text) } else { told.join("; ") }
}

fn first_difference(found: &str, built: &str) -> String {
    let mut lines = found.lines().zip(built.lines()).enumerate();
    match lines.find(|(_, (found, built))| found != built) {
        Some((index, (found, built))) => format!("line {}: `{}` became `{}`", index + 1, found.trim(), built.trim()),
        None => "its length".to_owned(),
    }
}

/// Writes a file so that nobody ever reads half of it.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    if std::fs::read(path).is_ok_and(|found| found == bytes) {
        return Ok(());
    }
    let folder = path.parent().context("a file needs a folder")?;
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let half = path.with_extension(format!("{}.part", std::process::id()));
    std::fs::write(&half, bytes).with_context(|| format!("cannot write {}", half.display()))?;
    std::fs::rename(&half, path).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        Manifest {
            format: 1,
            name: "points".into(),
            version: "1.0.0".into(),
            publisher: "o".into(),
            ..Manifest::default()
        }
    }

    #[test]
    fn canonical_is_sorted_and_dense() {
        let text = canonical(&manifest()).unwrap();
        assert!(text.starts_with(r#"{"description":{},"format":1,"imports":[],"#), "{text}");
        assert!(!text.contains(": ") && !text.contains('\n'));
    }

    #[test]
    fn e11_locked_compares_and_unlocked_writes() {
        let folder = tempfile::tempdir().unwrap();
        let missing = settle(folder.path(), &manifest(), true).unwrap_err().to_string();
        assert!(missing.contains("is missing"), "{missing}");
        settle(folder.path(), &manifest(), false).unwrap();
        settle(folder.path(), &manifest(), true).unwrap();
        let wider = Manifest { hosts: vec!["example.com".into()], ..manifest() };
        let widened = settle(folder.path(), &wider, true).unwrap_err().to_string();
        assert!(
            widened.contains("differs") && widened.contains("the plugin now reaches the host example.com"),
            "{widened}"
        );
        settle(folder.path(), &wider, false).unwrap();
        settle(folder.path(), &wider, true).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
