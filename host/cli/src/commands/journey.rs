//! `openhub journey`: write journeys, publish and stop them, and see what has become of their runs and messages.

use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

use super::{empty, json_file};
use crate::hub::{Hub, HubFlags};

#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Save a journey's draft, and say what is wrong with it.
    Put {
        name: String,
        /// The definition, as JSON; `-` reads it from the standard input.
        file: PathBuf,
        /// Publish it, too.
        #[arg(long)]
        publish: bool,
        #[command(flatten)]
        hub: HubFlags,
    },
    /// List the journeys.
    List {
        #[command(flatten)]
        hub: HubFlags,
    },
    /// Show how a journey stands: its nodes, its runs, and its messages.
    Show {
        name: String,
        /// Print the numbers as JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        hub: HubFlags,
    },
    /// Start runs, of the draft as it is.
    Publish(Named),
    /// Hold all runs and unsent messages.
    Pause(Named),
    /// Go on after a pause.
    Resume(Named),
    /// Start no more runs, and let the others finish.
    Drain(Named),
    /// End all runs, and drop what is unsent.
    Stop(Named),
    /// Remove a draft, or a journey that was stopped or has drained.
    Remove(Named),
}

#[derive(Args)]
struct Named {
    name: String,
    #[command(flatten)]
    hub: HubFlags,
}

pub async fn run(arguments: Arguments) -> Result<()> {
    match arguments.command {
        Command::Put { name, file, publish, hub } => put(&Hub::new(&hub)?, &name, &file, publish).await,
        Command::List { hub } => list(&Hub::new(&hub)?).await,
        Command::Show { name, json, hub } => show(&Hub::new(&hub)?, &name, json).await,
        Command::Publish(named) => act(named, "publish").await,
        Command::Pause(named) => act(named, "pause").await,
        Command::Resume(named) => act(named, "resume").await,
        Command::Drain(named) => act(named, "drain").await,
        Command::Stop(named) => act(named, "stop").await,
        Command::Remove(Named { name, hub }) => {
            let answer = Hub::new(&hub)?.call(Method::DELETE, &format!("/api/v1/journeys/{name}"), &json!({})).await?;
            told(&answer, &format!("removed {name}"));
            Ok(())
        }
    }
}

async fn put(hub: &Hub, name: &str, file: &Path, publish: bool) -> Result<()> {
    let saved = hub.call(Method::PUT, &format!("/api/v1/journeys/{name}"), &json_file(file)?).await?;
    println!("saved the draft of {name}");
    let faults = saved["faults"].as_array().map_or(&[][..], Vec::as_slice);
    for fault in faults {
        println!("  {}: {}", word(fault, "pointer"), word(fault, "message"));
    }
    match (publish, faults.is_empty()) {
        (true, true) => perform(hub, name, "publish").await,
        (true, false) => bail!("the draft is not published: correct it, and save it again"),
        (false, _) => Ok(()),
    }
}

async fn list(hub: &Hub) -> Result<()> {
    let journeys = hub.all("/api/v1/journeys", "journeys").await?;
    if journeys.is_empty() {
        empty("there is no journey; `openhub journey put NAME FILE` saves one");
    }
    for journey in &journeys {
        let version = journey["version"].as_i64().map_or_else(String::new, |version| format!("version {version}"));
        println!("{:<32}  {:<10}  {version}", word(journey, "name"), word(journey, "status"));
    }
    Ok(())
}

async fn show(hub: &Hub, name: &str, json: bool) -> Result<()> {
    let journey = hub.get(&format!("/api/v1/journeys/{name}")).await?;
    let counts = hub.get(&format!("/api/v1/journeys/{name}/counts")).await?;
    if json {
        println!("{}", serde_json::to_string_pretty(&counts)?);
        return Ok(());
    }
    print!("{}", standing(&journey, &counts));
    Ok(())
}

/// How a journey stands, for people.
fn standing(journey: &Value, counts: &Value) -> String {
    let mut lines = format!("{}  {}\n", word(journey, "name"), word(journey, "status"));
    for of in ["runs", "messages"] {
        let numbers = counts[of].as_object().into_iter().flatten();
        let numbers: Vec<String> = numbers.map(|(status, count)| format!("{count} {status}")).collect();
        lines.push_str(&format!("  {of:<10}{}\n", numbers.join(", ")));
    }
    for version in counts["versions"].as_array().into_iter().flatten() {
        lines.push_str(&format!("  version {}\n", version["version"]));
        for (node, count) in version["nodes"].as_object().into_iter().flatten() {
            lines.push_str(&format!("    {node:<24}{:>10} entered {:>10} wait\n", count["entered"], count["waiting"]));
        }
    }
    lines
}

async fn act(named: Named, verb: &str) -> Result<()> {
    perform(&Hub::new(&named.hub)?, &named.name, verb).await
}

async fn perform(hub: &Hub, name: &str, verb: &str) -> Result<()> {
    let answer = hub.call(Method::POST, &format!("/api/v1/journeys/{name}/{verb}"), &json!({})).await?;
    told(&answer, &format!("{name} is {}", word(&answer, "status")));
    Ok(())
}

/// What was done, or from when on it is.
fn told(answer: &Value, done: &str) {
    match answer["position"].as_i64() {
        None => println!("{done}"),
        Some(position) => println!("the engine is behind: it takes effect when it reaches position {position}"),
    }
}

fn word<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings14_f12_a_journey_shows_what_became_of_its_runs_and_messages() {
        let journey = json!({"name": "welcome", "status": "paused"});
        let counts = json!({
            "runs": {"waiting": 1, "done": 2, "failed": 3, "stopped": 0},
            "messages": {"delivered": 4, "dropped": 1, "held": 2},
            "versions": [{"version": 1, "nodes": {"rest": {"entered": 6, "waiting": 1}}}],
        });
        let told = standing(&journey, &counts);
        for part in [
            "welcome  paused\n",
            "runs      1 waiting, 2 done, 3 failed, 0 stopped\n",
            "4 delivered, 1 dropped, 2 held\n",
            "rest",
            "6 entered",
        ] {
            assert!(told.contains(part), "{part}: {told}");
        }
    }
}
