//! `openhub identity-provider`: where the people of a tenant log in, besides by password.

use anyhow::{Context, Result, ensure};
use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};
use std::path::PathBuf;

use crate::hub::{Hub, HubFlags};

const PATH: &str = "/api/v1/identity-provider";

#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Set the tenant's OpenID provider, or change it. The key has to have all scopes of an owner.
    Set {
        /// As the provider calls itself: `https://…`.
        #[arg(long, value_name = "URL")]
        issuer: String,
        /// By which the provider knows the hub.
        #[arg(long, value_name = "ID")]
        client_id: String,
        /// A file with the client's secret; left out, the one so far stays.
        #[arg(long, value_name = "FILE")]
        secret_file: Option<PathBuf>,
        /// Whoever comes in has an address of this domain. Can be repeated.
        #[arg(long = "domain", value_name = "DOMAIN")]
        domains: Vec<String>,
        /// The role of somebody whom nobody has invited (default: such a one does not come in).
        #[arg(long, value_name = "ROLE")]
        newcomers: Option<String>,
        #[command(flatten)]
        hub: HubFlags,
    },
    /// Print it as JSON, without the secret.
    Show {
        #[command(flatten)]
        hub: HubFlags,
    },
    /// Remove it: from now on the tenant's people log in by password.
    Remove {
        #[command(flatten)]
        hub: HubFlags,
    },
}

pub async fn run(arguments: Arguments) -> Result<()> {
    match arguments.command {
        Command::Set { issuer, client_id, secret_file, domains, newcomers, hub } => {
            let client_secret = secret_file.map(|file| read(&file)).transpose()?;
            let mut body =
                json!({"issuer": issuer, "client_id": client_id, "domains": domains, "newcomers": newcomers});
            if let Some(secret) = client_secret {
                body["client_secret"] = secret.into();
            }
            let set = Hub::new(&hub)?.call(Method::PUT, PATH, &body).await?;
            match &set["redirect_uri"] {
                Value::String(uri) => {
                    println!("the tenant's people log in at {issuer}; it has to send them back to {uri}")
                }
                _ => println!(
                    "{issuer} is set, but nobody logs in there yet: set `public_url` in the hub's configuration"
                ),
            }
        }
        Command::Show { hub } => println!("{}", serde_json::to_string_pretty(&Hub::new(&hub)?.get(PATH).await?)?),
        Command::Remove { hub } => {
            Hub::new(&hub)?.call(Method::DELETE, PATH, &json!({})).await?;
            println!("the tenant has no identity provider any more");
        }
    }
    Ok(())
}

/// Without the line's end that editors write.
fn read(file: &PathBuf) -> Result<String> {
    let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let secret = text.trim_end_matches(['\r', '\n']);
    ensure!(!secret.is_empty(), "{} is empty", file.display());
    Ok(secret.to_owned())
}
