//! `openhub attribute`: what the attributes of customers are declared as, through the public API.

use anyhow::Result;
use clap::{Args, Subcommand, ValueEnum};
use reqwest::Method;
use serde_json::{Value, json};

use crate::commands::empty;
use crate::hub::{Hub, HubFlags};
use openhub_model::plain::plain;

#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List the declared attributes.
    List {
        #[command(flatten)]
        hub: HubFlags,
    },
    /// Declare what an attribute is. It says how many customers have values that do not fit.
    Declare {
        name: String,
        /// What its values must be. Without a type, any value is taken.
        #[arg(long = "type", value_enum)]
        of: Option<Type>,
        /// Which value joined customers have (default: the newest).
        #[arg(long, value_enum)]
        merge: Option<Merge>,
        /// Whether a page's key may set it (default: as long as only pages have set it).
        #[arg(long, value_enum)]
        pages: Option<Pages>,
        #[arg(long, default_value = "")]
        description: String,
        #[command(flatten)]
        hub: HubFlags,
    },
    /// List the customers whose value does not have the declared type, as JSON, one a line.
    Unfit {
        name: String,
        #[command(flatten)]
        hub: HubFlags,
    },
    /// Take a declaration away. The values stay.
    Remove {
        name: String,
        #[command(flatten)]
        hub: HubFlags,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum Type {
    Text,
    Number,
    Integer,
    Boolean,
    Timestamp,
    Date,
    List,
    Object,
}

#[derive(Clone, Copy, ValueEnum)]
enum Merge {
    Newest,
    Oldest,
    Sum,
    NonEmpty,
    Min,
    Max,
}

#[derive(Clone, Copy, ValueEnum)]
enum Pages {
    Open,
    Closed,
}

/// A word of the command line is the API's, too.
fn word(value: impl ValueEnum) -> Value {
    value.to_possible_value().map_or(Value::Null, |value| value.get_name().into())
}

pub async fn run(arguments: Arguments) -> Result<()> {
    match arguments.command {
        Command::List { hub } => list(&Hub::new(&hub)?).await,
        Command::Declare { name, of, merge, pages, description, hub } => {
            let mut declaration = json!({ "description": description });
            let words = [("type", of.map(word)), ("merge", merge.map(word)), ("pages", pages.map(word))];
            for (key, word) in words.into_iter().filter_map(|(key, word)| Some((key, word?))) {
                declaration[key] = word;
            }
            declare(&Hub::new(&hub)?, &name, &declaration).await
        }
        Command::Unfit { name, hub } => unfit(&Hub::new(&hub)?, &name).await,
        Command::Remove { name, hub } => {
            Hub::new(&hub)?.call(Method::DELETE, &path(&name), &json!({})).await?;
            println!("`{name}` is not declared any more; its values stay");
            Ok(())
        }
    }
}

fn path(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let name: String = name
        .bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect();
    format!("/api/v1/attributes/{name}")
}

async fn list(hub: &Hub) -> Result<()> {
    let all = hub.get("/api/v1/attributes").await?;
    let all = all["attributes"].as_object().cloned().unwrap_or_default();
    if all.is_empty() {
        empty("no attribute is declared; `openhub attribute declare NAME --type date` declares one");
    }
    for (name, declared) in all {
        let said = |key: &str| declared[key].as_str().unwrap_or("any").to_owned();
        let description = plain(declared["description"].as_str().unwrap_or_default());
        println!("{:<32} {:<10} {description}", plain(&name), said("type"));
    }
    Ok(())
}

async fn declare(hub: &Hub, name: &str, declaration: &Value) -> Result<()> {
    let answer = hub.call(Method::PUT, &path(name), declaration).await?;
    if let Some(position) = answer["position"].as_i64() {
        println!("the engine is behind: `{name}` will be declared when it reaches position {position}");
        return Ok(());
    }
    println!("`{name}` is declared");
    let unfit = &answer["unfit"];
    if unfit.is_object() {
        println!("{}", unfit["message"].as_str().unwrap_or_default());
        for customer in unfit["examples"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            println!("  {customer}");
        }
        println!("`openhub attribute unfit {name}` lists them with their values");
    }
    Ok(())
}

async fn unfit(hub: &Hub, name: &str) -> Result<()> {
    let path = format!("{}/unfit?limit=1000", path(name));
    let (mut after, mut found) = (String::new(), 0);
    loop {
        let page = hub.get(&format!("{path}{after}")).await?;
        for customer in page["customers"].as_array().into_iter().flatten() {
            println!("{customer}");
            found += 1;
        }
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    if found == 0 {
        empty("every customer's value has the declared type");
    }
    Ok(())
}
