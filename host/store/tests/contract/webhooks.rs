//! Webhooks: followed as far as the engine is done, sent until it is settled, due in the tenant's row.

use openhub_model::identity::Authority;
use openhub_model::{ClockKind, EventKind, Id, NewEvent};
use openhub_store::{
    AfterAttempts, Again, Attempt, DeliveryFilter, DeliveryState, FaultFilter, FaultKind, GivenUp, Health, Lease,
    NewDelivery, NewFault, Op, Scope, Store, StoreError, Tried, Webhook,
};

use crate::support::{Database, LEASE, at, changes, event, part};

fn webhook(name: &str, version: i64) -> Webhook {
    Webhook {
        name: name.to_owned(),
        url: "https://example.com/in".to_owned(),
        description: String::new(),
        events: vec!["*".to_owned()],
        sees: Vec::new(),
        enabled: true,
        disabled_for: None,
        secret: "sealed".to_owned(),
        old_secret: None,
        old_until: None,
        version,
        position: 0,
        failures: 0,
        failing_since: None,
        rests_until: None,
        created_at: at(10),
        updated_at: at(10),
    }
}

async fn put(store: &Store, scope: &Scope, webhook: Webhook) -> Result<(), StoreError> {
    store.transact(scope, vec![Op::PutWebhook(Box::new(webhook))]).await.map(drop)
}

fn delivery(webhook: &str, position: i64) -> NewDelivery {
    NewDelivery {
        webhook: webhook.to_owned(),
        position,
        id: Id::named(&[webhook.as_bytes(), &position.to_le_bytes()]),
        r#type: "Order Completed".to_owned(),
        part: None,
    }
}

fn tried(position: i64, attempts: i64, state: DeliveryState, due: Option<i64>) -> Tried {
    let status = if state == DeliveryState::Delivered { 204 } else { 503 };
    let answer = Some(format!("answer {attempts}"));
    let attempt = Attempt { at: at(200 + attempts), duration_ms: 7, status: Some(status), error: None, answer };
    Tried { webhook: "shop".to_owned(), position, attempts, attempt, state, due_at: due.map(at) }
}

async fn due_asleep(store: &Store, scope: &Scope, lease: &Lease) -> anyhow::Result<Option<i64>> {
    let asleep = store.put_to_sleep(scope, lease).await?;
    store.rouse(scope, lease).await?;
    Ok(asleep.due.map(openhub_model::Timestamp::micros))
}

pub async fn the_log_is_followed_and_what_is_sent_is_settled_once(database: &Database) -> anyhow::Result<()> {
    let store = database.open("webhooks").await?;
    let tenant = store.create_tenant("teller", ClockKind::Live, at(1)).await?;
    let scope = Scope::of(tenant.id);
    let leases = store.claim_partitions(LEASE, 99).await?.leases;
    let lease = leases.into_iter().find(|lease| lease.tenant == tenant.id).expect("its lease");
    let fence = lease.fence;
    let before = store.append(&scope, vec![event("before", part(&tenant, 1))]).await?.position;
    let lease = store.commit(&scope, &lease, &changes(before)).await?;

    // Each change follows the one before, and a new one begins at the end of the log.
    put(&store, &scope, webhook("shop", 1)).await?;
    assert!(matches!(put(&store, &scope, webhook("shop", 1)).await, Err(StoreError::VersionConflict(_))));
    assert!(matches!(put(&store, &scope, webhook("shop", 3)).await, Err(StoreError::VersionConflict(_))));
    put(&store, &scope, Webhook { description: "x".to_owned(), ..webhook("shop", 2) }).await?;
    put(&store, &scope, Webhook { enabled: false, ..webhook("off", 1) }).await?;
    let stored = store.webhook(&scope, "shop").await?.expect("it is there");
    assert_eq!((stored.position, stored.version, &*stored.description), (before, 2, "x"));
    assert_eq!(due_asleep(&store, &scope, &lease).await?, None, "there is nothing to send");

    // What the engine has not come to is not followed, whatever it caused behind it.
    let events = ["one", "two", "three"].map(|id| event(id, part(&tenant, 1)));
    let last = store.append(&scope, events.to_vec()).await?.position;
    let first = last - 2;
    assert_eq!(store.done_up_to(&scope).await?, before);
    let lease = store.commit(&scope, &lease, &changes(first)).await?;
    assert_eq!(store.done_up_to(&scope).await?, first);
    let lease = store.commit(&scope, &lease, &changes(last)).await?;
    assert_eq!(store.done_up_to(&scope).await?, last);
    let news = store.news(&scope, (before, last), 2).await?;
    assert_eq!(news.iter().map(|news| news.position).collect::<Vec<_>>(), [first, first + 1]);
    assert_eq!(
        (news[0].kind, &*news[0].name, news[0].part),
        (EventKind::Track, "Order Completed", Some(part(&tenant, 1)))
    );
    assert_eq!(due_asleep(&store, &scope, &lease).await?, Some(0), "the log is to be looked through");

    // Deliveries are written with the place up to which it was looked through, once.
    let follow = async |fence: i64, to: i64, new: Vec<NewDelivery>| {
        let names = vec!["shop".to_owned(), "gone".to_owned()];
        store.follow_log(&scope, fence, (names, to), new, at(100)).await
    };
    assert!(matches!(follow(fence - 1, last, vec![delivery("shop", first)]).await, Err(StoreError::FenceLost)));
    let all: Vec<NewDelivery> = (first..=last).map(|position| delivery("shop", position)).collect();
    follow(fence, last, [all.clone(), vec![delivery("gone", first)]].concat()).await?;
    follow(fence, last, all).await?;
    assert_eq!(store.next_deliveries(&scope).await?, [("shop".to_owned(), at(100))]);
    assert_eq!(due_asleep(&store, &scope, &lease).await?, Some(100));
    let due = store.due_deliveries(&scope, "shop", at(100), 2).await?;
    assert_eq!(due.iter().map(|due| due.position).collect::<Vec<_>>(), [first, first + 1]);
    assert_eq!(due[0].event.as_ref().map(|event| event.message_id.as_str()), Some("one"));
    assert!(store.due_deliveries(&scope, "shop", at(99), 2).await?[0].event.is_none(), "it is not due");

    // What came of attempts.
    let after = |tried: Vec<Tried>| AfterAttempts { tried, ..AfterAttempts::default() };
    let write = async |fence: i64, after: AfterAttempts| store.after_attempts(&scope, fence, after, at(300)).await;
    let failed = tried(first, 0, DeliveryState::Waiting, Some(900));
    assert!(matches!(write(fence - 1, after(vec![failed.clone()])).await, Err(StoreError::FenceLost)));
    let health = Health { failures: 5, failing_since: Some(at(200)), rests_until: Some(at(500)) };
    let taken = tried(first + 1, 0, DeliveryState::Delivered, None);
    let given_up = tried(last, 0, DeliveryState::Failed, None);
    let three =
        AfterAttempts { healths: vec![("shop".to_owned(), health)], ..after(vec![failed.clone(), taken, given_up]) };
    write(fence, three).await?;
    write(fence, after(vec![failed])).await?;
    let listed = async |state: Option<DeliveryState>, before: Option<i64>, limit: usize| {
        store.deliveries(&scope, "shop", &DeliveryFilter { state, before, limit }).await
    };
    let states: Vec<_> =
        listed(None, None, 9).await?.iter().map(|row| (row.position, row.state, row.attempts)).collect();
    let expected = [
        (last, DeliveryState::Failed, 1),
        (first + 1, DeliveryState::Delivered, 1),
        (first, DeliveryState::Waiting, 1),
    ];
    assert_eq!(states, expected, "newest first, and nothing is counted twice");
    assert_eq!(listed(Some(DeliveryState::Waiting), Some(last), 9).await?.len(), 1);
    assert_eq!(listed(None, Some(first + 1), 9).await?.len(), 1);
    assert_eq!(due_asleep(&store, &scope, &lease).await?, Some(900), "when it is tried again");
    let waiting = Health { rests_until: Some(at(950)), ..health };
    write(fence, AfterAttempts { healths: vec![("shop".to_owned(), waiting)], ..AfterAttempts::default() }).await?;
    assert_eq!(due_asleep(&store, &scope, &lease).await?, Some(950), "its receiver rests until then");

    // Again, with attempts counted anew and all kept.
    let again = |which: Again, at| Op::SendAgain { webhook: "shop".to_owned(), which, at };
    let id = delivery("shop", first + 1).id;
    store.transact(&scope, vec![again(Again::One(id), at(400))]).await?;
    let unknown = store.transact(&scope, vec![again(Again::One(Id::named(&[b"no"])), at(400))]).await;
    assert!(matches!(unknown, Err(StoreError::NotFound)));
    assert_eq!(store.count_deliveries(&scope, "shop", DeliveryState::Failed, at(101)).await?, 0);
    assert_eq!(store.count_deliveries(&scope, "shop", DeliveryState::Failed, at(100)).await?, 1);
    store.transact(&scope, vec![again(Again::FailedSince(at(100)), at(401))]).await?;
    let due = store.due_deliveries(&scope, "shop", at(1_000), 9).await?;
    let order: Vec<_> = due.iter().map(|due| (due.position, due.attempt, due.attempts)).collect();
    assert_eq!(order, [(first + 1, 0, 1), (last, 0, 1), (first, 1, 1)]);
    for attempts in 1..25 {
        write(fence, after(vec![tried(last, attempts, DeliveryState::Delivered, None)])).await?;
    }
    let attempts = store.delivery_attempts(&scope, "shop", last).await?;
    assert_eq!((attempts.len(), attempts[0].answer.as_deref()), (20, Some("answer 24")), "the last ones");

    // The hub gives a receiver up that nobody has changed since, and says so once.
    let give_up = |version| {
        let (kind, name) = (EventKind::Control, "webhook.disabled".to_owned());
        let event =
            NewEvent { kind, name, part: None, authority: Authority::Server, ..event("gave up", part(&tenant, 1)) };
        let fault = NewFault::counted(FaultKind::Webhook, "shop", "gone", "", "It is gone.");
        let given_up = GivenUp { webhook: "shop".to_owned(), version, why: "gone", event, fault };
        AfterAttempts { given_up: vec![given_up], ..AfterAttempts::default() }
    };
    write(fence, give_up(1)).await?;
    assert!(store.webhook(&scope, "shop").await?.expect("it is there").enabled, "it was changed since");
    write(fence, give_up(2)).await?;
    write(fence, give_up(2)).await?;
    let stored = store.webhook(&scope, "shop").await?.expect("it is there");
    assert_eq!((stored.enabled, stored.disabled_for.as_deref(), stored.version), (false, Some("gone"), 3));
    let faults = store
        .faults(&scope, &FaultFilter { kind: Some(FaultKind::Webhook), limit: 9, ..FaultFilter::default() })
        .await?;
    assert_eq!((faults.len(), faults[0].fault.count), (1, 1));
    assert!(store.event(&scope, "gave up").await?.is_some());
    assert_eq!(store.next_deliveries(&scope).await?, [], "what waits, waits");

    // Enabled again it begins at the end, and its receiver has not failed.
    put(&store, &scope, Webhook { url: "https://example.com/other".to_owned(), ..webhook("shop", 4) }).await?;
    let stored = store.webhook(&scope, "shop").await?.expect("it is there");
    assert_eq!((stored.position, stored.failures, stored.failing_since), (last + 1, 0, None));

    // What is settled goes after a while, and all with the webhook.
    assert!(!store.forget_deliveries(&scope, fence, at(225)).await?);
    let left: Vec<i64> = listed(None, None, 9).await?.iter().map(|row| row.position).collect();
    assert_eq!(left, [first + 1, first], "the others wait");
    assert!(matches!(
        store.transact(&scope, vec![Op::DropWebhook { name: "shop".to_owned(), version: Some(3) }]).await,
        Err(StoreError::VersionConflict(_))
    ));
    store.transact(&scope, vec![Op::DropWebhook { name: "shop".to_owned(), version: None }]).await?;
    assert!(listed(None, None, 9).await?.is_empty() && store.delivery(&scope, "shop", id).await?.is_none());
    assert!(store.delivery_attempts(&scope, "shop", first).await?.is_empty());
    Ok(())
}
