//! How far an import has come, in a file beside its input, so that an interrupted one goes on.
//!
//! The state is written after the hub has answered, so it may lie behind what is stored; the ids of the rows are the
//! same when they are sent again, and the hub passes over what it knows.

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::path::{Path, PathBuf};

use super::summary::Reasons;
use super::target::Into;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct State {
    /// Of the file and the mapping.
    pub import: String,
    /// The hash of the file's bytes.
    #[serde(default)]
    pub file: Option<String>,
    /// What its rows became.
    #[serde(default)]
    pub into: Option<Into>,
    /// Into which hub and as whom: what one tenant has taken says nothing of another.
    #[serde(default)]
    pub target: String,
    /// Rows that are settled, from the first on.
    pub rows: u64,
    pub refused: u64,
    /// Rows that had a time in the future.
    #[serde(default)]
    pub moved: u64,
    /// Rows that the hub knew already.
    #[serde(default)]
    pub known: u64,
    /// Rows that a hub itself said.
    #[serde(default)]
    pub by_the_hub: u64,
    /// Rows that grant a consent and have no time.
    #[serde(default)]
    pub untimed: u64,
    /// Why rows were refused.
    #[serde(default)]
    pub reasons: Reasons,
    /// What was left out of rows that were taken.
    #[serde(default)]
    pub left_out: Reasons,
    /// The hub's cursor behind which what came of the rows stands.
    #[serde(default)]
    pub after: Option<String>,
    /// Of the last row, in the hub's log.
    #[serde(default)]
    pub position: i64,
    /// Whether the list of refused rows is begun, however far it came.
    #[serde(default)]
    pub has_begun_list: bool,
    /// Length of the list of refused rows.
    pub refused_bytes: u64,
    /// Hash of it, by which one that was mended since is known.
    #[serde(default)]
    pub refused_hash: Option<String>,
    pub done: bool,
}

/// What is imported now.
pub struct Of<'o> {
    pub import: &'o str,
    pub file: &'o str,
    pub into: Into,
    pub target: &'o str,
}

/// What a batch adds.
#[derive(Debug, Default)]
pub struct Counts {
    pub moved: u64,
    pub known: u64,
    pub by_the_hub: u64,
    pub untimed: u64,
    pub position: Option<i64>,
    pub after: Option<String>,
}

impl State {
    pub fn add(&mut self, counts: Counts) {
        let Counts { moved, known, by_the_hub, untimed, position, after } = counts;
        self.moved += moved;
        self.known += known;
        self.by_the_hub += by_the_hub;
        self.untimed += untimed;
        self.position = position.unwrap_or_default().max(self.position);
        // Of the first batch.
        self.after = self.after.take().or(after);
    }

    /// A new import's, which knows the list of refused rows that another has left.
    fn after(before: State, import: &str, target: &str) -> State {
        let (import, target) = (import.to_owned(), target.to_owned());
        State { import, target, refused_hash: before.refused_hash, ..State::default() }
    }
}

/// The hash of a file that was imported into this target to its end, as its progress file says. What was refused of it then stands in
/// a list of its own.
pub fn imported(path: &Path, target: &str) -> Option<String> {
    let state: State = serde_json::from_str(&std::fs::read_to_string(path).ok()?).ok()?;
    state.file.filter(|_| state.done && state.target == target)
}

pub struct StateFile {
    /// None in a dry run.
    path: Option<PathBuf>,
    pub state: State,
}

impl StateFile {
    /// A new import's, which leaves no trace.
    pub fn none(import: &str) -> StateFile {
        StateFile { path: None, state: State { import: import.to_owned(), ..State::default() } }
    }

    /// From the first row on, whatever the file says.
    pub fn restart(path: &Path, import: &str, target: &str) -> Result<StateFile> {
        let before = std::fs::read_to_string(path).ok().and_then(|text| serde_json::from_str(&text).ok());
        let restarted =
            StateFile { path: Some(path.to_owned()), state: State::after(before.unwrap_or_default(), import, target) };
        restarted.save()?;
        Ok(restarted)
    }

    /// Where an import into this target has come to; into another one, it begins with the first row.
    pub fn open(path: &Path, of: &Of<'_>) -> Result<StateFile> {
        let Of { import, file, into, target } = *of;
        let state = match std::fs::read_to_string(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                State::after(State::default(), import, target)
            }
            Err(error) => return Err(anyhow::Error::new(error).context(path.display().to_string())),
            Ok(text) => serde_json::from_str::<State>(&text).with_context(|| {
                format!("{} is not a progress file of an import: name another one with `--state`", path.display())
            })?,
        };
        let is_other = state.import != import && state.target == target;
        if is_other && !state.done && state.file.as_deref().is_some_and(|known| known != file) {
            bail!(
                "the file was changed since an import of it stopped, of which {} rows are done: put the file back as it was and run \
                 this again to finish it, or start again with `--restart`, which sends also those rows as new ones",
                state.rows
            );
        }
        if is_other
            && state.done
            && state.file.as_deref() == Some(file)
            && state.into == Some(into)
            && into == Into::Events
        {
            bail!(
                "this file was imported already, with other options: its {} rows would come as new events beside those. If that is \
                 meant, add `--restart`",
                state.rows
            );
        }
        if state.import != import && !state.done {
            bail!(
                "{} belongs to an import of another file or with another mapping, which stopped at row {}: finish that one, or \
                 start again with `--restart`",
                path.display(),
                state.rows
            );
        }
        let is_continued = state.import == import && state.target == target;
        if state.import == import && !is_continued && state.rows > 0 {
            eprintln!("this file went to another hub, or with another key: it is sent from its first row on");
        }
        let state = if is_continued { state } else { State::after(state, import, target) };
        Ok(StateFile { path: Some(path.to_owned()), state })
    }

    /// Whole or not at all.
    pub fn save(&self) -> Result<()> {
        let Some(path) = &self.path else { return Ok(()) };
        let mut name = path.clone().into_os_string();
        name.push(".new");
        let write = || -> std::io::Result<()> {
            let mut file = std::fs::File::create(&name)?;
            file.write_all(serde_json::to_string(&self.state)?.as_bytes())?;
            std::fs::rename(&name, path)
        };
        write().with_context(|| format!("the import's state {}", path.display()))
    }
}
