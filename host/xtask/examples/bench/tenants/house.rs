//! A hub with a tenant at the top and the others directly below it, all made through its API.

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::process::Command;
use tokio::time::sleep;

use xtask::demo::{Api, Usage};
use xtask::process::Server;

/// Tenants that are made at the same time.
const TOGETHER: usize = 16;
/// How long a hub has to come to rest after its start.
const SETTLES: Duration = Duration::from_secs(20);
/// How long it is watched at rest.
const WATCHED: Duration = Duration::from_secs(10);

pub struct House {
    pub hub: Server,
    /// A key of the tenant at the top.
    pub top: String,
    /// Keys of the tenants, which may do all.
    pub keys: Vec<String>,
    program: PathBuf,
    place: PathBuf,
}

/// A hub that has nothing to do.
pub struct Rest {
    pub resident_kib: f64,
    /// In ten seconds.
    pub cpu_seconds: f64,
}

/// As `openhub tenant create --json` answers.
#[derive(Deserialize)]
struct Top {
    api_key: String,
}

impl House {
    pub async fn build(program: &Path, place: &Path, tenants: usize) -> Result<House> {
        let data = place.join("hub");
        let output =
            Command::new(program).args(["tenant", "create", "top", "--json", "--data"]).arg(&data).output().await?;
        ensure!(
            output.status.success(),
            "the tenant could not be created: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let top = serde_json::from_slice::<Top>(&output.stdout)?.api_key;
        let hub = serve(program, place).await?;
        let mut keys = Vec::with_capacity(tenants);
        for first in (0..tenants).step_by(TOGETHER) {
            let numbers = first..tenants.min(first + TOGETHER);
            let made = numbers.map(|number| tokio::spawn(below(hub.url.clone(), top.clone(), number)));
            for key in made.collect::<Vec<_>>() {
                keys.push(key.await??);
            }
        }
        Ok(House { hub, top, keys, program: program.to_owned(), place: place.to_owned() })
    }

    /// Starts the hub anew, so that nothing is left in memory of how its tenants were made, and watches it.
    pub async fn rest(&mut self) -> Result<Rest> {
        let hub = serve(&self.program, &self.place).await?;
        std::mem::replace(&mut self.hub, hub).stop().await?;
        sleep(SETTLES).await;
        let before = Usage::of(self.hub.pid())?.cpu_seconds();
        sleep(WATCHED).await;
        let cpu_seconds = Usage::of(self.hub.pid())?.cpu_seconds() - before;
        Ok(Rest { resident_kib: resident_kib(self.hub.pid())?, cpu_seconds })
    }

    /// A counter of the hub's, over all its labels.
    pub async fn counted(&self, name: &str) -> Result<f64> {
        let text = reqwest::get(format!("{}/metrics", self.hub.url)).await?.error_for_status()?.text().await?;
        let values = text.lines().filter(|line| line.split(['{', ' ']).next() == Some(name));
        Ok(values.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum())
    }

    pub async fn stop(self) -> Result<()> {
        self.hub.stop().await.map(drop)
    }
}

async fn serve(program: &Path, place: &Path) -> Result<Server> {
    let mut command = Command::new(program);
    command.args(["serve", "--listen", "127.0.0.1:0", "--log", "warn", "--data"]).arg(place.join("hub"));
    Server::start(&mut command, &place.join("hub.log")).await
}

/// Makes a tenant, and its first key as its owner would.
async fn below(url: String, top: String, number: usize) -> Result<String> {
    let api = Api::new(&url, &top)?;
    let made = api.call(Method::POST, "/api/v1/tenants", Some(&json!({"name": format!("tenant-{number}")}))).await?;
    let setup = made["setup_key"].as_str().context("a setup key")?;
    let claimed: Value = Api::new(&url, setup)?.call(Method::POST, "/api/v1/claim", None).await?;
    Ok(claimed["key"].as_str().context("a key")?.to_owned())
}

fn resident_kib(pid: i32) -> Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()).context("the kernel names no resident set")?;
    Ok(kib.parse()?)
}
