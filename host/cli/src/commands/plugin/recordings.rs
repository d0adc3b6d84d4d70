//! `openhub plugin record`: calls of a plugin are recorded, listed, and written to files for `openhub plugin replay`.

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};
use std::path::PathBuf;

use super::{short, text};
use crate::commands::empty;
use crate::hub::{Hub, HubFlags};

#[derive(Subcommand)]
pub enum What {
    /// Record calls from now on, for a time: a share of them, or those about one customer.
    Start(Start),
    /// Record no more. What was recorded stays.
    Stop {
        name: String,
        #[command(flatten)]
        hub: HubFlags,
    },
    /// List what was recorded, newest first.
    List {
        name: String,
        #[command(flatten)]
        hub: HubFlags,
    },
    /// Write a recorded call to a file, for `openhub plugin replay`. It has data of a customer.
    Export {
        name: String,
        /// The recording's id.
        id: String,
        #[command(flatten)]
        hub: HubFlags,
        /// Where to write it. Default: print it.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Delete all that was recorded of a plugin.
    Delete {
        name: String,
        #[command(flatten)]
        hub: HubFlags,
    },
}

#[derive(Args)]
pub struct Start {
    name: String,
    #[command(flatten)]
    hub: HubFlags,
    /// The share of the rows that are recorded, above 0 and up to 1.
    #[arg(long, required_unless_present = "customer")]
    rate: Option<f64>,
    /// Record only calls about this customer, by id: all of them, unless `--rate` says otherwise.
    #[arg(long, value_name = "ID")]
    customer: Option<String>,
    /// How long: `1h`, `7d`.
    #[arg(long = "for", value_name = "SPAN", default_value = "1h")]
    lasts: String,
}

pub async fn run(what: What) -> Result<()> {
    match what {
        What::Start(Start { name, hub, rate, customer, lasts }) => {
            let mut body = json!({"for": lasts});
            if let Some(rate) = rate {
                body["rate"] = json!(rate);
            }
            if let Some(customer) = customer {
                body["customer"] = json!(customer);
            }
            let answer = Hub::new(&hub)?.call(Method::PUT, &format!("/api/v1/plugins/{name}/recording"), &body).await?;
            match answer["recording"]["until"].as_str() {
                Some(until) => println!("calls of {name} are recorded until {until}"),
                None => println!(
                    "the engine is behind: calls of {name} are recorded from position {} on",
                    answer["position"]
                ),
            }
        }
        What::Stop { name, hub } => {
            let path = format!("/api/v1/plugins/{name}/recording");
            Hub::new(&hub)?.call(Method::DELETE, &path, &json!({})).await?;
            println!("no calls of {name} are recorded any more");
        }
        What::List { name, hub } => list(&Hub::new(&hub)?, &name).await?,
        What::Export { name, id, hub, out } => {
            let call = Hub::new(&hub)?.get(&format!("/api/v1/plugins/{name}/recordings/{id}")).await?;
            let call = serde_json::to_string(&call)?;
            match out {
                Some(out) => std::fs::write(&out, call + "\n").with_context(|| out.display().to_string())?,
                None => println!("{call}"),
            }
        }
        What::Delete { name, hub } => {
            let path = format!("/api/v1/plugins/{name}/recordings");
            let answer = Hub::new(&hub)?.call(Method::DELETE, &path, &json!({})).await?;
            println!("{} recordings of {name} are deleted", answer["deleted"]);
        }
    }
    Ok(())
}

async fn list(hub: &Hub, name: &str) -> Result<()> {
    let (mut path, mut is_empty) = (format!("/api/v1/plugins/{name}/recordings?limit=1000"), true);
    loop {
        let page = hub.get(&path).await?;
        for recording in page["recordings"].as_array().into_iter().flatten() {
            is_empty = false;
            println!("{}", told(recording)?);
        }
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/api/v1/plugins/{name}/recordings?limit=1000&after={next}");
    }
    if is_empty {
        empty(&format!("no call of {name} is recorded: `openhub plugin record start {name} --rate 0.01` records some"));
    }
    Ok(())
}

fn told(recording: &Value) -> Result<String> {
    let (kind, name) = (text(recording, "kind")?, text(recording, "name")?);
    let (at, id, outcome) = (text(recording, "at")?, text(recording, "id")?, text(recording, "outcome")?);
    Ok(format!("{at}  {id}  {:<28}  {:<9}  {}", format!("{kind} {name}"), outcome, short(text(recording, "digest")?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_is_a_line() {
        let recording = json!({
            "id": "0c", "kind": "rule", "name": "earn", "digest": "0123456789abcdef", "outcome": "answered",
            "at": "2026-01-31T12:00:00Z",
        });
        let words: Vec<String> = told(&recording).unwrap().split_whitespace().map(str::to_owned).collect();
        assert_eq!(words, ["2026-01-31T12:00:00Z", "0c", "rule", "earn", "answered", "0123456789ab"]);
    }
}
