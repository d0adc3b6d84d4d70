//! A call that is made once under its caller's key: whatever breaks off in between, it is done at most once.

use openhub_model::{ClockKind, Id, Principal, TenantId};
use openhub_store::{AuditFilter, Begun, Deeded, Once, Op, Scope, Settings, StoreError, act, acting, acting_once};

use crate::support::{Database, at};

const DAY: i64 = 86_400_000_000;
const MINUTE: i64 = 60_000_000;

fn deed(tenant: TenantId) -> Deeded {
    Deeded {
        tenant: Some(tenant),
        principal: Principal::key("ab12"),
        act: "POST /api/v1/keys".to_owned(),
        subject: String::new(),
        origin: String::new(),
        request: String::new(),
        at: at(1),
    }
}

fn id(of: &str) -> Id {
    Id::named(&[of.as_bytes()])
}

pub async fn a_call_is_done_once(database: &Database) -> anyhow::Result<()> {
    let store = database.open("once").await?;
    let scope = Scope::of(store.create_tenant("once", ClockKind::Live, at(1)).await?.id);
    let other = Scope::of(store.create_tenant("once-too", ClockKind::Live, at(1)).await?.id);
    let call = |attempt: &str| Once { id: id("call"), request: id("body"), attempt: id(attempt) };
    let (first, second) = (call("first"), call("second"));
    let begin = async |once: Once, now: i64| store.begin_once(&scope, once, at(now)).await;
    let act = |once: Once| {
        let put = store.transact(&scope, vec![Op::PutSettings(Settings::default())]);
        acting_once(deed(scope.tenant()), Some(once), put)
    };
    let acts = async || store.audit(&scope, &AuditFilter { limit: 10, ..AuditFilter::default() }).await;

    assert_eq!(begin(first, 0).await?, Begun::Now);
    assert_eq!(begin(second, 1).await?, Begun::Running);
    assert_eq!(begin(Once { request: id("other"), ..second }, 1).await?, Begun::Other);
    assert_eq!(store.begin_once(&other, second, at(1)).await?, Begun::Now, "another tenant's is another one");
    // The hub that made the first try is gone, or slow: the second is made, and the first cannot come behind it.
    assert_eq!(begin(second, 3 * MINUTE).await?, Begun::Now);
    assert!(matches!(act(first).await, Err(StoreError::Overtaken)));
    assert_eq!(acts().await?.len(), 0, "it wrote nothing");
    act(second).await?;
    assert!(matches!(act(second).await, Err(StoreError::Overtaken)), "nor twice");
    assert_eq!(begin(first, 4 * MINUTE).await?, Begun::Running, "until it is answered");
    // The hub ends before the answer is kept.
    assert_eq!(begin(first, 60 * MINUTE).await?, Begun::Done(None));
    store.end_once(&scope, first, true, Some("not its own".to_owned())).await?;
    store.end_once(&scope, second, false, Some("sealed".to_owned())).await?;
    assert_eq!(begin(first, 60 * MINUTE).await?, Begun::Done(Some("sealed".to_owned())));
    assert_eq!(acts().await?.len(), 1);
    assert_eq!(begin(first, 3 * MINUTE + DAY + 1).await?, Begun::Now, "a day later it is another call");

    // What has written nothing is done only if it went well.
    store.end_once(&scope, first, false, Some("refused".to_owned())).await?;
    assert_eq!(begin(second, 2 * DAY).await?, Begun::Now);
    store.end_once(&scope, second, true, Some("well".to_owned())).await?;
    assert_eq!(begin(first, 2 * DAY).await?, Begun::Done(Some("well".to_owned())));
    store.close().await;
    Ok(())
}

/// Whoever looked before somebody else acted is told so.
pub async fn an_act_between_is_seen(database: &Database) -> anyhow::Result<()> {
    let store = database.open("seen").await?;
    let scope = Scope::of(store.create_tenant("seen", ClockKind::Live, at(1)).await?.id);
    let change = |act: &'static str, seen: i64| {
        let (store, scope) = (store.clone(), scope);
        let deed = Deeded { act: act.to_owned(), ..deed(scope.tenant()) };
        acting(deed, async move {
            act::note_seen(seen, "/api/v1/settings");
            store.transact(&scope, vec![Op::PutSettings(Settings::default())]).await
        })
    };
    let (own, other) = ("PATCH /api/v1/settings", "POST /api/v1/keys");
    change(own, 0).await?;
    assert!(matches!(change(own, 0).await, Err(StoreError::VersionConflict(_))));
    change(own, 1).await?;
    // What was done to something else is no matter.
    acting(Deeded { act: other.to_owned(), ..deed(scope.tenant()) }, async {
        store.transact(&scope, vec![Op::PutSettings(Settings::default())]).await
    })
    .await?;
    change(own, 2).await?;
    assert_eq!(store.audit_head(&scope).await?.map(|head| head.number), Some(4));
    store.close().await;
    Ok(())
}
