//! Lists: conditions as SQL, and keyset pages.

use openhub_model::{Cause, Condition, Customer};
use openhub_store::{CustomerFilter, Scope};
use serde_json::{Value, json};

use crate::identities::row;
use crate::support::{Database, LEASE, at, changes, identity, lease, part};

pub async fn conditions_are_three_valued(database: &Database) -> anyhow::Result<()> {
    let store = database.open("c").await?;
    let tenant = store.create_tenant("conditions", openhub_model::ClockKind::Live, at(1)).await?;
    let scope = Scope::of(tenant.id);
    let leases = store.claim_partitions(LEASE, 99).await?.leases;
    let lease = leases.iter().find(|lease| lease.tenant == tenant.id).expect("its partition is free");
    let cause = Cause { at: at(3), event: "m".into(), plugin: None, rule: None };
    let mut batch = changes(1);
    for (user, tier, score) in [
        (1, json!("gold"), json!(5)),
        (2, json!("silver"), json!(2.5)),
        (3, json!(null), json!("5")),
        (4, json!(true), json!(null)),
    ] {
        let mut customer = Customer::new(part(&tenant, user), identity(user), at(1));
        customer.set("tier", tier, cause.clone());
        customer.set("score", score, cause.clone());
        customer.set_tag("vip", json!(user == 1), cause.clone());
        batch.customers.push(customer.into());
        batch.parts.push(row(&tenant, user, 1));
    }
    batch.customers.push(Customer::new(part(&tenant, 5), identity(5), at(1)).into());
    store.commit(&scope, lease, &batch).await?;
    let test = |name: &str, is: &str, value: Value| json!({"attribute": {"name": name, "is": is, "value": value}});
    let gold = || test("tier", "eq", json!("gold"));
    let cases: Vec<(Value, &[usize])> = vec![
        (gold(), &[1]),
        (json!({"not": gold()}), &[2]),
        (test("tier", "ne", json!("gold")), &[2]),
        (test("tier", "eq", json!(true)), &[4]),
        (test("tier", "ge", json!("h")), &[2]),
        (test("score", "gt", json!(2)), &[1, 2]),
        (test("score", "le", json!(2.5)), &[2]),
        (test("score", "eq", json!("5")), &[3]),
        (test("score", "in", json!([1, 5, 2.5])), &[1, 2]),
        (test("tier", "eq", json!(null)), &[]),
        (json!({"attribute": {"name": "tier", "is": "exists"}}), &[1, 2, 4]),
        (json!({"attribute": {"name": "tier", "is": "missing"}}), &[3, 5]),
        (json!({"tag": "vip"}), &[1]),
        (json!({"not": {"tag": "vip"}}), &[2, 3, 4, 5]),
        (json!({"all": []}), &[1, 2, 3, 4, 5]),
        (json!({"any": []}), &[]),
        (json!({"any": [gold(), test("score", "lt", json!(3))]}), &[1, 2]),
        (json!({"all": [{"not": gold()}, {"tag": "vip"}]}), &[]),
        (test("ti\"er' OR 1=1 --", "eq", json!("x")), &[]),
    ];
    for (condition, expected) in cases {
        let condition: Condition = serde_json::from_value(condition)?;
        let filter = CustomerFilter { condition: Some(condition.clone()), limit: 100, ..CustomerFilter::default() };
        let mut users: Vec<usize> = Vec::new();
        for customer in store.customers(&scope, &filter).await? {
            users.push(customer.identity.value.parse()?);
        }
        users.sort_unstable();
        assert_eq!(users, expected, "{condition:?}");
    }
    store.release_leases(&leases).await?;
    store.close().await;
    Ok(())
}

pub async fn pages_follow_keys(database: &Database) -> anyhow::Result<()> {
    let store = database.open("d").await?;
    let tenant = store.tenant_by_name("conditions").await?.expect("the case before made it");
    let scope = Scope::of(tenant.id);
    store.release_leases(&[lease(&store).await?]).await?;
    let mut filter = CustomerFilter { limit: 2, ..CustomerFilter::default() };
    let mut seen = Vec::new();
    loop {
        let page = store.customers(&scope, &filter).await?;
        let Some(last) = page.last() else { break };
        filter.after = Some(last.part);
        seen.extend(page.into_iter().map(|customer| customer.part));
    }
    assert_eq!(seen.len(), 5);
    assert!(seen.windows(2).all(|pair| pair[0] < pair[1]), "by id, none twice");
    let by_identity = CustomerFilter { identity: Some(identity(3)), limit: 9, ..CustomerFilter::default() };
    assert_eq!(store.customers(&scope, &by_identity).await?.len(), 1);
    let elsewhere = Scope::of(openhub_model::TenantId(tenant.id.0 + 1_000));
    assert_eq!(store.customers(&elsewhere, &CustomerFilter { limit: 9, ..CustomerFilter::default() }).await?, []);
    store.close().await;
    Ok(())
}
