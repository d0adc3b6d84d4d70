//! A hub's place on this machine: its data folder, its database, and the processes around them.

use anyhow::{Context, Result, ensure};
use std::path::PathBuf;
use tokio::process::Command;

use super::setup::{SIGNING_SECRET, Tenant};
use crate::process::Server;

pub struct Site {
    /// The binary `openhub`.
    pub hub: PathBuf,
    /// The binary that has the command `receiver`.
    pub receiver: PathBuf,
    /// Holds the data and the logs.
    pub folder: PathBuf,
    /// The database's URL.
    pub database: String,
    /// Settings of the hub, as variables of its environment.
    pub settings: Vec<(&'static str, &'static str)>,
}

impl Site {
    /// `openhub <arguments> --database … --data …`
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.hub);
        command.args(arguments).args(["--database", &self.database, "--data"]).arg(&self.folder);
        command.envs(self.settings.iter().copied());
        command
    }

    pub async fn create_tenant(&self, name: &str, clock: &str) -> Result<Tenant> {
        let output = self.command(&["tenant", "create", name, "--clock", clock, "--json"]).output().await?;
        let stderr = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "the tenant could not be created: {stderr}");
        serde_json::from_slice(&output.stdout)
            .context("the answer of `openhub tenant create --json` is not what the demo expects")
    }

    /// Starts a hub on `listen`; its log goes on in `hub.log`.
    pub async fn start_hub(&self, listen: &str, flags: &[String]) -> Result<Server> {
        let mut command = self.command(&["serve", "--listen", listen, "--log", "warn"]);
        command.args(flags);
        Server::start(&mut command, &self.folder.join("hub.log")).await
    }

    /// Starts the receiver of webhooks on a free port.
    pub async fn start_receiver(&self) -> Result<Server> {
        let mut command = Command::new(&self.receiver);
        command.arg("receiver").env("RECEIVER_SECRET", SIGNING_SECRET);
        Server::start(&mut command, &self.folder.join("receiver.log")).await
    }
}
