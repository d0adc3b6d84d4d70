//! Servers as child processes: started, waited for until they say where they listen, ended by their id.

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

const START: Duration = Duration::from_secs(120);
const END: Duration = Duration::from_secs(120);

/// A server that runs until it is stopped; dropped without, it is killed.
pub struct Server {
    child: Child,
    pid: i32,
    /// `http://127.0.0.1:PORT`.
    pub url: String,
    log: PathBuf,
}

impl Server {
    /// Starts a program that prints `listening on URL`; its stderr goes to `log`.
    pub async fn start(command: &mut Command, log: &Path) -> Result<Server> {
        let name = command.as_std().get_program().to_string_lossy().into_owned();
        let stderr =
            OpenOptions::new().create(true).append(true).open(log).with_context(|| log.display().to_string())?;
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{name} could not be started"))?;
        let pid = child.id().context("it ended at once")? as i32;
        let mut lines = BufReader::new(child.stdout.take().context("its stdout is piped")?).lines();
        let url = tokio::time::timeout(START, async {
            while let Some(line) = lines.next_line().await? {
                if let Some(url) = line.strip_prefix("listening on ") {
                    return anyhow::Ok(url.trim().to_owned());
                }
            }
            bail!("{name} ended before it listened: {}", tail(log))
        });
        let url = url.await.with_context(|| format!("{name} did not listen in time: {}", tail(log)))??;
        Ok(Server { child, pid, url, log: log.to_owned() })
    }

    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// `127.0.0.1:PORT`.
    pub fn address(&self) -> &str {
        self.url.trim_start_matches("http://")
    }

    /// The last lines that it logged.
    pub fn log_tail(&self) -> String {
        tail(&self.log)
    }

    /// Asks it to end, waits, and kills it if it does not.
    pub async fn stop(mut self) -> Result<ExitStatus> {
        if let Some(ended) = self.child.try_wait()? {
            return Ok(ended);
        }
        kill(Pid::from_raw(self.pid), Signal::SIGTERM)?;
        match tokio::time::timeout(END, self.child.wait()).await {
            Ok(ended) => Ok(ended?),
            Err(_) => {
                self.child.kill().await?;
                bail!("process {} did not end in time and was killed: {}", self.pid, self.log_tail());
            }
        }
    }

    /// Ends it at once, without a chance to finish anything (SIGKILL).
    pub async fn kill(mut self) -> Result<()> {
        Ok(self.child.kill().await?)
    }
}

fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}
