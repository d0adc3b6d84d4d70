//! `openhub plugin dev`: builds a plugin whenever its source changes, puts it in force in a running hub, and shows what it logs.

use anyhow::{Context, Result};
use openhub_model::release;
use reqwest::Method;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::install::{offered, set_secrets};
use super::logs::{Following, Level};
use super::text;
use crate::hub::Hub;

/// How often the source and the log are looked at.
const LOOKS: Duration = Duration::from_millis(300);
/// Folders in which no source is.
const LEFT_OUT: &[&str] = &["target", "node_modules", ".git", ".venv", "__pycache__", ".openhub"];

/// What is set in the hub with each version.
pub struct Setup {
    pub settings: Map<String, Value>,
    pub secrets: Vec<String>,
}

/// Goes on until it is interrupted.
pub async fn run(hub: &Hub, path: &Path, setup: Setup) -> Result<()> {
    let mut log: Option<Following> = None;
    loop {
        let seen = source(path)?;
        match swap(hub, path, &setup).await {
            Ok((name, map)) => {
                let following = match log.take() {
                    Some(following) => following,
                    None => Following::from_now(hub, &name, Level::Debug).await?,
                };
                log = Some(following.explained_by(map));
            }
            Err(error) => eprintln!("{error:#}"),
        }
        eprintln!("waiting for a change in {}", path.display());
        while source(path)? == seen {
            tokio::time::sleep(LOOKS).await;
            if let Some(log) = &mut log
                && let Err(error) = log.print_new(hub).await
            {
                eprintln!("the log cannot be read: {error:#}");
                tokio::time::sleep(10 * LOOKS).await;
            }
        }
    }
}

/// Builds the plugin as a version above the active one, and puts it in force. Answers its name and its map.
async fn swap(hub: &Hub, path: &Path, setup: &Setup) -> Result<(String, Option<Vec<u8>>)> {
    let named = openhub_sdk_build::Policy::read(path)?;
    let (name, number) = (named.name.clone(), named.version.clone());
    let plugins = hub.all("/api/v1/plugins", "plugins").await?;
    let is_it = |plugin: &&Value| plugin["name"] == *name;
    let there = plugins.iter().find(is_it);
    let active = there.map(|plugin| text(plugin, "version")).transpose()?;
    let stamp = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock stands before 1970")?.as_millis();
    let version = release::of_developer(&number, active, stamp)?;
    let folder = path.to_owned();
    let built = tokio::task::spawn_blocking(move || openhub_sdk_build::assemble_as(&folder, &version)).await??;
    let began = Instant::now();
    let plugin = hub.upload("/api/v1/plugins", built.bytes).await?;
    set_secrets(hub, &name, &setup.secrets).await?;
    let put = |path: &str, body: Value| {
        let path = format!("/api/v1/plugins/{name}/{path}");
        let mut body = body;
        if !setup.settings.is_empty() {
            body["settings"] = Value::Object(setup.settings.clone());
        }
        async move { hub.call(Method::POST, &path, &body).await }
    };
    match (plugin["status"] == "enabled", plugin["difference"]["accept"].as_str()) {
        (true, Some(accept)) => {
            let digest = &plugin["candidate"]["digest"];
            put("activate", json!({"digest": digest, "accept": accept})).await?;
        }
        _ => {
            put("enable", json!({"accept": offered(&plugin)["digest"]})).await?;
        }
    }
    println!("{name} {} is in force, {} ms after the build", built.manifest.version, began.elapsed().as_millis());
    Ok((name, built.map))
}

/// When each file of a folder was changed last.
fn source(folder: &Path) -> Result<BTreeMap<PathBuf, SystemTime>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let entry = entry?;
            // A file that an editor has just put aside.
            let Ok(of) = entry.metadata() else { continue };
            let is_left_out = entry.file_name().to_str().is_some_and(|name| LEFT_OUT.contains(&name));
            // Cargo and the build write their lock files themselves.
            let is_written = entry.file_name().to_str().is_some_and(|name| name.contains(".lock"));
            match of.is_dir() {
                true if !is_left_out => folders.push(entry.path()),
                false if !is_written => {
                    found.insert(entry.path(), of.modified()?);
                }
                _ => {}
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_built_is_no_source() {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str| {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        };
        ["src/lib.rs", "plugin.toml", "target/x/y.wasm", "Cargo.lock", "manifest.lock.json"]
            .into_iter()
            .for_each(write);
        let found: Vec<PathBuf> = source(folder.path()).unwrap().into_keys().collect();
        assert_eq!(found, ["plugin.toml", "src/lib.rs"].map(|path| folder.path().join(path)));
    }
}
