//! `openhub plugin`: from an empty folder to an enabled plugin, through the SDK's build and the public API.

mod closed;
mod dev;
mod fixtures;
mod grant;
mod inspect;
mod install;
mod jobs;
mod kit;
mod logs;
mod ready;
mod recordings;
mod remove;
mod replay;
mod setting;
mod sign;
mod trial;
mod versions;

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, Subcommand};
use openhub_runtime::Defaults;
use reqwest::Method;
use serde_json::{Value, json};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command as Process;

use self::fixtures::Effects;
use self::install::{addresses, asked_for, described, install};
use self::setting::values;
use crate::commands::empty;
use crate::hub::{Hub, HubFlags};
use openhub_sdk_build::{Built, Kind, Language, Options};

#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Create a new plugin in a folder with its name.
    New {
        /// The plugin's name, in kebab-case; also the name of its folder.
        name: String,
        /// The kind of plugin: `rule`, `object`, `channel`, `source`, `endpoint`, `job`, `content`, `step` or `privacy`.
        #[arg(long, default_value = "rule")]
        kind: Kind,
        /// The language that it is written in: `rust`, `javascript` or `python`. The last two have rules.
        #[arg(long, default_value = "rust")]
        language: Language,
        /// Start from a plugin of OpenHub's own instead: `webhook`, `email`, `shop-source`, `coupon`, `points`, `rfm`, `lead-router`,
        /// `local-format`, `sms`, `wecom`, `wechat-source` or `referral`.
        #[arg(long, value_name = "PLUGIN", conflicts_with_all = ["kind", "language"])]
        from: Option<String>,
        /// The folder to create, if it should have another name.
        #[arg(long, value_name = "DIR")]
        path: Option<PathBuf>,
    },
    /// Build the component, with its manifest inside.
    Build {
        #[arg(default_value = ".")]
        path: PathBuf,
        /// Fail when `manifest.lock.json` would change.
        #[arg(long)]
        locked: bool,
        /// Where to write the component.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Build a plugin whenever its source changes, put it in force in a running hub, and show what it logs. Agrees to all that it
    /// asks for: for a hub of your own.
    Dev {
        /// The plugin's folder.
        #[arg(default_value = ".")]
        path: PathBuf,
        #[command(flatten)]
        hub: HubFlags,
        /// As for `install`.
        #[arg(long = "set", value_name = "NAME=VALUE")]
        settings: Vec<String>,
        /// As for `install`.
        #[arg(long = "secret", value_name = "NAME=VARIABLE")]
        secrets: Vec<String>,
    },
    /// Build the component and run the plugin's tests against it: those of its code, and the rows and effects in `tests/*.json`.
    Test {
        #[arg(default_value = ".")]
        path: PathBuf,
        /// Write the effects into `tests/*.json` as they are now, instead of comparing them.
        #[arg(long)]
        update: bool,
    },
    /// Serve the tests of a plugin: `openhub-sdk-testing` starts this.
    #[command(hide = true)]
    Kit,
    /// Show what a component is, and what it asks for, in plain words. Nothing of it runs.
    Inspect {
        /// A component file, or a plugin's folder, which is built first.
        path: PathBuf,
        /// Print JSON, with the whole manifest.
        #[arg(long)]
        json: bool,
    },
    /// Show what one component asks for that another one does not.
    Diff {
        /// The old component file, or a plugin's folder.
        old: PathBuf,
        /// The new one.
        new: PathBuf,
    },
    /// Record calls of a plugin, so that they can be made again elsewhere: start, stop, list, export, delete.
    Record {
        #[command(subcommand)]
        what: recordings::What,
    },
    /// Make a recorded call again, and compare what comes of it with the recording.
    Replay {
        /// The recording: what `openhub plugin record export` or `openhub faults recording` prints.
        call: PathBuf,
        /// A component file, or a plugin's folder, which is built first.
        plugin: PathBuf,
    },
    /// Write a new publisher's key to a file, and print its public half.
    Keygen {
        /// The file of the private key; it must not exist.
        file: PathBuf,
    },
    /// Sign a component with a publisher's key.
    Sign {
        /// A component file, or a plugin's folder, which is built first.
        path: PathBuf,
        /// The private key, as `keygen` or `openssl genpkey -algorithm ed25519` writes it.
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        /// Where to write the signed component. Default: the component file itself.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Upload a component to a hub, set it up and enable it.
    Install {
        /// A component file, or a plugin's folder, which is built first.
        path: PathBuf,
        #[command(flatten)]
        hub: HubFlags,
        /// A setting, `name=value`, or `rule.name=value` for a parameter of a rule. The value is JSON, else text.
        /// Can be repeated.
        #[arg(long = "set", value_name = "NAME=VALUE", requires = "enable")]
        settings: Vec<String>,
        /// A secret, `name=VARIABLE`: the environment variable that holds it. Can be repeated.
        #[arg(long = "secret", value_name = "NAME=VARIABLE")]
        secrets: Vec<String>,
        /// Agree to all that it asks for (this is printed), and enable it.
        #[arg(long)]
        enable: bool,
    },
    /// Agree to all that a plugin asks for that does not run yet (this is printed), and enable it; or change the settings, the secrets or
    /// the grant of the version that runs.
    Enable {
        name: String,
        #[command(flatten)]
        hub: HubFlags,
        #[command(flatten)]
        grant: grant::Changes,
        /// As for `install`. What you do not name stays as it is; `name=null` removes a setting.
        #[arg(long = "set", value_name = "NAME=VALUE")]
        settings: Vec<String>,
        /// As for `install`.
        #[arg(long = "secret", value_name = "NAME=VARIABLE")]
        secrets: Vec<String>,
    },
    /// Put a version in force in place of the active one; without `--accept`, show what it changes.
    Activate {
        name: String,
        /// The version's number or digest. Default: the one that waits.
        #[arg(value_name = "VERSION")]
        wanted: Option<String>,
        #[command(flatten)]
        hub: HubFlags,
        /// Agree to the difference that has this digest; `shown` agrees to the one that is printed now.
        #[arg(long, value_name = "DIGEST")]
        accept: Option<String>,
        /// As for `install`.
        #[arg(long = "set", value_name = "NAME=VALUE", requires = "accept")]
        settings: Vec<String>,
        #[command(flatten)]
        grant: grant::Changes,
    },
    /// Have the waiting version serve a part of the customers; without `--accept`, show what it changes.
    Canary {
        name: String,
        #[command(flatten)]
        hub: HubFlags,
        /// How many of a hundred customers it serves. Without it, show whether one runs.
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..100))]
        percent: Option<u8>,
        /// As for `activate`. Not needed to change `--percent` while it serves already.
        #[arg(long, value_name = "DIGEST")]
        accept: Option<String>,
        /// End it: the active version serves all customers again.
        #[arg(long, conflicts_with_all = ["percent", "accept"])]
        end: bool,
    },
    /// Call the waiting version beside the active one and change nothing: start, stop, or report what differs.
    Shadow {
        name: String,
        #[arg(value_enum, default_value = "report")]
        what: trial::What,
        #[command(flatten)]
        hub: HubFlags,
        #[command(flatten)]
        over: trial::Over,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Go back to the version that was active before; without `--accept`, show what that changes.
    Rollback {
        name: String,
        #[command(flatten)]
        hub: HubFlags,
        /// As for `activate`.
        #[arg(long, value_name = "DIGEST")]
        accept: Option<String>,
    },
    /// List the versions of a plugin that were uploaded.
    Versions {
        name: String,
        #[command(flatten)]
        hub: HubFlags,
    },
    /// List the installed plugins, and the versions that wait until you agree to them.
    List {
        #[command(flatten)]
        hub: HubFlags,
    },
    /// Show one plugin: what it may do, what waits, and what is not in force.
    Show {
        name: String,
        #[command(flatten)]
        hub: HubFlags,
    },
    /// Show what a plugin has logged.
    Logs {
        name: String,
        #[command(flatten)]
        hub: HubFlags,
        /// The lowest level.
        #[arg(long, value_enum, default_value = "debug")]
        level: logs::Level,
        /// Lines to begin with.
        #[arg(long, short = 'n', default_value = "100", value_parser = clap::value_parser!(u16).range(1..=1000))]
        lines: u16,
        /// Go on with each new line.
        #[arg(long, short)]
        follow: bool,
        /// The map that `build` wrote beside this very component: it names the lines of the source at which calls broke off.
        #[arg(long, value_name = "FILE")]
        map: Option<PathBuf>,
    },
    /// Show at which lines of its source a plugin broke off.
    Where {
        /// The map that `build` wrote beside this very component.
        map: PathBuf,
        /// What a fault or a log says, with its addresses (`… ; at 0x1a2b, 0x3c4d`).
        fault: String,
    },
    /// Show how a plugin does: its calls, faults, fuel, memory and latency by version, and its last errors.
    Health {
        name: String,
        #[command(flatten)]
        hub: HubFlags,
    },
    /// Show the jobs of a plugin with their last runs, or run one now.
    Jobs {
        name: String,
        #[command(flatten)]
        hub: HubFlags,
        /// The job to run as soon as there is a place for it.
        #[arg(long, value_name = "JOB")]
        run: Option<String>,
    },
    /// Stop a plugin. Its settings and what it created stay.
    Disable {
        name: String,
        #[command(flatten)]
        hub: HubFlags,
    },
    /// Remove a plugin with its settings and secrets.
    Remove {
        name: String,
        #[command(flatten)]
        hub: HubFlags,
        /// What becomes of the objects of its types and of its own state: kept, written to a file and then erased, or erased.
        #[arg(long, value_enum, default_value = "keep")]
        data: remove::Data,
        /// The file for `--data export`: JSON lines.
        #[arg(long, value_name = "FILE", required_if_eq("data", "export"))]
        out: Option<PathBuf>,
    },
}

pub async fn run(arguments: Arguments) -> Result<()> {
    match arguments.command {
        Command::New { name, kind, language, from, path } => {
            let folder = path.unwrap_or_else(|| PathBuf::from(&name));
            match from {
                Some(of) => openhub_sdk_build::new_plugin_from(&folder, &name, &of)?,
                None => openhub_sdk_build::new_plugin(&folder, &name, kind, language)?,
            }
            println!("{} is ready: `openhub plugin test {}`", folder.display(), folder.display());
        }
        Command::Build { path, locked, out } => {
            let built = tokio::task::spawn_blocking(move || build(&path, locked, out)).await??;
            // What a hub refuses is not built.
            inspect::shown(&built.bytes)?;
            println!(
                "{} {} → {} ({} KiB)",
                built.manifest.name,
                built.manifest.version,
                built.path.display(),
                built.bytes.len() / 1024
            );
        }
        Command::Dev { path, hub, settings, secrets } => {
            let settings = values(&settings)?;
            dev::run(&Hub::new(&hub)?, &path, dev::Setup { settings, secrets }).await?;
        }
        Command::Logs { name, hub, level, lines, follow, map } => {
            let map = map.as_deref().map(map_of).transpose()?;
            let what = logs::Shown { level, lines: usize::from(lines), map };
            logs::run(&Hub::new(&hub)?, &name, what, follow).await?;
        }
        Command::Where { map, fault } => println!("{}", openhub_sdk_build::explain(&map_of(&map)?, &fault)),
        Command::Health { name, hub } => logs::health(&Hub::new(&hub)?, &name).await?,
        Command::Test { path, update } => {
            let folder = path.clone();
            let built = tokio::task::spawn_blocking(move || test(&folder, update)).await??;
            fixtures::run(&path, &built, if update { Effects::Write } else { Effects::Compare }).await?;
        }
        Command::Kit => kit::run().await?,
        Command::Inspect { path, json } => {
            let component = tokio::task::spawn_blocking(move || component(&path)).await??;
            match json {
                true => println!("{}", inspect::json_of(&component)?),
                false => print!("{}", inspect::shown(&component)?),
            }
        }
        Command::Diff { old, new } => {
            let both = tokio::task::spawn_blocking(move || anyhow::Ok((component(&old)?, component(&new)?))).await??;
            print!("{}", inspect::difference(&both.0, &both.1)?);
        }
        Command::Replay { call, plugin } => {
            let component = tokio::task::spawn_blocking(move || component(&plugin)).await??;
            replay::run(&call, &component).await?;
        }
        Command::Record { what } => recordings::run(what).await?,
        Command::Keygen { file } => {
            let public = sign::keygen(&file)?;
            println!("{} is the private key: keep it secret, and keep a copy of it", file.display());
            println!("the public key is {public}");
        }
        Command::Sign { path, key, out } => {
            let written = match (&out, path.is_dir()) {
                (Some(out), _) => out.clone(),
                (None, false) => path.clone(),
                (None, true) => anyhow::bail!("`--out` is missing: name the file for the signed component"),
            };
            let signing = move || anyhow::Ok(sign::sign(&component(&path)?, &key)?);
            let (signed, what) = tokio::task::spawn_blocking(signing).await??;
            std::fs::write(&written, signed).with_context(|| written.display().to_string())?;
            println!("{} {} is signed: {}", what.manifest.name, what.manifest.version, written.display());
            println!("key     {}\ndigest  {}", what.signer.unwrap_or_default(), what.digest);
        }
        Command::Activate { name, wanted, hub, accept, settings, grant } => {
            let terms = versions::Terms { accept, settings: values(&settings)?, grant };
            versions::activate(&Hub::new(&hub)?, &name, wanted.as_deref(), terms).await?;
        }
        Command::Canary { name, hub, end: true, .. } => trial::end_canary(&Hub::new(&hub)?, &name).await?,
        Command::Canary { name, hub, percent, accept, .. } => {
            trial::canary(&Hub::new(&hub)?, &name, percent, accept.as_deref()).await?;
        }
        Command::Shadow { name, hub, over, json, .. } if over.is_asked() => {
            trial::over(&Hub::new(&hub)?, &name, &over, json).await?;
        }
        Command::Shadow { name, what, hub, json, .. } => trial::shadow(&Hub::new(&hub)?, &name, what, json).await?,
        Command::Rollback { name, hub, accept } => {
            versions::roll_back(&Hub::new(&hub)?, &name, accept.as_deref()).await?;
        }
        Command::Versions { name, hub } => versions::list(&Hub::new(&hub)?, &name).await?,
        Command::Install { path, hub, settings, secrets, enable } => {
            let component = tokio::task::spawn_blocking(move || component(&path)).await??;
            install(&Hub::new(&hub)?, component, &settings, &secrets, enable).await?;
        }
        Command::Enable { name, hub, grant, settings, secrets } => {
            let changes = install::Changes { settings: values(&settings)?, secrets, grant };
            install::enable(&Hub::new(&hub)?, &name, changes).await?;
        }
        Command::List { hub } => list(&Hub::new(&hub)?).await?,
        Command::Show { name, hub } => show(&Hub::new(&hub)?, &name).await?,
        Command::Jobs { name, hub, run } => jobs::run(&Hub::new(&hub)?, &name, run.as_deref()).await?,
        Command::Disable { name, hub } => {
            Hub::new(&hub)?.call(Method::POST, &format!("/api/v1/plugins/{name}/disable"), &json!({})).await?;
            println!("disabled {name}");
        }
        Command::Remove { name, hub, data, out } => remove::run(&Hub::new(&hub)?, &name, data, out.as_deref()).await?,
    }
    Ok(())
}

fn build(path: &Path, locked: bool, out: Option<PathBuf>) -> Result<Built> {
    openhub_sdk_build::build(path, Options { locked, target_dir: None, out })
}

/// Builds, and runs the tests of a crate, which are code.
fn test(path: &Path, update: bool) -> Result<Built> {
    let built = build(path, false, None)?;
    if Language::of(path)? == Language::Rust && !update {
        let mut cargo = Process::new("cargo");
        // The tests run in this very binary's runtime.
        let cargo = cargo.arg("test").current_dir(path).env(openhub_sdk_build::BINARY, std::env::current_exe()?);
        let status = cargo.status().context("cargo could not be started")?;
        ensure!(status.success(), "the plugin's tests failed");
    }
    Ok(built)
}

fn map_of(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| path.display().to_string())
}

fn component(path: &Path) -> Result<Vec<u8>> {
    match path.is_dir() {
        true => Ok(build(path, false, None)?.bytes),
        false if path.exists() => bounded(path),
        false => match ready::ready(&std::env::current_exe()?, path)? {
            Some(component) => Ok(component),
            None => bail!("{}", absent(path)),
        },
    }
}

/// No more of a file than a hub admits as a component: one that is longer, or never ends, is refused.
fn bounded(path: &Path) -> Result<Vec<u8>> {
    let most = Defaults::default().component_bytes;
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).with_context(|| path.display().to_string())?;
    file.take(most + 1).read_to_end(&mut bytes).with_context(|| path.display().to_string())?;
    ensure!(bytes.len() as u64 <= most, "{} is no component: it has more than {most} bytes", path.display());
    Ok(bytes)
}

/// Where a component that is not there may come from.
fn absent(path: &Path) -> String {
    let shown = path.display();
    let name = path.file_name().and_then(std::ffi::OsStr::to_str).unwrap_or_default();
    let inside: Vec<&str> = ready::names().collect();
    if !inside.is_empty() {
        let there_are = inside.join(", ");
        return format!(
            "there is no file or folder {shown}, and no such plugin in this binary: name a component, a plugin's folder, or one of \
             {there_are}; `openhub plugin new NAME` starts a plugin of your own"
        );
    }
    match openhub_sdk_build::ours().iter().find(|ours| **ours == name) {
        Some(ours) => format!(
            "there is no file or folder {shown}; to start from our plugin `{ours}`, run `openhub plugin new {shown} --from {ours}`, and then \
             this command again"
        ),
        None => format!(
            "there is no file or folder {shown}: name a component, or a plugin's folder; `openhub plugin new NAME` starts a plugin, and \
             `--from NAME` starts it from one of ours: {}",
            openhub_sdk_build::ours().join(", ")
        ),
    }
}

async fn list(hub: &Hub) -> Result<()> {
    let plugins = hub.all("/api/v1/plugins", "plugins").await?;
    if plugins.is_empty() {
        empty(
            "no plugin is installed; `openhub plugin new NAME` starts one, and `openhub plugin install PATH --enable` \
             builds, installs and enables it",
        );
    }
    for plugin in &plugins {
        let waits = trial::waits(plugin).map(|waits| format!("   {waits}")).unwrap_or_default();
        let (name, version) = (text(plugin, "name")?, text(plugin, "version")?);
        println!("{name:<24} {version:<12} {:<10} {}{waits}", text(plugin, "status")?, short(text(plugin, "digest")?));
    }
    Ok(())
}

async fn show(hub: &Hub, name: &str) -> Result<()> {
    let plugin = hub.get(&format!("/api/v1/plugins/{name}")).await?;
    let (version, status) = (text(&plugin, "version")?, text(&plugin, "status")?);
    println!("{name} {version} ({}), {status}", short(text(&plugin, "digest")?));
    println!("settings {}", plugin["settings"]);
    println!("granted  {}", plugin["grant"]);
    println!("secrets  {}", plugin["secrets"]);
    print!("{}{}", asked_for(&plugin)?, addresses(hub, &plugin)?);
    if let Some(waits) = trial::waits(&plugin) {
        print!("\n{waits}\n{}", described(&plugin)?);
    }
    let status = hub.get("/api/v1/status").await?;
    for fault in status["faults"].as_array().into_iter().flatten() {
        if fault["name"].as_str().is_some_and(|of| of.split(' ').any(|word| word == name)) {
            println!("not in force: {}", fault["reason"].as_str().unwrap_or_default());
        }
    }
    Ok(())
}

fn text<'a>(value: &'a Value, field: &str) -> Result<&'a str> {
    value[field].as_str().with_context(|| format!("the hub's answer has no {field}"))
}

fn short(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g_a_file_without_an_end_is_no_component() {
        let refused = component(Path::new("/dev/zero")).unwrap_err();
        assert!(refused.to_string().contains("more than 33554432 bytes"), "{refused}");
    }

    #[test]
    fn findings14_f21_the_help_names_all_kinds_and_all_plugins() {
        use clap::CommandFactory;
        #[derive(clap::Parser)]
        struct Line {
            #[command(subcommand)]
            command: Command,
        }
        let mut line = Line::command();
        let help = line.find_subcommand_mut("new").unwrap().render_long_help().to_string();
        let missing = |name: &&str| !help.contains(&format!("`{name}`"));
        assert_eq!(openhub_sdk_build::ours().into_iter().filter(missing).collect::<Vec<_>>(), Vec::<&str>::new());
        for kind in Kind::ALL {
            assert!(help.contains(&format!("`{kind}`")), "{kind}");
        }
    }
}
