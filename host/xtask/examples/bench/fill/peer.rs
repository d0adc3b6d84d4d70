//! DuckDB as a process of its own (`peer.py`), from PyPI into an environment below the target folder.

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use super::audience::Audience;
use crate::costs::Cost;

const SCRIPT: &str = include_str!("peer.py");

pub struct Peer {
    process: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
    pub loaded: Loaded,
}

#[derive(Deserialize)]
pub struct Loaded {
    pub version: String,
    pub threads: u32,
    pub seconds: f64,
}

/// What it found, and at which cost.
pub struct Found {
    pub counts: Vec<i64>,
    pub cost: Cost,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Members {
    Counted,
    Stored,
}

#[derive(Deserialize)]
struct Answer {
    seconds: f64,
    cpu_seconds: f64,
    peak_mib: f64,
    counts: Vec<i64>,
}

impl Peer {
    /// Loads the history that lies in `folder` as CSV.
    pub fn start(folder: &Path) -> Result<Peer> {
        let python = python()?;
        let script = folder.join("peer.py");
        std::fs::write(&script, SCRIPT)?;
        let mut process = Command::new(python)
            .arg(&script)
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("Python could not be started")?;
        let requests = process.stdin.take().context("it was started with a pipe")?;
        let mut answers = BufReader::new(process.stdout.take().context("it was started with a pipe")?);
        let loaded = read(&mut answers)?;
        Ok(Peer { process, requests, answers, loaded })
    }

    pub fn find(&mut self, audiences: &[Audience], members: Members) -> Result<Found> {
        let queries: Vec<_> = audiences.iter().map(|audience| [&audience.name, &audience.sql]).collect();
        let request = json!({"queries": queries, "keep": members == Members::Stored});
        writeln!(self.requests, "{request}")?;
        self.requests.flush()?;
        let Answer { seconds, cpu_seconds, peak_mib, counts } = read(&mut self.answers)?;
        ensure!(counts.len() == audiences.len(), "DuckDB answered {} of {} queries", counts.len(), audiences.len());
        Ok(Found { counts, cost: Cost { seconds, cpu_seconds, peak_mib } })
    }

    pub fn stop(self) -> Result<()> {
        let Peer { mut process, requests, .. } = self;
        drop(requests);
        let status = process.wait()?;
        ensure!(status.success(), "DuckDB ended with {status}");
        Ok(())
    }
}

fn read<T: DeserializeOwned>(answers: &mut impl BufRead) -> Result<T> {
    let mut line = String::new();
    answers.read_line(&mut line)?;
    ensure!(!line.is_empty(), "DuckDB has ended");
    Ok(serde_json::from_str(&line)?)
}

/// An interpreter that has DuckDB.
fn python() -> Result<PathBuf> {
    let place = xtask::build::target(&std::env::current_dir()?)?.join("bench-duckdb");
    let python = place.join("bin/python");
    let has_duckdb = || {
        Command::new(&python)
            .args(["-c", "import duckdb"])
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    };
    if !has_duckdb() {
        done(Command::new("python3").args(["-m", "venv"]).arg(&place))?;
        done(Command::new(&python).args(["-m", "pip", "install", "--quiet", "duckdb"]))?;
    }
    Ok(python)
}

/// What it prints goes to the standard error: the standard output is for figures.
fn done(command: &mut Command) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("{name} could not be started"))?;
    ensure!(output.status.success(), "{name} failed: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
