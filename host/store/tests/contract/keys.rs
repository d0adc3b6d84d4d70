//! Keys: two secrets alive at most, and what is noted of their use.

use openhub_model::{ClockKind, Principal};
use openhub_store::{Former, Key, Rotation, Scope, StoreError};

use crate::support::{Database, at};

pub async fn a_key_has_two_secrets_at_most(database: &Database) -> anyhow::Result<()> {
    let store = database.open("keys").await?;
    let tenant = store.create_tenant("key-holder", ClockKind::Live, at(1)).await?;
    let other = store.create_tenant("no-key-holder", ClockKind::Live, at(1)).await?;
    let (scope, elsewhere) = (Scope::of(tenant.id), Scope::of(other.id));
    let key = |id: &str, created: i64| Key {
        id: id.to_owned(),
        tenant: tenant.id,
        name: "till".to_owned(),
        scopes: vec!["events:write".to_owned(), "*".to_owned()],
        hash: "first".to_owned(),
        page: id == "page",
        addresses: vec!["10.0.0.0/8".parse().expect("a network"), "2001:db8::1".parse().expect("an address")],
        created_at: at(created),
        made_by: Some(Principal::key("maker")),
        expires_at: Some(at(1_000)),
        revoked_at: None,
        rotated_at: None,
        former: None,
        last_used_at: None,
        line: Default::default(),
        pages: Default::default(),
    };
    for (id, created) in [("one", 5), ("page", 5), ("two", 7)] {
        store.create_key(&key(id, created)).await?;
        assert_eq!(store.key(&scope, id).await?, Some(key(id, created)), "it is as it was made");
    }
    assert!(matches!(store.create_key(&key("one", 5)).await, Err(StoreError::AlreadyExists(_))));
    assert_eq!(store.key(&elsewhere, "one").await?, None);

    let rotation =
        |hash: &str, now, keep: Option<i64>| Rotation { hash: hash.to_owned(), at: at(now), keep_until: keep.map(at) };
    store.rotate_key(&scope, "one", rotation("second", 10, Some(20))).await?;
    let rotated = store.key(&scope, "one").await?.expect("the key");
    assert_eq!((rotated.hash.as_str(), rotated.rotated_at), ("second", Some(at(10))));
    assert_eq!(rotated.former, Some(Former { hash: "first".to_owned(), until: at(20) }));
    // A third would be alive.
    let third = store.rotate_key(&scope, "one", rotation("third", 19, Some(30))).await;
    assert!(matches!(third, Err(StoreError::NotFound)));
    store.rotate_key(&scope, "one", rotation("third", 20, Some(30))).await?;
    store.rotate_key(&scope, "one", rotation("fourth", 21, None)).await?;
    let rotated = store.key(&scope, "one").await?.expect("the key");
    assert_eq!((rotated.hash.as_str(), rotated.former), ("fourth", None), "all earlier ones end at once");
    let foreign = store.rotate_key(&elsewhere, "one", rotation("theirs", 22, None)).await;
    assert!(matches!(foreign, Err(StoreError::NotFound)));

    store.note_key_used(tenant.id, "one", at(50)).await?;
    store.note_key_used(tenant.id, "one", at(40)).await?;
    assert_eq!(store.key(&scope, "one").await?.and_then(|key| key.last_used_at), Some(at(50)));

    store.revoke_key(&scope, "two", at(60)).await?;
    store.revoke_key(&scope, "two", at(70)).await?;
    assert_eq!(store.key(&scope, "two").await?.and_then(|key| key.revoked_at), Some(at(60)));
    assert!(matches!(store.rotate_key(&scope, "two", rotation("back", 80, None)).await, Err(StoreError::NotFound)));
    assert!(matches!(store.revoke_key(&elsewhere, "two", at(60)).await, Err(StoreError::NotFound)));

    let ids = async |behind, rows| -> anyhow::Result<Vec<(i64, String)>> {
        let keys = store.newest_keys(&scope, behind, rows).await?;
        Ok(keys.into_iter().map(|key| (key.created_at.micros(), key.id)).collect())
    };
    let (newest, page, one) = ((7, "two".to_owned()), (5, "page".to_owned()), (5, "one".to_owned()));
    assert_eq!(ids(None, 2).await?, [newest, page.clone()]);
    assert_eq!(ids(Some(&(at(page.0), page.1)), 2).await?, [one]);
    store.close().await;
    Ok(())
}
