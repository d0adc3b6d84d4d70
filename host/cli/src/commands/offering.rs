//! `openhub offering`: what a tenant offers to those below it, and who has subscribed.

use anyhow::{Context, Result};
use clap::{Args, Subcommand, ValueEnum};
use reqwest::Method;
use serde_json::{Value, json};
use std::path::PathBuf;

use super::{empty, json_file, shown, word};
use crate::hub::{Hub, HubFlags};
use openhub_model::plain::plain;

const OFFERINGS: &str = "/api/v1/offerings";
const SUBSCRIBERS: &str = "/api/v1/subscribers";

#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List the offerings.
    List {
        #[command(flatten)]
        hub: HubFlags,
    },
    /// Print an offering and its versions, or one version, as JSON.
    #[command(disable_version_flag = true)]
    Show {
        name: String,
        #[arg(long)]
        version: Option<i64>,
        #[command(flatten)]
        hub: HubFlags,
    },
    /// Make the next version of an offering from a file, and publish it.
    Publish {
        name: String,
        /// The version's document as JSON; `-` is the standard input.
        file: PathBuf,
        /// What people are shown, in English; a new offering needs it.
        #[arg(long)]
        title: Option<String>,
        /// Make it, and do not publish it.
        #[arg(long)]
        draft: bool,
        #[command(flatten)]
        hub: HubFlags,
    },
    /// Archive a version: nobody comes onto it any more.
    #[command(disable_version_flag = true)]
    Archive {
        name: String,
        version: i64,
        #[command(flatten)]
        hub: HubFlags,
    },
    /// List who has subscribed, or asked to.
    Subscribers {
        /// Only those of this offering.
        name: Option<String>,
        #[command(flatten)]
        hub: HubFlags,
    },
    /// Say yes to a request.
    Approve {
        /// The subscription's id.
        id: String,
        #[command(flatten)]
        hub: HubFlags,
    },
    /// Say no to a request.
    Decline {
        /// The subscription's id.
        id: String,
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        hub: HubFlags,
    },
    /// Hold a subscription back, until the block is lifted.
    Block {
        /// The subscription's id.
        id: String,
        #[arg(long)]
        reason: String,
        /// Can be repeated.
        #[arg(long = "stop", value_name = "WHAT", required = true)]
        stops: Vec<Stop>,
        #[command(flatten)]
        hub: HubFlags,
    },
    /// Lift a block.
    Lift {
        /// The subscription's id.
        id: String,
        /// The block's id.
        block: String,
        #[command(flatten)]
        hub: HubFlags,
    },
    /// Take subscribers to another version, wave by wave.
    Push {
        name: String,
        /// The version that they are on.
        #[arg(long)]
        from: i64,
        #[arg(long)]
        to: i64,
        /// So many percent of all, with those of the waves before. Can be repeated.
        #[arg(long = "wave", value_name = "PERCENT", required = true)]
        waves: Vec<i64>,
        /// Stop when so many percent of a wave have failed.
        #[arg(long, value_name = "PERCENT", default_value_t = 20)]
        stop_at: i64,
        #[command(flatten)]
        hub: HubFlags,
    },
    /// List the pushes of an offering, and how far they are.
    Pushes {
        name: String,
        #[command(flatten)]
        hub: HubFlags,
    },
    /// Pause, resume or stop a push.
    Turn {
        name: String,
        /// The push's id.
        push: String,
        how: Turn,
        #[command(flatten)]
        hub: HubFlags,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum Stop {
    Changes,
    Service,
    Billing,
}

#[derive(Clone, Copy, ValueEnum)]
enum Turn {
    Pause,
    Resume,
    Stop,
}

pub async fn run(arguments: Arguments) -> Result<()> {
    match arguments.command {
        Command::List { hub } => list(&Hub::new(&hub)?).await,
        Command::Show { name, version, hub } => show(&Hub::new(&hub)?, &name, version).await,
        Command::Publish { name, file, title, draft, hub } => {
            let document = json_file(&file)?;
            publish(&Hub::new(&hub)?, &name, &document, title.as_deref(), draft).await
        }
        Command::Archive { name, version, hub } => {
            let path = format!("{OFFERINGS}/{name}/versions/{version}/archive");
            Hub::new(&hub)?.call(Method::POST, &path, &json!({})).await?;
            println!("version {version} of {name} is archived: who is on it stays");
            Ok(())
        }
        Command::Subscribers { name, hub } => subscribers(&Hub::new(&hub)?, name.as_deref()).await,
        Command::Approve { id, hub } => answer(&Hub::new(&hub)?, &format!("{id}/approve"), json!({})).await,
        Command::Decline { id, reason, hub } => {
            answer(&Hub::new(&hub)?, &format!("{id}/decline"), json!({ "reason": reason })).await
        }
        Command::Block { id, reason, stops, hub } => {
            let stops: Vec<String> = stops.into_iter().map(value_name).collect();
            let body = json!({ "reason": reason, "stops": stops });
            let made = Hub::new(&hub)?.call(Method::POST, &format!("{SUBSCRIBERS}/{id}/blocks"), &body).await?;
            println!("{} is in force", word(&made, "id"));
            Ok(())
        }
        Command::Lift { id, block, hub } => {
            let path = format!("{SUBSCRIBERS}/{id}/blocks/{block}/lift");
            Hub::new(&hub)?.call(Method::POST, &path, &json!({})).await?;
            println!("{block} is lifted");
            Ok(())
        }
        Command::Push { name, from, to, waves, stop_at, hub } => {
            let waves: Vec<Value> = waves.into_iter().map(|percent| json!({ "percent": percent })).collect();
            let body = json!({ "from": from, "to": to, "waves": waves, "stop_at_percent": stop_at });
            let begun = Hub::new(&hub)?.call(Method::POST, &format!("{OFFERINGS}/{name}/pushes"), &body).await?;
            print!("{}", pushed(&begun));
            Ok(())
        }
        Command::Pushes { name, hub } => {
            let pushes = Hub::new(&hub)?.all(&format!("{OFFERINGS}/{name}/pushes"), "pushes").await?;
            if pushes.is_empty() {
                empty("There are none: begin one with `openhub offering push`.");
            }
            pushes.iter().for_each(|push| print!("{}", pushed(push)));
            Ok(())
        }
        Command::Turn { name, push, how, hub } => {
            let path = format!("{OFFERINGS}/{name}/pushes/{push}/{}", value_name(how));
            print!("{}", pushed(&Hub::new(&hub)?.call(Method::POST, &path, &json!({})).await?));
            Ok(())
        }
    }
}

fn value_name(of: impl ValueEnum) -> String {
    of.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

async fn list(hub: &Hub) -> Result<()> {
    let offerings = hub.all(OFFERINGS, "offerings").await?;
    if offerings.is_empty() {
        empty("There are none: make one with `openhub offering publish`.");
    }
    for each in offerings {
        let title = plain(each["title"]["en"].as_str().unwrap_or_default());
        println!("{:<24} {} versions  {title}", word(&each, "name"), each["latest"]);
    }
    Ok(())
}

async fn show(hub: &Hub, name: &str, version: Option<i64>) -> Result<()> {
    let path = format!("{OFFERINGS}/{name}");
    match version {
        Some(version) => shown(&hub.get(&format!("{path}/versions/{version}")).await?),
        None => {
            let mut offering = hub.get(&path).await?;
            offering["versions"] = json!(hub.all(&format!("{path}/versions"), "versions").await?);
            shown(&offering)
        }
    }
}

async fn publish(hub: &Hub, name: &str, document: &Value, title: Option<&str>, is_draft: bool) -> Result<()> {
    let path = format!("{OFFERINGS}/{name}");
    if let Some(title) = title {
        hub.call(Method::PUT, &path, &json!({ "title": { "en": title } })).await?;
    }
    let made = hub.call(Method::POST, &format!("{path}/versions"), document).await;
    let made = made.context("no version was made (a new offering needs `--title`)")?;
    let version = &made["version"];
    if is_draft {
        println!("version {version} of {name} is a draft: {}", word(&made, "digest"));
        return Ok(());
    }
    hub.call(Method::POST, &format!("{path}/versions/{version}/publish"), &json!({})).await?;
    println!("version {version} of {name} is active: {}", word(&made, "digest"));
    Ok(())
}

async fn subscribers(hub: &Hub, offering: Option<&str>) -> Result<()> {
    let mut all = hub.all(SUBSCRIBERS, "subscriptions").await?;
    all.retain(|each| offering.is_none_or(|offering| each["offering"] == offering));
    if all.is_empty() {
        empty("Nobody has subscribed.");
    }
    for each in all {
        let partner = plain(each["partner"]["name"].as_str().unwrap_or_default());
        println!(
            "{}  {:<24} {:<24} version {:<4} {}",
            word(&each, "id"),
            partner,
            word(&each, "offering"),
            each["version"].to_string(),
            word(&each, "contract")
        );
    }
    Ok(())
}

async fn answer(hub: &Hub, path: &str, body: Value) -> Result<()> {
    let answered = hub.call(Method::POST, &format!("{SUBSCRIBERS}/{path}"), &body).await?;
    println!("{} is {}", word(&answered, "id"), word(&answered, "contract"));
    Ok(())
}

/// A push, and a line for each of its waves.
fn pushed(push: &Value) -> String {
    let mut told = format!("{}  {} to {}  {}", word(push, "id"), push["from"], push["to"], word(push, "state"));
    if let Some(reason) = push["reason"].as_str() {
        told += &format!(": {}", plain(reason));
    }
    told.push('\n');
    for (number, wave) in (1..).zip(push["waves"].as_array().into_iter().flatten()) {
        let counts = ["waiting", "running", "upgraded", "awaits_partner", "failed", "skipped"];
        let counts: Vec<String> = counts
            .iter()
            .filter(|name| wave[**name] != 0)
            .map(|name| format!("{} {}", wave[*name], name.replace('_', " ")))
            .collect();
        told +=
            &format!("  wave {number}: {}\n", if counts.is_empty() { "nobody".to_owned() } else { counts.join(", ") });
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_push_is_told_wave_by_wave() {
        let push = json!({"id": "p", "from": 1, "to": 2, "state": "stopped", "reason": "1 of 1 in wave 1 failed.", "waves": [
            {"of": {"percent": 10}, "waiting": 0, "running": 0, "upgraded": 0, "awaits_partner": 2, "failed": 1, "skipped": 0},
            {"of": {"percent": 100}, "waiting": 0, "running": 0, "upgraded": 0, "awaits_partner": 0, "failed": 0, "skipped": 0},
        ]});
        assert_eq!(
            pushed(&push),
            "p  1 to 2  stopped: 1 of 1 in wave 1 failed.\n  wave 1: 2 awaits partner, 1 failed\n  wave 2: nobody\n"
        );
    }
}
