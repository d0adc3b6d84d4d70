//! `openhub object-type`: declare types of objects, without code.

use anyhow::{Result, ensure};
use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

use super::json_file;
use crate::hub::{Hub, HubFlags};

#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Declare a type, or its next version.
    Put {
        /// The type's name.
        name: String,
        /// The declaration, as JSON; `-` reads it from the standard input.
        file: PathBuf,
        /// Change nothing: count the objects that would not fit, and show samples.
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        hub: HubFlags,
    },
    /// List the types, and who declares them.
    List {
        #[command(flatten)]
        hub: HubFlags,
    },
    /// Print a type as JSON.
    Show {
        name: String,
        /// Print the fields of a new object as JSON Schema.
        #[arg(long)]
        schema: bool,
        #[command(flatten)]
        hub: HubFlags,
    },
    /// Take a declaration away. There must be no objects of the type.
    Remove {
        name: String,
        #[command(flatten)]
        hub: HubFlags,
    },
}

pub async fn run(arguments: Arguments) -> Result<()> {
    match arguments.command {
        Command::Put { name, file, dry_run, hub } => put(&Hub::new(&hub)?, &name, &file, dry_run).await,
        Command::List { hub } => list(&Hub::new(&hub)?).await,
        Command::Show { name, schema, hub } => {
            let path = format!("/api/v1/object-types/{name}{}", if schema { "/schema" } else { "" });
            println!("{}", serde_json::to_string_pretty(&Hub::new(&hub)?.get(&path).await?)?);
            Ok(())
        }
        Command::Remove { name, hub } => {
            let path = format!("/api/v1/object-types/{name}");
            let answer = Hub::new(&hub)?.call(Method::DELETE, &path, &json!({})).await?;
            told(&answer, &format!("removed {name}"));
            Ok(())
        }
    }
}

async fn put(hub: &Hub, name: &str, file: &Path, dry_run: bool) -> Result<()> {
    let declaration = json_file(file)?;
    let query = if dry_run { "?dry_run=true" } else { "" };
    let answer = hub.call(Method::PUT, &format!("/api/v1/object-types/{name}{query}"), &declaration).await?;
    if dry_run {
        return tried(&answer);
    }
    told(&answer, &format!("declared {name}, version {}", answer["version"]));
    Ok(())
}

/// What a version would do.
fn tried(trial: &Value) -> Result<()> {
    println!("{} objects, of which {} would be written anew", trial["objects"], trial["changed"]);
    let misfits = trial["misfits"].as_array().map_or(&[][..], Vec::as_slice);
    for misfit in misfits {
        let word = |name: &str| misfit[name].as_str().unwrap_or_default();
        let samples = misfit["samples"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let samples: Vec<&str> = samples.collect();
        println!(
            "{} do not fit at {}: {} ({})",
            misfit["objects"],
            word("pointer"),
            word("message"),
            samples.join(", ")
        );
    }
    let narrows = trial["narrows"].as_array().map_or(&[][..], Vec::as_slice);
    for fault in narrows {
        let word = |name: &str| fault[name].as_str().unwrap_or_default();
        println!("objects may not fit at {}: {}", word("pointer"), word("message"));
    }
    let fits = misfits.is_empty() && narrows.is_empty();
    ensure!(fits, "it would be refused: say in `migrate` what becomes of the objects");
    Ok(())
}

/// What was done, or from when on it is.
fn told(answer: &Value, done: &str) {
    match answer["position"].as_i64() {
        None => println!("{done}"),
        Some(position) => println!("the engine is behind: it takes effect when it reaches position {position}"),
    }
}

async fn list(hub: &Hub) -> Result<()> {
    for each in hub.all("/api/v1/object-types", "object_types").await? {
        let by = each["plugin"].as_str().map_or_else(|| "admin".to_owned(), |plugin| format!("plugin {plugin}"));
        let fields = each["fields"].as_array().map_or(0, Vec::len);
        let name = each["name"].as_str().unwrap_or_default();
        println!("{name:<24} version {:<6} {by:<24} {fields} fields", each["version"]);
    }
    Ok(())
}
