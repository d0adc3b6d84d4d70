//! The hub's configuration: a TOML file, then `OPENHUB_*` in the environment, then flags; the later wins.
//!
//! It is checked once, here, so that the rest of the binary holds values that make sense. The key that seals
//! secrets is no part of it and is never printed.

use clap::{Args, ValueEnum};
use figment::Figment;
use figment::error::{Actual, Kind};
use figment::providers::{Env, Serialized};
use openhub_model::fault::form;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::environment;
use crate::refusal::Refusal;
use crate::revoked;
use crate::settings_file::SettingsFile;

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
    /// Where plugins' endpoints are served, and nothing else; the API's address serves none of them then. Absent: it serves all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoints_listen: Option<SocketAddr>,
    /// Where metrics and health are served in the clear, and nothing else; the API's address serves no metrics then. Absent: it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics_listen: Option<SocketAddr>,
    /// The hub's certificate with its chain, PEM. With it, and its key, the hub speaks HTTPS. Read again when it changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_cert: Option<PathBuf>,
    /// The certificate's private key, PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_key: Option<PathBuf>,
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
    /// Requests of one key in a minute, on each node; above that they are answered 429. 0: as many as there are places for. So of the
    /// next two.
    pub key_requests_per_minute: u32,
    /// Calls of the API of one tenant, and its requests with events, each.
    pub tenant_requests_per_minute: u32,
    /// Requests from one address, with a key or without.
    pub address_requests_per_minute: u32,
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
    /// Whether every plugin has to be signed.
    pub require_signed: bool,
    /// Publishers' keys and components' digests that no plugin may have.
    #[serde(deserialize_with = "list")]
    pub revoked: Vec<String>,
    /// A file with more of them, one a line, which is read again when it changes.
    pub revoked_file: Option<PathBuf>,
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
            endpoints_listen: None,
            metrics_listen: None,
            tls_cert: None,
            tls_key: None,
            batch: 8_000,
            workers: cores,
            poll_ms: 200,
            deliveries: 8,
            backlog_events: 2_000_000,
            backlog_seconds: 300,
            key_requests_per_minute: 0,
            tenant_requests_per_minute: 0,
            address_requests_per_minute: 0,
            read_connections: 4,
            instances: 64,
            compile_seconds: 60,
            compile_mib: 1024,
            allow_private: Vec::new(),
            withhold: Vec::new(),
            require_signed: false,
            revoked: Vec::new(),
            revoked_file: None,
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
    /// Of the commands that serve, or look at how a hub would.
    #[arg(skip)]
    #[serde(flatten)]
    pub serving: ServingFlags,
}

/// All flags of a hub that serves.
#[derive(Clone, Debug, Default, Args)]
pub struct HubConfigFlags {
    #[command(flatten)]
    flags: Flags,
    #[command(flatten)]
    serving: ServingFlags,
}

impl From<HubConfigFlags> for Flags {
    fn from(HubConfigFlags { flags, serving }: HubConfigFlags) -> Flags {
        Flags { serving, ..flags }
    }
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
pub const KEYS: [&str; 35] = [
    "listen",
    "connections",
    "head_seconds",
    "idle_seconds",
    "data",
    "database",
    "environment",
    "public_url",
    "endpoints_listen",
    "metrics_listen",
    "tls_cert",
    "tls_key",
    "batch",
    "workers",
    "poll_ms",
    "deliveries",
    "backlog_events",
    "backlog_seconds",
    "key_requests_per_minute",
    "tenant_requests_per_minute",
    "address_requests_per_minute",
    "read_connections",
    "instances",
    "compile_seconds",
    "compile_mib",
    "allow_private",
    "withhold",
    "require_signed",
    "revoked",
    "revoked_file",
    "log",
    "log_format",
    "drain_seconds",
    "write_wait_seconds",
    "preview_seconds",
];

/// Those at the end of [`KEYS`] that are not for operators.
const OF_TESTS: usize = 2;

/// Whether a text is `http` or `https`, a host, and at most a path.
fn is_address(text: &str) -> bool {
    let url = reqwest::Url::parse(text);
    url.is_ok_and(|url| {
        ["http", "https"].contains(&url.scheme()) && url.has_host() && url.query().is_none() && url.fragment().is_none()
    })
}

impl Config {
    /// Merges and checks. A [`Refusal`] tells all faults, each with its key and where its value came from.
    pub fn load(flags: &Flags) -> Result<Config, Refusal> {
        let (mut sources, mut faults) = Sources::of(flags)?;
        let misspelt = sources.file.as_mut().map(|file| file.take_unknown(&KEYS)).unwrap_or_default();
        let is_misspelt = !misspelt.is_empty();
        faults.extend(misspelt);
        faults.extend(environment::faults());
        let mut faulty = Vec::new();
        // What does not fit is left out, so that it hides no other fault.
        let config = loop {
            let error = match sources.merged() {
                Ok(config) => break config,
                Err(error) => error,
            };
            let key = error.path.first().cloned().unwrap_or_default();
            let is_new = KEYS.contains(&key.as_str()) && !faulty.contains(&key);
            if !is_new {
                faults.push(error.to_string());
                return Err(Refusal::new(format!("bad configuration: {}", faults.join("; "))));
            }
            faults.push(format!("{} {}", sources.origin(&key), told(&key, &error.kind)));
            sources.leave_out(&key);
            faulty.push(key);
        };
        let bounds = config.faults().into_iter().filter(|(key, _)| !faulty.iter().any(|faulty| faulty == key));
        faults.extend(bounds.map(|(key, what)| format!("{} {what}", sources.origin(key))));
        if is_misspelt {
            faults.push(format!("the settings are {}", KEYS[..KEYS.len() - OF_TESTS].join(", ")));
        }
        match faults.is_empty() {
            true => Ok(config),
            false => Err(Refusal::new(format!("bad configuration: {}", faults.join("; ")))),
        }
    }

    /// What is out of its bounds, by key.
    fn faults(&self) -> Vec<(&'static str, String)> {
        let mut faults = Vec::new();
        let mut wrong = |key: &'static str, what: &str| faults.push((key, what.to_owned()));
        if !(1..=1_000_000).contains(&self.connections) {
            wrong("connections", "must be between 1 and 1000000");
        }
        if !(1..=86_400).contains(&self.head_seconds) {
            wrong("head_seconds", "must be between 1 and 86400");
        }
        if !(1..=86_400).contains(&self.idle_seconds) {
            wrong("idle_seconds", "must be between 1 and 86400");
        }
        if !(1..=100_000).contains(&self.batch) {
            wrong("batch", "must be between 1 and 100000");
        }
        if !(1..=256).contains(&self.workers) {
            wrong("workers", "must be between 1 and 256");
        }
        if !(1..=1024).contains(&self.deliveries) {
            wrong("deliveries", "must be between 1 and 1024");
        }
        if !(1..=256).contains(&self.read_connections) {
            wrong("read_connections", "must be between 1 and 256");
        }
        if !(1..=1000).contains(&self.instances) {
            wrong("instances", "must be between 1 and 1000");
        }
        if !(1..=3600).contains(&self.compile_seconds) {
            wrong("compile_seconds", "must be between 1 and 3600");
        }
        if !(256..=65_536).contains(&self.compile_mib) {
            wrong("compile_mib", "must be between 256 and 65536");
        }
        let least = [
            ("backlog_events", self.backlog_events),
            ("backlog_seconds", self.backlog_seconds),
            ("poll_ms", self.poll_ms),
        ];
        least.into_iter().filter(|(_, value)| *value == 0).for_each(|(key, _)| wrong(key, "must be at least 1"));
        let is_word = |text: &str| (1..=16).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_lowercase());
        if !is_word(&self.environment) {
            wrong("environment", "must be 1 to 16 lower-case letters");
        }
        if self.public_url.as_ref().is_some_and(|url| !is_address(url)) {
            wrong("public_url", "must be an address like https://hub.example.com, without a query");
        }
        match (&self.tls_cert, &self.tls_key) {
            (Some(_), None) => wrong("tls_key", "is missing: `tls_cert` needs it"),
            (None, Some(_)) => wrong("tls_cert", "is missing: `tls_key` needs it"),
            _ => {}
        }
        if let Some(what) = self.database.as_deref().and_then(unfit_database) {
            wrong("database", what);
        }
        if let Some(unknown) =
            self.withhold.iter().find(|interface| !openhub_runtime::interfaces().any(|it| it == *interface))
        {
            let there: Vec<&str> = openhub_runtime::interfaces().collect();
            wrong("withhold", &format!("names `{unknown}`, which no hub offers; there are: {}", there.join(", ")));
        }
        if let Some(unknown) = self.revoked.iter().find(|revoked| !revoked::is_name(revoked)) {
            wrong(
                "revoked",
                &format!("names `{unknown}`, which is neither a key nor a digest: both have 64 hexadecimal digits"),
            );
        }
        if let Err(error) = self.log.parse::<tracing_subscriber::EnvFilter>() {
            wrong("log", &format!("is not a log filter: {error}"));
        }
        faults
    }

    /// The database's URL: as configured, or the file in the data directory.
    pub fn database_url(&self, data: &Path) -> String {
        match &self.database {
            Some(url) => url.clone(),
            None => format!("sqlite://{}", data.join("openhub.db").display()),
        }
    }

    /// Which database that is, for people: a file by its path, a server without the password.
    pub fn database_shown(&self) -> String {
        match self.sqlite_file() {
            Some(file) => file.display().to_string(),
            None => self.database.as_deref().map(mask_password).unwrap_or_default(),
        }
    }

    /// The database's file, if it is one.
    pub fn sqlite_file(&self) -> Option<PathBuf> {
        let data = std::path::absolute(&self.data).unwrap_or_else(|_| self.data.clone());
        let url = self.database_url(&data);
        let path = url.strip_prefix("sqlite://")?;
        Some(PathBuf::from(path.split('?').next().unwrap_or(path)))
    }

    /// The effective configuration as TOML, for `--print-config`. A password in the database's URL is masked.
    pub fn print(&self) -> anyhow::Result<String> {
        let mut shown = self.clone();
        shown.database = self.database.as_deref().map(mask_password);
        Ok(toml::to_string(&shown)?)
    }
}

/// Why a database's URL cannot be one.
fn unfit_database(url: &str) -> Option<&'static str> {
    if !["sqlite:", "postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme)) {
        return Some("must be a URL that begins with sqlite:// or postgres://");
    }
    let path = url.strip_prefix("sqlite:")?;
    let is_absolute = path.strip_prefix("//").is_some_and(|path| path.starts_with('/'));
    (!is_absolute).then_some("must have an absolute path, as in sqlite:///var/lib/openhub/openhub.db")
}

/// Where settings come from; the later wins: the file, the environment, the flags.
struct Sources {
    file: Option<SettingsFile>,
    /// The keys that are still read from the environment.
    environment: Vec<&'static str>,
    flags: Map<String, Value>,
}

impl Sources {
    /// And what of the file cannot be read.
    fn of(flags: &Flags) -> Result<(Sources, Vec<String>), Refusal> {
        let (file, faults) = flags.config.as_deref().map(SettingsFile::read).unzip();
        let flags = serde_json::to_value(flags).map_err(Refusal::new)?.as_object().cloned().unwrap_or_default();
        Ok((Sources { file, environment: KEYS.to_vec(), flags }, faults.unwrap_or_default()))
    }

    fn merged(&self) -> Result<Config, Box<figment::Error>> {
        let mut sources = Figment::from(Serialized::defaults(Config::default()));
        if let Some(file) = &self.file {
            sources = sources.merge(Serialized::defaults(&file.table));
        }
        sources
            .merge(Env::prefixed("OPENHUB_").only(&self.environment))
            .merge(Serialized::defaults(&self.flags))
            .extract()
            .map_err(Box::new)
    }

    fn is_in_environment(&self, key: &str) -> bool {
        let name = |variable: &std::ffi::OsStr| variable.to_string_lossy().to_ascii_lowercase();
        self.environment.contains(&key)
            && std::env::vars_os().any(|(variable, _)| name(&variable).strip_prefix("openhub_") == Some(key))
    }

    /// Whose word counts for a key, and the key as it is called there.
    fn origin(&self, key: &str) -> String {
        match &self.file {
            _ if self.flags.contains_key(key) => format!("the flag `--{}`", key.replace('_', "-")),
            _ if self.is_in_environment(key) => {
                format!("`OPENHUB_{}` in the environment: `{key}`", key.to_ascii_uppercase())
            }
            Some(file) if file.table.contains_key(key) => format!("{}: `{key}`", file.place(key)),
            _ => format!("`{key}`"),
        }
    }

    /// From now on a key has the value that it has without this word.
    fn leave_out(&mut self, key: &str) {
        if self.flags.remove(key).is_some() {
            return;
        }
        if self.is_in_environment(key) {
            return self.environment.retain(|name| *name != key);
        }
        if let Some(file) = &mut self.file {
            file.table.remove(key);
        }
    }
}

/// What is wrong with the value of a key.
fn told(key: &str, kind: &Kind) -> String {
    let said = match kind {
        Kind::InvalidType(found, expected) => format!("invalid type: {}, expected {expected}", found_by_serde(found)),
        Kind::InvalidValue(found, expected) => format!("invalid value: {}, expected {expected}", found_by_serde(found)),
        Kind::UnknownVariant(name, known) => {
            let known: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
            format!("unknown variant `{name}`, expected one of {}", known.join(", "))
        }
        Kind::Message(_) if key == "listen" => "This must be an address and a port, like 127.0.0.1:7300.".to_owned(),
        Kind::Message(_) if ["allow_private", "withhold", "revoked"].contains(&key) => {
            "This must be a list of texts.".to_owned()
        }
        other => other.to_string(),
    };
    let sentence = form(&said);
    let sentence = sentence.trim_end_matches('.');
    match sentence.strip_prefix("This ") {
        Some(rest) => rest.to_owned(),
        None => format!("is not valid: {sentence}"),
    }
}

/// In serde's own words, which figment has in others.
fn found_by_serde(found: &Actual) -> String {
    match found {
        Actual::Bool(value) => format!("boolean `{value}`"),
        Actual::Unsigned(number) => format!("integer `{number}`"),
        Actual::Signed(number) => format!("integer `{number}`"),
        Actual::Float(number) => format!("floating point `{number}`"),
        Actual::Str(text) => format!("string {text:?}"),
        Actual::Seq => "sequence".to_owned(),
        Actual::Map => "map".to_owned(),
        other => other.to_string(),
    }
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
            ("database = \"postgres://u:secret@h/d", "database"),
        ] {
            let (_file, flags) = flags_with_file(text);
            let fault = Config::load(&flags).unwrap_err().to_string();
            assert!(fault.contains(key) && !fault.contains('\n'), "{text}: {fault}");
            assert!(fault.contains("line 1") && !fault.contains("secret"), "{text}: {fault}");
        }
    }

    #[test]
    fn all_faults_of_a_file_are_told_with_their_lines_and_the_nearest_key() {
        let text = "# a hub\nlisten = \"127.0.0.1:0\"\nbach = 1\n\nworkers = \"many\"\ndeliveries = 0\nlog_format = \"jsn\"\ncolour = 1\nlisten_on = 7\n";
        let (file, mut flags) = flags_with_file(text);
        flags.serving.batch = Some(0);
        let fault = Config::load(&flags).unwrap_err().to_string();
        let at = |line: usize| format!("{}, line {line}: ", file.path().display());
        for told in [
            format!("{}there is no setting `bach` (did you mean `batch`?)", at(3)),
            format!("{}there is no setting `colour`;", at(8)),
            "; the settings are listen, connections, ".to_owned(),
            format!("{}`workers` must be a whole number that is not negative, not the string \"many\"", at(5)),
            format!("{}`deliveries` must be between 1 and 1024", at(6)),
            format!("{}`log_format` is not valid: `jsn` is not allowed here. Did you mean `json`?", at(7)),
            "the flag `--batch` must be between 1 and 100000".to_owned(),
        ] {
            assert!(fault.contains(&told), "`{told}` is missing: {fault}");
        }
    }

    #[test]
    fn issue_14_what_is_not_toml_hides_no_other_fault() {
        let text = "batch = 99999999999999999999999999999999999999999\nworkers = \ndeliveries = 0\nconnections = 4294967296\n\
                    head_seconds = 18446744073709551615\nlog = \"a=b=c\"\nbach = 1\n";
        let (file, mut flags) = flags_with_file(text);
        flags.serving.listen = Some("nowhere".to_owned());
        let fault = Config::load(&flags).unwrap_err().to_string();
        let at = |line: usize| format!("{}, line {line}: ", file.path().display());
        for told in [
            format!("{}`batch` is too large a number", at(1)),
            format!("{}`workers` is not valid TOML: ", at(2)),
            format!("{}`deliveries` must be between 1 and 1024", at(3)),
            format!("{}`connections` ", at(4)),
            format!("{}`head_seconds` is too large a number", at(5)),
            format!("{}`log` is not a log filter", at(6)),
            format!("{}there is no setting `bach`", at(7)),
            "the flag `--listen` must be an address".to_owned(),
        ] {
            assert!(fault.contains(&told), "`{told}` is missing: {fault}");
        }
        let flags = Flags { config: Some(PathBuf::from("no/such/file.toml")), ..flags };
        let fault = Config::load(&flags).unwrap_err().to_string();
        assert!(fault.contains("no/such/file.toml") && fault.contains("the flag `--listen`"), "{fault}");
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
