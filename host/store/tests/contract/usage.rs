//! What plugins used: summed by day, and written with the commit that it belongs to.

use openhub_model::{ClockKind, Day, Timestamp};
use openhub_store::{Called, Changes, Scope, StoreError, Usage, UsageFilter, UsageKey};

use crate::support::{Database, LEASE, at, changes};

const DAY: i64 = 86_400_000_000;

fn used(digest: &str, called: Called, name: &str, fuel: i64, peak_memory: i64) -> Usage {
    let key = UsageKey { plugin: "points".to_owned(), digest: digest.to_owned(), called, name: name.to_owned() };
    Usage { calls: 1, items: 7, fuel, peak_memory, ..Usage::none(key, "1.0.0".to_owned()) }
}

pub async fn usage_is_summed_by_day_and_belongs_to_its_commit(database: &Database) -> anyhow::Result<()> {
    let store = database.open("usage").await?;
    let tenant = store.create_tenant("payer", ClockKind::Live, at(1)).await?;
    let scope = Scope::of(tenant.id);
    let leases = store.claim_partitions(LEASE, 99).await?.leases;
    let lease = leases.into_iter().find(|lease| lease.tenant == tenant.id).expect("its partition is free");

    let gold = |fuel, memory| used("a", Called::Rule, "gold", fuel, memory);
    let first = Changes { usage: vec![gold(10, 5), used("a", Called::Check, "coupon", 1, 1)], ..changes(0) };
    let next = store.commit(&scope, &lease, &first).await?;
    let again = Changes { usage: vec![gold(10, 3)], ..changes(0) };
    let next = store.commit(&scope, &next, &again).await?;
    // What is not committed counts nowhere.
    assert!(matches!(store.commit(&scope, &lease, &again).await, Err(StoreError::Moved)));
    let later = Timestamp::from_micros(2 * DAY - 1);
    let newer = used("b", Called::Rule, "gold", 4, 4);
    store.commit(&scope, &next, &Changes { wall: later, usage: vec![newer.clone()], ..changes(0) }).await?;
    store.add_usage(&scope, later, &[newer]).await?;
    store.add_usage(&scope, later, &[]).await?;

    let filter = UsageFilter { days: (Day::new(0), Day::new(9)), ..UsageFilter::default() };
    let all = store.usage(&scope, &filter, 10).await?;
    let told: Vec<_> = all.iter().map(|row| (row.day.number(), &*row.usage.key.digest, &*row.usage.key.name)).collect();
    assert_eq!(told, [(0, "a", "coupon"), (0, "a", "gold"), (1, "b", "gold")]);
    let gold = &all[1].usage;
    assert_eq!((gold.calls, gold.items, gold.fuel, gold.peak_memory), (2, 14, 20, 5));
    assert_eq!((all[2].usage.calls, all[2].usage.fuel), (2, 8));

    let pages = UsageFilter { after: Some((all[0].day, all[0].usage.key.clone())), ..filter.clone() };
    assert_eq!(store.usage(&scope, &pages, 1).await?, all[1..2]);
    let of_a_day =
        UsageFilter { days: (Day::new(1), Day::new(1)), plugin: Some("points".to_owned()), ..UsageFilter::default() };
    assert_eq!(store.usage(&scope, &of_a_day, 10).await?, all[2..]);
    let of_another = UsageFilter { plugin: Some("coupon".to_owned()), ..filter.clone() };
    assert!(store.usage(&scope, &of_another, 10).await?.is_empty());
    let other = store.create_tenant("neighbour", ClockKind::Live, at(1)).await?;
    assert!(store.usage(&Scope::of(other.id), &filter, 10).await?.is_empty());
    Ok(())
}
