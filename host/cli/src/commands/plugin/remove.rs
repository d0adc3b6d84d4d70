//! `openhub plugin remove`: the end of a plugin, and what becomes of what it kept.

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use reqwest::Method;
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;
use tokio::io::AsyncWriteExt;

use super::text;
use crate::hub::Hub;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Data {
    Keep,
    Export,
    Erase,
}

impl Data {
    fn word(self) -> &'static str {
        match self {
            Data::Keep => "keep",
            Data::Export => "export",
            Data::Erase => "erase",
        }
    }
}

/// How often it is looked whether the engine has done it.
const LOOK: Duration = Duration::from_millis(500);

/// With `export` it is read after the plugin has ended, so that nothing is added to it, and erased once it is in the file.
pub async fn run(hub: &Hub, name: &str, data: Data, out: Option<&Path>) -> Result<()> {
    told(&remove(hub, name, data).await?)?;
    let Some(file) = out.filter(|_| data == Data::Export) else { return Ok(()) };
    let bytes = download(hub, name, file).await?;
    println!("  what it kept is in {} ({bytes} bytes)", file.display());
    told(&remove(hub, name, Data::Erase).await?)
}

async fn remove(hub: &Hub, name: &str, data: Data) -> Result<Value> {
    let path = format!("/api/v1/plugins/{name}?data={}", data.word());
    let mut receipt = hub.call(Method::DELETE, &path, &json!({})).await?;
    while receipt["done_at"].is_null() {
        tokio::time::sleep(LOOK).await;
        receipt = hub.get(&format!("/api/v1/plugin-removals/{}", text(&receipt, "id")?)).await?;
    }
    match receipt["refusal"].as_str() {
        Some(refusal) => bail!("{name} was not removed: {refusal}"),
        None => Ok(receipt),
    }
}

fn told(receipt: &Value) -> Result<()> {
    println!("removed {} {} (receipt {})", text(receipt, "plugin")?, text(receipt, "version")?, text(receipt, "id")?);
    match receipt["data"].as_str() {
        Some("erase") => {
            println!("  erased {} objects and {} entries of its own state", receipt["objects"], receipt["entries"]);
        }
        _ => println!("  the objects of its types and its own state are kept"),
    }
    Ok(())
}

async fn download(hub: &Hub, name: &str, file: &Path) -> Result<u64> {
    let mut answer = hub.download(&format!("/api/v1/plugins/{name}/data"), &[]).await?;
    let mut written = tokio::fs::File::create(file).await.with_context(|| file.display().to_string())?;
    let mut bytes = 0;
    while let Some(piece) =
        answer.chunk().await.context("what it kept could not be read to its end: nothing was erased")?
    {
        written.write_all(&piece).await.with_context(|| file.display().to_string())?;
        bytes += piece.len() as u64;
    }
    written.sync_all().await.with_context(|| file.display().to_string())?;
    Ok(bytes)
}
