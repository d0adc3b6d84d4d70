//! `cargo xtask demo`: 69,659 real purchases through a fresh hub, and what came of them beside the truths.
//!
//! Hub, client and receiver are separate processes. The figures are read from the hub's public API and from the
//! receiver, never from the file; the file only says what is sent.

mod api;
mod cost;
mod figures;
mod purchases;
mod replay;
mod setup;
mod show;
mod truths;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::process::Command;

use crate::build::{self, Profile};
use crate::process::Server;
pub use api::Api;
pub use cost::Usage;
use figures::Figures;
use setup::{SIGNING_SECRET, Tenant};

#[derive(Args)]
pub struct Options {
    /// End after the table, with a non-zero exit if a figure differs.
    #[arg(long)]
    once: bool,
    /// Make the last line one JSON object.
    #[arg(long)]
    json: bool,
    /// `postgres://…`, or the path of a new SQLite file.
    #[arg(long, value_name = "URL|PATH")]
    database: Option<String>,
    /// Events that the engine takes through one transaction at most.
    #[arg(long, value_name = "N")]
    batch: Option<usize>,
    /// Batches that the engine computes at the same time.
    #[arg(long, value_name = "N")]
    workers: Option<usize>,
    /// Only every Nth customer; the truths are then counted from the file.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    every: u64,
    /// Leave out the Nth request, to see the figures and the exit code change.
    #[arg(long, value_name = "N", hide = true)]
    drop_request: Option<usize>,
}

pub fn run(root: &Path, options: Options) -> Result<ExitCode> {
    eprintln!("building the plugins and the hub …");
    let guests = build::guests(root)?;
    let hub = build::hub(root, Profile::Release)?;
    let components = guests.into_iter().map(|guest| (guest.manifest.name, guest.bytes)).collect();
    let place = tempfile::Builder::new().prefix("openhub-demo-").tempdir()?;
    let demo = Demo { root: root.to_owned(), hub, components, place: place.path().to_owned(), options };
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?.block_on(async {
        tokio::select! {
            code = demo.run() => code,
            _ = tokio::signal::ctrl_c() => bail!("interrupted"),
        }
    })
}

struct Demo {
    root: PathBuf,
    hub: PathBuf,
    components: Vec<(String, Vec<u8>)>,
    place: PathBuf,
    options: Options,
}

impl Demo {
    async fn run(&self) -> Result<ExitCode> {
        let database = self.database()?;
        let suffix = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
        let past = self.create_tenant(&database, &format!("cdnow-{suffix}"), "replay").await?;
        let live = self.create_tenant(&database, &format!("live-{suffix}"), "live").await?;
        let receiver = self.start_receiver().await?;
        let hub = self.start_hub(&database, receiver.address()).await?;
        let outcome = self.measure(&hub, &receiver, &past, &live).await;
        let code = match outcome {
            Ok(code) if !self.options.once => {
                show::invitation(&hub.url, &live);
                tokio::signal::ctrl_c().await?;
                Ok(code)
            }
            other => other.with_context(|| format!("the hub's last words:\n{}\n", hub.log_tail())),
        };
        let stopped = hub.stop().await;
        receiver.stop().await?;
        let code = code?;
        stopped?;
        Ok(code)
    }

    async fn measure(&self, hub: &Server, receiver: &Server, past: &Tenant, live: &Tenant) -> Result<ExitCode> {
        for tenant in [live, past] {
            setup::install(&hub.url, tenant, &self.components, &receiver.url, &self.root).await?;
        }
        let purchases = purchases::read(&self.root.join("examples/cdnow/cdnow.csv"), self.options.every)?;
        let truths = truths::of(&purchases, self.options.every);
        let (figures, costs) = replay::replay(hub, receiver, past, &purchases, self.options.drop_request).await?;
        show::table(&figures, &truths, &costs);
        if self.options.json {
            println!("{}", show::json(&figures, &costs)?);
        }
        Ok(verdict(&figures, &truths))
    }

    /// The database's URL: a given one, or a new file in the demo's own folder.
    fn database(&self) -> Result<String> {
        let path = match self.options.database.as_deref() {
            Some(url) if url.starts_with("postgres://") || url.starts_with("postgresql://") => {
                return Ok(url.to_owned());
            }
            Some(path) => std::path::absolute(path.trim_start_matches("sqlite://"))?,
            None => self.place.join("openhub.db"),
        };
        ensure!(!path.exists(), "{} exists: the demo starts with fresh data", path.display());
        Ok(format!("sqlite://{}", path.display()))
    }

    async fn create_tenant(&self, database: &str, name: &str, clock: &str) -> Result<Tenant> {
        let mut command = Command::new(&self.hub);
        command
            .args(["tenant", "create", name, "--clock", clock, "--json", "--database", database, "--data"])
            .arg(&self.place);
        let output = command.output().await?;
        ensure!(
            output.status.success(),
            "the tenant could not be created: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        serde_json::from_slice(&output.stdout).context("`openhub tenant create --json` answered something else")
    }

    async fn start_receiver(&self) -> Result<Server> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("receiver").env("RECEIVER_SECRET", SIGNING_SECRET);
        Server::start(&mut command, &self.place.join("receiver.log")).await
    }

    async fn start_hub(&self, database: &str, receiver: &str) -> Result<Server> {
        let mut command = Command::new(&self.hub);
        command.args(["serve", "--listen", "127.0.0.1:0", "--database", database, "--data"]).arg(&self.place);
        command.args(["--allow-private", receiver, "--log", "warn"]);
        for (flag, value) in [("--batch", self.options.batch), ("--workers", self.options.workers)] {
            if let Some(value) = value {
                command.args([flag, &value.to_string()]);
            }
        }
        Server::start(&mut command, &self.place.join("hub.log")).await
    }
}

fn verdict(figures: &Figures, truths: &Figures) -> ExitCode {
    if figures == truths { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// How long nothing may move before the demo gives up.
const PATIENCE: Duration = Duration::from_secs(180);
