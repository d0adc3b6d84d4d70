//! The configuration file as it was written: its keys, and the line of each, so that a fault names the place to correct.

use openhub_model::fault::nearest;
use serde::Deserialize;
use serde::de::IntoDeserializer;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use toml::Table;
use toml::de::DeTable;

/// A TOML file that was read.
pub struct SettingsFile {
    path: PathBuf,
    /// The line of each key.
    lines: BTreeMap<String, usize>,
    pub table: Table,
}

impl SettingsFile {
    /// What can be read of the file, and each place that is not TOML: one such line hides nothing of the others.
    pub fn read(path: &Path) -> (SettingsFile, Vec<String>) {
        let shown = path.display();
        let mut file = SettingsFile { path: path.to_owned(), lines: BTreeMap::new(), table: Table::new() };
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => return (file, vec![format!("the configuration file {shown} cannot be read: {error}")]),
        };
        let line = |at: usize| 1 + text[..at.min(text.len())].matches('\n').count();
        let (keys, broken) = DeTable::parse_recoverable(&text);
        let mut faults: BTreeMap<usize, String> = BTreeMap::new();
        for error in broken {
            let line = error.span().map_or(1, |span| line(span.start));
            // What stands behind the key may be a password.
            let key = text.lines().nth(line - 1).and_then(|line| line.split('=').next()).unwrap_or_default().trim();
            let told = || format!("{shown}, line {line}: `{key}` is not valid TOML: {}", error.message());
            faults.entry(line).or_insert_with(told);
        }
        for (key, value) in keys.into_inner() {
            let (line, name) = (line(key.span().start), key.into_inner().into_owned());
            let is_number = value.get_ref().is_integer() || value.get_ref().is_float();
            file.lines.insert(name.clone(), line);
            if faults.contains_key(&line) {
                continue;
            }
            match toml::Value::deserialize(value.into_deserializer()) {
                Ok(value) => drop(file.table.insert(name, value)),
                Err(_) if is_number => {
                    faults.insert(line, format!("{shown}, line {line}: `{name}` is too large a number"));
                }
                Err(error) => {
                    let what = error.message();
                    faults.insert(line, format!("{shown}, line {line}: `{name}` is not valid TOML: {what}"));
                }
            }
        }
        (file, faults.into_values().collect())
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
