//! Tenants below tenants: nobody stands below himself, no ceiling gets wider, and a deletion leaves nothing.

use openhub_model::ceiling::Ceiling;
use openhub_model::{ClockKind, Principal, TenantId};
use openhub_store::{
    Deeded, Key, Lineage, NewTenant, Op, Scope, Settings, Store, StoreError, TenantStatus, Unplaced, acting,
};

use crate::support::{Database, at, event, part};

fn key(id: String, tenant: TenantId) -> Key {
    Key {
        id,
        tenant,
        name: "setup".to_owned(),
        scopes: vec!["*".to_owned()],
        hash: "hash".to_owned(),
        page: false,
        addresses: Vec::new(),
        created_at: at(1),
        made_by: None,
        expires_at: None,
        revoked_at: None,
        rotated_at: None,
        former: None,
        last_used_at: None,
        line: Lineage::default(),
        pages: Default::default(),
    }
}

fn bound(scopes: &[&str], requests: Option<u32>) -> Ceiling {
    let scopes = Some(scopes.iter().map(|scope| (*scope).to_owned()).collect());
    Ceiling { scopes, requests_per_minute: requests, ..Ceiling::default() }
}

/// A tenant below another one, made by the one above.
async fn below(store: &Store, above: Scope, name: &str, ceiling: Ceiling) -> anyhow::Result<Scope> {
    let new = NewTenant { name: name.to_owned(), clock: ClockKind::Live, ceiling, at: at(1) };
    let id = format!("key-{name}");
    let made = store.create_below(&above, above.tenant(), new, |tenant| key(id, tenant)).await?;
    Ok(Scope::of(made.map_err(|why| anyhow::anyhow!("{name}: {why:?}"))?))
}

async fn ids(store: &Store, above: &Scope) -> anyhow::Result<Vec<TenantId>> {
    Ok(store.tenants_below(above, None, 100).await?.into_iter().map(|tenant| tenant.id).collect())
}

pub async fn a_tree_has_no_cycle_and_no_ceiling_gets_wider(database: &Database) -> anyhow::Result<()> {
    let store = database.open("tree").await?;
    let brand = Scope::of(store.create_tenant("brand", ClockKind::Live, at(1)).await?.id);
    let other = Scope::of(store.create_tenant("other-brand", ClockKind::Live, at(1)).await?.id);
    let north =
        below(&store, brand, "north", bound(&["events:write", "keys:write", "plugins:call"], Some(100))).await?;
    let south = below(&store, brand, "south", Ceiling::default()).await?;
    let dealer = below(&store, north, "dealer", bound(&["events:write"], None)).await?;

    // Who is above, and what follows.
    let lines = store.lineages(&[brand.tenant(), dealer.tenant()]).await?;
    assert_eq!(lines[&brand.tenant()], Lineage::default());
    let expected = bound(&["events:write"], Some(100));
    assert_eq!(lines[&dealer.tenant()], Lineage { status: TenantStatus::Active, ceiling: expected, above: 2 });
    assert_eq!(store.key(&dealer, "key-dealer").await?.expect("its key").line, lines[&dealer.tenant()]);

    // One sees those below, and no others.
    assert_eq!(ids(&store, &brand).await?, [north.tenant(), south.tenant()]);
    assert_eq!(ids(&store, &north).await?, [dealer.tenant()]);
    assert!(store.tenant_below(&brand, dealer.tenant()).await?.is_some());
    for (scope, id) in [(&north, south), (&dealer, north), (&dealer, dealer), (&other, dealer), (&brand, brand)] {
        assert_eq!(store.tenant_below(scope, id.tenant()).await?, None);
        let ceiling = store.set_ceiling(scope, id.tenant(), Ceiling::default()).await;
        assert!(matches!(ceiling, Err(StoreError::NotFound)), "{ceiling:?}");
        let status = store.set_tenant_status(scope, id.tenant(), TenantStatus::Paused, None).await;
        assert!(matches!(status, Err(StoreError::NotFound)), "{status:?}");
        let moved = store.move_tenant(scope, id.tenant(), scope.tenant()).await;
        assert!(matches!(moved, Err(StoreError::NotFound)), "{moved:?}");
    }
    let stolen = store.move_tenant(&brand, dealer.tenant(), other.tenant()).await;
    assert!(matches!(stolen, Err(StoreError::NotFound)), "{stolen:?}");

    // No wider than those above.
    for wider in [bound(&["customers:read"], None), bound(&["events:write"], Some(101))] {
        let refused = store.set_ceiling(&brand, dealer.tenant(), wider.clone()).await?;
        assert!(matches!(refused, Err(Unplaced::Wider(_))), "{wider:?}");
        let new = NewTenant { name: "wide".to_owned(), clock: ClockKind::Live, ceiling: wider, at: at(1) };
        let made = store.create_below(&brand, north.tenant(), new, |tenant| key("wide".to_owned(), tenant)).await?;
        assert!(matches!(made, Err(Unplaced::Wider(_))));
    }
    assert_eq!(store.tenant_by_name("wide").await?, None, "nothing of it is left");
    // A tighter one above holds at once.
    store.set_ceiling(&brand, north.tenant(), bound(&["plugins:call"], Some(100))).await?.expect("it is tighter");
    assert!(!store.lineages(&[dealer.tenant()]).await?[&dealer.tenant()].ceiling.allows("events:write"));
    store
        .set_ceiling(&brand, north.tenant(), bound(&["events:write", "plugins:call"], Some(100)))
        .await?
        .expect("as before");

    // To the south it could do more.
    let moved = store.move_tenant(&brand, dealer.tenant(), south.tenant()).await?;
    assert!(matches!(moved, Err(Unplaced::Wider(_))), "{moved:?}");
    store.set_ceiling(&brand, south.tenant(), bound(&["events:write"], Some(50))).await?.expect("it had none");
    let cycle = store.move_tenant(&brand, north.tenant(), dealer.tenant()).await?;
    assert_eq!(cycle, Err(Unplaced::Cycle));
    assert_eq!(store.move_tenant(&brand, north.tenant(), north.tenant()).await?, Err(Unplaced::Cycle));
    store.move_tenant(&brand, dealer.tenant(), south.tenant()).await?.expect("it moves");
    assert_eq!((ids(&store, &north).await?, ids(&store, &south).await?), (vec![], vec![dealer.tenant()]));

    // A pause closes all below.
    store.set_tenant_status(&brand, south.tenant(), TenantStatus::Paused, None).await?.expect("it is paused");
    assert_eq!(store.lineages(&[dealer.tenant()]).await?[&dealer.tenant()].status, TenantStatus::Paused);
    store.set_tenant_status(&brand, south.tenant(), TenantStatus::Active, None).await?.expect("it is open");

    // Eight above one, and no more.
    let mut deepest = dealer;
    for step in 3..=8 {
        deepest = below(&store, deepest, &format!("step-{step}"), Ceiling::default()).await?;
    }
    let new = NewTenant { name: "nine".to_owned(), clock: ClockKind::Live, ceiling: Ceiling::default(), at: at(1) };
    let made = store.create_below(&deepest, deepest.tenant(), new, |tenant| key("nine".to_owned(), tenant)).await?;
    assert_eq!(made, Err(Unplaced::TooDeep));
    store.set_ceiling(&brand, south.tenant(), bound(&["events:write"], Some(50))).await?.expect("as it is");
    let lower = store.move_tenant(&brand, south.tenant(), north.tenant()).await?;
    assert_eq!(lower, Err(Unplaced::TooDeep));
    store.close().await;
    Ok(())
}

pub async fn a_tenant_is_deleted_after_its_grace_and_leaves_a_receipt(database: &Database) -> anyhow::Result<()> {
    let store = database.open("ends").await?;
    let brand = Scope::of(store.create_tenant("brand-that-deletes", ClockKind::Live, at(1)).await?.id);
    let gone = below(&store, brand, "dealer-that-goes", Ceiling::default()).await?;
    let stays = below(&store, brand, "dealer-that-stays", Ceiling::default()).await?;
    let lower = below(&store, gone, "lower", Ceiling::default()).await?;
    let deed = |tenant: &Scope| Deeded {
        tenant: Some(tenant.tenant()),
        principal: Principal::key("k"),
        act: "PATCH /api/v1/settings".to_owned(),
        subject: String::new(),
        origin: String::new(),
        request: String::new(),
        at: at(1),
    };
    for scope in [&gone, &stays] {
        let tenant = store.tenant(scope.tenant()).await?.expect("it is there");
        acting(deed(scope), store.transact(scope, vec![Op::PutSettings(Settings::default())])).await?;
        let events = (0..30).map(|number| event(format!("m-{number}"), part(&tenant, number))).collect();
        store.append(scope, events).await?;
    }
    let delete = async |id: &Scope, when| {
        store.set_tenant_status(&brand, id.tenant(), TenantStatus::Deleting, Some(at(when))).await
    };
    assert_eq!(delete(&gone, 100).await?, Err(Unplaced::HasOthers));
    delete(&lower, 50).await?.expect("it has none below");
    assert_eq!(store.tenants_to_delete(at(50)).await?, [(lower.tenant(), gone.tenant())]);
    let receipt = store.delete_tenant(lower.tenant(), gone.tenant(), || at(50)).await?.expect("its day has come");
    assert_eq!((receipt.name.as_str(), receipt.ended_at), ("lower", Some(at(50))));

    delete(&gone, 100).await?.expect("none is below any more");
    let paused = store.set_tenant_status(&brand, gone.tenant(), TenantStatus::Paused, None).await?;
    assert_eq!(paused, Err(Unplaced::Stands(TenantStatus::Deleting)), "it would never go");
    // Before its day nothing is deleted, and it can be kept.
    assert_eq!(store.delete_tenant(gone.tenant(), brand.tenant(), || at(99)).await?, None);
    store.set_tenant_status(&brand, gone.tenant(), TenantStatus::Active, None).await?.expect("it is kept");
    assert_eq!(store.delete_tenant(gone.tenant(), brand.tenant(), || at(200)).await?, None);
    assert_eq!(store.load_events(&gone, 0, 100).await?.len(), 30);

    delete(&gone, 100).await?.expect("after all");
    let receipt = store.delete_tenant(gone.tenant(), brand.tenant(), || at(101)).await?.expect("its day has come");
    assert_eq!((receipt.name.as_str(), receipt.begun_at), ("dealer-that-goes", at(101)));
    for (table, rows) in [("events", 30), ("event_bodies", 30), ("keys", 1), ("audit", 1), ("partitions", 1)] {
        assert_eq!(receipt.counts.get(table), Some(&rows), "{table}: {receipt:?}");
    }
    assert_eq!(store.tenant_deletions(&brand).await?, [receipt]);
    assert!(store.load_events(&gone, 0, 100).await?.is_empty());
    assert_eq!((store.keys(&gone).await?, store.audit_head(&gone).await?), (vec![], None));
    assert!(store.tenants_to_delete(at(1_000)).await?.is_empty());
    assert_eq!(store.tenant_by_name("dealer-that-goes").await?, None, "its name is free");
    let back = store.set_tenant_status(&brand, gone.tenant(), TenantStatus::Active, None).await?;
    assert_eq!(back, Err(Unplaced::Stands(TenantStatus::Deleted)));
    // Its neighbour has all of its own.
    assert_eq!(store.load_events(&stays, 0, 100).await?.len(), 30);
    assert_eq!(store.keys(&stays).await?.len(), 1);
    store.close().await;
    Ok(())
}
