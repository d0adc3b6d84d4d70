//! `openhub webhook`: where a tenant's events are posted to, and how that goes.

use anyhow::{Result, ensure};
use clap::{Args, Subcommand, ValueEnum};
use openhub_model::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};

use super::empty;
use crate::hub::{Hub, HubFlags};
use openhub_model::plain::plain;

const WEBHOOKS: &str = "/api/v1/webhooks";

#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Set a webhook up, or change one; shows the secret of a new one, once.
    Put {
        /// The webhook's name.
        name: String,
        /// Where events are posted to.
        #[arg(long)]
        url: String,
        /// A type of events, like `Order Completed` or `Order *`. Can be repeated.
        #[arg(long = "event", value_name = "TYPE", required = true)]
        events: Vec<String>,
        /// For people.
        #[arg(long, default_value = "")]
        description: String,
        #[command(flatten)]
        hub: HubFlags,
    },
    /// List the webhooks.
    List {
        #[command(flatten)]
        hub: HubFlags,
    },
    /// Print a webhook as JSON.
    Show {
        name: String,
        #[command(flatten)]
        hub: HubFlags,
    },
    /// Send events to a webhook again, from now on.
    Enable {
        name: String,
        #[command(flatten)]
        hub: HubFlags,
    },
    /// Send a webhook nothing more.
    Disable {
        name: String,
        #[command(flatten)]
        hub: HubFlags,
    },
    /// Delete a webhook with its deliveries.
    Remove {
        name: String,
        #[command(flatten)]
        hub: HubFlags,
    },
    /// Draw a new secret, and show it once. The one before signs, too, for a while.
    RotateSecret {
        name: String,
        /// For so many seconds, at most 604800.
        #[arg(long, value_name = "SECONDS", default_value_t = 86_400)]
        overlap: i64,
        #[command(flatten)]
        hub: HubFlags,
    },
    /// Send a signed test, and show what the receiver answered.
    Test {
        name: String,
        #[command(flatten)]
        hub: HubFlags,
    },
    /// List what was sent, newest first; with `--id`, the attempts of one delivery.
    Deliveries {
        name: String,
        #[arg(long)]
        state: Option<State>,
        #[arg(long, conflicts_with = "state")]
        id: Option<String>,
        /// At most so many, up to 1000.
        #[arg(long, default_value_t = 50)]
        limit: u16,
        #[command(flatten)]
        hub: HubFlags,
    },
    /// Send one delivery again, or all that failed since a time.
    Replay {
        name: String,
        #[arg(long, required_unless_present = "since", conflicts_with = "since")]
        id: Option<String>,
        /// Like 2026-01-31T12:00:00Z.
        #[arg(long, value_name = "TIME")]
        since: Option<Timestamp>,
        #[command(flatten)]
        hub: HubFlags,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum State {
    Waiting,
    Delivered,
    Failed,
}

impl State {
    fn name(self) -> &'static str {
        match self {
            State::Waiting => "waiting",
            State::Delivered => "delivered",
            State::Failed => "failed",
        }
    }
}

pub async fn run(arguments: Arguments) -> Result<()> {
    match arguments.command {
        Command::Put { name, url, events, description, hub } => {
            let body = json!({ "url": url, "events": events, "description": description });
            let put = Hub::new(&hub)?.call(Method::PUT, &of(&name), &body).await?;
            match put["secret"].as_str() {
                Some(secret) => {
                    println!(
                        "{name} is set up, and begins with what happens from now on. Its secret, shown once:\n{secret}"
                    );
                }
                None => println!("{name} is changed"),
            }
        }
        Command::List { hub } => list(&Hub::new(&hub)?).await?,
        Command::Show { name, hub } => {
            println!("{}", serde_json::to_string_pretty(&Hub::new(&hub)?.get(&of(&name)).await?)?);
        }
        Command::Enable { name, hub } => switch(&Hub::new(&hub)?, &name, true).await?,
        Command::Disable { name, hub } => switch(&Hub::new(&hub)?, &name, false).await?,
        Command::Remove { name, hub } => {
            Hub::new(&hub)?.call(Method::DELETE, &of(&name), &json!({})).await?;
            println!("{name} is deleted");
        }
        Command::RotateSecret { name, overlap, hub } => {
            let path = format!("{}/rotate-secret", of(&name));
            let rotated = Hub::new(&hub)?.call(Method::POST, &path, &json!({ "overlap_s": overlap })).await?;
            println!("The new secret, shown once:\n{}", word(&rotated["secret"]));
        }
        Command::Test { name, hub } => test(&Hub::new(&hub)?, &name).await?,
        Command::Deliveries { name, id: Some(id), hub, .. } => {
            let path = format!("{}/deliveries/{id}", of(&name));
            let delivery = Hub::new(&hub)?.get(&path).await?;
            print!("{}{}", line(&delivery), tries(&delivery));
        }
        Command::Deliveries { name, state, limit, hub, .. } => {
            let state = state.map(|state| format!("&state={}", state.name())).unwrap_or_default();
            let path = format!("{}/deliveries?limit={limit}{state}", of(&name));
            let listed = Hub::new(&hub)?.get(&path).await?;
            let deliveries = listed["deliveries"].as_array().cloned().unwrap_or_default();
            if deliveries.is_empty() {
                empty("there are no deliveries");
            }
            deliveries.iter().for_each(|delivery| print!("{}", line(delivery)));
        }
        Command::Replay { name, id: Some(id), hub, .. } => {
            let path = format!("{}/deliveries/{id}/replay", of(&name));
            Hub::new(&hub)?.call(Method::POST, &path, &json!({})).await?;
            println!("{id} is sent again");
        }
        Command::Replay { name, since, hub, .. } => {
            let path = format!("{}/replay", of(&name));
            let replayed = Hub::new(&hub)?.call(Method::POST, &path, &json!({ "since": since })).await?;
            println!("{} deliveries are sent again", replayed["replayed"]);
        }
    }
    Ok(())
}

fn of(name: &str) -> String {
    format!("{WEBHOOKS}/{name}")
}

async fn list(hub: &Hub) -> Result<()> {
    let mut after = String::new();
    let mut any = false;
    loop {
        let listed = hub.get(&format!("{WEBHOOKS}?limit=1000{after}")).await?;
        for webhook in listed["webhooks"].as_array().into_iter().flatten() {
            any = true;
            let events: Vec<&str> =
                webhook["events"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            let (name, status, url) = (word(&webhook["name"]), word(&webhook["status"]), word(&webhook["url"]));
            println!("{name:<24}  {status:<8}  {url}  {}", plain(&events.join(", ")));
        }
        match listed["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    if !any {
        empty("there are no webhooks: `openhub webhook put` sets one up");
    }
    Ok(())
}

async fn switch(hub: &Hub, name: &str, enabled: bool) -> Result<()> {
    let webhook = hub.call(Method::PATCH, &of(name), &json!({ "enabled": enabled })).await?;
    println!("{name} is {}", word(&webhook["status"]));
    Ok(())
}

async fn test(hub: &Hub, name: &str) -> Result<()> {
    let attempt = hub.call(Method::POST, &format!("{}/test", of(name)), &json!({})).await?;
    print!("{}", tried(&attempt));
    ensure!(attempt["error"].is_null(), "the receiver did not take the test");
    Ok(())
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn line(delivery: &Value) -> String {
    let (id, state, at) = (word(&delivery["id"]), word(&delivery["state"]), word(&delivery["created_at"]));
    let (of, attempts, error) = (word(&delivery["type"]), &delivery["attempts"], word(&delivery["error"]));
    let line = format!("{id}  {state:<9}  {at}  {attempts} attempts  {of}  {error}");
    format!("{}\n", line.trim_end())
}

fn tries(delivery: &Value) -> String {
    delivery["tries"].as_array().into_iter().flatten().map(|attempt| format!("  {}", tried(attempt))).collect()
}

fn tried(attempt: &Value) -> String {
    let (at, millis, answer) = (word(&attempt["at"]), &attempt["duration_ms"], word(&attempt["answer"]));
    let status = attempt["status"].as_i64().map_or_else(|| "no answer".to_owned(), |status| status.to_string());
    let line = format!("{at}  {status}  {millis} ms  {}  {answer}", word(&attempt["error"]));
    format!("{}\n", line.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_is_told_with_its_attempts() {
        let delivery = json!({
            "id": "5e7b0c9a", "state": "waiting", "created_at": "2026-01-31T12:00:00Z", "type": "Order Completed", "attempts": 2,
            "error": "the receiver answered 503",
            "tries": [
                {"at": "2026-01-31T12:00:05Z", "duration_ms": 7, "status": 503, "error": "the receiver answered 503", "answer": "busy"},
                {"at": "2026-01-31T12:00:00Z", "duration_ms": 15000, "error": "operation timed out"},
            ],
        });
        assert_eq!(
            format!("{}{}", line(&delivery), tries(&delivery)),
            "5e7b0c9a  waiting    2026-01-31T12:00:00Z  2 attempts  Order Completed  the receiver answered 503\n  \
             2026-01-31T12:00:05Z  503  7 ms  the receiver answered 503  busy\n  \
             2026-01-31T12:00:00Z  no answer  15000 ms  operation timed out\n"
        );
    }
}
