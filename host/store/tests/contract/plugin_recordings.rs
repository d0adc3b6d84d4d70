//! Recordings of plugins' calls: the newest of each plugin, for some days, and none of a plugin that is gone.

use openhub_model::manifest::Manifest;
use openhub_model::{ClockKind, Id};
use openhub_store::{
    CatalogChange, Changes, Installation, NewRecording, Op, RECORDING_BYTES, RECORDINGS, RecordingOrder, Scope,
};

use crate::support::{Database, LEASE, at, changes, part};

const DAY: i64 = 86_400_000_000;

fn recording(plugin: &str, number: i64) -> NewRecording {
    NewRecording {
        id: Id::named(&[plugin.as_bytes(), &number.to_le_bytes()]),
        plugin: plugin.to_owned(),
        digest: "a".to_owned(),
        kind: "rule".to_owned(),
        name: "earn".to_owned(),
        outcome: "answered".to_owned(),
        part: None,
        recording: format!("{{\"number\":{number}}}"),
    }
}

pub async fn the_newest_recordings_of_each_plugin_are_kept(database: &Database) -> anyhow::Result<()> {
    let store = database.open("recordings").await?;
    let tenant = store.create_tenant("recorded", ClockKind::Live, at(1)).await?;
    let scope = Scope::of(tenant.id);
    let leases = store.claim_partitions(LEASE, 99).await?.leases;
    let mut lease = leases.into_iter().find(|lease| lease.tenant == tenant.id).expect("its partition is free");
    for plugin in ["noisy", "quiet"] {
        let manifest = Manifest { name: plugin.to_owned(), version: "1.0.0".to_owned(), ..Manifest::default() };
        let uploaded = Installation::uploaded(format!("{plugin}-a"), manifest, at(1));
        store.transact(&scope, vec![Op::PutPlugin(uploaded)]).await?;
    }
    let order = RecordingOrder { per_million: 7, customer: Some(part(&tenant, 1)), until: at(9), position: 3 };
    let wanted = CatalogChange::Recording { name: "quiet".to_owned(), order: Some(order.clone()) };
    lease = store.commit(&scope, &lease, &Changes { catalog: vec![wanted], ..changes(0) }).await?;
    let plugin = store.plugin(&scope, "quiet").await?;
    assert_eq!(plugin.and_then(|plugin| plugin.recording), Some(order));

    let own = NewRecording { part: Some(part(&tenant, 1)), ..recording("quiet", 1) };
    let long = NewRecording { recording: "x".repeat(RECORDING_BYTES + 1), ..recording("quiet", 2) };
    // One that is there already stays as it is, and of a plugin that is not there nothing is kept.
    let again = NewRecording { outcome: "trap".to_owned(), ..own.clone() };
    for recordings in [vec![own.clone(), long, recording("gone", 1)], vec![again]] {
        lease = store.commit(&scope, &lease, &Changes { recordings, ..changes(0) }).await?;
    }
    let noisy: Vec<NewRecording> = (0..RECORDINGS + 20).map(|number| recording("noisy", number)).collect();
    for (second, recordings) in noisy.chunks(200).enumerate() {
        store.add_plugin_recordings(&scope, at(1_000_000 + second as i64), recordings).await?;
    }
    let listed = store.plugin_recordings(&scope, "noisy", None, 10_000).await?;
    assert_eq!(listed.len() as i64, RECORDINGS);
    assert!(listed.is_sorted_by(|a, b| (a.at, a.id) > (b.at, b.id)), "newest first");
    let (page, last) = (&listed[..3], &listed[2]);
    let behind = store.plugin_recordings(&scope, "noisy", Some((last.at, last.id)), 2).await?;
    assert_eq!((page.len(), &behind[..]), (3, &listed[3..5]), "a page goes on behind the one before");

    let quiet = store.plugin_recordings(&scope, "quiet", None, 10).await?;
    assert_eq!(quiet.iter().map(|one| (&*one.outcome, one.part)).collect::<Vec<_>>(), [("answered", own.part)]);
    assert_eq!(store.plugin_recording(&scope, "quiet", own.id).await?, Some(own.recording.clone()));
    assert_eq!(store.plugin_recording(&scope, "noisy", own.id).await?, None, "it is another plugin's");
    let of = store.plugin_recordings_of(&scope, &[part(&tenant, 1)]).await?;
    assert_eq!(of, [("quiet".to_owned(), own.recording)]);
    // The old ones go with the next.
    store.add_plugin_recordings(&scope, at(8 * DAY), &[recording("quiet", 3)]).await?;
    assert_eq!(store.plugin_recordings(&scope, "noisy", None, 10).await?, []);
    assert_eq!(store.forget_plugin_recordings(&scope, "quiet").await?, 1);
    let none = CatalogChange::Recording { name: "gone".to_owned(), order: None };
    let refused = store.commit(&scope, &lease, &Changes { catalog: vec![none], ..changes(0) }).await;
    assert!(refused.is_err(), "{refused:?}");
    Ok(())
}
