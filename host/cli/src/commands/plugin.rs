//! `openhub plugin`: from an empty folder to an enabled plugin, through the SDK's build and the public API.

use anyhow::{Context, Result, ensure};
use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use std::process::Command as Process;

use crate::hub::{Hub, HubFlags};
use openhub_sdk_build::{Built, Kind, Options};

#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Write a new plugin into a folder of its name.
    New {
        /// Kebab-case; also the folder's name.
        name: String,
        /// What it is: `rule`, `object` or `channel`.
        #[arg(long, default_value = "rule")]
        kind: Kind,
        /// The folder to write, if it is to be called otherwise.
        #[arg(long, value_name = "DIR")]
        path: Option<PathBuf>,
    },
    /// Build the component, with its manifest inside.
    Build {
        #[arg(default_value = ".")]
        path: PathBuf,
        /// Fail when `manifest.lock.json` would change.
        #[arg(long)]
        locked: bool,
        /// Where to write the component.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Build the component and run the plugin's tests against it.
    Test {
        #[arg(default_value = ".")]
        path: PathBuf,
    },
    /// Upload a component to a hub, set it up and enable it.
    Install {
        /// A component, or a plugin's folder, which is built first.
        path: PathBuf,
        #[command(flatten)]
        hub: HubFlags,
        /// A setting, `name=value`, or `rule.name=value` for a parameter of a rule; the value is JSON or else text.
        /// May be repeated.
        #[arg(long = "set", value_name = "NAME=VALUE", requires = "enable")]
        settings: Vec<String>,
        /// A secret, `name=VARIABLE`: the environment variable that holds it. May be repeated.
        #[arg(long = "secret", value_name = "NAME=VARIABLE")]
        secrets: Vec<String>,
        /// Enable it with all that its manifest asks for.
        #[arg(long)]
        enable: bool,
    },
}

pub async fn run(arguments: Arguments) -> Result<()> {
    match arguments.command {
        Command::New { name, kind, path } => {
            let folder = path.unwrap_or_else(|| PathBuf::from(&name));
            openhub_sdk_build::new_plugin(&folder, &name, kind)?;
            println!("{} is ready: `openhub plugin test {}`", folder.display(), folder.display());
        }
        Command::Build { path, locked, out } => {
            let built = tokio::task::spawn_blocking(move || build(&path, locked, out)).await??;
            println!(
                "{} {} → {} ({} KiB)",
                built.manifest.name,
                built.manifest.version,
                built.path.display(),
                built.bytes.len() / 1024
            );
        }
        Command::Test { path } => tokio::task::spawn_blocking(move || test(&path)).await??,
        Command::Install { path, hub, settings, secrets, enable } => {
            let component = tokio::task::spawn_blocking(move || component(&path)).await??;
            install(&Hub::new(&hub)?, component, &settings, &secrets, enable).await?;
        }
    }
    Ok(())
}

fn build(path: &Path, locked: bool, out: Option<PathBuf>) -> Result<Built> {
    openhub_sdk_build::build(path, Options { locked, target_dir: None, out })
}

fn test(path: &Path) -> Result<()> {
    build(path, false, None)?;
    let status = Process::new("cargo").arg("test").current_dir(path).status().context("cargo could not be started")?;
    ensure!(status.success(), "the plugin's tests failed");
    Ok(())
}

fn component(path: &Path) -> Result<Vec<u8>> {
    match path.is_dir() {
        true => Ok(build(path, false, None)?.bytes),
        false => std::fs::read(path).with_context(|| path.display().to_string()),
    }
}

async fn install(hub: &Hub, component: Vec<u8>, settings: &[String], secrets: &[String], enable: bool) -> Result<()> {
    let mut values = Map::new();
    for setting in settings {
        let (name, value) = split(setting)?;
        set(&mut values, name, serde_json::from_str(value).unwrap_or_else(|_| Value::from(value)))?;
    }
    let plugin = hub.upload("/api/v1/plugins", component).await?;
    let name = plugin["name"].as_str().context("the hub's answer names no plugin")?;
    println!("installed {name} {}", plugin["version"].as_str().unwrap_or_default());
    for secret in secrets {
        let (secret, variable) = split(secret)?;
        let value = std::env::var(variable).with_context(|| format!("the environment variable {variable}"))?;
        hub.call(Method::PUT, &format!("/api/v1/plugins/{name}/secrets/{secret}"), &json!({"value": value})).await?;
        println!("secret {secret} is set");
    }
    if enable {
        let path = format!("/api/v1/plugins/{name}/enable");
        let enabled = hub.call(Method::POST, &path, &json!({"settings": values})).await?;
        match enabled["position"].as_i64() {
            None => println!("enabled {name}"),
            Some(position) => {
                println!("{name} is enabled as soon as the engine, which is behind, reaches position {position}")
            }
        }
    } else {
        println!("it does nothing yet: `--enable` grants what its manifest asks for, and starts it");
    }
    Ok(())
}

/// `spending.large_cents` is the setting `large_cents` of the object `spending`.
fn set(values: &mut Map<String, Value>, path: &str, value: Value) -> Result<()> {
    let Some((outer, inner)) = path.split_once('.') else {
        values.insert(path.to_owned(), value);
        return Ok(());
    };
    let below = values.entry(outer).or_insert_with(|| json!({}));
    let below = below.as_object_mut().with_context(|| format!("`{outer}` is set twice, and once as no object"))?;
    set(below, inner, value)
}

fn split(pair: &str) -> Result<(&str, &str)> {
    pair.split_once('=').with_context(|| format!("`{pair}` is not NAME=VALUE"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_set_by_path() {
        let mut values = Map::new();
        for (path, value) in [("url", json!("x")), ("spending.large_cents", json!(500)), ("spending.on", json!(true))] {
            set(&mut values, path, value).unwrap();
        }
        assert_eq!(Value::Object(values.clone()), json!({"url": "x", "spending": {"large_cents": 500, "on": true}}));
        assert!(set(&mut values, "url.x", json!(1)).is_err());
    }
}
