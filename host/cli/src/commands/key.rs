//! `openhub key`: works on the database, so that a lost key never locks an operator out.

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use openhub_api::KeyScopes;
use openhub_store::{Scope, Store, Tenant};
use serde_json::json;

use super::empty;
use super::tenant::{look, open_there};
use crate::config::{Config, Flags};
use crate::mint::mint;
use crate::serve;

#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Create a key. Its text is shown only once.
    Create {
        /// Name of the tenant.
        tenant: String,
        /// What the key is for, to tell it from others in the list.
        #[arg(long, default_value = "api")]
        name: String,
        /// A scope, like `events:write`. Can be repeated. Without one, the key may do everything.
        #[arg(long = "scope")]
        scopes: Vec<String>,
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        flags: Flags,
    },
    /// List a tenant's keys, without their secrets.
    List {
        /// Name of the tenant.
        tenant: String,
        #[command(flatten)]
        flags: Flags,
    },
    /// Revoke a key, by the id in the middle of its text (`oh_live_<id>_…`).
    Revoke {
        /// Name of the tenant.
        tenant: String,
        id: String,
        #[command(flatten)]
        flags: Flags,
    },
}

impl Command {
    fn flags(&self) -> &Flags {
        match self {
            Command::Create { flags, .. } | Command::List { flags, .. } | Command::Revoke { flags, .. } => flags,
        }
    }
}

pub async fn run(arguments: Arguments) -> Result<()> {
    let config = Config::load(arguments.command.flags())?;
    let store = match &arguments.command {
        Command::List { .. } => look(&config).await?,
        Command::Create { .. } | Command::Revoke { .. } => open_there(&config).await?,
    };
    let done = act(arguments.command, &config, &store).await;
    store.close().await;
    done
}

async fn act(command: Command, config: &Config, store: &Store) -> Result<()> {
    match command {
        Command::Create { tenant, name, scopes, json, .. } => {
            let tenant = named(store, &tenant).await?;
            let asked: Vec<&str> = scopes.iter().map(String::as_str).collect();
            if asked.is_empty() {
                eprintln!(
                    "the key may do everything in the tenant: with `--scope`, a key may do what you name; `--name` says what it is for"
                );
            }
            let scopes = if asked.is_empty() { KeyScopes::ALL } else { &asked };
            let (key, text) = mint(store, tenant.id, &config.environment, &name, scopes, serve::wall_clock()).await?;
            match json {
                true => println!("{}", json!({"id": key.id, "key": text, "scopes": key.scopes})),
                false => println!("{text}\nThe key will not be shown again."),
            }
        }
        Command::List { tenant, .. } => {
            let tenant = named(store, &tenant).await?;
            let keys = store.keys(&Scope::of(tenant.id)).await?;
            if keys.is_empty() {
                empty(&format!("the tenant has no key; `openhub key create {}` creates one", tenant.name));
            }
            for key in keys {
                let state = match key.revoked_at {
                    Some(at) => format!("revoked {at}"),
                    None => "valid".to_owned(),
                };
                println!(
                    "{}  {:<12}  {:<24}  created {}  {state}",
                    key.id,
                    key.name,
                    key.scopes.join(" "),
                    key.created_at
                );
            }
        }
        Command::Revoke { tenant, id, .. } => {
            let tenant = named(store, &tenant).await?;
            let scope = Scope::of(tenant.id);
            let known = store.keys(&scope).await?.into_iter().any(|key| key.id == id);
            anyhow::ensure!(known, "the tenant `{}` has no key `{id}`: `openhub key list` lists its keys", tenant.name);
            store.revoke_key(&scope, &id, serve::wall_clock()).await?;
            println!("key {id} is revoked");
        }
    }
    Ok(())
}

async fn named(store: &Store, name: &str) -> Result<Tenant> {
    store
        .tenant_by_name(name)
        .await?
        .with_context(|| format!("there is no tenant `{name}`: `openhub tenant list` lists them"))
}
