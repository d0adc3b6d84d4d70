//! The hub's configuration: a TOML file, then `OPENHUB_*` in the environment, then flags; the later wins.
//!
//! It is checked once, here, so that the rest of the binary holds values that make sense. The key that seals
//! secrets is no part of it and is never printed.

use clap::{Args, ValueEnum};
use figment::Figment;
use figment::providers::{Env, Format, Serialized, Toml};
use serde::{Deserialize, Deserializer, Serialize};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::refusal::Refusal;

/// What the hub runs with.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where the API listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Connections of callers at the same time, as far as the limit of open files allows.
    pub connections: u32,
    /// How long a new connection may take to send the head of a request, in seconds.
    pub head_seconds: u64,
    /// How long a connection may be idle between two requests, in seconds.
    pub idle_seconds: u64,
    /// Where the database file, the key file and the compiled plugins lie.
    pub data: PathBuf,
    /// `sqlite:///absolute/path.db` or `postgres://…`; absent: `openhub.db` in the data directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// Stands in every key (`oh_<environment>_…`), so that a key of a test hub is told from a live one.
    pub environment: String,
    /// Where the hub is reached from outside, such as `https://hub.example.com`: messages link there to unsubscribe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_url: Option<String>,
    /// Events that the engine handles in one transaction, at most.
    pub batch: usize,
    /// Batches that the engine computes at the same time.
    pub workers: usize,
    /// How often the engine looks for what came without a signal, in milliseconds.
    pub poll_ms: u64,
    /// Calls of channel plugins at the same time, per tenant.
    pub deliveries: usize,
    /// Events of a tenant that may wait for the engine; above that its callers are answered 429.
    pub backlog_events: u64,
    /// The same as the time that the engine will need for them, in seconds.
    pub backlog_seconds: u64,
    /// Read connections to the database.
    pub read_connections: u32,
    /// Plugin instances alive at the same time, in each of the two lanes.
    pub instances: u32,
    /// How long a plugin may compile, in seconds.
    pub compile_seconds: u32,
    /// Memory (address space) of the process that compiles a plugin, in MiB.
    pub compile_mib: u64,
    /// `host:port` that plugins may reach although the address is private.
    #[serde(deserialize_with = "list")]
    pub allow_private: Vec<String>,
    /// Interfaces that no plugin gets, whatever an admin grants, such as `openhub:http/http`.
    #[serde(deserialize_with = "list")]
    pub withhold: Vec<String>,
    /// A filter such as `info` or `warn,openhub_engine=debug`.
    pub log: String,
    pub log_format: LogFormat,
    /// How long a shutdown waits for requests under way.
    pub drain_seconds: u64,
    /// How long a change waits for the engine before it is answered 202. This and the next are for tests, who need the same
    /// answers on a machine that is slow, and not for operators: they are shown only where they are set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write_wait_seconds: Option<u32>,
    /// How long the customers of a condition are counted before the rest is estimated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preview_seconds: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    Text,
    Json,
}

impl Default for Config {
    fn default() -> Config {
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        Config {
            listen: SocketAddr::from(([127, 0, 0, 1], 7300)),
            connections: 4096,
            head_seconds: 20,
            idle_seconds: 75,
            data: PathBuf::from("openhub-data"),
            database: None,
            environment: "live".to_owned(),
            public_url: None,
            batch: 8_000,
            workers: cores,
            poll_ms: 200,
            deliveries: 8,
            backlog_events: 2_000_000,
            backlog_seconds: 300,
            read_connections: 4,
            instances: 64,
            compile_seconds: 30,
            compile_mib: 1024,
            allow_private: Vec::new(),
            withhold: Vec::new(),
            log: "info".to_owned(),
            log_format: LogFormat::Text,
            drain_seconds: 20,
            write_wait_seconds: None,
            preview_seconds: None,
        }
    }
}

/// The flags that stand for configuration keys of the same name.
#[derive(Clone, Debug, Default, Args, Serialize)]
pub struct Flags {
    /// A TOML file with keys that `--print-config` shows.
    #[arg(long, value_name = "FILE", env = "OPENHUB_CONFIG")]
    #[serde(skip)]
    pub config: Option<PathBuf>,
    /// The directory of the database file, the key file and the compiled plugins.
    #[arg(long, value_name = "DIR")]
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<PathBuf>,
    /// `sqlite:///absolute/path.db` or `postgres://user@host/database`.
    #[arg(long, value_name = "URL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    database: Option<String>,
    #[command(flatten)]
    #[serde(flatten)]
    pub serving: ServingFlags,
}

/// The flags that only matter to a hub that serves.
#[derive(Clone, Debug, Default, Args, Serialize)]
pub struct ServingFlags {
    /// The address of the API; port 0 takes a free port.
    #[arg(long, value_name = "ADDRESS:PORT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    listen: Option<String>,
    /// Events that the engine handles in one transaction, at most.
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    batch: Option<usize>,
    /// Batches that the engine computes at the same time.
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    workers: Option<usize>,
    /// A private address that plugins may reach. Can be repeated.
    #[arg(long, value_name = "HOST:PORT")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    allow_private: Vec<String>,
    /// The log filter, like `info` or `warn,openhub_engine=debug`.
    #[arg(long, value_name = "FILTER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    log: Option<String>,
    #[arg(long, value_enum)]
    #[serde(skip_serializing_if = "Option::is_none")]
    log_format: Option<LogFormat>,
}

/// The keys that are read from the environment; other `OPENHUB_*` variables belong to single commands.
pub const KEYS: [&str; 25] = [
    "listen",
    "connections",
    "head_seconds",
    "idle_seconds",
    "data",
    "database",
    "environment",
    "public_url",
    "batch",
    "workers",
    "poll_ms",
    "deliveries",
    "backlog_events",
    "backlog_seconds",
    "read_connections",
    "instances",
    "compile_seconds",
    "compile_mib",
    "allow_private",
    "withhold",
    "log",
    "log_format",
    "drain_seconds",
    "write_wait_seconds",
    "preview_seconds",
];

/// Whether a text is `http` or `https`, a host, and at most a path.
fn is_address(text: &str) -> bool {
    let url = reqwest::Url::parse(text);
    url.is_ok_and(|url| {
        ["http", "https"].contains(&url.scheme()) && url.has_host() && url.query().is_none() && url.fragment().is_none()
    })
}

impl Config {
    /// Merges and checks; a fault is a [`Refusal`] that names the key and where its value came from.
    pub fn load(flags: &Flags) -> Result<Config, Refusal> {
        let mut sources = Figment::from(Serialized::defaults(Config::default()));
        if let Some(file) = &flags.config {
            let text = std::fs::read_to_string(file).map_err(|error| {
                Refusal::new(format!("the configuration file {} cannot be read: {error}", file.display()))
            })?;
            sources = sources.merge(Toml::string(&text));
        }
        let config: Config = sources
            .merge(Env::prefixed("OPENHUB_").only(&KEYS))
            .merge(Serialized::defaults(flags))
            .extract()
            .map_err(|error| Refusal::new(format!("bad configuration: {}", told(error))))?;
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), Refusal> {
        let wrong = |key: &str, what: &str| Err(Refusal::new(format!("bad configuration: `{key}` {what}")));
        if !(1..=1_000_000).contains(&self.connections) {
            return wrong("connections", "must be between 1 and 1000000");
        }
        if !(1..=86_400).contains(&self.head_seconds) {
            return wrong("head_seconds", "must be between 1 and 86400");
        }
        if !(1..=86_400).contains(&self.idle_seconds) {
            return wrong("idle_seconds", "must be between 1 and 86400");
        }
        if !(1..=100_000).contains(&self.batch) {
            return wrong("batch", "must be between 1 and 100000");
        }
        if !(1..=256).contains(&self.workers) {
            return wrong("workers", "must be between 1 and 256");
        }
        if !(1..=1024).contains(&self.deliveries) {
            return wrong("deliveries", "must be between 1 and 1024");
        }
        if !(1..=256).contains(&self.read_connections) {
            return wrong("read_connections", "must be between 1 and 256");
        }
        if !(1..=1000).contains(&self.instances) {
            return wrong("instances", "must be between 1 and 1000");
        }
        if !(1..=3600).contains(&self.compile_seconds) {
            return wrong("compile_seconds", "must be between 1 and 3600");
        }
        if !(256..=65_536).contains(&self.compile_mib) {
            return wrong("compile_mib", "must be between 256 and 65536");
        }
        if self.backlog_events == 0 {
            return wrong("backlog_events", "must be at least 1");
        }
        if self.backlog_seconds == 0 {
            return wrong("backlog_seconds", "must be at least 1");
        }
        if self.poll_ms == 0 {
            return wrong("poll_ms", "must be at least 1");
        }
        let is_word = |text: &str| (1..=16).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_lowercase());
        if !is_word(&self.environment) {
            return wrong("environment", "must be 1 to 16 lower-case letters");
        }
        if let Some(url) = &self.public_url
            && !is_address(url)
        {
            return wrong("public_url", "must be an address like https://hub.example.com, without a query");
        }
        if let Some(url) = &self.database
            && !["sqlite:", "postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme))
        {
            return wrong("database", "must be a URL that begins with sqlite:// or postgres://");
        }
        if let Some(path) = self.database.as_deref().and_then(|url| url.strip_prefix("sqlite:"))
            && !path.strip_prefix("//").is_some_and(|path| path.starts_with('/'))
        {
            return wrong("database", "must have an absolute path, as in sqlite:///var/lib/openhub/openhub.db");
        }
        if let Some(unknown) =
            self.withhold.iter().find(|interface| !openhub_runtime::interfaces().any(|it| it == *interface))
        {
            let there: Vec<&str> = openhub_runtime::interfaces().collect();
            return wrong(
                "withhold",
                &format!("names `{unknown}`, which no hub offers; there are: {}", there.join(", ")),
            );
        }
        if let Err(error) = self.log.parse::<tracing_subscriber::EnvFilter>() {
            return wrong("log", &format!("is not a log filter: {error}"));
        }
        Ok(())
    }

    /// The database's URL: as configured, or the file in the data directory.
    pub fn database_url(&self, data: &Path) -> String {
        match &self.database {
            Some(url) => url.clone(),
            None => format!("sqlite://{}", data.join("openhub.db").display()),
        }
    }

    /// The effective configuration as TOML, for `--print-config`. A password in the database's URL is masked.
    pub fn print(&self) -> anyhow::Result<String> {
        let mut shown = self.clone();
        shown.database = self.database.as_deref().map(mask_password);
        Ok(toml::to_string(&shown)?)
    }
}

/// What is wrong, without the place in our own source by which figment knows the flags.
fn told(mut error: figment::Error) -> String {
    let is_flag = |metadata: &figment::Metadata| matches!(metadata.source, Some(figment::Source::Code(_)));
    if !error.metadata.as_ref().is_some_and(is_flag) {
        return error.to_string();
    }
    error.metadata = None;
    format!("{error} for the flag `--{}`", error.path.join("."))
}

/// `postgres://user:secret@host/db` → `postgres://user:***@host/db`.
fn mask_password(url: &str) -> String {
    let masked = || {
        let (scheme, rest) = url.split_once("://")?;
        let (login, place) = rest.rsplit_once('@')?;
        let (user, _) = login.split_once(':')?;
        Some(format!("{scheme}://{user}:***@{place}"))
    };
    masked().unwrap_or_else(|| url.to_owned())
}

/// A list, or in the environment one text with commas.
fn list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Form {
        List(Vec<String>),
        Text(String),
    }
    Ok(match Form::deserialize(deserializer)? {
        Form::List(items) => items,
        Form::Text(text) => text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags_with_file(text: &str) -> (tempfile::NamedTempFile, Flags) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let flags = Flags { config: Some(file.path().to_owned()), ..Flags::default() };
        (file, flags)
    }

    #[test]
    fn a_flag_wins_over_the_file() {
        let (_file, mut flags) = flags_with_file("batch = 7\nworkers = 3\n");
        flags.serving.batch = Some(9);
        let config = Config::load(&flags).unwrap();
        assert_eq!((config.batch, config.workers), (9, 3));
    }

    #[test]
    fn a_fault_is_one_line_that_names_the_key() {
        for (text, key) in [
            ("batch = 0", "batch"),
            ("workers = \"many\"", "workers"),
            ("bach = 1", "bach"),
            ("listen = \"nowhere\"", "listen"),
            ("database = \"mysql://x\"", "database"),
            ("log = \"a=b=c\"", "log"),
            ("batch = [", "batch"),
        ] {
            let (_file, flags) = flags_with_file(text);
            let fault = Config::load(&flags).unwrap_err().to_string();
            assert!(fault.contains(key) && !fault.contains('\n'), "{text}: {fault}");
        }
    }

    #[test]
    fn a_missing_file_is_refused() {
        let flags = Flags { config: Some(PathBuf::from("no/such/file.toml")), ..Flags::default() };
        assert!(Config::load(&flags).unwrap_err().to_string().contains("no/such/file.toml"));
    }

    #[test]
    fn a_password_is_never_printed() {
        assert_eq!(mask_password("postgres://hub:pa@ss@db/openhub"), "postgres://hub:***@db/openhub");
        assert_eq!(mask_password("postgres://hub@db/openhub"), "postgres://hub@db/openhub");
        assert_eq!(mask_password("sqlite:///var/openhub.db"), "sqlite:///var/openhub.db");
    }

    #[test]
    fn the_printed_configuration_reads_back() {
        let config = Config { allow_private: vec!["127.0.0.1:80".into()], ..Config::default() };
        let (_file, flags) = flags_with_file(&config.print().unwrap());
        assert_eq!(Config::load(&flags).unwrap().print().unwrap(), config.print().unwrap());
    }
}
