//! `openhub tenant export` and `import`: one tenant in a file like a backup's, and into another hub.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::Args;
use indicatif::HumanBytes;
use openhub_engine::Sealer;
use openhub_store::StoreError;
use openhub_store::backup::{DumpedTenant, Restore, Sends, dump_tenant};

use super::file::Reader;
use super::{Target, check, fill, told, url_there, write};
use crate::commands::tenant::{look, open};
use crate::config::{Config, Flags};
use crate::data::DataDir;
use crate::refusal::{self, Refusal};

#[derive(Args)]
pub struct ExportArguments {
    /// The tenant's name.
    name: String,
    /// The file to make, like `dealer.openhub-tenant`; `-` writes to the standard output.
    file: PathBuf,
    #[command(flatten)]
    flags: Flags,
}

#[derive(Args)]
pub struct ImportArguments {
    /// A file that `openhub tenant export` made.
    file: PathBuf,
    #[command(flatten)]
    flags: Flags,
}

pub async fn export(arguments: ExportArguments) -> Result<()> {
    let config = Config::load(&arguments.flags)?;
    let store = look(&config).await?;
    let found = store.tenant_by_name(&arguments.name).await;
    store.close().await;
    let Some(found) = found? else {
        let name = arguments.name;
        return Err(Refusal::new(format!("there is no tenant `{name}`: `openhub tenant list` lists them")).into());
    };
    let data = DataDir::existing(&config.data).ok();
    let key = DataDir::key_there(data.as_ref())?;
    let key = key.map(|key| Sealer::from_key(key).key_name().to_owned()).unwrap_or_default();
    let tenant = DumpedTenant { id: found.id.0, name: found.name, key };
    let url = url_there(&config)?;
    let target = Target::open(&arguments.file)?;
    let part = match &target {
        Target::File { at, .. } => Some(at.clone()),
        Target::Output(_) => None,
    };
    let written = write(target, |parts| async move { dump_tenant(&url, tenant, parts).await }).await;
    if let (Err(_), Some(part)) = (&written, part) {
        drop(std::fs::remove_file(part));
    }
    let (counts, bytes) = written?;
    let size = bytes.map(|bytes| format!(", {}", HumanBytes(bytes))).unwrap_or_default();
    eprintln!("exported {} of `{}` from {}{size}", told(counts), arguments.name, config.database_shown());
    eprintln!("what is sealed in it opens with this hub's secret key alone: a hub that takes it needs the same one");
    Ok(())
}

pub async fn import(arguments: ImportArguments) -> Result<()> {
    let config = Config::load(&arguments.flags)?;
    let (title, mut reader) = Reader::open(&arguments.file)?;
    let Some(tenant) = title.head.tenant.clone() else {
        return Err(Refusal::new("the file is a whole backup: `openhub restore` takes it".to_owned()).into());
    };
    let counts = check(&arguments.file)?;
    let data = DataDir::open(&config.data)?;
    let _lock = data.lock()?;
    // The database is made, or brought to this version.
    open(&config).await?.close().await;
    let key = DataDir::key_there(Some(&data))?.map(|key| Sealer::from_key(key).key_name().to_owned());
    ensure!(
        key.as_deref() == Some(tenant.key.as_str()),
        "the tenant was sealed with the key {}, and this hub has another: give it the same `secret.key`, or OPENHUB_SECRET_KEY. Its \
         secrets would not open, and whoever is suppressed or was erased would not be known again",
        tenant.key
    );
    let mut restore = Restore::begin_tenant(&config.database_url(data.path()), &title.head).await.map_err(of_import)?;
    if let Err(error) = fill(&mut restore, &mut reader).await {
        restore.give_up().await;
        return Err(error);
    }
    restore.finish(Sends::Held).await.map_err(of_import)?;
    println!("took in {} of `{}` into {}", told(counts), tenant.name, config.database_shown());
    println!(
        "nothing is sent for it: if no other hub sends for this tenant any more, `openhub release-sends {}` lets it",
        tenant.name
    );
    Ok(())
}

fn of_import(error: StoreError) -> anyhow::Error {
    match error {
        StoreError::AlreadyExists(name) => Refusal::new(format!(
            "this hub has the tenant `{name}` already, by this name or this number. A tenant keeps its number, since the ids of its customers \
             and the marks of those who were erased are derived from it: import it into a hub where it is free"
        ))
        .into(),
        StoreError::Newer { found, known } => Refusal::new(format!(
            "the file has schema version {found}, and this hub {known}: bring both hubs to the same version first"
        ))
        .into(),
        StoreError::Corrupt(what) => anyhow::anyhow!("the tenant cannot be imported: {what}"),
        other => refusal::of_store(other),
    }
}
