//! What customers did behind a place in the log.

use openhub_model::{ClockKind, NewEvent};
use openhub_store::{NEWEST, Scope, Sought};

use crate::support::{Database, LEASE, at, changes, event, part};

/// An import that comes behind what was done has as many events of its name as are read at most.
pub async fn history_hides_nothing_that_was_done(database: &Database) -> anyhow::Result<()> {
    let store = database.open("a").await?;
    let made = store.create_tenant("deeds", ClockKind::Live, at(1)).await?;
    let (scope, did, other) = (Scope::of(made.id), part(&made, 1), part(&made, 2));
    let done = |number: usize| event(format!("done-{number}"), did);
    let imported = |number: usize| NewEvent { historical: true, ..event(format!("imported-{number}"), did) };
    let mut events = vec![done(0), done(1), event("other", other)];
    events.extend((0..NEWEST + 100).map(imported));
    events.extend((2..4).map(done));
    let head = store.append(&scope, events).await?.position;
    let leases = store.claim_partitions(LEASE, 99).await?.leases;
    let lease = leases.iter().find(|lease| lease.tenant == made.id).expect("its partition is free");
    store.commit(&scope, lease, &changes(head)).await?;
    let sought = |part, since| Sought { part, name: "Order Completed".into(), since };
    let deeds = store.deeds(&scope, &[sought(did, 0), sought(other, 0), sought(did, 1)]).await?;
    let named = |asked: usize| {
        let of = deeds.iter().filter(move |deed| deed.sought == asked);
        of.map(|deed| deed.event.message_id.as_str()).collect::<Vec<_>>()
    };
    assert_eq!(named(0), ["done-0", "done-1", "done-2", "done-3"]);
    assert_eq!(named(1), ["other"]);
    assert_eq!(named(2), ["done-1", "done-2", "done-3"]);
    store.append(&scope, (4..NEWEST + 10).map(done).collect()).await?;
    let head = store.standing(&scope).await?.head;
    let lease = store.held_lease(&scope, lease).await?;
    store.commit(&scope, &lease, &changes(head)).await?;
    let deeds = store.deeds(&scope, &[sought(did, 0)]).await?;
    assert_eq!(deeds.len(), NEWEST);
    assert_eq!(deeds[0].event.message_id, "done-10", "of many, the newest");
    store.release_leases(&leases).await?;
    store.close().await;
    Ok(())
}
