//! A version that is tried beside the active one: its canary or shadow ends with the version, and what a shadow found has bounds.

use openhub_model::ClockKind;
use openhub_model::manifest::Manifest;
use openhub_store::{
    Canary, CatalogChange, Changes, Installation, Lease, Op, PluginStatus, PluginVersion, SHADOW_ROWS, Scope, Shadow,
    ShadowCount, ShadowRow, Store, StoreError,
};
use serde_json::json;

use crate::support::{Database, LEASE, at, changes, part};

const NAME: &str = "points";

fn manifest(version: &str) -> Manifest {
    Manifest { name: NAME.to_owned(), version: version.to_owned(), ..Manifest::default() }
}

async fn change(store: &Store, scope: &Scope, lease: &mut Lease, change: CatalogChange) -> Result<(), StoreError> {
    *lease = store.commit(scope, lease, &Changes { catalog: vec![change], ..changes(0) }).await?;
    Ok(())
}

async fn plugin(store: &Store, scope: &Scope) -> anyhow::Result<Installation> {
    store.plugin(scope, NAME).await?.ok_or_else(|| anyhow::anyhow!("it is installed"))
}

fn activated(digest: &str, status: PluginStatus) -> CatalogChange {
    let digest = Some(digest.to_owned());
    CatalogChange::Plugin {
        name: NAME.to_owned(),
        status,
        digest,
        from: None,
        settings: None,
        grant: None,
        position: 1,
    }
}

pub async fn a_trial_ends_with_its_version(database: &Database) -> anyhow::Result<()> {
    let store = database.open("trials").await?;
    let tenant = store.create_tenant("tester", ClockKind::Live, at(1)).await?;
    let scope = Scope::of(tenant.id);
    let leases = store.claim_partitions(LEASE, 99).await?.leases;
    let mut lease = leases.into_iter().find(|lease| lease.tenant == tenant.id).expect("its partition is free");
    let version = |digest: &str, number: &str| PluginVersion::uploaded(digest.to_owned(), manifest(number), at(1));
    let waits =
        |digest: &str, number: &str| Op::PutCandidate { plugin: NAME.to_owned(), candidate: version(digest, number) };
    let first = Installation::uploaded("a".to_owned(), manifest("1.0.0"), at(1));
    store.transact(&scope, vec![Op::PutPlugin(first), waits("b", "1.1.0")]).await?;
    change(&store, &scope, &mut lease, activated("a", PluginStatus::Enabled)).await?;

    let canary = Canary { digest: "b".to_owned(), percent: 10, grant: json!({"hosts": []}), position: 7 };
    let set = |from: &str, canary: Option<Canary>| CatalogChange::Canary {
        name: NAME.to_owned(),
        from: Some(from.to_owned()),
        canary,
    };
    // Beside another version, and with one that does not wait, nothing is written.
    let other = Canary { digest: "c".to_owned(), ..canary.clone() };
    for wrong in [set("x", Some(canary.clone())), set("a", Some(other))] {
        let refused = change(&store, &scope, &mut lease, wrong).await;
        assert!(matches!(refused, Err(StoreError::VersionConflict(_))), "{refused:?}");
    }
    change(&store, &scope, &mut lease, set("a", Some(canary.clone()))).await?;
    assert_eq!(plugin(&store, &scope).await?.canary, Some(canary.clone()));
    // What serves is neither replaced nor forgotten.
    let forgotten = Op::DropPluginVersion { plugin: NAME.to_owned(), digest: "b".to_owned() };
    for op in [waits("c", "1.2.0"), Op::DropCandidate { plugin: NAME.to_owned() }, forgotten] {
        let refused = store.transact(&scope, vec![op]).await;
        assert!(matches!(refused, Err(StoreError::NotFound)), "{refused:?}");
    }
    assert_eq!(plugin(&store, &scope).await?.candidate.map(|candidate| candidate.digest), Some("b".to_owned()));
    change(&store, &scope, &mut lease, set("a", None)).await?;
    assert_eq!(plugin(&store, &scope).await?.canary, None);
    for (digest, status) in [("a", PluginStatus::Disabled), ("b", PluginStatus::Enabled)] {
        change(&store, &scope, &mut lease, activated("a", PluginStatus::Enabled)).await?;
        change(&store, &scope, &mut lease, set("a", Some(canary.clone()))).await?;
        change(&store, &scope, &mut lease, activated("a", PluginStatus::Enabled)).await?;
        assert_eq!(plugin(&store, &scope).await?.canary, Some(canary.clone()), "other settings do not end it");
        change(&store, &scope, &mut lease, activated(digest, status)).await?;
        assert_eq!(plugin(&store, &scope).await?.canary, None, "{status:?}");
    }

    store.transact(&scope, vec![waits("c", "1.2.0")]).await?;
    let shadow = Shadow { digest: "c".to_owned(), position: 9 };
    let begun =
        CatalogChange::Shadow { name: NAME.to_owned(), from: Some("b".to_owned()), shadow: Some(shadow.clone()) };
    change(&store, &scope, &mut lease, begun.clone()).await?;
    assert_eq!(plugin(&store, &scope).await?.shadow, Some(shadow));
    let count = ShadowCount {
        plugin: NAME.to_owned(),
        rule: "gold".to_owned(),
        compared: 10,
        differing: 2,
        neighbours: 1,
        skipped: 3,
        faults: 1,
        fuel: 100,
        shadow_fuel: 200,
    };
    let row = |number: i64| ShadowRow {
        plugin: NAME.to_owned(),
        rule: "gold".to_owned(),
        message_id: format!("order-{number}"),
        position: number,
        part: Some(part(&tenant, 1)),
        differs: "{}".to_owned(),
    };
    let found = |rows: std::ops::Range<i64>| Changes {
        shadow_counts: vec![count.clone()],
        shadow_rows: rows.map(row).collect(),
        ..changes(0)
    };
    for rows in [0..2, 1..SHADOW_ROWS - 1, 200..300] {
        lease = store.commit(&scope, &lease, &found(rows)).await?;
    }
    let mut thrice = count.clone();
    thrice.add(&count);
    thrice.add(&count);
    assert_eq!(store.shadow_counts(&scope, NAME).await?, [thrice]);
    let kept = store.shadow_rows(&scope, NAME).await?;
    let kept: Vec<i64> = kept.iter().map(|row| row.position).collect();
    assert_eq!(kept, (0..SHADOW_ROWS - 1).chain([200]).collect::<Vec<_>>(), "the first of them");
    assert_eq!(
        store.shadow_rows_of(&scope, &[part(&tenant, 1)]).await?.len(),
        kept.len(),
        "of all plugins, by customer"
    );
    assert!(store.shadow_rows_of(&scope, &[part(&tenant, 2)]).await?.is_empty());
    // Of what is not there any more, nothing is kept; and who begins anew begins at nothing.
    let gone = ShadowCount { plugin: "gone".to_owned(), ..count };
    lease = store.commit(&scope, &lease, &Changes { shadow_counts: vec![gone], ..changes(0) }).await?;
    change(&store, &scope, &mut lease, begun).await?;
    assert_eq!((store.shadow_counts(&scope, NAME).await?, store.shadow_rows(&scope, NAME).await?), (vec![], vec![]));
    Ok(())
}

/// Two hubs judge an upload by the same state: the second is told, and judges again.
pub async fn f3_an_upload_is_written_only_beside_what_it_was_judged_by(database: &Database) -> anyhow::Result<()> {
    let (one, other) = (database.open("one").await?, database.open("other").await?);
    let tenant = one.create_tenant("uploads", ClockKind::Live, at(1)).await?;
    let scope = Scope::of(tenant.id);
    let judged = async |store: &Store| store.plugin_standing(&scope, NAME).await;
    let upload = async |store: &Store, judged, digest: &str, version: &str| {
        let put = Op::PutPlugin(Installation::uploaded(digest.to_owned(), manifest(version), at(1)));
        store.transact(&scope, vec![Op::IfPluginStands { plugin: NAME.to_owned(), judged }, put]).await
    };
    let never = judged(&one).await?;
    assert_eq!(never, judged(&other).await?);
    upload(&one, never.clone(), "a", "1.0.0").await?;
    let late = upload(&other, never.clone(), "b", "1.0.0").await;
    assert!(matches!(late, Err(StoreError::VersionConflict(_))), "{late:?}");
    let first = judged(&other).await?;
    upload(&other, first.clone(), "b", "1.1.0").await?;
    let late = upload(&one, first, "c", "1.1.0").await;
    assert!(matches!(late, Err(StoreError::VersionConflict(_))), "{late:?}");
    // At the same moment, one is first.
    let stands = judged(&one).await?;
    let (a, b) = tokio::join!(upload(&one, stands.clone(), "d", "1.2.0"), upload(&other, stands, "e", "1.2.0"));
    assert!(a.is_ok() != b.is_ok(), "{a:?}, {b:?}");
    let versions = one.plugin_versions(&scope, NAME).await?;
    assert_eq!(versions.len(), 3, "{versions:?}");
    Ok(())
}
