//! `openhub audit`: whether the log of who did what is whole, read from the database.

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use openhub_engine::Sealer;
use openhub_model::audit::{AuditHead, SIGNING, Tampering};
use openhub_store::{AuditFilter, Store};
use serde_json::json;
use std::path::PathBuf;

use super::faults::scope;
use super::tenant::{as_operator, look, open_there};
use crate::config::{Config, Flags};
use crate::data::DataDir;

/// Signings that are told, the newest first.
const SHOWN: usize = 20;

#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Check a tenant's audit log: nothing was edited, taken out, or cut off. Needs the hub's secret key.
    Verify {
        /// Name of the tenant.
        tenant: String,
        /// An end of the log that you kept, as `openhub audit head` or `GET /api/v1/audit/head` gave it: all up to there must still be
        /// there.
        #[arg(long, value_name = "FILE")]
        since: Option<PathBuf>,
        #[command(flatten)]
        flags: Flags,
    },
    /// Sign the end of a tenant's audit log again, where the hub does not do so by itself: after commands without the hub's key, with another
    /// key than before, or after an attack that you have looked into. The log says that you did.
    Sign {
        /// Name of the tenant.
        tenant: String,
        #[command(flatten)]
        flags: Flags,
    },
    /// Print the signed end of a tenant's audit log, to keep it elsewhere.
    Head {
        /// Name of the tenant.
        tenant: String,
        #[command(flatten)]
        flags: Flags,
    },
}

pub async fn run(arguments: Arguments) -> Result<()> {
    let flags = match &arguments.command {
        Command::Verify { flags, .. } | Command::Sign { flags, .. } | Command::Head { flags, .. } => flags,
    };
    let config = Config::load(flags)?;
    let sealer = sealer(&config)?;
    let store = match &arguments.command {
        Command::Sign { .. } => open_there(&config).await?,
        Command::Verify { .. } | Command::Head { .. } => look(&config).await?,
    };
    let done = act(arguments.command, &store, &sealer).await;
    store.close().await;
    done
}

/// Nothing is made: without its key, nobody can tell what a hub has signed.
fn sealer(config: &Config) -> Result<Sealer> {
    let data = DataDir::existing(&config.data).ok();
    let key = DataDir::key_there(data.as_ref())?;
    let key = key.with_context(|| {
        format!("the hub's secret key is not in {}: name its directory with `--data DIR`, or give the key in OPENHUB_SECRET_KEY", config.data.display())
    })?;
    Ok(Sealer::from_key(key))
}

async fn act(command: Command, store: &Store, sealer: &Sealer) -> Result<()> {
    match command {
        Command::Verify { tenant, since, .. } => {
            let scope = scope(store, &tenant).await?;
            let kept = since.map(|file| kept(&file)).transpose()?;
            let is_ours = |message: &[u8], signature: &str| sealer.signer().is_ours(message, signature);
            let (entries, faults) = store.verify_audit(&scope, kept, is_ours).await?;
            // What stands before such an entry was the operator's to look into.
            let signings = AuditFilter { act: Some(SIGNING.to_owned()), limit: SHOWN, ..AuditFilter::default() };
            for entry in store.audit(&scope, &signings).await? {
                println!("note: at entry {} ({}) the operator had the end signed again", entry.number, entry.at);
            }
            if faults.is_empty() {
                println!("the audit log of `{tenant}` is whole: {entries} entries, and its end is signed by this hub");
                return Ok(());
            }
            faults.iter().for_each(|fault| println!("{}", in_words(fault)));
            bail!("the audit log of `{tenant}` was tampered with: {} faults in {entries} entries", faults.len())
        }
        Command::Sign { tenant, .. } => {
            let scope = scope(store, &tenant).await?;
            let is_ours = |message: &[u8], signature: &str| sealer.signer().is_ours(message, signature);
            let (_, faults) = store.verify_audit(&scope, None, is_ours).await?;
            // What is wrong with entries stays wrong, and `verify` goes on to say so.
            faults.iter().for_each(|fault| println!("{}", in_words(fault)));
            as_operator(SIGNING, &tenant, store.sign_audit(&scope)).await?;
            println!("the end of the audit log of `{tenant}` is signed by this hub, and the log says that you did it");
            Ok(())
        }
        Command::Head { tenant, .. } => {
            let head = store.audit_head(&scope(store, &tenant).await?).await?;
            let head = head.with_context(|| format!("nothing was done in `{tenant}` yet"))?;
            let AuditHead { number, hash, signature } = head;
            let public_key = sealer.signer().public_key();
            println!("{}", json!({"number": number, "hash": hash, "signature": signature, "public_key": public_key}));
            Ok(())
        }
    }
}

fn kept(file: &PathBuf) -> Result<AuditHead> {
    let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    serde_json::from_str(&text).with_context(|| format!("{} is not the end of an audit log", file.display()))
}

fn in_words(fault: &Tampering) -> String {
    match fault {
        Tampering::Edited { number } => format!("entry {number} was edited"),
        Tampering::Unlinked { number } => format!("entry {number} does not follow the one before it"),
        Tampering::Missing { from, to } if from == to => format!("entry {from} is missing"),
        Tampering::Missing { from, to } => format!("entries {from} to {to} are missing"),
        Tampering::OtherEnd { signed, found } => {
            format!("the log ends at entry {found}, but entry {signed} is signed as its end")
        }
        Tampering::NoEnd => "the signed end of the log is missing".to_owned(),
        Tampering::Empty => "the log is empty, and it has at least the making of the tenant: all of it is missing".to_owned(),
        Tampering::Unsigned => {
            "the end of the log was written without the hub's key, or follows an end that this hub has not signed: if you know why, \
             `openhub audit sign` signs it again"
                .to_owned()
        }
        Tampering::OtherSignature => "a signature is not this hub's".to_owned(),
        Tampering::Rewritten { number } => {
            format!("entry {number} is not the one that was there when its hash was kept")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mint::{Wanted, mint};
    use crate::serve::wall_clock;
    use openhub_model::ClockKind;
    use openhub_store::{AuditFilter, Scope};

    #[tokio::test]
    async fn what_the_operator_does_is_in_a_log_that_is_verified() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("hub.db").display());
        let settings = openhub_store::Config { url, node: "n".to_owned(), read_connections: 1 };
        let store = Store::open(&settings).await.unwrap();
        let (own, other) = (Sealer::from_key([7; 32]), Sealer::from_key([8; 32]));
        store.sign_audit_by(own.notary());
        let tenant = store.create_tenant("acme", ClockKind::Live, wall_clock()).await.unwrap();
        let wanted = Wanted::page(tenant.id, "site");
        let config = Config::default();
        let making = mint(&store, &config, &wanted, wall_clock());
        let (key, _) = as_operator("openhub tenant create", "site", making).await.unwrap();
        assert!(key.page);
        let scope = Scope::of(tenant.id);
        let log = store.audit(&scope, &AuditFilter { limit: 9, ..AuditFilter::default() }).await.unwrap();
        assert_eq!((log.len(), log[0].act.as_str()), (1, "openhub tenant create"));
        let verify = |since| Command::Verify { tenant: "acme".to_owned(), since, flags: Flags::default() };
        act(verify(None), &store, &own).await.unwrap();
        let told = act(verify(None), &store, &other).await.unwrap_err().to_string();
        assert!(told.contains("tampered"), "{told}");
        let file = folder.path().join("head.json");
        let head = store.audit_head(&scope).await.unwrap().unwrap();
        std::fs::write(&file, json!(head).to_string()).unwrap();
        act(verify(Some(file.clone())), &store, &own).await.unwrap();
        let later = AuditHead { number: 2, ..head };
        std::fs::write(&file, json!(later).to_string()).unwrap();
        act(verify(Some(file)), &store, &own).await.unwrap_err();
        store.close().await;
    }
}
