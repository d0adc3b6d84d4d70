//! The audit log: an act's entry is in the transaction of the act, and whoever touches the chain is found out.

use openhub_model::audit::{AuditHead, BEGINNINGS, SIGNING, Tampering};
use openhub_model::identity::Marker;
use openhub_model::{ClockKind, Principal, TenantId};
use openhub_store::{AuditFilter, Deeded, Notary, Op, Scope, Settings, Store, act, acting};
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};
use std::sync::Arc;

use crate::support::{Database, at, event, part};

/// Stands for the hub's signature: nobody else in these tests makes one.
fn signature(message: &[u8]) -> String {
    format!("signed:{}", String::from_utf8_lossy(message))
}

fn is_ours(message: &[u8], given: &str) -> bool {
    signature(message) == given
}

fn deed(tenant: TenantId, number: i64, who: &str) -> Deeded {
    Deeded {
        tenant: Some(tenant),
        principal: Principal::key(who),
        act: "PATCH /api/v1/settings".to_owned(),
        subject: format!("subject-{}", number % 2),
        origin: "10.0.0.1".to_owned(),
        request: format!("request-{number}"),
        at: at(number),
    }
}

async fn opened(database: &Database, node: &str) -> anyhow::Result<Store> {
    let store = database.open(node).await?;
    store.sign_audit_by(Notary {
        marker: Marker::derived("test", &[1; 32]),
        sign: Arc::new(signature),
        is_ours: Arc::new(is_ours),
    });
    Ok(store)
}

async fn change(store: &Store, scope: &Scope, number: i64) -> anyhow::Result<()> {
    let settings = Settings { fault_days: number, ..Settings::default() };
    let work = async {
        act::note_before(&json!({"fault_days": number - 1}));
        act::note_after(&json!({"fault_days": number}));
        store.transact(scope, vec![Op::PutSettings(settings)]).await
    };
    let mut deed = deed(scope.tenant(), number, "ab12");
    if number == 1 {
        deed.act = BEGINNINGS[0].to_owned();
    }
    acting(deed, work).await?;
    Ok(())
}

pub async fn an_act_and_its_entry_are_one(database: &Database) -> anyhow::Result<()> {
    let store = opened(database, "audit").await?;
    let tenant = store.create_tenant("audited", ClockKind::Live, at(1)).await?;
    let other = store.create_tenant("audited-too", ClockKind::Live, at(1)).await?;
    let (scope, elsewhere) = (Scope::of(tenant.id), Scope::of(other.id));
    for number in 1..=3 {
        change(&store, &scope, number).await?;
    }
    // What is undone leaves no entry, nor does what nobody did; a second write of an act has none of its own.
    let undone = acting(deed(tenant.id, 4, "ab12"), async {
        store.transact(&scope, vec![Op::PutSettings(Settings::default()), Op::Undo]).await
    });
    assert!(undone.await.is_err());
    store.transact(&scope, vec![Op::PutSettings(Settings::default())]).await?;
    let twice = async {
        let refused = store.transact(&scope, vec![Op::Undo]).await;
        assert!(refused.is_err());
        store.append(&scope, vec![event("act-1", part(&tenant, 1))]).await?;
        store.append(&scope, vec![event("act-2", part(&tenant, 1))]).await
    };
    acting(deed(tenant.id, 5, "cd34"), twice).await?;
    // A write for another tenant is no part of it.
    acting(deed(tenant.id, 6, "cd34"), store.transact(&elsewhere, vec![Op::PutSettings(Settings::default())])).await?;

    let all = store.audit(&scope, &AuditFilter { limit: 10, ..AuditFilter::default() }).await?;
    let told: Vec<_> = all.iter().map(|entry| (entry.number, entry.request.as_str())).collect();
    assert_eq!(told, [(4, "request-5"), (3, "request-3"), (2, "request-2"), (1, "request-1")]);
    assert_eq!(all[1].before, all[2].after, "equal contents have equal digests");
    assert_ne!(all[1].before, all[1].after);
    assert!(all.iter().all(|entry| !entry.before.contains("fault")), "and are not told");
    assert!(store.audit(&elsewhere, &AuditFilter { limit: 10, ..AuditFilter::default() }).await?.is_empty());

    let find = async |filter: AuditFilter| -> anyhow::Result<Vec<i64>> {
        let found = store.audit(&scope, &AuditFilter { limit: 10, ..filter }).await?;
        Ok(found.into_iter().map(|entry| entry.number).collect())
    };
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(find(AuditFilter { who: text("cd34"), ..AuditFilter::default() }).await?, [4]);
    assert_eq!(find(AuditFilter { subject: text("subject-1"), ..AuditFilter::default() }).await?, [4, 3, 1]);
    assert_eq!(find(AuditFilter { request: text("request-2"), ..AuditFilter::default() }).await?, [2]);
    assert_eq!(find(AuditFilter { kind: text("operator"), ..AuditFilter::default() }).await?, Vec::<i64>::new());
    assert_eq!(find(AuditFilter { from: Some(at(2)), to: Some(at(5)), ..AuditFilter::default() }).await?, [3, 2]);
    assert_eq!(find(AuditFilter { before: Some(3), ..AuditFilter::default() }).await?, [2, 1]);
    assert_eq!(store.verify_audit(&scope, None, is_ours).await?, (4, vec![]));
    assert_eq!(store.verify_audit(&elsewhere, None, is_ours).await?, (0, vec![]));
    store.close().await;
    Ok(())
}

/// Two nodes, many acts at once: one chain.
pub async fn acts_at_once_make_one_chain(database: &Database) -> anyhow::Result<()> {
    let first = opened(database, "audit-1").await?;
    let tenant = first.create_tenant("audited-at-once", ClockKind::Live, at(1)).await?;
    let scope = Scope::of(tenant.id);
    // One node at a time writes to a SQLite file.
    let second = if database.url.starts_with("sqlite") { first.clone() } else { opened(database, "audit-2").await? };
    change(&first, &scope, 1).await?;
    let acts = (2..=40).map(|number| {
        let store = if number % 2 == 0 { &first } else { &second };
        change(store, &scope, number)
    });
    futures::future::try_join_all(acts).await?;
    assert_eq!(first.verify_audit(&scope, None, is_ours).await?, (40, vec![]));
    first.close().await;
    second.close().await;
    Ok(())
}

async fn execute(url: &str, tenant: TenantId, sql: String) -> anyhow::Result<()> {
    if url.starts_with("sqlite") {
        let mut connection = SqliteConnection::connect(url).await?;
        sqlx::query(AssertSqlSafe(sql)).execute(&mut connection).await?;
        connection.close().await?;
    } else {
        let mut connection = PgConnection::connect(url).await?;
        let set = format!("SELECT set_config('openhub.tenants', '{}', false)", tenant.0);
        sqlx::query(AssertSqlSafe(set)).execute(&mut connection).await?;
        sqlx::query(AssertSqlSafe(sql)).execute(&mut connection).await?;
        connection.close().await?;
    }
    Ok(())
}

/// By whoever can write the database, and does not have the hub's key.
pub async fn tampering_is_found(database: &Database) -> anyhow::Result<()> {
    let store = opened(database, "audit-tampered").await?;
    let tamper: [(&str, &[&str], &[Tampering]); 9] = [
        ("another-version", &["UPDATE audit SET more = 'x' WHERE number = 2"], &[Tampering::Edited { number: 2 }]),
        ("unreadable", &["UPDATE audit SET kind = 'keyx' WHERE number = 2"], &[Tampering::Edited { number: 2 }]),
        (
            "before-the-first",
            &["UPDATE audit SET number = -3 WHERE number = 1"],
            &[
                Tampering::Unlinked { number: -3 },
                Tampering::Edited { number: -3 },
                Tampering::Missing { from: 1, to: 1 },
            ],
        ),
        ("edited", &["UPDATE audit SET who = 'nobody' WHERE number = 2"], &[Tampering::Edited { number: 2 }]),
        ("one-deleted", &["DELETE FROM audit WHERE number = 3"], &[Tampering::Missing { from: 3, to: 3 }]),
        ("cut", &["DELETE FROM audit WHERE number > 3"], &[Tampering::Missing { from: 4, to: 5 }]),
        (
            "cut-and-covered",
            &[
                "DELETE FROM audit WHERE number > 3",
                "UPDATE audit_heads SET number = 3, hash = (SELECT a.hash FROM audit a WHERE a.tenant_id = audit_heads.tenant_id \
                 AND a.number = 3) WHERE number = 5",
            ],
            &[Tampering::OtherSignature],
        ),
        ("headless", &["DELETE FROM audit_heads WHERE number = 5"], &[Tampering::NoEnd]),
        ("all-gone", &["DELETE FROM audit WHERE number > 0"], &[Tampering::Missing { from: 1, to: 5 }]),
    ];
    for (name, statements, expected) in tamper {
        let tenant = store.create_tenant(&format!("audited-{name}"), ClockKind::Live, at(1)).await?;
        let scope = Scope::of(tenant.id);
        for number in 1..=5 {
            change(&store, &scope, number).await?;
        }
        assert_eq!(store.verify_audit(&scope, None, is_ours).await?, (5, vec![]), "{name}");
        for statement in statements {
            execute(&database.url, tenant.id, format!("{statement} AND tenant_id = {}", tenant.id.0)).await?;
        }
        assert_eq!(store.verify_audit(&scope, None, is_ours).await?.1, expected, "{name}");
    }
    // Who brings back an earlier day, with its signature, is found by an end that was kept elsewhere.
    let tenant = store.create_tenant("audited-rolled-back", ClockKind::Live, at(1)).await?;
    let scope = Scope::of(tenant.id);
    for number in 1..=3 {
        change(&store, &scope, number).await?;
    }
    let earlier = store.audit_head(&scope).await?.expect("an end");
    change(&store, &scope, 4).await?;
    let kept = store.audit_head(&scope).await?.expect("an end");
    let AuditHead { number, hash, signature } = earlier;
    let back = format!("UPDATE audit_heads SET number = {number}, hash = '{hash}', signature = '{signature}'");
    let of = format!("tenant_id = {}", tenant.id.0);
    execute(&database.url, tenant.id, format!("DELETE FROM audit WHERE number > 3 AND {of}")).await?;
    execute(&database.url, tenant.id, format!("{back} WHERE {of}")).await?;
    assert_eq!(store.verify_audit(&scope, None, is_ours).await?, (3, vec![]));
    let found = store.verify_audit(&scope, Some(kept), is_ours).await?.1;
    assert_eq!(found, [Tampering::Missing { from: 4, to: 4 }]);
    // Nor does the next act make good what was done to the chain: the hub signs no end that follows one that it has not signed.
    let followed: [(&str, &[&str]); 5] = [
        ("wiped", &["DELETE FROM audit WHERE number > 0", "DELETE FROM audit_heads WHERE number > 0"]),
        ("end-taken", &["DELETE FROM audit_heads WHERE number > 0"]),
        (
            "end-moved",
            &[
                "DELETE FROM audit WHERE number > 3",
                "UPDATE audit_heads SET number = 3, signature = '' WHERE number = 5",
            ],
        ),
        ("last-taken", &["DELETE FROM audit WHERE number = 5"]),
        ("one-added", &["UPDATE audit SET number = 6 WHERE number = 5"]),
    ];
    for (name, statements) in followed {
        let tenant = store.create_tenant(&format!("followed-{name}"), ClockKind::Live, at(1)).await?;
        let scope = Scope::of(tenant.id);
        for number in 1..=5 {
            change(&store, &scope, number).await?;
        }
        for statement in statements {
            execute(&database.url, tenant.id, format!("{statement} AND tenant_id = {}", tenant.id.0)).await?;
        }
        change(&store, &scope, 6).await?;
        change(&store, &scope, 7).await?;
        let found = store.verify_audit(&scope, None, is_ours).await?.1;
        assert!(found.contains(&Tampering::Unsigned), "{name}: {found:?}");
        assert_eq!(store.audit(&scope, &AuditFilter { limit: 1, ..AuditFilter::default() }).await?.len(), 1, "{name}");
        // Until the operator says so.
        let signing = Deeded { act: SIGNING.to_owned(), ..deed(tenant.id, 8, "ab12") };
        acting(signing, store.sign_audit(&scope)).await?;
        change(&store, &scope, 9).await?;
        let found = store.verify_audit(&scope, None, is_ours).await?.1;
        assert!(
            !found.contains(&Tampering::Unsigned) && !found.contains(&Tampering::OtherSignature),
            "{name}: {found:?}"
        );
    }
    // Who works in a tenant has begun it.
    let tenant = store.create_tenant("audited-never", ClockKind::Live, at(1)).await?;
    let scope = Scope::of(tenant.id);
    assert_eq!(store.verify_audit(&scope, None, is_ours).await?, (0, vec![]));
    store.append(&scope, vec![event("worked", part(&tenant, 1))]).await?;
    assert_eq!(store.verify_audit(&scope, None, is_ours).await?, (0, vec![Tampering::Empty]));
    let tenant = store.create_tenant("audited-kept", ClockKind::Live, at(1)).await?;
    let scope = Scope::of(tenant.id);
    for number in 1..=4 {
        change(&store, &scope, number).await?;
    }
    // Somebody who writes without the key leaves an end that nobody signed.
    store.close().await;
    let keyless = database.open("audit-keyless").await?;
    change(&keyless, &scope, 5).await?;
    assert_eq!(keyless.verify_audit(&scope, None, is_ours).await?.1, [Tampering::Unsigned]);
    keyless.close().await;
    Ok(())
}
