//! Which tenants have work: what a node asks of all of its own at once.

use openhub_model::message::{MessageStatus, NewMessage};
use openhub_model::timer::Timer;
use openhub_model::{ClockKind, Id, TenantId};
use openhub_store::{Asleep, Lease, Ready, Scope, Settled, Store, StoreError, Verdicts};

use crate::support::{Database, LEASE, at, changes, event, identity};

async fn made(store: &Store, name: &str, clock: ClockKind) -> anyhow::Result<(TenantId, Scope, Lease)> {
    let tenant = store.create_tenant(name, clock, at(1)).await?.id;
    let leases = store.claim_partitions(LEASE, 99).await?.leases;
    let lease = leases.into_iter().find(|lease| lease.tenant == tenant).expect("its partition is free");
    Ok((tenant, Scope::of(tenant), lease))
}

/// What is known of a tenant at a time: none if it sleeps on.
async fn ready(store: &Store, tenant: TenantId, now: i64) -> anyhow::Result<Option<bool>> {
    let ready: Vec<Ready> = store.ready_here(at(now)).await?;
    Ok(ready.iter().find(|ready| ready.tenant == tenant).map(|ready| ready.called))
}

pub async fn who_sleeps_is_ready_when_something_arrives_or_is_due(database: &Database) -> anyhow::Result<()> {
    let (store, other) = (database.open("ready").await?, database.open("other").await?);
    let (tenant, scope, lease) = made(&store, "sleeper", ClockKind::Live).await?;
    assert_eq!(ready(&store, tenant, 1).await?, Some(false), "nobody has looked at it yet");
    assert_eq!(store.put_to_sleep(&scope, &lease).await?.due, None);
    assert_eq!(ready(&store, tenant, i64::MAX).await?, None, "it has nothing to do, ever");

    // An event, whoever appends it.
    let part = identity(1).part(tenant);
    other.append(&scope, vec![event("one", part)]).await?;
    assert_eq!(ready(&store, tenant, 1).await?, Some(true));
    assert!(store.put_to_sleep(&scope, &lease).await?.due.is_some_and(|due| due <= at(1)), "it is behind its log");
    assert_eq!(ready(&other, tenant, 1).await?, None, "another node moves others");
    let lease = store.rouse(&scope, &lease).await?;
    let run = Timer::run(Id::named(&[b"run"]), part, at(500));
    let mut passed = changes(store.standing(&scope).await?.head);
    passed.armed = vec![run];
    let lease = store.commit(&scope, &lease, &passed).await?;
    assert_eq!(ready(&store, tenant, 1).await?, Some(false), "it is awake");

    // A time.
    assert_eq!(store.put_to_sleep(&scope, &lease).await?, Asleep { due: Some(at(500)), left: false });
    assert_eq!(ready(&store, tenant, 499).await?, None);
    assert_eq!(ready(&store, tenant, 500).await?, Some(false));
    let lease = store.rouse(&scope, &lease).await?;
    assert_eq!(ready(&store, tenant, 1).await?, Some(false), "a node that dies now leaves it to be looked at");

    // The outbox: what waits, what is claimed, and what somebody makes due again.
    let message = message(part);
    let mut sends = changes(passed.checkpoint);
    (sends.disarmed, sends.messages) = (vec![run], vec![message.clone()]);
    let lease = store.commit(&scope, &lease, &sends).await?;
    assert_eq!(store.put_to_sleep(&scope, &lease).await?, Asleep { due: Some(sends.wall), left: false });
    store.claim_messages(&scope, lease.fence, &[message.id]).await?;
    let asleep = store.put_to_sleep(&scope, &lease).await?;
    assert_eq!(asleep, Asleep { due: Some(at(0)), left: true }, "its outcome is unknown");
    let failed = settled(message.id);
    store.settle_messages(&scope, lease.fence, vec![failed], Verdicts::Unheard).await?;
    assert_eq!(store.put_to_sleep(&scope, &lease).await?.due, None);
    assert!(other.retry_message(&scope, message.id, at(700)).await?);
    assert_eq!(ready(&store, tenant, 1).await?, Some(true), "the node is told");
    let head = store.standing(&scope).await?.head;
    let lease = store.commit(&scope, &lease, &changes(head)).await?;
    assert_eq!(ready(&store, tenant, 1).await?, Some(false), "once");
    assert_eq!(store.put_to_sleep(&scope, &lease).await?, Asleep { due: Some(at(700)), left: false });

    // Who has lost the lease decides nothing.
    let stale = Lease { fence: lease.fence - 1, ..lease };
    assert!(matches!(store.rouse(&scope, &stale).await, Err(StoreError::FenceLost)));
    assert!(matches!(store.put_to_sleep(&scope, &stale).await, Err(StoreError::FenceLost)));
    assert_eq!(ready(&store, tenant, 699).await?, None);
    store.leave().await?;
    store.close().await;
    other.close().await;
    Ok(())
}

/// A replaying tenant's clock is moved by events: no time of the host wakes its runs. Its messages go by the host's.
pub async fn a_replay_sleeps_through_its_timers(database: &Database) -> anyhow::Result<()> {
    let store = database.open("replay").await?;
    let (tenant, scope, lease) = made(&store, "replayer", ClockKind::Replay).await?;
    let part = identity(1).part(tenant);
    let mut armed = changes(0);
    (armed.armed, armed.messages) = (vec![Timer::run(Id::named(&[b"run"]), part, at(6))], vec![message(part)]);
    let lease = store.commit(&scope, &lease, &armed).await?;
    assert_eq!(store.put_to_sleep(&scope, &lease).await?, Asleep { due: Some(armed.wall), left: false });
    store.leave().await?;
    store.close().await;
    Ok(())
}

fn message(part: Id) -> NewMessage {
    let text = String::new;
    NewMessage {
        id: Id::named(&[b"ready", part.as_bytes()]),
        part,
        channel: "mail".to_owned(),
        address: "a".to_owned(),
        purpose: text(),
        content: "{}".to_owned(),
        journey: "j".to_owned(),
        run: Id::named(&[b"run"]),
        node: text(),
        created_at: at(3),
        expires_at: None,
    }
}

fn settled(id: Id) -> Settled {
    Settled {
        id,
        status: MessageStatus::Failed,
        attempt: 1,
        next_attempt_at: None,
        provider_id: None,
        is_reported: true,
        units: 0,
        fault: Some("bounced: no such box".to_owned()),
        digest: None,
        is_attempt: true,
        at: at(600),
    }
}
