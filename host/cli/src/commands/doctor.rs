//! `openhub doctor`: whether this machine and this configuration can run a hub, one line a check. It only looks: nothing is
//! made, written or migrated.

use anyhow::Result;
use nix::sys::statvfs::statvfs;
use nix::unistd::{AccessFlags, access};
use openhub_engine::{Catalog, Plugins, Sealer};
use openhub_model::Timestamp;
use openhub_runtime::Runtime;
use openhub_store::{Scope, Store, StoreError};
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use crate::config::{Config, HubConfigFlags};
use crate::connections;
use crate::data::DataDir;
use crate::serve;

/// A component takes three memory maps; below this a hub with many plugins runs out of them.
const MAPS: u64 = 65_530;
const SCARCE_MIB: u64 = 64;
const LITTLE_MIB: u64 = 1_024;
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

pub async fn run(flags: HubConfigFlags) -> Result<ExitCode> {
    let config = Config::load(&flags.into())?;
    let mut findings = vec![("configuration", Good("is valid".to_owned()))];
    findings.push(("data directory", data_directory(&config.data)));
    let data = DataDir::existing(&config.data).ok();
    findings.push(("secret key", secret_key(&config, data.as_ref()).await));
    findings.push(("database", database(&config).await));
    findings.push(("catalogs", catalogs(&config).await));
    findings.push(("port", port(config.listen)));
    findings.push(("disk", disk(&config.data)));
    findings.push(("open files", open_files(&config)));
    findings.push(("memory maps", memory_maps()));
    findings.push(("clock", clock(serve::wall_clock())));
    findings.push(("plugin build", toolchain(openhub_sdk_build::toolchain())));
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

fn data_directory(path: &Path) -> Finding {
    let Ok(found) = path.metadata() else {
        return match path.ancestors().skip(1).find(|above| above.as_os_str().is_empty() || above.exists()) {
            Some(above) if can_write(above) => {
                Doubtful(format!("there is no {} yet: `openhub serve` creates it", path.display()))
            }
            _ => {
                Bad(format!("there is no {}, and it cannot be created: check the rights of its folder", path.display()))
            }
        };
    };
    match found.permissions().mode() & 0o077 {
        _ if !found.is_dir() => Bad(format!("{} is not a directory", path.display())),
        _ if !can_write(path) => Bad(format!("{} cannot be written", path.display())),
        0 => Good(format!("{} can be written, only by its owner", path.display())),
        _ => Doubtful(format!("other users have access to {}: run `chmod 700` on it", path.display())),
    }
}

fn can_write(folder: &Path) -> bool {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    access(folder, AccessFlags::W_OK | AccessFlags::X_OK).is_ok()
}

async fn secret_key(config: &Config, data: Option<&DataDir>) -> Finding {
    let own = match DataDir::key_there(data) {
        Ok(own) => own.map(|key| Sealer::from_key(key).key_name().to_owned()),
        Err(error) => return Bad(format!("{error:#}")),
    };
    // A database that cannot be looked at is a finding of its own.
    let known = sealed_under(config).await.unwrap_or_default();
    match (own, known.last()) {
        (Some(own), Some(other)) if !known.contains(&own) => {
            Bad(format!("is {own}, but the database's secrets are sealed with {other}: put the old `secret.key` back"))
        }
        (Some(own), _) => Good(format!("{own} is there, only for its owner")),
        (None, Some(other)) => {
            Bad(format!("there is none, but the database's secrets are sealed with {other}: put `secret.key` back"))
        }
        (None, None) => Doubtful("there is none yet: `openhub serve` creates it".to_owned()),
    }
}

async fn sealed_under(config: &Config) -> Result<Vec<String>> {
    let url = config.database_url(&config.data);
    let store = Store::look(&openhub_store::Config { url, node: String::new(), read_connections: 1 }).await?;
    let known = store.secret_keys().await;
    store.close().await;
    Ok(known?)
}

/// Looks at it as a hub would find it: whether it answers, and the schema's version.
async fn database(config: &Config) -> Finding {
    let settings =
        openhub_store::Config { url: config.database_url(&config.data), node: String::new(), read_connections: 1 };
    let store = match Store::look(&settings).await {
        Ok(store) => store,
        Err(error @ (StoreError::Absent(_) | StoreError::Older)) => return Doubtful(error.to_string()),
        Err(error) => return Bad(error.to_string()),
    };
    let tenants = match store.is_held_by_policies().await {
        Ok(()) => store.tenants().await,
        Err(error) => Err(error),
    };
    store.close().await;
    match tenants {
        Ok(tenants) => Good(format!("answers, and its schema is right; {} tenants", tenants.len())),
        Err(error) => Bad(error.to_string()),
    }
}

/// What of each tenant would not be in force, as a hub that starts now would find it.
async fn catalogs(config: &Config) -> Finding {
    match standing_out(config).await {
        Ok(faults) if faults.is_empty() => Good("everything published and enabled can be loaded".to_owned()),
        Ok(faults) => Doubtful(format!("not in force (everything else is): {}", faults.join("; "))),
        Err(error) => Doubtful(format!("cannot be checked: {error:#}")),
    }
}

/// Plugins are compiled for it, and what comes of that is thrown away.
async fn standing_out(config: &Config) -> Result<Vec<String>> {
    let url = config.database_url(&config.data);
    let settings = openhub_store::Config { url, node: String::new(), read_connections: 1 };
    let store = Store::look(&settings).await?;
    let runtime = Runtime::new(serve::runtime_config(config, None, config.listen.ip())?)?;
    let prepared = Plugins::new(store.clone(), runtime, Arc::new(serve::wall_clock));
    let mut out = Vec::new();
    for tenant in store.tenants().await? {
        if !store.plugins(&Scope::of(tenant.id)).await?.is_empty() {
            eprintln!("compiling the plugins of {}; one in Python takes half a minute or more", tenant.name);
        }
        let catalog = Catalog::load(&store, &Scope::of(tenant.id), &prepared).await?;
        out.extend(catalog.faults.iter().map(|fault| format!("tenant {}: {fault}", tenant.id.0)));
    }
    store.close().await;
    Ok(out)
}

fn port(listen: SocketAddr) -> Finding {
    match TcpListener::bind(listen) {
        Ok(_) => Good(format!("{listen} is free")),
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            Doubtful(format!("{listen} is in use: by this hub, if it runs, or by another program"))
        }
        Err(error) => Bad(format!("the hub cannot listen on {listen}: {error}")),
    }
}

/// Where the data directory is, or will be.
fn disk(data: &Path) -> Finding {
    let there = data.ancestors().find(|above| above.exists()).unwrap_or(Path::new("."));
    match statvfs(there) {
        Ok(found) => {
            let free = found.blocks_available() * found.fragment_size() / (1024 * 1024);
            match free {
                0..SCARCE_MIB => Bad(format!(
                    "only {free} MiB are free at {}: on a full disk the hub accepts no events",
                    there.display()
                )),
                SCARCE_MIB..LITTLE_MIB => Doubtful(format!("{free} MiB are free at {}", there.display())),
                _ => Good(format!("{free} MiB are free at {}", there.display())),
            }
        }
        Err(error) => Doubtful(format!("the free space at {} cannot be read: {error}", there.display())),
    }
}

/// Each connection is one.
fn open_files(config: &Config) -> Finding {
    let limit = match connections::file_limit() {
        Ok(limit) => limit,
        Err(error) => return Doubtful(format!("the limit cannot be read: {error}")),
    };
    if limit < connections::FEWEST_FILES {
        return Bad(format!("at most {limit}, and a hub needs {}: raise it (`ulimit -n`)", connections::FEWEST_FILES));
    }
    let (bound, wanted) = (connections::bound(config, limit), config.connections);
    if bound < wanted as usize {
        return Doubtful(format!(
            "at most {limit}, which is enough for {bound} connections: raise it (`ulimit -n`) for all {wanted} of `connections`"
        ));
    }
    Good(format!("at most {limit}, which is enough for {wanted} connections"))
}

fn memory_maps() -> Finding {
    let Some(limit) =
        std::fs::read_to_string("/proc/sys/vm/max_map_count").ok().and_then(|text| text.trim().parse::<u64>().ok())
    else {
        return Doubtful("vm.max_map_count cannot be read here".to_owned());
    };
    match limit {
        MAPS.. => Good(format!("vm.max_map_count is {limit}")),
        _ => Doubtful(format!("vm.max_map_count is {limit}: set at least {MAPS} for many plugins")),
    }
}

/// A hub runs without it.
fn toolchain(found: Result<String>) -> Finding {
    match found {
        Ok(version) => Good(format!("{version} can build plugins here")),
        Err(error) => Doubtful(format!(
            "not possible here ({error}); a hub needs none of it, and takes plugins that were built elsewhere"
        )),
    }
}

fn clock(now: Timestamp) -> Finding {
    match EARLIEST.parse::<Timestamp>() {
        Ok(earliest) if now < earliest => {
            Bad(format!("says {now}, which is wrong: set it, since live tenants use its time"))
        }
        _ => Good(format!("says {now}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings14_f6_a_machine_that_builds_no_plugins_runs_a_hub() {
        let Doubtful(told) = toolchain(Err(anyhow::anyhow!("there is no cargo"))) else { panic!("it is doubtful") };
        assert!(told.starts_with("not possible here (there is no cargo)"), "{told}");
        assert!(matches!(toolchain(Ok("cargo 1".to_owned())), Good(_)));
    }

    #[test]
    fn an_unset_clock_is_found() {
        assert!(matches!(clock(Timestamp::from_micros(0)), Bad(_)));
        assert!(matches!(clock("2026-06-30T12:00:00Z".parse().unwrap()), Good(_)));
    }
}
