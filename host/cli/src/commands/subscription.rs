//! `openhub subscription`: what a tenant has from those above it.

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Map, Value, json};

use super::{empty, shown, word};
use crate::hub::{Hub, HubFlags};
use openhub_model::plain::plain;

const SUBSCRIPTIONS: &str = "/api/v1/subscriptions";

#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List what there is to subscribe to, and what its plugins ask for.
    Catalog {
        #[command(flatten)]
        hub: HubFlags,
    },
    /// List the subscriptions.
    List {
        #[command(flatten)]
        hub: HubFlags,
    },
    /// Print a subscription as JSON.
    Show {
        id: String,
        #[command(flatten)]
        hub: HubFlags,
    },
    /// Subscribe to an offering, or ask for it.
    #[command(disable_version_flag = true)]
    Subscribe {
        /// The offering's name in the catalog.
        offering: String,
        /// Your own name for the request: sent again, it is the same one (default: the offering's name).
        #[arg(long, value_name = "NAME")]
        request: Option<String>,
        /// Agree to what a plugin asks for. Can be repeated.
        #[arg(long, value_name = "PLUGIN=DIGEST", value_parser = pair)]
        agree: Vec<(String, String)>,
        /// Set a parameter: JSON, or a text. Can be repeated.
        #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
        set: Vec<(String, String)>,
        #[arg(long)]
        version: Option<i64>,
        /// In which periods begin and end, like Asia/Shanghai.
        #[arg(long)]
        time_zone: Option<String>,
        /// What is paid in a period at most.
        #[arg(long)]
        cap: Option<String>,
        #[command(flatten)]
        hub: HubFlags,
    },
    /// Go over to another version.
    #[command(disable_version_flag = true)]
    Upgrade {
        id: String,
        #[arg(long)]
        version: i64,
        /// Show what it would change, and change nothing.
        #[arg(long)]
        look: bool,
        /// Agree to what a plugin asks for beyond what was agreed to. Can be repeated.
        #[arg(long, value_name = "PLUGIN=DIGEST", value_parser = pair)]
        agree: Vec<(String, String)>,
        /// Let this become as the version says, though it was changed here. Can be repeated.
        #[arg(long, value_name = "ITEM")]
        overwrite: Vec<String>,
        /// Set a parameter anew: JSON, or a text. Can be repeated.
        #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
        set: Vec<(String, String)>,
        #[command(flatten)]
        hub: HubFlags,
    },
    /// End a subscription.
    End {
        id: String,
        /// Until what it made is removed.
        #[arg(long, default_value_t = 30)]
        export_days: i64,
        #[arg(long)]
        reason: Option<String>,
        #[command(flatten)]
        hub: HubFlags,
    },
    /// List what a subscription made.
    Items {
        id: String,
        #[command(flatten)]
        hub: HubFlags,
    },
    /// List what the hub did for a subscription, newest first.
    Operations {
        id: String,
        #[command(flatten)]
        hub: HubFlags,
    },
    /// List what holds a subscription back, or did.
    Blocks {
        id: String,
        #[command(flatten)]
        hub: HubFlags,
    },
}

fn pair(text: &str) -> Result<(String, String)> {
    let (name, value) = text.split_once('=').context("write it like NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

pub async fn run(arguments: Arguments) -> Result<()> {
    match arguments.command {
        Command::Catalog { hub } => catalog(&Hub::new(&hub)?).await,
        Command::List { hub } => list(&Hub::new(&hub)?).await,
        Command::Show { id, hub } => shown(&Hub::new(&hub)?.get(&format!("{SUBSCRIPTIONS}/{id}")).await?),
        Command::Subscribe { offering, request, agree, set, version, time_zone, cap, hub } => {
            let mut body = json!({ "key": request.unwrap_or_else(|| offering.clone()), "offering": offering,
                "agree": texts(agree), "parameters": values(set) });
            for (name, value) in [("version", json!(version)), ("time_zone", json!(time_zone)), ("cap", json!(cap))] {
                if !value.is_null() {
                    body[name] = value;
                }
            }
            let asked = Hub::new(&hub)?.call(Method::POST, SUBSCRIPTIONS, &body).await?;
            println!("{} is {}", word(&asked, "id"), word(&asked, "contract"));
            Ok(())
        }
        Command::Upgrade { id, version, look, agree, overwrite, set, hub } => {
            let (hub, path) = (Hub::new(&hub)?, format!("{SUBSCRIPTIONS}/{id}/upgrade"));
            if look {
                print!("{}", changes(&hub.get(&format!("{path}?version={version}")).await?));
                return Ok(());
            }
            let body = json!({ "version": version, "agree": texts(agree), "overwrite": overwrite,
                "parameters": values(set) });
            let begun = hub.call(Method::POST, &path, &body).await?;
            print!("{}", operation(&begun));
            Ok(())
        }
        Command::End { id, export_days, reason, hub } => {
            let body = json!({ "export_days": export_days, "reason": reason });
            let ended = Hub::new(&hub)?.call(Method::POST, &format!("{SUBSCRIPTIONS}/{id}/end"), &body).await?;
            println!("{id} is ended; what it made is removed after {}", word(&ended, "export_until"));
            Ok(())
        }
        Command::Items { id, hub } => {
            for each in Hub::new(&hub)?.all(&format!("{SUBSCRIPTIONS}/{id}/items"), "items").await? {
                println!("{:<40} version {}", plain(word(&each, "item")), each["version"]);
            }
            Ok(())
        }
        Command::Operations { id, hub } => {
            for each in Hub::new(&hub)?.all(&format!("{SUBSCRIPTIONS}/{id}/operations"), "operations").await? {
                print!("{}", operation(&each));
            }
            Ok(())
        }
        Command::Blocks { id, hub } => blocks(&Hub::new(&hub)?, &id).await,
    }
}

fn texts(pairs: Vec<(String, String)>) -> Map<String, Value> {
    pairs.into_iter().map(|(name, value)| (name, json!(value))).collect()
}

/// What reads as JSON is that, and all else a text.
fn values(pairs: Vec<(String, String)>) -> Map<String, Value> {
    let read = |value: String| serde_json::from_str(&value).unwrap_or_else(|_| json!(value));
    pairs.into_iter().map(|(name, value)| (name, read(value))).collect()
}

async fn catalog(hub: &Hub) -> Result<()> {
    let catalog = hub.get("/api/v1/catalog").await?;
    let offerings = catalog["offerings"].as_array().map_or(&[][..], Vec::as_slice);
    if offerings.is_empty() {
        empty("The tenants above yours offer nothing.");
    }
    for each in offerings {
        print!("{}", offered(each));
    }
    Ok(())
}

/// An offering, what it has, and what its plugins ask for.
fn offered(entry: &Value) -> String {
    let provider = plain(entry["provider"]["name"].as_str().unwrap_or_default());
    let title = plain(entry["title"]["en"].as_str().unwrap_or_default());
    let mut told = format!("{}  version {}  by {provider}  {title}\n", word(entry, "offering"), entry["version"]);
    for item in entry["items"].as_array().into_iter().flatten() {
        told += &format!("  {}\n", plain(word(item, "item")));
    }
    if let Some(fee) = entry["price"]["fee"].as_str() {
        told += &format!("  {fee} {} each month\n", word(&entry["price"], "currency"));
    }
    for grant in entry["grants"].as_array().into_iter().flatten() {
        told += &format!("  --agree {}={}\n", word(grant, "plugin"), word(grant, "digest"));
        for ask in grant["asks"].as_array().into_iter().flatten() {
            told += &format!("    {}\n", plain(word(ask, "en")));
        }
    }
    told
}

async fn list(hub: &Hub) -> Result<()> {
    let all = hub.all(SUBSCRIPTIONS, "subscriptions").await?;
    if all.is_empty() {
        empty("There are none: see `openhub subscription catalog`.");
    }
    for each in all {
        let stopped: Vec<&str> = each["stopped"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let stopped = if stopped.is_empty() { String::new() } else { format!("  stopped: {}", stopped.join(", ")) };
        let (id, offering, contract) = (word(&each, "id"), word(&each, "offering"), word(&each, "contract"));
        println!("{id}  {offering:<24} version {:<4} {contract}{stopped}", each["version"].to_string());
    }
    Ok(())
}

/// What an upgrade would change.
fn changes(preview: &Value) -> String {
    let mut told = format!("{} to {}\n", preview["from"], preview["to"]);
    for item in preview["items"].as_array().into_iter().flatten() {
        let own = if item["changed_by_you"] == true { "  changed here" } else { "" };
        told += &format!("  {:<40} {}{own}\n", plain(word(item, "item")), word(item, "change"));
    }
    for grant in preview["grants"].as_array().into_iter().flatten() {
        told += &format!("  --agree {}={}\n", word(grant, "plugin"), word(grant, "digest"));
        for (sign, asks) in [("+", &grant["more"]), ("-", &grant["less"])] {
            for ask in asks.as_array().into_iter().flatten() {
                told += &format!("    {sign} {}\n", plain(word(ask, "en")));
            }
        }
    }
    told
}

/// An operation, and a line for each thing that is not done.
fn operation(of: &Value) -> String {
    let (purpose, state) = (word(of, "purpose"), word(of, "state"));
    let items = of["progress"].as_array().map_or(&[][..], Vec::as_slice);
    let done = items.iter().filter(|item| item["state"] == "done").count();
    // A value of JSON does not pad itself.
    let (number, version) = (of["number"].to_string(), of["version"].to_string());
    let mut told = format!("{number:<4} {purpose:<10} version {version:<4} {state}, {done} of {}\n", items.len());
    for item in items.iter().filter(|item| item["state"] == "failed") {
        told += &format!("  {}: {}\n", plain(word(item, "item")), plain(word(item, "reason")));
    }
    told
}

async fn blocks(hub: &Hub, id: &str) -> Result<()> {
    for each in hub.all(&format!("{SUBSCRIPTIONS}/{id}/blocks"), "blocks").await? {
        let stops: Vec<&str> = each["stops"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let (id, state) = (word(&each, "id"), word(&each, "state"));
        println!("{id}  {state:<8} {}  {}", stops.join(", "), plain(word(&each, "reason")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_json_or_a_text() {
        let read = values(vec![pair("days=3").unwrap(), pair("rest=3d").unwrap(), pair("name=\"3\"").unwrap()]);
        assert_eq!(Value::Object(read), json!({"days": 3, "rest": "3d", "name": "3"}));
        assert!(pair("days").is_err());
    }

    #[test]
    fn an_offering_tells_what_its_plugins_ask_for() {
        let entry = json!({"provider": {"name": "brand"}, "offering": "win-back", "version": 2, "title": {"en": "Win-back"},
            "items": [{"item": "plugin/points"}], "price": {"currency": "CNY", "fee": "99"},
            "grants": [{"plugin": "points", "digest": "d", "asks": [{"en": "It reads orders."}]}]});
        assert_eq!(
            offered(&entry),
            "win-back  version 2  by brand  Win-back\n  plugin/points\n  99 CNY each month\n  --agree points=d\n    It reads orders.\n"
        );
    }

    #[test]
    fn an_operation_tells_what_failed() {
        let failed = json!({"number": 1, "purpose": "provision", "version": 1, "state": "failed", "progress": [
            {"item": "segment/lapsed", "state": "failed", "reason": "There is one."}, {"item": "journey/x", "state": "waiting"}]});
        assert_eq!(
            operation(&failed),
            "1    provision  version 1    failed, 0 of 2\n  segment/lapsed: There is one.\n"
        );
    }
}
