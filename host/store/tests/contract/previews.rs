//! Counts under a bound of time, the connections that they were made on, and the kinds of a timeline.

use futures::future::join_all;
use openhub_model::condition::{AttributeTest, Comparison};
use openhub_model::identity::Authority;
use openhub_model::{Cause, Condition, Customer, Event, EventKind, NewEvent};
use openhub_store::{AsOf, Before, EventFilter, Scope, Store, Tenant, TimelineFilter, TimelineKind};
use serde_json::{Value, json};
use std::time::Duration;

use crate::identities::row;
use crate::support::{Database, LEASE, at, changes, event, identity, part};

const PEOPLE: usize = 600;

/// As the engine does it once it has come to all events.
async fn pass(store: &Store, scope: &Scope) -> anyhow::Result<()> {
    let leases = store.claim_partitions(LEASE, 99).await?.leases;
    let lease = leases.iter().find(|lease| lease.tenant == scope.tenant());
    let lease = lease.ok_or_else(|| anyhow::anyhow!("its partition is not free"))?;
    store.commit(scope, lease, &changes(store.standing(scope).await?.head)).await?;
    Ok(store.release_leases(&leases).await?)
}

pub async fn consents_are_in_the_timeline(database: &Database) -> anyhow::Result<()> {
    let store = database.open("a").await?;
    let tenant = store.tenant_by_name("acme").await?.ok_or_else(|| anyhow::anyhow!("an earlier case makes it"))?;
    let (scope, part) = (Scope::of(tenant.id), part(&tenant, 501));
    let consents = json!({"marketing": {"state": "granted"}});
    let granted = NewEvent {
        kind: EventKind::Identify,
        // A page grants nothing.
        authority: Authority::Server,
        body: json!({"consents": consents}).to_string(),
        ..event("granted", part)
    };
    let other = NewEvent { kind: EventKind::Identify, body: json!({"traits": {}}).to_string(), ..event("other", part) };
    store.append(&scope, vec![granted, other, event("bought", part)]).await?;
    let listed = async || -> anyhow::Result<Vec<String>> {
        let filter = EventFilter { part: Some(part), limit: 2, ..EventFilter::default() };
        let events = store.events(&scope, &filter).await?;
        Ok(events.into_iter().map(|event| event.message_id).collect())
    };
    assert_eq!(listed().await?, ["granted", "other"], "before the engine has come to them");
    pass(&store, &scope).await?;
    assert_eq!(listed().await?, ["granted", "other"], "and no event twice when it has");
    let filter = TimelineFilter { kinds: vec![TimelineKind::Consent], limit: 9, ..TimelineFilter::default() };
    let found = store.timeline(&scope, part, &filter).await?;
    let found: Vec<_> = found.iter().map(|item| (item.id.as_str(), &item.detail["consents"])).collect();
    assert_eq!(found, [("granted", &consents)]);
    let all = store.timeline(&scope, part, &TimelineFilter { limit: 9, ..TimelineFilter::default() }).await?;
    assert_eq!(all.len(), 4, "three events, one of them a consent too");
    store.close().await;
    Ok(())
}

/// By the log, whatever the events' ids are, and the same when it is read page by page.
pub async fn one_instant_of_a_timeline_is_newest_first(database: &Database) -> anyhow::Result<()> {
    let store = database.open("a").await?;
    let tenant = store.tenant_by_name("acme").await?.ok_or_else(|| anyhow::anyhow!("an earlier case makes it"))?;
    let (scope, part) = (Scope::of(tenant.id), part(&tenant, 590));
    let denied = NewEvent {
        kind: EventKind::Identify,
        body: json!({"consents": {"marketing": {"state": "denied"}}}).to_string(),
        ..event("instant-m", part)
    };
    let others = ["instant-z", "instant-a"].map(|id| event(id, part));
    store.append(&scope, [vec![event("instant-k", part), denied], others.into()].concat()).await?;
    pass(&store, &scope).await?;
    let newest = [
        (TimelineKind::Event, "instant-a"),
        (TimelineKind::Event, "instant-z"),
        (TimelineKind::Consent, "instant-m"),
        (TimelineKind::Event, "instant-m"),
        (TimelineKind::Event, "instant-k"),
    ];
    for limit in [9, 1, 2] {
        let mut filter = TimelineFilter { limit, ..TimelineFilter::default() };
        let mut all = Vec::new();
        loop {
            let page = store.timeline(&scope, part, &filter).await?;
            let Some(last) = page.last() else { break };
            filter.before = Some(last.cursor().to_string().parse()?);
            all.extend(page.into_iter().map(|item| (item.kind, item.id)));
        }
        let all: Vec<_> = all.iter().map(|(kind, id)| (*kind, id.as_str())).collect();
        assert_eq!(all, newest, "in pages of {limit}");
    }
    store.close().await;
    Ok(())
}

/// Customers, each with a value of the attribute `n`.
async fn with_numbers(store: &Store, name: &str, numbers: &[Value]) -> anyhow::Result<(Tenant, Scope)> {
    let tenant = store.create_tenant(name, openhub_model::ClockKind::Live, at(1)).await?;
    let scope = Scope::of(tenant.id);
    let leases = store.claim_partitions(LEASE, 99).await?.leases;
    let held = *leases.iter().find(|lease| lease.tenant == tenant.id).ok_or_else(|| anyhow::anyhow!("it is free"))?;
    let cause = Cause { at: at(3), event: "m".into(), plugin: None, rule: None };
    let mut all = changes(0);
    for (user, number) in numbers.iter().enumerate() {
        let mut customer = Customer::new(part(&tenant, user), identity(user), at(3));
        customer.set("n", number.clone(), cause.clone());
        all.customers.push(customer.into());
        all.parts.push(row(&tenant, user, 1));
    }
    store.commit(&scope, &held, &all).await?;
    store.release_leases(&leases).await?;
    Ok((tenant, scope))
}

/// However long a list is, it is one comparison; and numbers beyond 63 bits compare as what they are.
pub async fn c14_a_list_of_any_length_is_one_comparison(database: &Database) -> anyhow::Result<()> {
    let store = database.open("a").await?;
    let numbers = [json!(i64::MAX), json!(1_u64 << 63), json!((1_u64 << 63) + 7), json!(1e19), json!(5)];
    let (_, scope) = with_numbers(&store, "wide-lists", &numbers).await?;
    let counted = async |is: &str, value: Value| {
        let condition = serde_json::from_value(json!({"attribute": {"name": "n", "is": is, "value": value}}))?;
        let now = AsOf::whole_log(at(10));
        anyhow::Ok(store.preview(&scope, &condition, now, 5, Duration::from_secs(60)).await?.counted)
    };
    let many: Vec<u64> = (0..1_000).map(|number| (1 << 63) + number).collect();
    assert_eq!(counted("in", json!(many)).await?, 2);
    assert_eq!(counted("in", json!([1e19, 5])).await?, 2);
    assert_eq!(counted("in", json!([10_000_000_000_000_000_000_u64, i64::MAX])).await?, 2);
    assert_eq!(counted("in", json!([6, 7])).await?, 0);
    assert_eq!(counted("lt", json!(1_u64 << 63)).await?, 2, "the greatest of 63 bits is less");
    assert_eq!(counted("eq", json!(1_u64 << 63)).await?, 1);
    store.close().await;
    Ok(())
}

/// A number that a database does not take was stored as it came, once: what else its event says is still read.
pub async fn c13_a_number_that_was_stored_breaks_no_reading(database: &Database) -> anyhow::Result<()> {
    let store = database.open("a").await?;
    let (tenant, scope) = with_numbers(&store, "stored-numbers", &[json!(1)]).await?;
    let long = format!("0.{}", "3".repeat(17_000));
    let said = |id: &str, number: &str| NewEvent {
        kind: EventKind::Identify,
        body: format!(r#"{{"properties":{{"total":5,"n":{number}}}}}"#),
        ..event(id, part(&tenant, 0))
    };
    store.append(&scope, vec![said("1", "1e-20000"), said("2", &long), said("3", "7.5e-1")]).await?;
    pass(&store, &scope).await?;
    let now = AsOf::whole_log(at(10));
    for (tests, expected) in [
        (json!([{"property": "total", "is": "eq", "value": 5}]), 3),
        (json!([{"property": "n", "is": "lt", "value": 0.5}]), 2),
        (json!([{"property": "n", "is": "eq", "value": 0.75}]), 1),
        (json!([{"property": "n", "is": "eq", "value": 0}]), 1),
    ] {
        let value = json!({"event": {"name": "Order Completed", "where": tests, "is": "eq", "value": expected}});
        let condition: Condition = serde_json::from_value(value.clone())?;
        let preview = store.preview(&scope, &condition, now, 5, Duration::from_secs(60)).await?;
        assert_eq!(preview.counted, 1, "{value}");
    }
    let all =
        store.timeline(&scope, part(&tenant, 0), &TimelineFilter { limit: 9, ..TimelineFilter::default() }).await?;
    assert_eq!(all.len(), 3);
    store.close().await;
    Ok(())
}

/// Nobody satisfies it, and it takes long to find out.
fn slow() -> Condition {
    let test = |number: usize| {
        let value = json!(format!("nothing {number}"));
        Condition::Attribute(AttributeTest { name: format!("a{}", number % 40), is: Comparison::Contains, value })
    };
    Condition::Any((0..800).map(test).collect())
}

pub async fn a_count_ends_in_time_and_its_connection_goes_on(database: &Database) -> anyhow::Result<()> {
    let store = database.open("a").await?;
    let tenant = store.create_tenant("many", openhub_model::ClockKind::Replay, at(1)).await?;
    let scope = Scope::of(tenant.id);
    let leases = store.claim_partitions(LEASE, 99).await?.leases;
    let held = *leases.iter().find(|lease| lease.tenant == tenant.id).ok_or_else(|| anyhow::anyhow!("it is free"))?;
    let mut all = changes(1);
    all.customers = (0..PEOPLE)
        .map(|user| {
            let mut customer = Customer::new(part(&tenant, user), identity(user), at(3));
            let cause = Cause { at: at(3), event: "m".into(), plugin: None, rule: None };
            (0..40).for_each(|name| {
                customer.set(&format!("a{name}"), json!(format!("{user} and {name}")), cause.clone());
            });
            customer.into()
        })
        .collect();
    store.commit(&scope, &held, &all).await?;
    let now = AsOf::whole_log(at(10));
    let whole = store.preview(&scope, &everybody(), now, 5, Duration::from_secs(60)).await?;
    assert_eq!((whole.count(), whole.error(), whole.sample.len()), (PEOPLE as i64, 0, 5));
    let (slow, mut cut) = (slow(), 0);
    for turn in 0..8 {
        // Beyond its bound, and dropped by its caller before it.
        let preview = store.preview(&scope, &slow, now, 5, Duration::from_millis(5 + turn)).await?;
        cut += usize::from(!preview.is_exact());
        assert_eq!(preview.error() > 0 || preview.slices == 0, !preview.is_exact());
        let dropped = store.preview(&scope, &slow, now, 5, Duration::from_secs(2));
        let dropped = tokio::time::timeout(Duration::from_millis(turn), dropped).await;
        assert!(dropped.is_err() || turn > 4, "it took less than {turn} ms");
    }
    assert!(cut > 4, "only {cut} of 8 counts were cut off");
    // Every connection of the pool is as good as new.
    let counts = join_all((0..32).map(|_| count(&store, &scope))).await;
    for count in counts {
        assert_eq!(count?, PEOPLE as i64);
    }
    store.release_leases(&leases).await?;
    store.close().await;
    Ok(())
}

async fn count(store: &Store, scope: &Scope) -> anyhow::Result<i64> {
    Ok(store.count_customers(scope, &everybody(), AsOf::whole_log(at(10))).await?)
}

fn everybody() -> Condition {
    let test = AttributeTest { name: "a7".into(), is: Comparison::Prefix, value: json!("") };
    Condition::Attribute(test)
}

pub async fn what_was_said_is_read_newest_first(database: &Database) -> anyhow::Result<()> {
    let store = database.open("a").await?;
    let tenant = store.tenant_by_name("acme").await?.ok_or_else(|| anyhow::anyhow!("an earlier case makes it"))?;
    let (scope, part) = (Scope::of(tenant.id), part(&tenant, 502));
    let call = |id: &str, kind, name: &str, micros| NewEvent {
        kind,
        name: name.to_owned(),
        occurred_at: at(micros),
        ..event(format!("said-{id}"), part)
    };
    let events = vec![
        call("late", EventKind::Identify, "", 30),
        call("early", EventKind::Update, "", 10),
        call("order", EventKind::Track, "Order Completed", 20),
        call("group", EventKind::Group, "", 20),
        call("refused", EventKind::Track, "Refused", 20),
    ];
    store.append(&scope, events).await?;
    assert!(store.sayings(&scope, part, "Refused", None, 9).await?.is_empty(), "the engine has not come to them");
    pass(&store, &scope).await?;
    let said = async |before, rows| -> anyhow::Result<Vec<Event>> {
        Ok(store.sayings(&scope, part, "Refused", before, rows).await?)
    };
    let ids = |events: &[Event]| events.iter().map(|event| event.message_id.clone()).collect::<Vec<_>>();
    let all = said(None, 9).await?;
    assert_eq!(ids(&all), ["said-late", "said-refused", "said-group", "said-early"]);
    let (at, position) = (all[1].occurred_at, all[1].position);
    assert_eq!(ids(&said(Some(Before::Event(at, position)), 9).await?), ["said-group", "said-early"]);
    assert_eq!(ids(&said(Some(Before::Until(at)), 2).await?), ["said-refused", "said-group"]);
    store.close().await;
    Ok(())
}
