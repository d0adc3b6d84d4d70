//! `openhub serve`: builds the one `App`, serves it, and takes it down in order.
//!
//! Nothing is logged before the port and the database are ours, so that a refusal to start is one line.

use anyhow::{Context, Result};
use clap::Args;
use openhub_api::{Apart, App};
use openhub_engine::{Engine, Sealer};
use openhub_model::Timestamp;
use openhub_runtime::Runtime;
use openhub_store::Store;
use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::config::{Config, HubConfigFlags};
use crate::connections::{self, Door, Times, Tls};
use crate::data::{DataDir, lock_database};
use crate::refusal::{self, Refusal};
use crate::{logs, metrics, revoked, shutdown, sweep};

#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    flags: HubConfigFlags,
    /// Print the configuration in force as TOML, and exit.
    #[arg(long)]
    print_config: bool,
    /// Start with a new secret key, because the one that the database knows is lost.
    #[arg(long)]
    new_secret_key: bool,
}

/// The host's clock: read here, a parameter everywhere below.
pub fn wall_clock() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

pub async fn run(arguments: Arguments) -> Result<()> {
    let config = Config::load(&arguments.flags.into())?;
    if arguments.print_config {
        print!("{}", config.print()?);
        return Ok(());
    }
    let files = connections::file_limit().context("the limit of open files is not known")?;
    if files < connections::FEWEST_FILES {
        let least = connections::FEWEST_FILES;
        let told = format!(
            "at most {files} files may be open at once (`ulimit -n`), and a hub needs {least}: raise the limit"
        );
        return Err(Refusal::new(told).into());
    }
    let listener = bind(config.listen, "--listen").await?;
    let apart = match config.endpoints_listen {
        Some(address) => Some(bind(address, "endpoints_listen").await?),
        None => None,
    };
    let measured = match config.metrics_listen {
        Some(address) => Some(bind(address, "metrics_listen").await?),
        None => None,
    };
    let tls = match (&config.tls_cert, &config.tls_key) {
        (Some(certificate), Some(key)) => Some(Tls::from_files(certificate, key)?),
        _ => None,
    };
    let address = listener.local_addr()?;
    let data = DataDir::open(&config.data)?;
    let _lock = data.lock()?;
    let _alone = lock_database(&config.database_url(data.path()))?;
    let store = open(&config, &data).await?;
    let secrets = if arguments.new_secret_key { Secrets::BeginAnew } else { Secrets::Keep };
    // Before a key is made: it would be taken for the one that is lost.
    if secrets == Secrets::Keep && DataDir::key_there(Some(&data))?.is_none() {
        is_unsealed(&store).await?;
    }
    let sealer = Arc::new(Sealer::from_key(data.secret_key()?));
    is_sealed_with(&store, &sealer, secrets).await?;
    logs::start(&config);
    let stopping = shutdown::on_signal()?;
    let metrics = metrics::install()?;
    let revoked = revoked::List::new(&config)?;
    let runtime = Runtime::new(openhub_runtime::Config {
        revoked: revoked.all(),
        ..runtime_config(&config, Some(data.cache()), address.ip())?
    })
    .context("the plugin runtime did not start")?;
    let engine = Arc::new(Engine::start(
        store.clone(),
        runtime.clone(),
        sealer.clone(),
        Arc::new(wall_clock),
        engine_config(&config),
    ));
    let app = App {
        store: store.clone(),
        runtime: runtime.clone(),
        engine: engine.clone(),
        sealer,
        clock: Arc::new(wall_clock),
        random: Arc::new(rand::random),
        environment: config.environment.clone(),
        limits: api_limits(&config),
        stopping: stopping.clone(),
        render_metrics: Arc::new(move || metrics.render()),
    };
    tokio::spawn(revoked.follow(runtime.clone(), stopping.clone()));
    tokio::spawn(sweep::run(store.clone(), stopping.clone()));
    let scheme = if tls.is_some() { "https" } else { "http" };
    announce(scheme, address, [("endpoints", scheme, apart.as_ref()), ("metrics", "http", measured.as_ref())])?;
    welcome(&store, &format!("{scheme}://{address}"), data.path()).await;
    tracing::info!(%address, data = %data.path().display(), "the hub serves");

    let most = connections::bound(&config, files);
    let times =
        Times { head: Duration::from_secs(config.head_seconds), idle: Duration::from_secs(config.idle_seconds) };
    let doors = Doors { hub: listener, endpoints: apart, metrics: measured, tls };
    let server = serve(Arc::new(app), doors, most, times, stopping.clone());
    if shutdown::within(server, &stopping, Duration::from_secs(config.drain_seconds)).await.is_none() {
        tracing::warn!("requests that did not end in time are cut off");
    }
    engine.stop().await;
    store.close().await;
    tracing::info!("the hub has stopped");
    Ok(())
}

/// The endpoints of plugins, if they listen apart, have one in so many of the connections.
const APART: usize = 4;
/// Who reads metrics, at an address of its own.
const METERS: usize = 16;

/// Where the hub listens.
struct Doors {
    hub: TcpListener,
    endpoints: Option<TcpListener>,
    metrics: Option<TcpListener>,
    /// Metrics are read in the operator's own network, and always in the clear.
    tls: Option<Tls>,
}

/// Until the hub stops.
async fn serve(app: Arc<App>, doors: Doors, most: usize, times: Times, stopping: CancellationToken) {
    let Doors { hub, endpoints, metrics, tls } = doors;
    let apart = Apart { endpoints: endpoints.is_some(), metrics: metrics.is_some() };
    let routers = openhub_api::routers(app, apart);
    let provisioner = tokio::spawn(routers.provisioner.run(stopping.clone()));
    let share = if apart.endpoints { (most / APART).max(1) } else { 0 };
    let rest = most.saturating_sub(share).max(1);
    let door = |listener, router, most, tls: &Option<Tls>| Door { listener, router, most, times, tls: tls.clone() };
    let mut all = vec![door(hub, routers.hub, rest, &tls)];
    all.extend(endpoints.map(|listener| door(listener, routers.endpoints, share, &tls)));
    all.extend(metrics.map(|listener| door(listener, routers.metrics, METERS, &None)));
    if let Some(tls) = tls {
        tokio::spawn(tls.follow(stopping.clone()));
    }
    futures::future::join_all(all.into_iter().map(|door| connections::serve(door, stopping.clone()))).await;
    if let Err(error) = provisioner.await {
        tracing::error!(%error, "The provisioner did not stop cleanly.");
    }
}

#[derive(PartialEq)]
enum Secrets {
    Keep,
    BeginAnew,
}

/// What was sealed needs the key that it was sealed with.
async fn is_unsealed(store: &Store) -> Result<()> {
    match store.secret_keys().await.map_err(refusal::of_store)?.last() {
        None => Ok(()),
        Some(other) => Err(Refusal::new(format!(
            "there is no `secret.key`, but the database's secrets are sealed with the key {other}: {PUT_BACK}"
        ))
        .into()),
    }
}

const PUT_BACK: &str = "put the old `secret.key` back. If it is lost, start `openhub serve --new-secret-key`; then set the \
                        plugins' secrets again, and suppress again who was suppressed";

/// With another key, secrets cannot be opened, and nobody who is suppressed is known again.
async fn is_sealed_with(store: &Store, sealer: &Sealer, secrets: Secrets) -> Result<()> {
    let known = store.secret_keys().await.map_err(refusal::of_store)?;
    if known.iter().any(|name| name == sealer.key_name()) {
        return Ok(());
    }
    if let Some(other) = known.last()
        && secrets == Secrets::Keep
    {
        return Err(Refusal::new(format!(
            "the database's secrets are sealed with the key {other}, but the hub has the key {}: {PUT_BACK}",
            sealer.key_name()
        ))
        .into());
    }
    store.put_secret_key(sealer.key_name()).await.map_err(refusal::of_store)
}

/// `key` is the flag, or the key of the configuration, that says where.
async fn bind(listen: SocketAddr, key: &str) -> Result<TcpListener, Refusal> {
    TcpListener::bind(listen).await.map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            Refusal::new(format!("the port of {listen} is in use: choose another one with `{key}`"))
        }
        _ => Refusal::new(format!("the hub cannot listen on {listen}: {error}")),
    })
}

async fn open(config: &Config, data: &DataDir) -> Result<Store> {
    let url = config.database_url(data.path());
    let settings = openhub_store::Config { url, node: data.node()?, read_connections: config.read_connections };
    Store::open(&settings).await.map_err(refusal::of_store)
}

pub fn runtime_config(config: &Config, cache: Option<PathBuf>, listen: IpAddr) -> Result<openhub_runtime::Config> {
    let allow_private = config.allow_private.iter().map(|text| text.parse()).collect::<Result<Vec<_>, _>>();
    let limits = openhub_runtime::Defaults {
        compile_ms: config.compile_seconds * 1_000,
        compile_memory_bytes: config.compile_mib * 1024 * 1024,
        ..openhub_runtime::Defaults::default()
    };
    Ok(openhub_runtime::Config {
        limits,
        cache,
        allow_private: allow_private
            .map_err(|error| Refusal::new(format!("bad configuration: `allow_private`: {error}")))?,
        own: own_addresses(listen)?,
        withhold: config.withhold.clone(),
        require_signed: config.require_signed,
        revoked: config.revoked.clone(),
        instances: config.instances,
        // Compiling is done by this very binary, in a process under limits of its own.
        compiler: std::env::current_exe().ok(),
    })
}

/// Where this machine, and so this hub, is reached: plugins may not call it, however public the address.
fn own_addresses(listen: IpAddr) -> Result<Vec<IpAddr>> {
    let interfaces = nix::ifaddrs::getifaddrs().context("the network interfaces could not be listed")?;
    let addresses = interfaces.filter_map(|interface| {
        let address = interface.address?;
        let v4 = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
        v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())))
    });
    Ok(addresses.chain([listen]).collect())
}

fn engine_config(config: &Config) -> openhub_engine::Config {
    openhub_engine::Config {
        batch: config.batch,
        workers: config.workers,
        poll: Duration::from_millis(config.poll_ms),
        delivery_concurrency: config.deliveries,
        bounds: openhub_engine::Bounds {
            events: config.backlog_events,
            time: Duration::from_secs(config.backlog_seconds),
        },
        public_url: config.public_url.as_ref().map(|url| url.trim_end_matches('/').to_owned()),
        ..openhub_engine::Config::default()
    }
}

fn api_limits(config: &Config) -> openhub_api::Limits {
    let limits = openhub_api::Limits::default();
    let seconds = |set: Option<u32>, else_wait| set.map_or(else_wait, |seconds| Duration::from_secs(seconds.into()));
    let rate = |most: u32| Some(most).filter(|most| *most > 0);
    openhub_api::Limits {
        rates: openhub_api::RateLimits {
            key: rate(config.key_requests_per_minute),
            tenant: rate(config.tenant_requests_per_minute),
            address: rate(config.address_requests_per_minute),
        },
        write_wait: seconds(config.write_wait_seconds, limits.write_wait),
        preview_time: seconds(config.preview_seconds, limits.preview_time),
        ..limits
    }
}

/// What whoever started it does not see by itself: which tenants send nothing; on a hub without tenants, what comes next.
async fn welcome(store: &Store, url: &str, data: &Path) {
    let Ok(tenants) = store.tenants().await else { return };
    let held = tenants.iter().filter(|tenant| tenant.sends_held).count();
    if held > 0 {
        tracing::warn!(
            tenants = held,
            "Nothing is sent for tenants that were restored from a backup: `openhub release-sends` lets them send."
        );
    }
    if !tenants.is_empty() {
        return;
    }
    let flag = if data == Path::new("openhub-data") { String::new() } else { format!(" --data {}", data.display()) };
    eprint!(
        "\nThis hub has no tenant yet. In another terminal:\n\
         \n  openhub tenant create acme{flag}                # shows a write key and an API key, once\
         \n  curl -u WRITE_KEY: {url}/v1/track -H 'Content-Type: application/json' \\\
         \n       -d '{{\"userId\": \"42\", \"event\": \"Order Completed\", \"properties\": {{\"total\": 29.33}}}}'\
         \n  curl -H 'Authorization: Bearer API_KEY' '{url}/api/v1/customers?identity=user_id:42'\
         \n\
         \nA segment of those who bought, and who is in it at this moment:\n\
         \n  curl -X PUT -H 'Authorization: Bearer API_KEY' {url}/api/v1/segments/buyers -H 'Content-Type: application/json' \\\
         \n       -d '{{\"condition\": {{\"event\": {{\"name\": \"Order Completed\"}}}}}}'\
         \n  curl -H 'Authorization: Bearer API_KEY' {url}/api/v1/segments/buyers/members\
         \n\n"
    );
}

/// The last line is the one on stdout that a program waits for.
fn announce(scheme: &str, address: SocketAddr, apart: [(&str, &str, Option<&TcpListener>); 2]) -> Result<()> {
    let mut out = std::io::stdout().lock();
    for (what, scheme, listener) in apart {
        if let Some(listener) = listener {
            writeln!(out, "{what} on {scheme}://{}", listener.local_addr()?)?;
        }
    }
    writeln!(out, "listening on {scheme}://{address}")?;
    Ok(out.flush()?)
}
