//! What plugins keep of their own: versions, bounds, ends, and whose it is.

use std::collections::BTreeSet;

use openhub_model::manifest::Manifest;
use openhub_model::{ClockKind, PartId};
use openhub_store::{Installation, KV_BYTES, KvPut, KvRange, KvWrite, Op, Scope, Store, StoreError};

use crate::support::{Database, LEASE, at, identity};

fn write(key: &str, value: &[u8]) -> KvWrite {
    KvWrite { key: key.to_owned(), value: value.to_vec(), part: None, expires_at: None, expected: None }
}

pub async fn installed(store: &Store, scope: &Scope, name: &str) -> anyhow::Result<()> {
    let manifest = Manifest { name: name.to_owned(), version: "1.0.0".to_owned(), ..Manifest::default() };
    let plugin = Installation::uploaded("d".to_owned(), manifest, at(1));
    store.transact(scope, vec![Op::PutPlugin(plugin)]).await?;
    Ok(())
}

async fn keys(store: &Store, scope: &Scope, prefix: &str, after: Option<&str>) -> anyhow::Result<Vec<String>> {
    let range = KvRange { prefix: prefix.to_owned(), after: after.map(str::to_owned), limit: 100 };
    let entries = store.kv_entries(scope, "shop", range, at(10)).await?;
    Ok(entries.into_iter().map(|entry| entry.key).collect())
}

pub async fn an_entry_has_a_version_that_is_never_used_twice(database: &Database) -> anyhow::Result<()> {
    let store = database.open("kv").await?;
    let tenant = store.create_tenant("keeper", ClockKind::Live, at(1)).await?;
    let scope = Scope::of(tenant.id);
    let put = async |write: KvWrite| store.put_kv(&scope, "shop", write, at(10), None).await;
    assert!(matches!(put(write("a", b"1")).await, Err(StoreError::NotFound)), "no plugin, no state");
    installed(&store, &scope, "shop").await?;

    let mut versions = BTreeSet::new();
    for value in [b"1", b"2"] {
        let KvPut::Stored(version) = put(write("a", value)).await? else { panic!("it is written") };
        assert!(versions.insert(version));
    }
    let stored = store.kv_entry(&scope, "shop", "a".to_owned(), at(10)).await?.expect("it is there");
    assert_eq!((stored.value.as_slice(), Some(&stored.version)), (&b"2"[..], versions.last()));
    let expecting = |expected| KvWrite { expected: Some(expected), ..write("a", b"3") };
    assert_eq!(put(expecting(0)).await?, KvPut::Other);
    let KvPut::Stored(third) = put(expecting(stored.version)).await? else { panic!("it is written") };
    store.delete_kv(&scope, "shop", "a".to_owned(), None).await?;
    store.delete_kv(&scope, "shop", "a".to_owned(), None).await?;
    assert_eq!(put(expecting(third)).await?, KvPut::Other, "it is gone");
    let KvPut::Stored(fourth) = put(expecting(0)).await? else { panic!("there is none") };
    assert!(fourth > third);

    // By bytes, within the prefix.
    for key in ["o/2", "o/10", "o/é", "o", "p", "o0"] {
        put(write(key, b"x")).await?;
    }
    assert_eq!(keys(&store, &scope, "o/", None).await?, ["o/10", "o/2", "o/é"]);
    assert_eq!(keys(&store, &scope, "o/", Some("o/10")).await?, ["o/2", "o/é"]);
    assert_eq!(keys(&store, &scope, "", Some("o/é")).await?, ["o0", "p"]);
    installed(&store, &scope, "other").await?;
    assert!(store.kv_entry(&scope, "other", "p".to_owned(), at(10)).await?.is_none());

    // What is over is not read, and makes room.
    let ends = KvWrite { expires_at: Some(at(20)), ..write("ends", b"x") };
    put(ends.clone()).await?;
    assert!(store.kv_entry(&scope, "shop", "ends".to_owned(), at(19)).await?.is_some());
    assert!(store.kv_entry(&scope, "shop", "ends".to_owned(), at(20)).await?.is_none());
    let again = KvWrite { expected: Some(0), ..write("ends", b"y") };
    assert!(matches!(store.put_kv(&scope, "shop", again, at(20), None).await?, KvPut::Stored(_)));

    // Under a lease that another holds nothing is written.
    let leases = store.claim_partitions(LEASE, 99).await?.leases;
    let lease = leases.into_iter().find(|lease| lease.tenant == tenant.id).expect("its partition is free");
    let under = async |fence| store.put_kv(&scope, "shop", write("a", b"5"), at(10), Some(fence)).await;
    assert!(matches!(under(lease.fence).await?, KvPut::Stored(_)));
    assert!(matches!(under(lease.fence - 1).await, Err(StoreError::FenceLost)));
    let late = store.delete_kv(&scope, "shop", "a".to_owned(), Some(lease.fence - 1)).await;
    assert!(matches!(late, Err(StoreError::FenceLost)));
    store.leave().await?;
    store.close().await;
    Ok(())
}

pub async fn an_installation_keeps_so_much_and_no_more(database: &Database) -> anyhow::Result<()> {
    let store = database.open("full").await?;
    let tenant = store.create_tenant("full", ClockKind::Live, at(1)).await?;
    let scope = Scope::of(tenant.id);
    installed(&store, &scope, "shop").await?;
    let large = vec![b'x'; 64 << 10];
    let room = KV_BYTES / (large.len() as i64 + 7);
    let put = async |key: i64, value: &[u8]| {
        store.put_kv(&scope, "shop", write(&format!("k{key:06}"), value), at(10), None).await
    };
    for key in 0..room {
        assert!(matches!(put(key, &large).await?, KvPut::Stored(_)), "{key} of {room}");
    }
    assert_eq!(put(room, &large).await?, KvPut::Full);
    assert!(matches!(put(0, b"less").await?, KvPut::Stored(_)), "what takes less is always taken");
    assert!(matches!(put(room, &large[..1_000]).await?, KvPut::Stored(_)));
    let part: PartId = identity(77).part(tenant.id);
    let nobodys = KvWrite { part: Some(part), ..write("of", b"x") };
    assert_eq!(store.put_kv(&scope, "shop", nobodys, at(10), None).await?, KvPut::Nobody);
    store.close().await;
    Ok(())
}
