//! `openhub tenant`: works on the database, so that a hub can be set up before it serves.

use anyhow::Result;
use clap::{Args, Subcommand, ValueEnum};
use openhub_api::KeyScopes;
use openhub_engine::Sealer;
use openhub_model::tenant::is_name;
use openhub_model::{ClockKind, Principal};
use openhub_store::{Deeded, Store, StoreError, acting};
use serde_json::json;
use std::future::Future;
use std::path::Path;

use crate::commands::{backup, empty};
use crate::config::{Config, Flags};
use crate::mint::{Wanted, mint};
use crate::{data, refusal, serve};

#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Create a tenant and its first two keys, which are shown only once.
    Create {
        name: String,
        /// What its time follows, for ever: the machine's clock, or the events that you replay.
        #[arg(long, value_enum, default_value = "live")]
        clock: Clock,
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        flags: Flags,
    },
    /// Write one tenant, with all that it has, into a file. The hub may serve meanwhile.
    Export(backup::ExportArguments),
    /// Take a tenant from such a file into this hub, which must not serve meanwhile. Nothing is sent for it before `openhub release-sends`.
    Import(backup::ImportArguments),
    /// List the tenants.
    List {
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        flags: Flags,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum Clock {
    Live,
    Replay,
}

impl From<Clock> for ClockKind {
    fn from(clock: Clock) -> ClockKind {
        match clock {
            Clock::Live => ClockKind::Live,
            Clock::Replay => ClockKind::Replay,
        }
    }
}

pub async fn run(arguments: Arguments) -> Result<()> {
    match arguments.command {
        Command::Create { name, clock, json, flags } => {
            anyhow::ensure!(
                is_name(&name),
                "`{name}` is not a tenant name: use 1 to 64 letters, digits, `-`, `_` and `.`, a letter or digit first"
            );
            let config = Config::load(&flags)?;
            // Without a flag it is a file in this folder, and in another folder another one.
            let is_new = config.sqlite_file().is_some_and(|file| is_empty(&file));
            let store = open(&config).await?;
            let created =
                as_operator("openhub tenant create", &name, create(&store, &config, &name, clock.into())).await;
            store.close().await;
            let (tenant, write_key, api_key) = created?;
            let database = config.database_shown();
            match is_new {
                true => eprintln!(
                    "made a new database at {database}; for a hub that has one already, name it with `--data DIR` or `--database URL`"
                ),
                false => eprintln!("in the database {database}"),
            }
            if json {
                println!(
                    "{}",
                    json!({
                        "tenant": tenant, "name": name, "write_key": write_key, "api_key": api_key,
                        "database": database, "new_database": is_new,
                    })
                );
            } else {
                println!(
                    "tenant {tenant} `{name}`\nwrite key  {write_key}\napi key    {api_key}\nThe keys will not be shown again. The write key is \
                     for pages; for a library on a server: `openhub key create {name} --scope events:write --scope identities:write`."
                );
            }
        }
        Command::Export(arguments) => backup::export(arguments).await?,
        Command::Import(arguments) => backup::import(arguments).await?,
        Command::List { json, flags } => {
            let store = look(&Config::load(&flags)?).await?;
            let tenants = store.tenants().await;
            store.close().await;
            let tenants = tenants?;
            if tenants.is_empty() {
                empty("there is no tenant; `openhub tenant create NAME` creates one");
            }
            for tenant in tenants {
                if json {
                    let line = json!({"tenant": tenant.id, "name": tenant.name, "clock": tenant.clock, "created_at": tenant.created_at});
                    println!("{line}");
                } else {
                    println!("{:>6}  {:<32}  {}", tenant.id.0, tenant.name, clock_word(tenant.clock));
                }
            }
        }
    }
    Ok(())
}

async fn create(store: &Store, config: &Config, name: &str, clock: ClockKind) -> Result<(i64, String, String)> {
    let now = serve::wall_clock();
    let tenant = store.create_tenant(name, clock, now).await.map_err(|error| match error {
        StoreError::AlreadyExists(_) => anyhow::anyhow!("there is already a tenant `{name}`: choose another name"),
        other => other.into(),
    })?;
    let (_, write) = mint(store, config, &Wanted::page(tenant.id, "write"), now).await?;
    let (_, api) = mint(store, config, &Wanted::of(tenant.id, "api", KeyScopes::EVERYTHING), now).await?;
    Ok((tenant.id.0, write, api))
}

fn clock_word(clock: ClockKind) -> &'static str {
    match clock {
        ClockKind::Live => "live",
        ClockKind::Replay => "replay",
    }
}

/// The database of a command that only looks: nothing is made and nothing migrated.
pub async fn look(config: &Config) -> Result<Store> {
    let url = match config.database.is_some() {
        true => config.database_url(&config.data),
        false => config.database_url(data::DataDir::existing(&config.data)?.path()),
    };
    let settings = openhub_store::Config { url, node: String::new(), read_connections: 1 };
    Store::look(&settings).await.map_err(refusal::of_store)
}

/// Whether there is nothing in it yet.
fn is_empty(file: &Path) -> bool {
    std::fs::metadata(file).map_or(true, |file| file.len() == 0)
}

/// The database of a command that changes what is there: none is made, since it would be another than the one that was meant.
pub async fn open_there(config: &Config) -> Result<Store> {
    match config.sqlite_file().filter(|file| is_empty(file)) {
        Some(file) => Err(refusal::of_store(StoreError::Absent(format!("there is no database {}", file.display())))),
        None => open(config).await,
    }
}

/// The database of a command that works beside a hub.
pub async fn open(config: &Config) -> Result<Store> {
    let data = data::DataDir::open(&config.data)?;
    let settings =
        openhub_store::Config { url: config.database_url(data.path()), node: data.node()?, read_connections: 1 };
    let store = Store::open(&settings).await.map_err(refusal::of_store)?;
    // What the command does is in the audit log, which is signed with the hub's key. A key is made only for a database that knows none.
    let key = match data::DataDir::key_there(Some(&data))? {
        None if store.secret_keys().await.map_err(refusal::of_store)?.is_empty() => Some(data.secret_key()?),
        there => there,
    };
    if let Some(key) = key {
        store.sign_audit_by(Sealer::from_key(key).notary());
    }
    Ok(store)
}

/// Does what a command does as an act of the operator, in the audit log of the tenant that it writes first.
pub async fn as_operator<T>(act: &str, subject: &str, work: impl Future<Output = T>) -> T {
    let deed = Deeded {
        tenant: None,
        principal: Principal::Operator,
        act: act.to_owned(),
        subject: subject.to_owned(),
        origin: String::new(),
        request: String::new(),
        at: serve::wall_clock(),
    };
    acting(deed, work).await
}
