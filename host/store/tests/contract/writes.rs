//! Appends, commits, transactions and leases.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::join_all;
use openhub_model::condition::Truth;
use openhub_model::identity::{Authority, Marker};
use openhub_model::message::{MessageStatus, NewMessage};
use openhub_model::object::Object;
use openhub_model::run::{Run, RunStatus, Told, Update};
use openhub_model::timer::Timer;
use openhub_model::{Cause, ClockKind, Condition, Customer, EventKind, Id, NewEvent, Origin};
use openhub_store::{
    AsOf, Changes, ClaimRow, ClaimStatus, Clash, Entry, Indexed, Lease, MadeAttempt, MessageFilter, Met, NodeCount,
    ObjectChange, ObjectKey, Op, Room, Scope, SetAside, Settled, Store, StoreError, TimelineFilter, TimelineKind,
    Tombstone, Verdicts,
};
use serde_json::json;

use crate::identities::row;
use crate::support::{Database, LEASE, at, changes, event, identity, lease, part, tenant};

pub async fn duplicates_are_left_out(database: &Database) -> anyhow::Result<()> {
    let store = database.open("a").await?;
    let (tenant, scope) = tenant(&store).await?;
    let part = part(&tenant, 1);
    let first = store.append(&scope, vec![event("1", part), event("1", part), event("2", part)]).await?;
    assert_eq!((first.accepted, first.duplicates), (2, 1));
    let second = store.append(&scope, vec![event("2", part), event("3", part)]).await?;
    assert_eq!((second.accepted, second.duplicates), (1, 1));
    let again = store.append(&scope, vec![event("1", part)]).await?;
    assert_eq!((again.accepted, again.duplicates), (0, 1));
    let events = store.load_events(&scope, 0, 10).await?;
    let ids: Vec<&str> = events.iter().map(|event| event.message_id.as_str()).collect();
    assert_eq!(ids, ["1", "2", "3"]);
    assert_eq!(again.position, events[0].position);
    assert_eq!(second.position, events[2].position);
    assert_eq!(events[0].body, event("1", part).body);
    assert_eq!(store.standing(&scope).await?.arrived_behind, 3);
    store.close().await;
    Ok(())
}

/// However far the engine is, what is stamped now takes the time of what is in the log.
pub async fn a_replay_stands_where_its_log_ends(database: &Database) -> anyhow::Result<()> {
    let store = database.open("a").await?;
    let made = store.create_tenant("replays", ClockKind::Replay, at(1)).await?;
    let (scope, part) = (Scope::of(made.id), part(&made, 1));
    let of = |id: &str, hour: i64| NewEvent { occurred_at: at(hour), ..event(id, part) };
    let control = |id: &str, name: &str, hour: i64| NewEvent {
        kind: openhub_model::EventKind::Control,
        name: name.into(),
        ..of(id, hour)
    };
    store.append(&scope, vec![of("1", 10), of("2", 30), of("3", 20)]).await?;
    assert_eq!(store.clock_at_head(&scope).await?, at(30));
    store.append(&scope, vec![of("2", 90), of("4", 40)]).await?;
    assert_eq!(store.clock_at_head(&scope).await?, at(40), "a duplicate moves nothing, whatever it says");
    store.append(&scope, vec![of("5", 35), of("4", 40), control("6", "segment.saved", 99)]).await?;
    assert_eq!(store.clock_at_head(&scope).await?, at(40), "nor does a change");
    store.append(&scope, vec![control("7", openhub_model::event::CLOCK_ADVANCED, 50)]).await?;
    assert_eq!(store.clock_at_head(&scope).await?, at(50));
    assert_eq!(store.clock(&scope).await?, openhub_model::Timestamp::from_micros(0), "where the engine is");
    store.close().await;
    Ok(())
}

/// Whoever reads a page's key may guess the id of an order that its server will tell of.
pub async fn c_a_page_hides_no_event_of_a_server(database: &Database) -> anyhow::Result<()> {
    let store = database.open("a").await?;
    let made = store.create_tenant("guessed", ClockKind::Live, at(1)).await?;
    let (scope, part) = (Scope::of(made.id), part(&made, 1));
    let of = |id: &str, authority| NewEvent { authority, ..event(id, part) };
    let [page, server] = [Authority::Browser, Authority::Server];
    store.append(&scope, vec![of("1", page), of("2", server)]).await?;
    let told = store.append(&scope, vec![of("0", server), of("1", server), of("2", page), of("2", server)]).await?;
    assert_eq!((told.accepted, told.duplicates), (2, 2));
    let places = store.load_events(&scope, 0, 99).await?;
    let places: Vec<(i64, &str)> = places.iter().map(|event| (event.position, event.message_id.as_str())).collect();
    assert_eq!(places[2..], [(3, "0"), (4, "openhub:server:1")], "in the order in which it was told");
    let again = store.append(&scope, vec![of("1", server), of("1", page), of("1", server)]).await?;
    assert_eq!((again.accepted, again.duplicates, again.position), (0, 3, told.position));
    let (one, other) = ([of("3", page)], [of("3", server), of("3", server)]);
    let (first, second) = tokio::join!(store.append(&scope, one.into()), store.append(&scope, other.into()));
    let (first, second) = (first?, second?);
    assert_eq!((second.accepted, second.duplicates), (1, 1));
    let stored = store.load_events(&scope, 0, 99).await?;
    let mut ids: Vec<(&str, Authority)> =
        stored.iter().map(|event| (event.message_id.as_str(), event.authority)).collect();
    ids.sort();
    let three = if first.accepted == 1 { vec![("3", page), ("openhub:server:3", server)] } else { vec![("3", server)] };
    let mut expected = vec![("0", server), ("1", page), ("2", server), ("openhub:server:1", server)];
    expected.extend(three);
    expected.sort();
    assert_eq!(ids, expected);
    assert_eq!(store.standing(&scope).await?.arrived_behind, ids.len() as i64);
    store.close().await;
    Ok(())
}

/// Nor when the page's event, or the server's, is erased between: a copy of the server's is a duplicate wherever it stands.
pub async fn c10_an_erased_page_hides_no_event_of_a_server(database: &Database) -> anyhow::Result<()> {
    let store = database.open("a").await?;
    let marker = Marker::derived("test", &[1; 32]);
    store.know_erased_by(marker);
    let made = store.create_tenant("erased-guesses", ClockKind::Live, at(1)).await?;
    let (scope, part) = (Scope::of(made.id), part(&made, 1));
    let of = |id: &str, authority| NewEvent { authority, ..event(id, part) };
    let [page, server] = [Authority::Browser, Authority::Server];
    let counted = async |events: Vec<NewEvent>| {
        let told = store.append(&scope, events).await?;
        anyhow::Ok((told.accepted, told.duplicates))
    };
    let leases = store.claim_partitions(LEASE, 99).await?.leases;
    let mut held = leases.into_iter().find(|lease| lease.tenant == made.id).expect("nobody else has it");
    let mut erase = async |position: i64| {
        let id = store.load_events(&scope, position - 1, 1).await?.remove(0).message_id;
        let mark = marker.message(made.id, &id);
        let gone = Changes { tombstones: vec![Tombstone { position, mark }], ..changes(held.checkpoint) };
        held = store.commit(&scope, &held, &gone).await?;
        anyhow::Ok(())
    };
    // The page's goes before the server says a word.
    assert_eq!(counted(vec![of("1", page)]).await?, (1, 0));
    erase(1).await?;
    assert_eq!(counted(vec![of("1", server), of("1", page), of("1", server)]).await?, (1, 2));
    // It goes after that.
    assert_eq!(counted(vec![of("2", page), of("2", server)]).await?, (2, 0));
    erase(5).await?;
    assert_eq!(counted(vec![of("2", server), of("2", page)]).await?, (0, 2));
    // And the server's too; twice is once.
    for _ in 0..2 {
        erase(2).await?;
        erase(6).await?;
        erase(1).await?;
        let copies = vec![of("1", server), of("2", server), of("1", page), of("2", page)];
        assert_eq!(counted(copies).await?, (0, 4));
    }
    // A page's copy of a server's event that was erased is one, too.
    assert_eq!(counted(vec![of("3", server)]).await?, (1, 0));
    let last = store.load_events(&scope, 6, 99).await?.pop().expect("it is stored").position;
    erase(last).await?;
    assert_eq!(counted(vec![of("3", page), of("3", server)]).await?, (0, 2));
    store.close().await;
    Ok(())
}

/// What a server is about to say is said already if a server has said it, of that kind.
pub async fn c11_a_server_meets_what_servers_said(database: &Database) -> anyhow::Result<()> {
    let store = database.open("a").await?;
    let made = store.create_tenant("met", ClockKind::Live, at(1)).await?;
    let (scope, part) = (Scope::of(made.id), part(&made, 1));
    let [page, server] = [Authority::Browser, Authority::Server];
    let track = |id: &str, authority| NewEvent { authority, ..event(id, part) };
    let object = |id: &str| NewEvent { kind: EventKind::Object, ..track(id, server) };
    let events = vec![track("page", page), track("both", page), object("both"), object("own"), track("other", server)];
    assert_eq!(store.append(&scope, events).await?.accepted, 5);
    let ids = ["page", "both", "own", "other", "none"].map(str::to_owned);
    let met: BTreeMap<String, Met> = store.met(&scope, EventKind::Object, &ids).await?.into_iter().collect();
    let expected = [("both", Met::Itself), ("other", Met::Other), ("own", Met::Itself)];
    assert_eq!(met, expected.map(|(id, met)| (id.to_owned(), met)).into());
    for (id, place) in [("page", None), ("both", Some(3)), ("own", Some(4)), ("other", None), ("none", None)] {
        let said = store.said(&scope, EventKind::Object, id).await?;
        assert_eq!(said.map(|event| event.position), place, "{id}");
    }
    store.close().await;
    Ok(())
}

pub async fn appends_share_commits_and_keep_order(database: &Database) -> anyhow::Result<()> {
    let store = database.open("a").await?;
    let (tenant, scope) = match store.tenant_by_name("acme").await? {
        Some(tenant) => (tenant.clone(), openhub_store::Scope::of(tenant.id)),
        None => tenant(&store).await?,
    };
    let part = part(&tenant, 2);
    let before = store.standing(&scope).await?.head;
    let appends = (0..300).map(|caller| {
        let events = (0..1 + caller % 3).map(|index| event(format!("many-{caller}-{index}"), part)).collect();
        store.append(&scope, events)
    });
    let mut positions = Vec::new();
    for appended in join_all(appends).await {
        let appended = appended?;
        assert_eq!(appended.duplicates, 0);
        positions.push(appended.position);
    }
    let events = store.load_events(&scope, before, 10_000).await?;
    assert_eq!(events.len(), 600);
    assert!(events.windows(2).all(|pair| pair[0].position < pair[1].position));
    positions.sort_unstable();
    positions.dedup();
    assert_eq!(positions.len(), 300, "each caller has a position of its own");
    store.close().await;
    assert!(matches!(store.append(&scope, vec![event("late", part)]).await, Err(StoreError::Unavailable)));
    Ok(())
}

/// Duplicates and caused events leave gaps behind the checkpoint; what waits is what would be loaded.
pub async fn f_what_waits_for_the_engine_is_known_without_counting(database: &Database) -> anyhow::Result<()> {
    let store = database.open("a").await?;
    let made = store.create_tenant("counted", ClockKind::Live, at(1)).await?;
    let (scope, part) = (Scope::of(made.id), part(&made, 1));
    let waits = async || -> anyhow::Result<i64> {
        let standing = store.standing(&scope).await?;
        let loaded = store.load_events(&scope, standing.checkpoint, 1_000).await?.len() as i64;
        assert_eq!(standing.arrived_behind, loaded);
        assert_eq!(store.behind(made.id).map(|(events, _)| events), Some(loaded));
        assert_eq!(store.read_behind(&scope).await?, loaded);
        Ok(loaded)
    };
    assert_eq!(store.behind(made.id), None, "nothing was committed yet");
    let named = |ids: &[&str]| ids.iter().map(|id| event(*id, part)).collect::<Vec<NewEvent>>();
    store.append(&scope, named(&["1", "2", "2", "3"])).await?;
    assert_eq!(waits().await?, 3);
    store.append(&scope, named(&["3", "1"])).await?;
    assert_eq!(waits().await?, 3);
    let (first, second) = tokio::join!(store.append(&scope, named(&["4", "3"])), store.append(&scope, named(&["5"])));
    let (first, second) = (first?, second?);
    assert_eq!((first.accepted, first.duplicates, second.accepted), (1, 1, 1));
    assert_eq!(waits().await?, 5);
    let leases = store.claim_partitions(LEASE, 99).await?.leases;
    let lease = leases.iter().find(|lease| lease.tenant == made.id).expect("its partition is free");
    let mut passed = changes(2);
    passed.events = named(&["caused"]);
    passed.arrivals = named(&["6", "1"]);
    let lease = store.commit(&scope, lease, &passed).await?;
    assert_eq!(waits().await?, 4, "two were passed, and one has come");
    store.append(&scope, named(&["7"])).await?;
    store.commit(&scope, &lease, &changes(store.standing(&scope).await?.head)).await?;
    assert_eq!(waits().await?, 0);
    store.release_leases(&leases).await?;
    store.close().await;
    let store = database.open("a").await?;
    assert_eq!(store.standing(&scope).await?.arrived_behind, 0);
    assert_eq!(store.read_behind(&scope).await?, 0);
    store.close().await;
    Ok(())
}

/// The node is taken for dead from now on, though it goes on.
pub async fn lapse(store: &Store) -> anyhow::Result<()> {
    store.claim_partitions(Duration::ZERO, 0).await?;
    Ok(())
}

pub async fn a_stale_lease_writes_nothing(database: &Database) -> anyhow::Result<()> {
    let (old, new) = (database.open("old").await?, database.open("new").await?);
    let (tenant, scope) = existing(&old).await?;
    let stale = lease(&old).await?;
    assert!(new.claim_partitions(LEASE, 99).await?.leases.is_empty(), "its node lives");
    lapse(&old).await?;
    let leases = new.claim_partitions(LEASE, 99).await?.leases;
    assert_eq!(leases.len(), 1, "its node does not live any more");
    let late = old.claim_partitions(LEASE, 99).await?;
    assert!(late.lapsed && late.leases.is_empty(), "it learns of it: {late:?}");
    assert!(!old.claim_partitions(LEASE, 99).await?.lapsed, "and lives again");
    assert_eq!(old.held_here().await?, []);
    assert_eq!(new.held_here().await?, leases, "as it was told");
    let mut refused = changes(1);
    refused.customers.push(Customer::new(part(&tenant, 77), identity(77), at(1)).into());
    assert!(matches!(old.commit(&scope, &stale, &refused).await, Err(StoreError::FenceLost)));
    assert_eq!(new.customer(&scope, part(&tenant, 77)).await?, None);
    new.release_leases(&leases).await?;
    old.close().await;
    new.close().await;
    Ok(())
}

pub async fn a_unique_conflict_leaves_nothing(database: &Database) -> anyhow::Result<()> {
    let store = database.open("a").await?;
    let (tenant, scope) = existing(&store).await?;
    let lease = lease(&store).await?;
    let mut first = changes(1);
    first.objects = vec![create("c1", "CODE-1"), create("c2", "CODE-2")];
    let lease = store.commit(&scope, &lease, &first).await?;
    let mut second = changes(2);
    second.objects = vec![create("c3", "CODE-1"), create("c2", "CODE-9"), create("c4", "CODE-4")];
    second.customers.push(Customer::new(part(&tenant, 78), identity(78), at(1)).into());
    let Err(StoreError::UniqueConflict(mut clashes)) = store.commit(&scope, &lease, &second).await else {
        panic!("the conflict was not seen");
    };
    clashes.sort();
    let clash = |key, value| Clash { object: ObjectKey::new("coupon", key), value };
    let taken = ("code".to_owned(), "CODE-1".to_owned());
    assert_eq!(clashes, [clash("c2", None), clash("c3", Some(taken))]);
    assert_eq!(store.object(&scope, "coupon", "c4").await?, None);
    assert_eq!(store.customer(&scope, part(&tenant, 78)).await?, None);
    assert_eq!(store.standing(&scope).await?.checkpoint, 1);
    let mut stored = object("c1");
    stored.version = 3;
    let mut stale = changes(2);
    stale.objects.push(ObjectChange::Replace { stored: 2, object: stored.clone(), indexed: Indexed::default() });
    assert!(matches!(store.commit(&scope, &lease, &stale).await, Err(StoreError::VersionConflict(_))));
    // The old code is free again, within the same commit. A batch may have changed it more than once.
    let mut moved = changes(2);
    let uniques = vec![("code".to_owned(), "CODE-5".to_owned())];
    moved.objects =
        vec![ObjectChange::Replace { stored: 1, object: stored, indexed: uniques.into() }, create("c5", "CODE-1")];
    let lease = store.commit(&scope, &lease, &moved).await?;
    assert_eq!(store.object(&scope, "coupon", "c1").await?.map(|object| object.version), Some(3));
    store.release_leases(&[lease]).await?;
    store.close().await;
    Ok(())
}

pub async fn a_commit_reads_back(database: &Database) -> anyhow::Result<()> {
    let store = database.open("a").await?;
    let (tenant, scope) = existing(&store).await?;
    let lease = lease(&store).await?;
    let part = part(&tenant, 5);
    let cause = Cause { at: at(3), event: "m".into(), plugin: Some("digest".into()), rule: None };
    let mut customer = Customer::new(part, identity(5), at(3));
    customer.set("tier", json!("gö\"ld"), cause.clone());
    customer.set("gone", json!(null), cause.clone());
    customer.set("spent", json!(20_000), cause.clone());
    customer.set_tag("vip", json!(true), cause);
    let update = Update {
        node: "thank".into(),
        at: at(4),
        attributes: [("tier".to_owned(), json!("gö\"ld")), ("old".to_owned(), json!(null))].into_iter().collect(),
        tags: BTreeMap::from([("thanked".to_owned(), true)]),
    };
    let run = Run {
        id: Id::named(&[b"run"]),
        part,
        journey: "win-back".into(),
        version: 1,
        node: "quiet".into(),
        step: 1,
        status: RunStatus::Waiting,
        awaits: vec!["Order Completed".into(), "[odd]".into()],
        since: 0,
        due: Some(at(50)),
        state: r#"{"trigger":"m"}"#.into(),
        started_at: at(3),
        ended_at: None,
        fault: None,
        served_by: Some("0c".into()),
        told: Told { reason: Some("bought \"it\"".into()), updates: [update].into() },
    };
    let timer = Timer::run(run.id, part, at(50));
    let entry = Entry { journey: "win-back".into(), part, runs: 1, active: 1, last_entered_at: at(3) };
    let claim = ClaimRow {
        part,
        identity: identity(5),
        authority: Authority::Server,
        policy: 0,
        position: 1,
        source: "m".into(),
        status: ClaimStatus::Joined,
    };
    let message = message(part, run.id);
    let mut all = changes(7);
    all.customers.push(customer.clone().into());
    all.claims.push(claim.clone());
    all.runs.push(run.clone());
    all.armed.push(timer);
    all.entries.push(entry.clone());
    all.messages.push(message.clone());
    all.events = vec![event("caused", part)];
    all.counts =
        vec![NodeCount { journey: "win-back".into(), version: 1, node: "quiet".into(), entered: 2, waiting: 1 }];
    let lease = store.commit(&scope, &lease, &all).await?;
    assert_eq!(store.customers_by_id(&scope, &[part]).await?, [customer]);
    assert_eq!(store.claims_by_part(&scope, &[part]).await?, [claim]);
    assert_eq!(store.waiting_runs(&scope, &[part]).await?, std::slice::from_ref(&run));
    assert_eq!(store.due_timers(&scope, at(50), 9).await?, []);
    assert_eq!(store.due_timers(&scope, at(51), 9).await?, [timer]);
    assert_eq!(store.entries(&scope, &["win-back".into()], &[part]).await?, [entry]);
    let caused = store.event(&scope, "caused").await?.expect("it was committed");
    assert_eq!((caused.origin, caused.body), (Origin::Caused, event("", part).body));
    assert_eq!(*store.checkpoint(tenant.id).borrow(), 7);
    let due = store.pending_messages(&scope, &message.channel, at(100), 9).await?;
    assert_eq!(due.iter().map(|due| &due.message).collect::<Vec<_>>(), [&message]);
    assert_eq!(store.claim_messages(&scope, lease.fence, &[message.id]).await?.len(), 1);
    let later = Settled {
        id: message.id,
        status: MessageStatus::Pending,
        attempt: 1,
        next_attempt_at: Some(at(100)),
        provider_id: None,
        is_reported: true,
        units: 0,
        fault: Some("busy: \"later\"".into()),
        digest: Some("0c".into()),
        is_attempt: true,
        at: at(100),
    };
    let held = Settled { fault: Some("held".into()), is_attempt: false, ..later.clone() };
    for settled in [later, held] {
        store.settle_messages(&scope, lease.fence, vec![settled], Verdicts::Unheard).await?;
        assert_eq!(store.claim_messages(&scope, lease.fence, &[message.id]).await?.len(), 1);
    }
    let settled = Settled {
        id: message.id,
        status: MessageStatus::Accepted,
        attempt: 2,
        next_attempt_at: None,
        provider_id: Some("p".into()),
        is_reported: true,
        units: 1,
        fault: None,
        digest: None,
        is_attempt: true,
        at: at(101),
    };
    let head = store.standing(&scope).await?.head;
    store.settle_messages(&scope, lease.fence, vec![settled.clone()], Verdicts::Unheard).await?;
    assert_eq!(store.standing(&scope).await?.head, head, "a verdict that nobody hears is no event");
    for _ in 0..2 {
        store.settle_messages(&scope, lease.fence, vec![settled.clone()], Verdicts::Heard).await?;
    }
    let told = store.load_events(&scope, head, 9).await?;
    let verdict = told[0].position;
    let told: Vec<_> = told.iter().map(|event| (event.part, event.occurred_at, event.received_at)).collect();
    let clock = store.standing(&scope).await?.clock;
    assert_eq!(told, [(Some(message.part), clock, at(101))], "one event, at the time of the replay");
    assert_eq!(store.next_attempt(&scope).await?, None);
    let row = store.message(&scope, message.id).await?.expect("it was committed");
    assert_eq!((row.status, row.attempts), (MessageStatus::Accepted, 2));
    let made = |moment, status, fault: Option<&str>, digest: Option<&str>| MadeAttempt {
        at: at(moment),
        status,
        fault: fault.map(str::to_owned),
        digest: digest.map(str::to_owned),
    };
    let expected = [
        made(100, MessageStatus::Pending, Some("busy: \"later\""), Some("0c")),
        made(101, MessageStatus::Accepted, None, None),
    ];
    assert_eq!(row.attempts_made, expected, "each once, and none of what was held");
    assert_eq!(store.messages(&scope, &MessageFilter { limit: 9, ..Default::default() }).await?, [row]);
    // The run ends, and its timer with it; what exists is not made twice.
    let ended = Run { status: RunStatus::Done, ended_at: Some(at(60)), due: None, ..run };
    all.checkpoint = verdict;
    all.counts[0].waiting = -1;
    all.runs = vec![ended.clone()];
    all.armed.clear();
    all.disarmed = vec![timer];
    let lease = store.commit(&scope, &lease, &all).await?;
    assert_eq!(store.run(&scope, ended.id).await?, Some(ended));
    let standing = store.standing(&scope).await?;
    assert_eq!((standing.waiting_runs, standing.unsent, standing.checkpoint), (0, 0, verdict));
    assert_eq!(store.due_timers(&scope, at(99), 9).await?, []);
    assert_eq!(store.node_counts(&scope, "win-back").await?[0].entered, 4);
    let filter = TimelineFilter { limit: 2, ..TimelineFilter::default() };
    let timeline = store.timeline(&scope, part, &filter).await?;
    let filter = TimelineFilter { before: Some(timeline[1].cursor()), limit: 9, ..TimelineFilter::default() };
    let rest = store.timeline(&scope, part, &filter).await?;
    assert_eq!(timeline.len() + rest.len(), 4, "an event, a verdict, a message, a run");
    let filter = TimelineFilter { kinds: vec![TimelineKind::Run], limit: 9, ..TimelineFilter::default() };
    assert_eq!(store.timeline(&scope, part, &filter).await?.len(), 1);
    let filter = TimelineFilter { from: Some(at(2)), to: Some(at(3)), limit: 9, ..TimelineFilter::default() };
    assert_eq!(store.timeline(&scope, part, &filter).await?, []);
    store.release_leases(&[lease]).await?;
    store.close().await;
    Ok(())
}

pub async fn ops_are_all_or_nothing(database: &Database) -> anyhow::Result<()> {
    let store = database.open("a").await?;
    let (tenant, scope) = existing(&store).await?;
    let part = part(&tenant, 1);
    let ops = vec![Op::Append(event("op", part)), Op::Object(create("o1", "O-1")), Op::Object(create("o1", "O-2"))];
    assert!(matches!(store.transact(&scope, ops).await, Err(StoreError::UniqueConflict(_))));
    assert!(store.event(&scope, "op").await?.is_none());
    assert_eq!(store.object(&scope, "coupon", "o1").await?, None);
    let draft = Op::PutJourneyDraft { name: "j".into(), definition: json!({"start": "a"}), at: at(1) };
    let version = |version| Op::PutJourneyVersion { name: "j".into(), version, definition: json!({}), at: at(2) };
    store.transact(&scope, vec![draft, version(1), Op::Append(event("op", part))]).await?;
    assert!(matches!(store.transact(&scope, vec![version(1)]).await, Err(StoreError::AlreadyExists(_))));
    assert_eq!(store.journey(&scope, "j").await?.map(|journey| journey.latest), Some(1));
    assert!(store.event(&scope, "op").await?.is_some());
    store.close().await;
    Ok(())
}

pub async fn a_trial_leaves_nothing_and_new_events_are_new(database: &Database) -> anyhow::Result<()> {
    let store = database.open("a").await?;
    let (tenant, scope) = existing(&store).await?;
    let part = part(&tenant, 1);
    let ops = |last: Option<Op>| {
        let objects = Op::Objects(vec![create("t1", "T-1"), create("t2", "T-2")]);
        let events = Op::AppendNew(vec![event("t1", part), event("t2", part)]);
        [objects, events].into_iter().chain(last).collect::<Vec<_>>()
    };
    let head = store.standing(&scope).await?.head;
    assert!(matches!(store.transact(&scope, ops(Some(Op::Undo))).await, Err(StoreError::Undone)));
    let known = async || {
        let mut known = Vec::new();
        for id in ["t1", "t2", "t3"] {
            known.extend(store.event(&scope, id).await?.map(|event| event.message_id));
        }
        anyhow::Ok(known)
    };
    assert!(known().await?.is_empty());
    assert_eq!((store.object(&scope, "coupon", "t1").await?, store.standing(&scope).await?.head), (None, head));
    assert_eq!(store.transact(&scope, ops(None)).await?.accepted, 2);
    assert_eq!(known().await?, ["t1", "t2"]);
    let doubled =
        vec![Op::Objects(vec![create("t3", "T-3")]), Op::AppendNew(vec![event("t3", part), event("t1", part)])];
    assert!(matches!(store.transact(&scope, doubled).await, Err(StoreError::AlreadyExists(_))));
    assert_eq!(store.object(&scope, "coupon", "t3").await?, None);
    assert_eq!(known().await?, ["t1", "t2"]);
    store.close().await;
    Ok(())
}

pub async fn a_cancelled_write_does_not_stop_the_writer(database: &Database) -> anyhow::Result<()> {
    let store = database.open("a").await?;
    let (tenant, scope) = existing(&store).await?;
    let part = part(&tenant, 1);
    for index in 0..50 {
        let write = store.append(&scope, vec![event(format!("cancelled-{index}"), part)]);
        // Polled once, so that it may have reached the writer, then dropped.
        futures::future::select(Box::pin(write), Box::pin(futures::future::ready(()))).await;
        let read = store.load_events(&scope, 0, 100);
        futures::future::select(Box::pin(read), Box::pin(tokio::task::yield_now())).await;
    }
    assert_eq!(store.append(&scope, vec![event("after", part)]).await?.accepted, 1);
    assert!(store.event(&scope, "after").await?.is_some());
    store.close().await;
    Ok(())
}

pub async fn a_newer_database_is_refused(database: &Database) -> anyhow::Result<()> {
    let sql = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
               VALUES (9999, 'from the future', TRUE, '', 0)";
    let undo = "DELETE FROM _sqlx_migrations WHERE version = 9999";
    execute(database, sql).await?;
    let refused = database.open("a").await;
    execute(database, undo).await?;
    let error = refused.err().and_then(|error| error.downcast::<StoreError>().ok());
    assert!(matches!(error, Some(StoreError::Newer { found: 9999, .. })), "{error:?}");
    Ok(())
}

async fn execute(database: &Database, sql: &'static str) -> anyhow::Result<()> {
    use sqlx::{Connection, PgConnection, SqliteConnection};
    if database.url.starts_with("sqlite") {
        sqlx::query(sql).execute(&mut SqliteConnection::connect(&database.url).await?).await?;
    } else {
        sqlx::query(sql).execute(&mut PgConnection::connect(&database.url).await?).await?;
    }
    Ok(())
}

pub async fn a_restart_takes_over(database: &Database) -> anyhow::Result<()> {
    let (first, other) = (database.open("a").await?, database.open("b").await?);
    let held = lease(&first).await?;
    assert_eq!(first.claim_partitions(LEASE, 99).await?.leases, [], "what this process holds is not claimed again");
    assert_eq!(other.claim_partitions(LEASE, 99).await?.leases, [], "another node waits for the lease to run out");
    let restarted = database.open("a").await?;
    let taken = lease(&restarted).await?;
    assert!(taken.fence > held.fence);
    lapse(&restarted).await?;
    for store in [first, other, restarted] {
        store.close().await;
    }
    Ok(())
}

async fn existing(store: &Store) -> anyhow::Result<(openhub_store::Tenant, openhub_store::Scope)> {
    let tenant = store.tenant_by_name("acme").await?.ok_or_else(|| anyhow::anyhow!("an earlier case makes it"))?;
    let scope = openhub_store::Scope::of(tenant.id);
    Ok((tenant, scope))
}

fn object(key: &str) -> Object {
    Object {
        kind: "coupon".into(),
        key: key.into(),
        part: None,
        version: 1,
        fields: json!({"percent": 15}),
        created_at: at(1),
        updated_at: at(1),
        cause: "m".into(),
    }
}

fn create(key: &str, code: &str) -> ObjectChange {
    ObjectChange::Create(object(key), vec![("code".to_owned(), code.to_owned())].into())
}

fn message(part: Id, run: Id) -> NewMessage {
    NewMessage {
        id: Id::named(&[b"message"]),
        part,
        channel: "webhook".into(),
        address: "5".into(),
        purpose: String::new(),
        content: r#"{"template":"win-back"}"#.into(),
        journey: "win-back".into(),
        run,
        node: "send".into(),
        created_at: at(3),
        expires_at: None,
    }
}

/// The log keeps it, and nobody counts it: whose it is is known where it was set aside.
pub async fn what_is_set_aside_counts_nowhere(database: &Database) -> anyhow::Result<()> {
    let store = database.open("s").await?;
    let tenant = store.create_tenant("aside", openhub_model::ClockKind::Replay, at(1)).await?;
    let (scope, part) = (Scope::of(tenant.id), part(&tenant, 1));
    let leases = store.claim_partitions(LEASE, 99).await?.leases;
    let lease = leases.iter().find(|lease| lease.tenant == tenant.id).expect("its partition is free");
    store.append(&scope, vec![event("good", part), event("bad", part), event("late", part)]).await?;
    let mut batch = changes(3);
    batch.customers.push(Customer::new(part, identity(1), at(1)).into());
    batch.parts.push(row(&tenant, 1, 1));
    batch.set_aside = vec![SetAside { position: 2, message_id: "bad".into(), fault: "a panic".into(), at: at(4) }];
    store.commit(&scope, lease, &batch).await?;
    let twice = json!({"event": {"name": "Order Completed", "is": "eq", "value": 2}});
    let twice: Condition = serde_json::from_value(twice)?;
    let as_of = AsOf { now: at(5), checkpoint: 3 };
    assert_eq!(store.truths(&scope, &twice, as_of, None, 9).await?, [(part, Truth::True)]);
    let facts = store.facts(&scope, &[(part, vec![part])], &twice.needs(), as_of).await?;
    assert_eq!(facts[0].history.events().len(), 2);
    let filter = TimelineFilter { limit: 9, ..TimelineFilter::default() };
    let timeline = store.timeline(&scope, part, &filter).await?;
    let shown: Vec<_> = timeline.iter().map(|item| (item.kind, item.id.as_str())).collect();
    let expected = [(TimelineKind::Event, "late"), (TimelineKind::SetAside, "bad"), (TimelineKind::Event, "good")];
    assert_eq!(shown, expected);
    assert_eq!((&timeline[1].detail["fault"], &timeline[1].detail["type"]), (&json!("a panic"), &json!("track")));
    let (kept, aside) = store.set_aside_of(&scope, part).await?.remove(0);
    assert_eq!((kept.part, kept.body, aside), (Some(part), event("bad", part).body, batch.set_aside.remove(0)));
    let again = store.append(&scope, vec![event("bad", part)]).await?;
    assert_eq!((again.accepted, again.duplicates), (0, 1), "it came already");
    store.release_leases(&leases).await?;
    store.close().await;
    Ok(())
}

/// What was kept of an event is read instead of its body, as long as it answers all that is asked.
pub async fn what_is_kept_spares_the_body(database: &Database) -> anyhow::Result<()> {
    let store = database.open("k").await?;
    let tenant = store.create_tenant("kept", openhub_model::ClockKind::Replay, at(1)).await?;
    let (scope, part) = (Scope::of(tenant.id), part(&tenant, 1));
    let leases = store.claim_partitions(LEASE, 99).await?.leases;
    let lease = leases.iter().find(|lease| lease.tenant == tenant.id).expect("its partition is free");
    let body = json!({"properties": {"total": 5}}).to_string();
    let events = ["1", "2", "3"].map(|id| NewEvent { body: body.clone(), ..event(id, part) });
    store.append(&scope, events.into()).await?;
    let mut batch = changes(3);
    batch.kept = vec![(1, r#"{"total":[7]}"#.to_owned()), (3, r#"{"total":[],"coupon":[]}"#.to_owned())];
    store.commit(&scope, lease, &batch).await?;
    let sum =
        |of: &str| json!({"event": {"name": "Order Completed", "aggregate": "sum", "of": of, "is": "ge", "value": 1}});
    let (total, coupon): (Condition, Condition) =
        (serde_json::from_value(sum("total"))?, serde_json::from_value(sum("coupon"))?);
    let mut needs = total.needs();
    let as_of = AsOf { now: at(5), checkpoint: 3 };
    let mut read = Vec::new();
    for _ in 0..2 {
        let facts = store.facts(&scope, &[(part, vec![part])], &needs, as_of).await?;
        read.push(facts[0].history.events().iter().map(|event| event.properties.clone()).collect::<Vec<_>>());
        needs.merge(&coupon.needs());
    }
    let [five, seven] = [5, 7].map(|total| json!({"total": total}));
    assert_eq!(read, [[seven, five.clone(), json!(null)], [five.clone(), five, json!(null)]]);
    store.release_leases(&leases).await?;
    store.close().await;
    Ok(())
}

/// The answer to the first commit is lost: who makes it again, with what is held of it, is refused, and reads where it stands.
pub async fn b1_a_commit_whose_answer_was_lost_is_not_made_again(database: &Database) -> anyhow::Result<()> {
    let store = database.open("a").await?;
    let tenant = store.create_tenant("lost", ClockKind::Live, at(1)).await?;
    let scope = Scope::of(tenant.id);
    store.append(&scope, (0..10).map(|n| event(format!("{n}"), part(&tenant, 1))).collect()).await?;
    let leases = store.claim_partitions(LEASE, 99).await?.leases;
    let held = *leases.iter().find(|lease| lease.tenant == tenant.id).expect("its partition is free");
    let mut counted = changes(8);
    let count = |waiting| NodeCount { journey: "j".into(), version: 1, node: "n".into(), entered: 1, waiting };
    counted.counts.push(count(1));
    let known = store.commit(&scope, &held, &counted).await?;
    assert_eq!((known.checkpoint, known.clock, known.commits), (8, at(5), held.commits + 1));
    for checkpoint in [8, 2, 10] {
        let again = Changes { checkpoint, ..counted.clone() };
        let refused = store.commit(&scope, &held, &again).await;
        assert!(matches!(refused, Err(StoreError::Moved)), "up to {checkpoint}: {refused:?}");
    }
    assert_eq!(store.held_lease(&scope, &held).await?, known);
    // Timers and first fills move no checkpoint: each such commit is made once all the same.
    let rested = store.commit(&scope, &known, &counted).await?;
    assert!(matches!(store.commit(&scope, &known, &counted).await, Err(StoreError::Moved)));
    assert_eq!(store.node_counts(&scope, "j").await?.iter().map(|count| count.entered).sum::<i64>(), 2);
    let back = store.commit(&scope, &rested, &changes(7)).await;
    assert!(matches!(back, Err(StoreError::Moved)), "a checkpoint never goes back: {back:?}");
    assert_eq!(store.standing(&scope).await?.checkpoint, 8);
    let lost = Lease { fence: held.fence - 1, ..rested };
    assert!(matches!(store.held_lease(&scope, &lost).await, Err(StoreError::FenceLost)));
    assert!(matches!(store.commit(&scope, &lost, &changes(10)).await, Err(StoreError::FenceLost)));
    store.release_leases(&leases).await?;
    store.close().await;
    Ok(())
}

/// A data directory that was copied: the younger hub takes the older one's leases once, and then they stay.
pub async fn f_two_nodes_of_one_name_do_not_take_turns(database: &Database) -> anyhow::Result<()> {
    let (older, younger) = (database.open("twin").await?, database.open("twin").await?);
    let tenant = older.create_tenant("twins", ClockKind::Live, at(1)).await?;
    let of_it = |leases: Vec<Lease>| leases.into_iter().filter(|lease| lease.tenant == tenant.id).count();
    assert_eq!(of_it(older.claim_partitions(LEASE, 99).await?.leases), 1);
    assert_eq!(of_it(younger.claim_partitions(LEASE, 99).await?.leases), 1, "a restart takes its own at once");
    for _ in 0..8 {
        assert_eq!(of_it(older.claim_partitions(LEASE, 99).await?.leases), 0);
        assert_eq!(of_it(younger.claim_partitions(LEASE, 99).await?.leases), 0);
    }
    lapse(&younger).await?;
    let free = older.claim_partitions(LEASE, 99).await?.leases;
    older.leave().await?;
    assert_eq!(of_it(free), 1, "what is held by who does not live any more is free");
    older.close().await;
    younger.close().await;
    Ok(())
}

/// What is read takes room by what it becomes, and not by its text.
pub async fn events_of_many_values_take_more_room(database: &Database) -> anyhow::Result<()> {
    let store = database.open("a").await?;
    let tenant = store.create_tenant("room", ClockKind::Replay, at(1)).await?;
    let scope = Scope::of(tenant.id);
    let body = format!(r#"{{"properties":{{"p":[{}0]}}}}"#, r#"{"a":0},"#.repeat(4_000));
    let many = |number: usize| NewEvent { body: body.clone(), ..event(number.to_string(), part(&tenant, 1)) };
    store.append(&scope, (0..8).map(many).collect()).await?;
    let texts = 8 * body.len();
    assert!(matches!(store.next_events(&scope, 0, 8, &Room::of(2 * texts)).await, Err(StoreError::TooMuch)));
    assert_eq!(store.next_events(&scope, 0, 8, &Room::of(100 * texts)).await?.len(), 8);
    store.close().await;
    Ok(())
}
