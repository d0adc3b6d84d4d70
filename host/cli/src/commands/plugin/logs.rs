//! `openhub plugin logs` and `openhub plugin health`: what a plugin says, and how it does.

use anyhow::Result;
use clap::ValueEnum;
use openhub_sdk_build::explain;
use serde_json::Value;
use std::time::Duration;

use super::{short, text};
use crate::commands::empty;
use crate::hub::Hub;

/// How often it is asked for new lines.
const LOOKS: Duration = Duration::from_millis(500);
/// Lines of a page.
const PAGE: usize = 1_000;
const MIB: i64 = 1 << 20;

/// How much a line matters.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

impl Level {
    fn word(self) -> &'static str {
        match self {
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Warn => "warn",
            Level::Error => "error",
        }
    }
}

/// Which lines, and how.
pub struct Shown {
    pub level: Level,
    pub lines: usize,
    /// The component's map, which tells the lines of the source at which calls broke off.
    pub map: Option<Vec<u8>>,
}

/// Prints the newest lines, and with `follow` each that comes.
pub async fn run(hub: &Hub, plugin: &str, what: Shown, follow: bool) -> Result<()> {
    let mut log = Following::newest(hub, plugin, what).await?;
    if log.seen == 0 && !follow {
        empty(&format!("{plugin} has logged nothing in the last seven days"));
    }
    if !follow {
        return Ok(());
    }
    loop {
        tokio::time::sleep(LOOKS).await;
        log.print_new(hub).await?;
    }
}

/// A log, and how far of it was shown.
pub struct Following {
    plugin: String,
    level: Level,
    behind: String,
    seen: usize,
    map: Option<Vec<u8>>,
}

impl Following {
    /// Shows the newest lines.
    async fn newest(hub: &Hub, plugin: &str, Shown { level, lines, map }: Shown) -> Result<Following> {
        let path = format!("/api/v1/plugins/{plugin}/logs?level={}&limit={lines}", level.word());
        let page = hub.get(&path).await?;
        let mut log = Following { plugin: plugin.to_owned(), level, behind: String::new(), seen: 0, map };
        log.shown(&page)?;
        Ok(log)
    }

    /// Only what comes from now on.
    pub async fn from_now(hub: &Hub, plugin: &str, level: Level) -> Result<Following> {
        let page = hub.get(&format!("/api/v1/plugins/{plugin}/logs?limit=1")).await?;
        let behind = text(&page, "behind")?.to_owned();
        Ok(Following { plugin: plugin.to_owned(), level, behind, seen: 0, map: None })
    }

    /// From now on with the map of this component.
    pub fn explained_by(self, map: Option<Vec<u8>>) -> Following {
        Following { map, ..self }
    }

    pub async fn print_new(&mut self, hub: &Hub) -> Result<()> {
        let (plugin, level, behind) = (&self.plugin, self.level.word(), &self.behind);
        let path = format!("/api/v1/plugins/{plugin}/logs?level={level}&after={behind}&limit={PAGE}");
        let page = hub.get(&path).await?;
        self.shown(&page)
    }

    fn shown(&mut self, page: &Value) -> Result<()> {
        let lines = page["lines"].as_array().map(Vec::as_slice).unwrap_or_default();
        for line in lines.iter().map(told) {
            println!("{}", self.map.as_ref().map_or(line.clone(), |map| explain(map, &line)));
        }
        self.seen += lines.len();
        self.behind = text(page, "behind")?.to_owned();
        Ok(())
    }
}

fn told(line: &Value) -> String {
    let word = |field: &str| line[field].as_str().unwrap_or_default();
    let fields = match &line["fields"] {
        Value::Object(none) if none.is_empty() => String::new(),
        Value::String(none) if none.is_empty() => String::new(),
        fields => format!("  {fields}"),
    };
    // What follows the first line of a message stands under it, so that none looks like a message of its own.
    let message = word("message").trim_end().replace('\n', "\n    ");
    format!("{}  {:<5}  {:<8}  {message}{fields}", word("at"), word("level"), word("version"))
}

/// Shows how a plugin does.
pub async fn health(hub: &Hub, plugin: &str) -> Result<()> {
    let health = hub.get(&format!("/api/v1/plugins/{plugin}/health")).await?;
    print!("{}", of_health(plugin, &health)?);
    Ok(())
}

fn of_health(plugin: &str, health: &Value) -> Result<String> {
    let mut out = format!("{plugin} is {}\n", text(health, "status")?);
    if let Some(reason) = health["not_in_force"].as_str() {
        out.push_str(&format!("not in force: {reason}\n"));
    }
    let versions = health["versions"].as_array().map(Vec::as_slice).unwrap_or_default();
    if versions.is_empty() {
        out.push_str("it was not called in the last seven days\n");
    } else {
        out.push_str(&format!(
            "{:<12}  {:<12}  {:>10}  {:>12}  {:>7}  {:>16}  {:>8}  {:>9}  {:>9}\n",
            "version", "digest", "calls", "items", "faults", "fuel", "peak MiB", "p50 ms", "p99 ms"
        ));
    }
    for version in versions {
        let count = |field: &str| version[field].as_i64().unwrap_or_default();
        let took = |field: &str| match version["latency"][field].as_f64() {
            Some(took) => format!("{took:.2}"),
            None => "-".to_owned(),
        };
        out.push_str(&format!(
            "{:<12}  {:<12}  {:>10}  {:>12}  {:>7}  {:>16}  {:>8}  {:>9}  {:>9}\n",
            text(version, "version")?,
            short(text(version, "digest")?),
            count("calls"),
            count("items"),
            count("faults"),
            count("fuel"),
            (count("peak_memory") + MIB - 1) / MIB,
            took("p50_ms"),
            took("p99_ms")
        ));
    }
    let errors = health["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
    if !errors.is_empty() {
        out.push_str("last errors:\n");
    }
    errors.iter().for_each(|line| out.push_str(&format!("  {}\n", told(line))));
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn c14_a_stack_stands_under_its_message() {
        let line = json!({"at": "A", "level": "error", "version": "1.0.0", "message": "no\n  at rule", "fields": ""});
        assert_eq!(told(&line), "A  error  1.0.0     no\n      at rule");
    }

    #[test]
    fn the_health_of_a_plugin_is_told() {
        let error = json!({"at": "2026-01-31T12:00:00Z", "level": "error", "version": "1.0.0", "message": "no", "fields": {"order": 7}});
        let told = of_health(
            "points",
            &json!({
                "status": "enabled", "not_in_force": "it does not load",
                "versions": [{"version": "1.0.0", "digest": "0123456789abcdef", "calls": 7, "items": 700, "faults": 1, "fuel": 90,
                    "peak_memory": 1_048_577, "latency": {"calls": 7, "p50_ms": 0.125, "p99_ms": 4.0}}],
                "errors": [error],
            }),
        )
        .unwrap();
        assert!(told.starts_with("points is enabled\nnot in force: it does not load\n"), "{told}");
        let row: Vec<&str> = told.lines().nth(3).unwrap().split_whitespace().collect();
        assert_eq!(row, ["1.0.0", "0123456789ab", "7", "700", "1", "90", "2", "0.12", "4.00"]);
        assert!(told.ends_with("last errors:\n  2026-01-31T12:00:00Z  error  1.0.0     no  {\"order\":7}\n"), "{told}");
    }
}
