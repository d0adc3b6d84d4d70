//! `openhub backup`, `restore` and `release-sends`: the whole database in a file, and back into a database of either kind.

mod file;
mod tenant;

use std::fs::{File, OpenOptions};
use std::io::{Stdout, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Args;
use indicatif::{HumanBytes, HumanCount, ProgressBar};
use openhub_store::backup::{Part, Restore, Sends, dump};
use openhub_store::{Scope, StoreError};
use tokio::sync::mpsc;

use self::file::{Counts, Reader, Writer};
pub use self::tenant::{ExportArguments, ImportArguments, export, import};
use super::tenant::{as_operator, look, open_there};
use crate::config::{Config, Flags};
use crate::data::DataDir;
use crate::refusal::Refusal;
use crate::{refusal, serve};

/// Parts that are read before they are written.
const AHEAD: usize = 1_024;
/// Rows between two looks at the progress.
const SHOWN: u64 = 1_000;

#[derive(Args)]
pub struct BackupArguments {
    /// The file to make, like `shop.openhub-backup`; `-` writes to the standard output.
    file: PathBuf,
    #[command(flatten)]
    flags: Flags,
}

#[derive(Args)]
pub struct RestoreArguments {
    /// A file that `openhub backup` made.
    file: PathBuf,
    /// Only read the file, and say whether it is whole.
    #[arg(long)]
    check: bool,
    /// Let the restored tenants send at once. Without it nothing is sent for them before `openhub release-sends`.
    #[arg(long, conflicts_with = "check")]
    send: bool,
    #[command(flatten)]
    flags: Flags,
}

#[derive(Args)]
pub struct ReleaseArguments {
    /// Names of tenants.
    #[arg(required_unless_present = "all")]
    tenants: Vec<String>,
    /// All that are held.
    #[arg(long, conflicts_with = "tenants")]
    all: bool,
    #[command(flatten)]
    flags: Flags,
}

/// Where a backup goes.
enum Target {
    /// A file under another name until it is whole.
    File {
        made: File,
        at: PathBuf,
        becomes: PathBuf,
    },
    Output(Stdout),
}

impl Target {
    fn open(file: &Path) -> Result<Target> {
        if file == Path::new("-") {
            return Ok(Target::Output(std::io::stdout()));
        }
        ensure!(!file.exists(), "{} is there already: choose another name, or remove it first", file.display());
        let mut name = file.as_os_str().to_owned();
        name.push(".part");
        let at = PathBuf::from(name);
        // What people did and who they are: its owner's alone.
        let made = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&at);
        let made = made.with_context(|| format!("the file {} cannot be made", at.display()))?;
        Ok(Target::File { made, at, becomes: file.to_owned() })
    }

    fn end(self) -> Result<Option<u64>> {
        match self {
            Target::Output(mut output) => {
                output.flush()?;
                Ok(None)
            }
            Target::File { made, at, becomes } => {
                made.sync_all()?;
                // Nobody has made one of that name meanwhile, or it stays.
                std::fs::hard_link(&at, &becomes).with_context(|| {
                    format!("the backup {} did not get its name {}", at.display(), becomes.display())
                })?;
                std::fs::remove_file(&at)?;
                Ok(Some(made.metadata()?.len()))
            }
        }
    }
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Target::File { made, .. } => made.write(bytes),
            Target::Output(output) => output.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Target::File { made, .. } => made.flush(),
            Target::Output(output) => output.flush(),
        }
    }
}

pub async fn backup(arguments: BackupArguments) -> Result<()> {
    let config = Config::load(&arguments.flags)?;
    // It says what is missing before a file is made.
    look(&config).await?.close().await;
    let url = url_there(&config)?;
    let target = Target::open(&arguments.file)?;
    let part = match &target {
        Target::File { at, .. } => Some(at.clone()),
        Target::Output(_) => None,
    };
    let written = write(target, |parts| async move { dump(&url, parts).await }).await;
    if let (Err(_), Some(part)) = (&written, part) {
        drop(std::fs::remove_file(part));
    }
    let (counts, bytes) = written?;
    let shown = config.database_shown();
    let size = bytes.map(|bytes| format!(", {}", HumanBytes(bytes))).unwrap_or_default();
    eprintln!("backed up {} from {shown}{size}", told(counts));
    eprintln!(
        "the key that seals secrets is not in it (`secret.key`, or OPENHUB_SECRET_KEY): keep that in another place"
    );
    Ok(())
}

async fn write<D: Future<Output = Result<(), StoreError>>>(
    target: Target,
    dump: impl FnOnce(mpsc::Sender<Part>) -> D,
) -> Result<(Counts, Option<u64>)> {
    let (parts, mut taken) = mpsc::channel(AHEAD);
    let made_at = serve::wall_clock();
    let writing = tokio::task::spawn_blocking(move || -> Result<(Counts, Option<u64>)> {
        let mut writer = Writer::new(target);
        let progress = spinner();
        while let Some(part) = taken.blocking_recv() {
            show(&progress, writer.put(part, made_at)?);
        }
        progress.finish_and_clear();
        let (target, counts) = writer.end()?;
        Ok((counts, target.end()?))
    });
    let dumping = dump(parts);
    let (dumped, written) = tokio::join!(dumping, writing);
    match dumped {
        // Nobody took what was read any more: why is what writing says.
        Err(StoreError::Undone) | Ok(()) => written.context("the backup was broken off")?,
        Err(error) => Err(refusal::of_store(error)),
    }
}

pub async fn restore(arguments: RestoreArguments) -> Result<()> {
    let config = Config::load(&arguments.flags)?;
    let counts = check(&arguments.file)?;
    if arguments.check {
        println!("the backup is whole: {}", told(counts));
        return Ok(());
    }
    let data = DataDir::open(&config.data)?;
    let _lock = data.lock()?;
    let (title, mut reader) = Reader::open(&arguments.file)?;
    if let Some(tenant) = &title.head.tenant {
        return Err(Refusal::new(format!(
            "the file has one tenant, `{}`: `openhub tenant import` takes it into a hub",
            tenant.name
        ))
        .into());
    }
    let mut restore = Restore::begin(&config.database_url(data.path()), &title.head).await.map_err(of_restore)?;
    let sends = if arguments.send { Sends::Free } else { Sends::Held };
    if let Err(error) = fill(&mut restore, &mut reader).await {
        restore.give_up().await;
        return Err(error);
    }
    restore.finish(sends).await.map_err(of_restore)?;
    println!("restored {} of {} into {}", told(counts), title.made_at, config.database_shown());
    if sends == Sends::Held {
        println!(
            "nothing is sent for them: if no other hub sends for these tenants any more, `openhub release-sends --all` lets them"
        );
    }
    Ok(())
}

async fn fill(restore: &mut Restore, reader: &mut Reader) -> Result<()> {
    let progress = spinner();
    while let Some(part) = reader.next()? {
        restore.take(part).await.map_err(of_restore)?;
        show(&progress, reader.counts());
    }
    progress.finish_and_clear();
    Ok(())
}

/// Reads all of it.
fn check(file: &Path) -> Result<Counts> {
    let (_, mut reader) = Reader::open(file)?;
    let progress = spinner();
    while let Some(part) = reader.next()? {
        if let Part::Row(row) = part {
            serde_json::from_str::<Vec<serde::de::IgnoredAny>>(&row)
                .context("the backup is damaged: a row is no list")?;
        }
        show(&progress, reader.counts());
    }
    progress.finish_and_clear();
    Ok(reader.counts())
}

pub async fn release(arguments: ReleaseArguments) -> Result<()> {
    let store = open_there(&Config::load(&arguments.flags)?).await?;
    let released = async {
        let tenants = store.tenants().await?;
        for name in &arguments.tenants {
            ensure!(
                tenants.iter().any(|tenant| tenant.name == *name),
                "there is no tenant `{name}`: `openhub tenant list` lists them"
            );
        }
        let meant = |name: &String| arguments.all || arguments.tenants.contains(name);
        let mut released = 0;
        for tenant in tenants.iter().filter(|tenant| meant(&tenant.name) && tenant.sends_held) {
            let scope = Scope::of(tenant.id);
            as_operator("openhub release-sends", &tenant.name, store.release_sends(&scope)).await?;
            println!("{} sends again", tenant.name);
            released += 1;
        }
        if released == 0 {
            super::empty("nothing was held for these tenants");
        }
        Ok(())
    };
    let released = released.await;
    store.close().await;
    released
}

/// The URL of a database that is there: nothing is made.
fn url_there(config: &Config) -> Result<String> {
    Ok(match config.database.is_some() {
        true => config.database_url(&config.data),
        false => config.database_url(DataDir::existing(&config.data)?.path()),
    })
}

/// What is wrong with where it is to go, or with the file.
fn of_restore(error: StoreError) -> anyhow::Error {
    match error {
        StoreError::AlreadyExists(what) => Refusal::new(format!(
            "a backup is restored into an empty database only, and there is {what}: name another with `--data DIR` or `--database URL`"
        ))
        .into(),
        StoreError::Newer { found, known } => Refusal::new(format!(
            "the backup has schema version {found}, but this binary knows only versions up to {known}: use a newer binary"
        ))
        .into(),
        StoreError::Corrupt(what) => anyhow::anyhow!("the backup cannot be restored: {what}"),
        other => refusal::of_store(other),
    }
}

fn spinner() -> ProgressBar {
    let progress = ProgressBar::new_spinner();
    progress.enable_steady_tick(Duration::from_millis(200));
    progress
}

fn show(progress: &ProgressBar, counts: Counts) {
    if counts.rows.is_multiple_of(SHOWN) {
        progress.set_message(format!("{} rows", HumanCount(counts.rows)));
    }
}

fn told(counts: Counts) -> String {
    let tenants = if counts.tenants == 1 { "tenant" } else { "tenants" };
    format!("{} {tenants}, {} rows", HumanCount(counts.tenants), HumanCount(counts.rows))
}
