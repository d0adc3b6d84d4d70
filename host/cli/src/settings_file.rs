//! The configuration file as it was written: its keys, and the line of each, so that a fault names the place to correct.

use openhub_model::fault::nearest;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use toml::Table;
use toml::de::DeTable;

use crate::refusal::Refusal;

/// A TOML file that was read.
pub struct SettingsFile {
    path: PathBuf,
    /// The line of each key.
    lines: BTreeMap<String, usize>,
    pub table: Table,
}

impl SettingsFile {
    /// Refuses a file that cannot be read, or is not TOML.
    pub fn read(path: &Path) -> Result<SettingsFile, Refusal> {
        let shown = path.display();
        let text = std::fs::read_to_string(path)
            .map_err(|error| Refusal::new(format!("the configuration file {shown} cannot be read: {error}")))?;
        let line = |at: usize| 1 + text[..at.min(text.len())].matches('\n').count();
        let broken = |error: toml::de::Error| {
            let line = error.span().map_or(1, |span| line(span.start));
            // What stands behind the key may be a password.
            let key = text.lines().nth(line - 1).and_then(|line| line.split('=').next()).unwrap_or_default().trim();
            Refusal::new(format!(
                "bad configuration: {shown}, line {line}: `{key}` is not valid TOML: {}",
                error.message()
            ))
        };
        let keys = DeTable::parse(&text).map_err(broken)?;
        let lines = keys.get_ref().iter().map(|(key, _)| (key.get_ref().to_string(), line(key.span().start))).collect();
        let table = toml::from_str(&text).map_err(broken)?;
        Ok(SettingsFile { path: path.to_owned(), lines, table })
    }

    /// Takes the keys out that are no settings, and tells each with the setting that was most likely meant.
    pub fn take_unknown(&mut self, known: &[&str]) -> Vec<String> {
        let unknown: Vec<String> = self.table.keys().filter(|key| !known.contains(&key.as_str())).cloned().collect();
        let told = unknown.iter().map(|key| {
            let meant = nearest(key, known.iter().copied()).map(|meant| format!(" (did you mean `{meant}`?)"));
            format!("{}: there is no setting `{key}`{}", self.place(key), meant.unwrap_or_default())
        });
        let told = told.collect();
        unknown.iter().for_each(|key| drop(self.table.remove(key)));
        told
    }

    /// The file and the line in which a key stands.
    pub fn place(&self, key: &str) -> String {
        let line = self.lines.get(key).copied().unwrap_or(1);
        format!("{}, line {line}", self.path.display())
    }
}
