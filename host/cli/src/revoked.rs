//! What the operator has revoked: the list of the configuration, and a file beside it that is read again when it changes. So a plugin
//! is stopped without a restart, on each node that reads the file.

use std::path::{Path, PathBuf};
use std::time::Duration;

use openhub_runtime::Runtime;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::refusal::Refusal;

/// How often the file is looked at. What runs is stopped within five seconds.
const LOOKS: Duration = Duration::from_secs(1);

pub struct List {
    /// Of the configuration.
    fixed: Vec<String>,
    file: Option<PathBuf>,
    /// Of the file, as it was read last.
    read: Vec<String>,
}

impl List {
    pub fn new(config: &Config) -> Result<List, Refusal> {
        let file = config.revoked_file.clone();
        let named = file.as_deref().map(read).transpose();
        let read = named.map_err(|error| Refusal::new(format!("bad configuration: `revoked_file`: {error}")))?;
        Ok(List { fixed: config.revoked.clone(), file, read: read.unwrap_or_default() })
    }

    pub fn all(&self) -> Vec<String> {
        [&self.fixed[..], &self.read[..]].concat()
    }

    /// Until the hub stops. What cannot be read is told, and what was revoked before stays revoked.
    pub async fn follow(mut self, runtime: Runtime, stopping: CancellationToken) {
        let Some(file) = self.file.clone() else { return };
        let (mut told, mut seen) = (String::new(), self.read.clone());
        loop {
            tokio::select! {
                () = tokio::time::sleep(LOOKS) => {}
                () = stopping.cancelled() => return,
            }
            match read(&file) {
                // It may be half written: what is read twice counts.
                Ok(read) if read != seen => seen = read,
                Ok(read) => {
                    self.read = read;
                    told.clear();
                    let all = self.all();
                    if runtime.revoke(&all) {
                        tracing::warn!(file = %file.display(), revoked = all.len(), "What is revoked has changed.");
                    }
                }
                Err(error) if error != told => {
                    tracing::error!(
                        error,
                        "The file of `revoked_file` cannot be used: what was revoked before stays so."
                    );
                    told = error;
                }
                Err(_) => {}
            }
        }
    }
}

/// Whether a text is a publisher's key or a component's digest.
pub fn is_name(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// One name a line; what stands behind a `#` is for people.
fn read(file: &Path) -> Result<Vec<String>, String> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("{} cannot be read: {error}", file.display()))?;
    let lines = (1..).zip(text.lines());
    let lines = lines.map(|(number, line)| (number, line.split('#').next().unwrap_or_default().trim()));
    let name = |(number, name): (usize, &str)| match is_name(name) {
        true => Ok(name.to_owned()),
        false => Err(format!(
            "{}, line {number}: `{name}` is neither a key nor a digest: both have 64 hexadecimal digits",
            file.display()
        )),
    };
    lines.filter(|(_, name)| !name.is_empty()).map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_a_name_a_line() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("revoked");
        assert!(read(&file).unwrap_err().contains("cannot be read"));
        let (one, other) = ("ab".repeat(32), "CD".repeat(32));
        std::fs::write(&file, format!("# bad ones\n\n{one}\n  {other}  # leaked\n")).unwrap();
        assert_eq!(read(&file).unwrap(), [one.clone(), other]);
        std::fs::write(&file, format!("{one}\nnobody\n")).unwrap();
        assert!(read(&file).unwrap_err().contains("line 2: `nobody`"));
        let config = Config { revoked: vec!["ef".repeat(32)], revoked_file: Some(file.clone()), ..Config::default() };
        assert!(List::new(&config).is_err(), "a hub does not start with half of a list");
        std::fs::write(&file, &one).unwrap();
        assert_eq!(List::new(&config).unwrap().all(), ["ef".repeat(32), one]);
    }
}
