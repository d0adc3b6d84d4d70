//! `openhub doctor`: whether this machine and this configuration can run a hub, one line a check.

use anyhow::Result;
use openhub_model::Timestamp;
use openhub_store::Store;
use std::process::ExitCode;

use crate::config::{Config, Flags};
use crate::data::DataDir;
use crate::serve;

/// A component takes three memory maps; below this a hub with many plugins runs out of them.
const MAPS: u64 = 65_530;
/// A clock before this has never been set: the hub is younger.
const EARLIEST: &str = "2026-01-01T00:00:00Z";

enum Finding {
    Good(String),
    /// The hub runs, but not well.
    Doubtful(String),
    /// The hub would not start.
    Bad(String),
}

use Finding::{Bad, Doubtful, Good};

pub async fn run(flags: Flags) -> Result<ExitCode> {
    let config = Config::load(&flags)?;
    let mut findings = vec![("configuration", Good("reads and makes sense".to_owned()))];
    let data = DataDir::open(&config.data);
    findings.push(("data directory", data_directory(&data)));
    if let Ok(data) = &data {
        findings.push(("secret key", secret_key(data)));
        findings.push(("database", database(&config, data).await));
    }
    findings.push(("memory maps", memory_maps()));
    findings.push(("clock", clock(serve::wall_clock())));
    let mut is_bad = false;
    for (name, finding) in findings {
        let (mark, text) = match finding {
            Good(text) => ("ok  ", text),
            Doubtful(text) => ("warn", text),
            Bad(text) => {
                is_bad = true;
                ("BAD ", text)
            }
        };
        println!("{mark}  {name:<16}  {text}");
    }
    Ok(if is_bad { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn data_directory(data: &Result<DataDir>) -> Finding {
    let data = match data {
        Ok(data) => data,
        Err(error) => return Bad(format!("{error:#}")),
    };
    let probe = data.path().join(".doctor");
    match std::fs::write(&probe, b"probe").and_then(|()| std::fs::remove_file(&probe)) {
        Ok(()) => Good(format!("{} can be written", data.path().display())),
        Err(error) => Bad(format!("{} cannot be written: {error}", data.path().display())),
    }
}

fn secret_key(data: &DataDir) -> Finding {
    match data.secret_key() {
        Ok(_) => Good("is there, for its owner alone".to_owned()),
        Err(error) => Bad(format!("{error:#}")),
    }
}

/// Opens it as a hub would: SQLite's version, the schema's version and the migrations are checked on the way.
async fn database(config: &Config, data: &DataDir) -> Finding {
    let settings = match data.node() {
        Ok(node) => openhub_store::Config { url: config.database_url(data.path()), node, read_connections: 1 },
        Err(error) => return Bad(format!("{error:#}")),
    };
    match Store::open(&settings).await {
        Ok(store) => {
            let tenants = store.tenants().await;
            store.close().await;
            match tenants {
                Ok(tenants) => Good(format!("opens, its version and schema are in order; {} tenants", tenants.len())),
                Err(error) => Bad(error.to_string()),
            }
        }
        Err(error) => Bad(error.to_string()),
    }
}

fn memory_maps() -> Finding {
    let Some(limit) =
        std::fs::read_to_string("/proc/sys/vm/max_map_count").ok().and_then(|text| text.trim().parse::<u64>().ok())
    else {
        return Doubtful("vm.max_map_count cannot be read here".to_owned());
    };
    match limit {
        MAPS.. => Good(format!("vm.max_map_count is {limit}")),
        _ => Doubtful(format!("vm.max_map_count is {limit}: many plugins need {MAPS} or more")),
    }
}

fn clock(now: Timestamp) -> Finding {
    match EARLIEST.parse::<Timestamp>() {
        Ok(earliest) if now < earliest => Bad(format!("says {now}: live tenants take their time from it")),
        _ => Good(format!("says {now}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unset_clock_is_found() {
        assert!(matches!(clock(Timestamp::from_micros(0)), Bad(_)));
        assert!(matches!(clock("2026-06-30T12:00:00Z".parse().unwrap()), Good(_)));
    }
}
