//! `openhub person`: works on the database, so that a tenant gets its first owner, and a lost password locks nobody out.

use anyhow::{Context, Result, ensure};
use clap::{Args, Subcommand};
use openhub_api::{is_email, mint_invitation};
use openhub_model::{Principal, Role};
use openhub_store::{Person, Scope, Store, Tenant};
use serde_json::json;

use super::empty;
use super::tenant::{as_operator, look, open_there};
use crate::config::{Config, Flags};
use crate::serve;

#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Invite somebody; or invite again who has lost the invitation or the password. The invitation is shown only once.
    Invite {
        /// Name of the tenant.
        tenant: String,
        /// By which the person logs in.
        email: String,
        /// What the person may do, if there is none of this address yet (default: owner).
        #[arg(long, value_parser = role)]
        role: Option<Role>,
        /// How the person is called (default: the address).
        #[arg(long)]
        name: Option<String>,
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        flags: Flags,
    },
    /// List a tenant's people.
    List {
        /// Name of the tenant.
        tenant: String,
        #[command(flatten)]
        flags: Flags,
    },
}

fn role(word: &str) -> Result<Role, String> {
    Role::from_word(word).ok_or_else(|| format!("the roles are: {}", Role::ALL.map(Role::word).join(", ")))
}

pub async fn run(arguments: Arguments) -> Result<()> {
    let flags = match &arguments.command {
        Command::Invite { flags, .. } | Command::List { flags, .. } => flags,
    };
    let config = Config::load(flags)?;
    let store = match &arguments.command {
        Command::List { .. } => look(&config).await?,
        Command::Invite { .. } => open_there(&config).await?,
    };
    let done = act(arguments.command, &store).await;
    store.close().await;
    done
}

async fn act(command: Command, store: &Store) -> Result<()> {
    match command {
        Command::Invite { tenant, email, role, name, json, .. } => {
            let tenant = named(store, &tenant).await?;
            let (person, invitation) = invite(store, &tenant, &email.to_lowercase(), role, name).await?;
            match json {
                true => println!("{}", json!({"id": person.id, "role": person.role, "invitation": invitation})),
                false => println!(
                    "{invitation}\nThe invitation will not be shown again. With it, {} sets a password for `{}`, once, within a week:\n  \
                     curl -X POST HUB/api/v1/invitation -H 'Content-Type: application/json' \
                     -d '{{\"invitation\": \"…\", \"password\": \"…\"}}'",
                    person.email, tenant.name
                ),
            }
        }
        Command::List { tenant, .. } => {
            let tenant = named(store, &tenant).await?;
            let persons = store.newest_persons(&Scope::of(tenant.id), None, usize::MAX).await?;
            if persons.is_empty() {
                empty(&format!("the tenant has no people; `openhub person invite {} EMAIL` invites one", tenant.name));
            }
            for person in persons {
                let state = if person.password.is_some() || person.subject.is_some() { "active" } else { "invited" };
                let seen =
                    person.logged_in_at.map_or_else(|| "never logged in".to_owned(), |at| format!("logged in {at}"));
                println!("{}  {:<32}  {:<16}  {state:<8}  {seen}", person.id, person.email, person.role.word());
            }
        }
    }
    Ok(())
}

/// Somebody new, or somebody who is there already, with a new invitation and its text.
async fn invite(
    store: &Store,
    tenant: &Tenant,
    email: &str,
    role: Option<Role>,
    name: Option<String>,
) -> Result<(Person, String)> {
    ensure!(is_email(email), "`{email}` is no mail address");
    let (scope, now) = (Scope::of(tenant.id), serve::wall_clock());
    let mut random = [0; 48];
    rand::fill(&mut random[..]);
    let secret = *random.first_chunk::<32>().context("it is longer")?;
    let act = "openhub person invite";
    if let Some(person) = store.person_by_email(&scope, email).await? {
        ensure!(
            role.is_none_or(|role| role == person.role) && name.is_none(),
            "`{email}` is there already, as {}: leave `--role` and `--name` out to invite again",
            person.role
        );
        let (invitation, text) = mint_invitation(tenant.id, &person.id, secret, now);
        as_operator(act, &person.id, store.invite_person(&scope, &person.id, invitation)).await?;
        return Ok((person, text));
    }
    let id = hex::encode(&random[32..]);
    let (invitation, text) = mint_invitation(tenant.id, &id, secret, now);
    let person = Person {
        id,
        email: email.to_owned(),
        name: name.unwrap_or_else(|| email.to_owned()),
        role: role.unwrap_or(Role::Owner),
        password: None,
        second: None,
        subject: None,
        invitation: Some(invitation),
        created_at: now,
        made_by: Some(Principal::Operator),
        logged_in_at: None,
    };
    as_operator(act, &person.id, store.create_person(&scope, &person)).await?;
    Ok((person, text))
}

async fn named(store: &Store, name: &str) -> Result<Tenant> {
    store
        .tenant_by_name(name)
        .await?
        .with_context(|| format!("there is no tenant `{name}`: `openhub tenant list` lists them"))
}
