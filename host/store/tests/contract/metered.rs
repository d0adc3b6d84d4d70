//! What is counted: with the work that it counts, once, and in the cut of its time.

use openhub_model::message::MessageStatus;
use openhub_model::price::Meter;
use openhub_model::{Day, EventKind, NewEvent, Quarter};
use openhub_store::{
    Active, Agreement, Called, Changes, EventFilter, Made, Measured, Metered, MeteredFilter, MeteredRow, NewUsage,
    Reported, Scope, Settled, Store, StoreError, Usage, UsageKey, Verdicts,
};
use openhub_test_postgres::Server;
use std::collections::BTreeMap;

use super::outbox::message;
use crate::support::{Database, at, changes, event, lease, part, tenant};

const QUARTER: i64 = 900_000_000;

async fn told(store: &Store, scope: &Scope, cut: i64) -> anyhow::Result<Vec<MeteredRow>> {
    let quarters = (Quarter::new(0), Quarter::new(1_000));
    Ok(store.metered(scope, &MeteredFilter { quarters, cut, subscription: None, after: None }, 99).await?)
}

fn row(quarter: i64, meter: Meter, of: &str, cut: i64, quantity: i64) -> MeteredRow {
    MeteredRow { metered: Metered::new(Quarter::new(quarter), meter, of, quantity), cut }
}

async fn a_work_is_counted_once_in_the_cut_of_its_time(database: Database) -> anyhow::Result<()> {
    let store = database.open("metered").await?;
    let (tenant, scope) = tenant(&store).await?;
    let held = lease(&store).await?;
    let part = part(&tenant, 1);
    let arrived =
        |id: &str, quarter: i64, kind| NewEvent { received_at: at(quarter * QUARTER + 1), kind, ..event(id, part) };
    let events = vec![
        arrived("a", 3, EventKind::Track),
        arrived("b", 3, EventKind::Identify),
        arrived("hub", 3, EventKind::Control),
        arrived("c", 4, EventKind::Track),
        arrived("d", 4, EventKind::Track),
    ];
    store.append(&scope, events).await?;
    let key = UsageKey { plugin: "points".into(), digest: "a".into(), called: Called::Rule, name: "gold".into() };
    let other = UsageKey { name: "silver".into(), ..key.clone() };
    let used = |key, fuel| Usage { calls: 1, fuel, ..Usage::none(key, "1.0.0".to_owned()) };
    let batch = Changes {
        usage: vec![used(key.clone(), 10), used(other, 5)],
        messages: vec![message(part, "sms", 0), message(part, "sms", 1)],
        // The last event is caused, and was not sent by anybody.
        events: vec![arrived("caused", 4, EventKind::Track)],
        ..changes(4)
    };
    let next = store.commit(&scope, &held, &batch).await?;
    assert!(matches!(store.commit(&scope, &held, &batch).await, Err(StoreError::Moved)), "it is made already");
    let counted = [
        row(0, Meter::PluginCalls, "points", 0, 2),
        row(0, Meter::PluginFuel, "points", 0, 15),
        row(3, Meter::Events, "", 0, 2),
        row(4, Meter::Events, "", 0, 1),
    ];
    assert_eq!(told(&store, &scope, 0).await?, counted);

    // The same verdict, said twice, and one that is none.
    let sent = [message(part, "sms", 0).id, message(part, "sms", 1).id];
    store.claim_messages(&scope, next.fence, &sent).await?;
    let settled = |id, status| Settled {
        id,
        status,
        attempt: 1,
        next_attempt_at: None,
        provider_id: None,
        is_reported: false,
        units: 3,
        fault: None,
        digest: None,
        is_attempt: true,
        at: at(5 * QUARTER),
    };
    let verdicts = vec![settled(sent[0], MessageStatus::Accepted), settled(sent[1], MessageStatus::Failed)];
    for _ in 0..2 {
        store.settle_messages(&scope, next.fence, verdicts.clone(), Verdicts::Unheard).await?;
    }
    let sms = [row(5, Meter::MessageUnits, "sms", 0, 3), row(5, Meter::Messages, "sms", 0, 1)];
    assert_eq!(told(&store, &scope, 0).await?, [&counted[..], &sms].concat());

    // What comes behind a cut changes nothing before it.
    assert_eq!(store.cut_usage(&scope).await?, (0, 6));
    store.commit(&scope, &next, &Changes { usage: vec![used(key, 1)], ..changes(6) }).await?;
    assert_eq!(told(&store, &scope, 0).await?, [&counted[..], &sms].concat());
    let behind = told(&store, &scope, 1).await?;
    let behind: Vec<_> = behind.into_iter().filter(|row| row.cut == 1).collect();
    let later = [row(0, Meter::PluginCalls, "points", 1, 1), row(0, Meter::PluginFuel, "points", 1, 1)];
    assert_eq!(behind, [&later[..], &[row(4, Meter::Events, "", 1, 1)]].concat());

    // The log says the same.
    let mut log: BTreeMap<Quarter, i64> = BTreeMap::new();
    for event in store.events(&scope, &EventFilter { limit: 99, ..EventFilter::default() }).await? {
        let counts = event.kind != EventKind::Control && event.origin == openhub_model::Origin::Arrived;
        *log.entry(Quarter::of(event.received_at)).or_default() += i64::from(counts);
    }
    let mut events: BTreeMap<Quarter, i64> = BTreeMap::new();
    for row in told(&store, &scope, 1).await?.into_iter().filter(|row| row.metered.meter == Meter::Events) {
        *events.entry(row.metered.quarter).or_default() += row.metered.quantity;
    }
    assert_eq!(events, log);
    store.close().await;
    Ok(())
}

async fn a_key_of_usage_has_one_quantity_for_good(database: Database) -> anyhow::Result<()> {
    let store = database.open("reported").await?;
    let (tenant, scope) = tenant(&store).await?;
    let seats = |key: &str, quantity| NewUsage {
        key: key.to_owned(),
        meter: Meter::Reported("seats".to_owned()),
        subscription: "s".to_owned(),
        quantity,
        at: Some(at(7 * QUARTER)),
    };
    assert_eq!(
        store.report_usage(&scope, tenant.id, vec![seats("a", 3), seats("b", 4)], at(9)).await?,
        Reported::Counted(2)
    );
    // One that is new beside one that is known, and then beside one that contradicts.
    assert_eq!(
        store.report_usage(&scope, tenant.id, vec![seats("a", 3), seats("c", 1)], at(10)).await?,
        Reported::Counted(1)
    );
    let other = vec![seats("d", 9), seats("b", 5)];
    assert_eq!(store.report_usage(&scope, tenant.id, other, at(11)).await?, Reported::Other(vec![1]));
    let elsewhere = NewUsage { subscription: String::new(), ..seats("a", 3) };
    assert_eq!(store.report_usage(&scope, tenant.id, vec![elsewhere], at(11)).await?, Reported::Other(vec![0]));
    let moved = NewUsage { at: Some(at(8 * QUARTER)), ..seats("a", 3) };
    assert_eq!(store.report_usage(&scope, tenant.id, vec![moved], at(11)).await?, Reported::Other(vec![0]));
    let timeless = NewUsage { at: None, ..seats("a", 3) };
    assert_eq!(store.report_usage(&scope, tenant.id, vec![timeless], at(11)).await?, Reported::Counted(0));
    let twice = vec![seats("e", 1), seats("e", 2)];
    assert_eq!(store.report_usage(&scope, tenant.id, twice, at(11)).await?, Reported::Other(vec![1]));
    let counted = told(&store, &scope, 0).await?;
    assert_eq!(counted.iter().map(|row| row.metered.quantity).collect::<Vec<_>>(), [8]);
    assert_eq!(counted[0].metered.subscription, "s");
    store.close().await;
    Ok(())
}

async fn a_customer_is_active_once_a_month_and_work_is_of_who_made_it(database: Database) -> anyhow::Result<()> {
    let store = database.open("active").await?;
    let (tenant, scope) = tenant(&store).await?;
    let mut held = lease(&store).await?;
    let active = |user, quarter| Active { customer: part(&tenant, user), quarter: Quarter::new(quarter) };
    let month = 31 * 96;
    // The last batch reaches into the next month.
    let batches = [
        vec![active(1, 3), active(2, 4)],
        vec![active(1, 5), active(3, 5)],
        vec![active(1, month - 1), active(1, month), active(2, month + 1), active(4, month - 1)],
    ];
    for batch in batches {
        held = store.commit(&scope, &held, &Changes { active: batch, ..changes(0) }).await?;
    }
    let far = (Quarter::new(0), Quarter::new(10_000));
    let all = MeteredFilter { quarters: far, cut: 0, subscription: None, after: None };
    let counted = store.metered(&scope, &all, 99).await?;
    let of = |quarter, customers| row(quarter, Meter::ActiveCustomers, "", 0, customers);
    assert_eq!(counted, [of(3, 1), of(4, 1), of(5, 1), of(month - 1, 1), of(month, 1), of(month + 1, 1)]);

    // What a subscription made uses, it uses for that subscription.
    let requested = super::subscriptions::requested(tenant.id, tenant.id, "k");
    let subscription = requested.id;
    let made = |kind: &str, name: &str| Agreement::Made {
        partner: tenant.id,
        made: Box::new(Made {
            kind: kind.to_owned(),
            name: name.to_owned(),
            subscription,
            item: format!("{kind}/{name}"),
            version: 1,
            digest: String::new(),
            made_at: at(1),
        }),
    };
    let requested = Agreement::Request(Box::new(requested));
    let of = [made("plugin", "points"), made("object-type", "visit"), made("journey", "welcome")];
    let agreed: Vec<Agreement> = [requested].into_iter().chain(of).collect();
    store.agree(&scope, agreed, Vec::new()).await?;
    let count = |meter, of: &str| Metered::new(Quarter::new(9), meter, of, 1);
    let work = vec![
        count(Meter::PluginCalls, "points"),
        count(Meter::PluginFuel, "points"),
        count(Meter::PluginCalls, "own"),
        count(Meter::ObjectRows, "visit"),
        count(Meter::ObjectRows, "points"),
    ];
    store.add_metered(&scope, work).await?;
    let ninth = (Quarter::new(9), Quarter::new(10));
    let counted = store.metered(&scope, &MeteredFilter { quarters: ninth, ..all.clone() }, 99).await?;
    let counted: Vec<_> = counted
        .iter()
        .map(|row| (row.metered.meter.to_string(), row.metered.of.as_str(), !row.metered.subscription.is_empty()))
        .collect();
    let told = |meter: &str, of, attributed| (meter.to_owned(), of, attributed);
    let expected = [
        told("object-rows", "points", false),
        told("object-rows", "visit", true),
        told("plugin-calls", "own", false),
        told("plugin-calls", "points", true),
        told("plugin-fuel", "points", true),
    ];
    assert_eq!(counted, expected);
    let sums = store.metered_sums(&scope, ninth, Some("another")).await?;
    assert_eq!(sums.len(), 2, "of another subscription nothing counts: {sums:?}");
    store.close().await;
    Ok(())
}

async fn a_day_is_measured_once(database: Database) -> anyhow::Result<()> {
    let store = database.open("measured").await?;
    let (tenant, scope) = tenant(&store).await?;
    let bodies = ["{}", "{\"name\":\"é 中文\"}"];
    let events = bodies
        .iter()
        .enumerate()
        .map(|(at, body)| NewEvent { body: (*body).to_owned(), ..event(at.to_string(), part(&tenant, at)) });
    store.append(&scope, events.collect()).await?;
    let day = Day::new(20_000);
    let measured = store.measure(&scope, day).await?.expect("a measure");
    let bytes = bodies.iter().map(|body| body.len() as i64).sum::<i64>();
    assert_eq!(measured, Measured { objects: Vec::new(), bytes });
    let quarter = Quarter::new(9);
    for number in 0..2 {
        let said =
            NewEvent { kind: EventKind::Control, part: None, ..event(format!("measure-{number}"), part(&tenant, 1)) };
        store.count_measured(&scope, (day, quarter), &measured, said).await?;
    }
    assert_eq!(store.measure(&scope, day).await?, None);
    assert_eq!(told(&store, &scope, 0).await?, [row(9, Meter::StorageBytes, "", 0, bytes)]);
    let said = store.events(&scope, &EventFilter { limit: 99, ..EventFilter::default() }).await?;
    assert_eq!(said.iter().filter(|event| event.kind == EventKind::Control).count(), 1);
    assert!(store.measure(&scope, Day::new(20_001)).await?.is_some());
    store.close().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_counted_on_sqlite() -> anyhow::Result<()> {
    a_work_is_counted_once_in_the_cut_of_its_time(Database::sqlite()?).await?;
    a_key_of_usage_has_one_quantity_for_good(Database::sqlite()?).await?;
    a_customer_is_active_once_a_month_and_work_is_of_who_made_it(Database::sqlite()?).await?;
    a_day_is_measured_once(Database::sqlite()?).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_counted_on_postgres() -> anyhow::Result<()> {
    let server = Server::start().await?;
    a_work_is_counted_once_in_the_cut_of_its_time(Database::postgres(&server).await?).await?;
    a_key_of_usage_has_one_quantity_for_good(Database::postgres(&server).await?).await?;
    a_customer_is_active_once_a_month_and_work_is_of_who_made_it(Database::postgres(&server).await?).await?;
    a_day_is_measured_once(Database::postgres(&server).await?).await
}
