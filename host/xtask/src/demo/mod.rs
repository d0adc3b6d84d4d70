//! `cargo xtask demo`: 69,659 real purchases through a fresh hub, and what came of them beside the truths.
//!
//! Hub, client and receiver are separate processes. The figures are read from the hub's public API and from the
//! receiver, never from the file; the file only says what is sent.

mod api;
mod cost;
pub mod figures;
pub mod purchases;
pub mod replay;
pub mod setup;
mod show;
pub mod site;
pub mod truths;

use anyhow::{Context, Result, anyhow, ensure};
use clap::Args;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::signal::unix::{SignalKind, signal};

use crate::build::{self, Profile};
use crate::process::Server;
use crate::test::lacking;
pub use api::Api;
pub use cost::Usage;
use figures::Figures;
use setup::Tenant;
use site::Site;

#[derive(Args)]
pub struct Options {
    /// Exit after the table, with a non-zero status if a figure differs.
    #[arg(long)]
    once: bool,
    /// Make the last line one JSON object.
    #[arg(long)]
    json: bool,
    /// `postgres://…`, or the path of a new SQLite file.
    #[arg(long, value_name = "URL|PATH")]
    database: Option<String>,
    /// Events that the engine handles in one transaction, at most.
    #[arg(long, value_name = "N")]
    batch: Option<usize>,
    /// Batches that the engine computes at the same time.
    #[arg(long, value_name = "N")]
    workers: Option<usize>,
    /// Only every Nth customer; the expected figures are then counted from the file.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    every: u64,
    /// Run this binary instead of building one.
    #[arg(long, value_name = "PATH", hide = true)]
    hub: Option<PathBuf>,
    /// Leave out the Nth request, to see the figures and the exit status change.
    #[arg(long, value_name = "N", hide = true)]
    drop_request: Option<usize>,
    /// Build nothing: use this hub, and the plugins in `target/plugins`.
    #[arg(long, value_name = "HUB", hide = true)]
    prebuilt: Option<PathBuf>,
}

pub fn run(root: &Path, options: Options) -> Result<ExitCode> {
    let (hub, components) = match &options.prebuilt {
        Some(hub) => (hub.clone(), build::built(root)?),
        None => {
            eprintln!("building the plugins and the hub: a first build takes a quarter of an hour on two cores …");
            lacking(&[("cc", "a C compiler", "build-essential")])?;
            let guests = build::guests(root)?;
            let components = guests.into_iter().map(|guest| (guest.manifest.name, guest.bytes)).collect();
            (build::hub(root, Profile::Release)?, components)
        }
    };
    let place = tempfile::Builder::new().prefix("openhub-demo-").tempdir()?;
    let database = database(options.database.as_deref(), place.path())?;
    let (receiver, folder) = (std::env::current_exe()?, place.path().to_owned());
    let site = Site { hub, receiver, folder, database, settings: Vec::new() };
    let demo = Demo { root: root.to_owned(), site, components, options };
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?.block_on(demo.run())
}

/// By Ctrl-C, or by whoever ends us: what was started is stopped either way.
async fn asked_to_stop() -> Result<()> {
    let mut terminated = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => Ok(interrupted?),
        _ = terminated.recv() => Ok(()),
    }
}

/// The database's URL: a given one, or a new file in the demo's own folder.
fn database(given: Option<&str>, place: &Path) -> Result<String> {
    let path = match given {
        Some(url) if url.starts_with("postgres://") || url.starts_with("postgresql://") => return Ok(url.to_owned()),
        Some(path) => std::path::absolute(path.trim_start_matches("sqlite://"))?,
        None => place.join("openhub.db"),
    };
    ensure!(!path.exists(), "{} already exists: remove it, since the demo starts with fresh data", path.display());
    Ok(format!("sqlite://{}", path.display()))
}

struct Demo {
    root: PathBuf,
    site: Site,
    components: Vec<(String, Vec<u8>)>,
    options: Options,
}

impl Demo {
    async fn run(&self) -> Result<ExitCode> {
        let suffix = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
        let past = self.site.create_tenant(&format!("cdnow-{suffix}"), "replay").await?;
        let live = self.site.create_tenant(&format!("live-{suffix}"), "live").await?;
        let receiver = self.site.start_receiver().await?;
        let hub = self.site.start_hub("127.0.0.1:0", &self.flags(receiver.address())).await?;
        let outcome = tokio::select! {
            outcome = self.measure(&hub, &receiver, &past, &live) => outcome,
            stopped = asked_to_stop() => stopped.and_then(|()| Err(anyhow!("interrupted"))),
        };
        let code = match outcome {
            Ok(code) if !self.options.once => {
                show::invitation(&hub.url, &live);
                asked_to_stop().await?;
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

    fn flags(&self, receiver: &str) -> Vec<String> {
        let mut flags = vec!["--allow-private".to_owned(), receiver.to_owned()];
        for (flag, value) in [("--batch", self.options.batch), ("--workers", self.options.workers)] {
            flags.extend(value.map(|value| [flag.to_owned(), value.to_string()]).into_iter().flatten());
        }
        flags
    }

    async fn measure(&self, hub: &Server, receiver: &Server, past: &Tenant, live: &Tenant) -> Result<ExitCode> {
        for tenant in [live, past] {
            setup::install(&hub.url, tenant, &self.components, &receiver.url, &self.root).await?;
        }
        setup::welcome(&hub.url, live, &self.root).await?;
        let purchases = purchases::read(&self.root.join("examples/cdnow/cdnow.csv"), self.options.every)?;
        let truths = truths::of(&purchases, self.options.every);
        let (figures, costs) = replay::replay(hub, receiver, past, &purchases, self.options.drop_request).await?;
        show::table(&figures, &truths, &costs);
        let reader = Api::new(&hub.url, &past.api_key)?;
        let members = reader.get(&format!("/api/v1/segments/{}/members?limit=1", setup::QUIET)).await?;
        if let Some(customer) = members["members"][0]["customer"].as_str() {
            let why = format!("/api/v1/segments/{}/why?customer={customer}", setup::QUIET);
            show::why(setup::QUIET, &reader.get(&why).await?)?;
        }
        if self.options.json {
            println!("{}", show::json(&figures, &costs)?);
        }
        Ok(verdict(&figures, &truths))
    }
}

fn verdict(figures: &Figures, truths: &Figures) -> ExitCode {
    if figures == truths { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// How long nothing may move before the demo gives up.
const PATIENCE: Duration = Duration::from_secs(180);
