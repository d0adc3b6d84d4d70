//! `openhub key`: works on the database, so that a lost key never locks an operator out.

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use openhub_api::KeyScopes;
use openhub_model::{Network, Timestamp};
use openhub_store::{Scope, Store, Tenant};
use serde_json::json;

use super::empty;
use super::tenant::{as_operator, look, open_there};
use crate::config::{Config, Flags};
use crate::mint::{Wanted, mint};
use crate::serve;
use openhub_model::plain::plain;

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
        /// What the key is for, to tell it from others in the list (default: `page` for a page, else `api`).
        #[arg(long)]
        name: Option<String>,
        /// A scope, like `events:write`. Can be repeated.
        #[arg(long = "scope", conflicts_with = "all_scopes")]
        scopes: Vec<String>,
        /// For a page, where anybody can read it: it sends events as a page may, and does nothing else.
        #[arg(long, conflicts_with_all = ["scopes", "all_scopes"])]
        page: bool,
        /// An address or a network from which the key works, like `10.0.0.0/8`. Can be repeated. Without one, it works from everywhere.
        #[arg(long = "address", value_name = "NETWORK")]
        addresses: Vec<Network>,
        /// When the key ends, like `2027-01-31T00:00:00Z`. Without it, it does not end.
        #[arg(long, value_name = "TIME")]
        expires: Option<Timestamp>,
        /// The key may do everything in the tenant, as the API key may that came with it.
        #[arg(long)]
        all_scopes: bool,
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
        Command::Create { tenant, name, scopes, all_scopes, page, addresses, expires, json, .. } => {
            let tenant = named(store, &tenant).await?;
            let asked: Vec<&str> = scopes.iter().map(String::as_str).collect();
            anyhow::ensure!(
                page || all_scopes || !asked.is_empty(),
                "say what the key may do, with `--scope` for each of: {}, plugins:call:<plugin>; `--page`; or everything, with `--all-scopes`",
                KeyScopes::ALL.join(", ")
            );
            let name = name.unwrap_or_else(|| if page { "page" } else { "api" }.to_owned());
            let wanted = match (page, all_scopes) {
                (true, _) => Wanted::page(tenant.id, &name),
                (false, true) => Wanted::of(tenant.id, &name, KeyScopes::EVERYTHING),
                (false, false) => Wanted::of(tenant.id, &name, &asked),
            };
            let now = serve::wall_clock();
            anyhow::ensure!(
                expires.is_none_or(|end| end > now),
                "`--expires` is in the past: the key would never work"
            );
            let wanted = Wanted { addresses, expires_at: expires, ..wanted };
            let making = mint(store, config, &wanted, now);
            let (key, text) = as_operator("openhub key create", &name, making).await?;
            match json {
                true => println!("{}", json!({"id": key.id, "key": text, "scopes": key.scopes})),
                false => {
                    let may = if all_scopes { "everything".to_owned() } else { key.scopes.join(", ") };
                    println!(
                        "{text}\nThe key will not be shown again. It is called `{name}`, and may do in `{}`: {may}.",
                        tenant.name
                    );
                }
            }
        }
        Command::List { tenant, .. } => {
            let tenant = named(store, &tenant).await?;
            let keys = store.keys(&Scope::of(tenant.id)).await?;
            if keys.is_empty() {
                empty(&format!("the tenant has no key; `openhub key create {}` creates one", tenant.name));
            }
            for key in keys {
                let state = match (key.revoked_at, key.expires_at) {
                    (Some(at), _) => format!("revoked {at}"),
                    (None, Some(end)) if end <= serve::wall_clock() => format!("expired {end}"),
                    (None, Some(end)) => format!("valid until {end}"),
                    (None, None) => "valid".to_owned(),
                };
                let used = key.last_used_at.map_or_else(|| "never used".to_owned(), |at| format!("used {at}"));
                let of = if key.page { "page" } else { "server" };
                println!(
                    "{}  {:<12}  {of:<6}  {:<24}  created {}  {used}  {state}",
                    key.id,
                    plain(&key.name),
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
            let revoking = store.revoke_key(&scope, &id, serve::wall_clock());
            as_operator("openhub key revoke", &id, revoking).await?;
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
