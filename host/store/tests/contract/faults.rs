//! The list of faults.

use openhub_model::identity::Marker;
use openhub_model::{ClockKind, NewEvent, Span, Timestamp};
use openhub_store::{
    FaultFilter, FaultKind, NewFault, REFUSED_ROW, Refused, Remedy, Scope, SetAside, Store, Tenant, TimelineFilter,
    TimelineKind, Tombstone,
};
use serde_json::json;

use crate::support::{Database, LEASE, at, changes, event, part};

/// What is alike is counted in one row; what the door refused is there once the store is closed, and names nobody.
pub async fn a_one_list_holds_what_did_not_go_through(database: &Database) -> anyhow::Result<()> {
    let store = database.open("f").await?;
    let tenant = store.create_tenant("faults", ClockKind::Replay, at(1)).await?;
    let other = store.create_tenant("faultless", ClockKind::Replay, at(1)).await?;
    let (scope, others) = (Scope::of(tenant.id), Scope::of(other.id));
    let leases = store.claim_partitions(LEASE, 99).await?.leases;
    let lease = leases.iter().find(|lease| lease.tenant == tenant.id).expect("its partition is free");
    let part = part(&tenant, 1);
    store.append(&scope, vec![event("good", part), event("bad", part)]).await?;
    let aside = NewFault {
        position: Some(2),
        message_id: Some("bad".into()),
        part: Some(part),
        ..NewFault::one(FaultKind::Event, "bad", "event", "panic", "It panicked. \0 And \u{1F600}".repeat(99))
    };
    let skipped = |count| NewFault {
        count,
        ..NewFault::counted(FaultKind::RowSkipped, "loyalty/earn", "missing", "/event/total", "It has no total.")
    };
    let changes = openhub_store::Changes {
        checkpoint: 2,
        wall: at(4),
        set_aside: vec![SetAside { position: 2, message_id: "bad".into(), fault: "a panic".into(), at: at(4) }],
        faults: vec![aside.clone(), skipped(3), skipped(4)],
        ..Default::default()
    };
    store.commit(&scope, lease, &changes).await?;
    b3_a_timeline_has_what_rules_failed_on(&store).await?;
    store.file_faults(&scope, at(5), vec![skipped(5)]).await?;
    for at_ in [6, 7] {
        let refused = Refused {
            key: "k1",
            code: "too-long",
            text: "Shorten the value.",
            pointer: "/batch/4/traits/a@b.c",
            message_id: Some("a@b.c"),
            at: at(at_),
        };
        store.note_refused(&scope, refused);
    }
    store.release_leases(&leases).await?;
    store.close().await;

    let store = database.open("f").await?;
    let all = store.faults(&scope, &FaultFilter { limit: 9, ..FaultFilter::default() }).await?;
    let told: Vec<_> = all.iter().map(|known| (known.fault.kind, known.fault.count, known.at)).collect();
    let expected = [(FaultKind::Refused, 2, at(7)), (FaultKind::RowSkipped, 12, at(5)), (FaultKind::Event, 1, at(4))];
    assert_eq!(told, expected);
    assert_eq!(all[0].fault.text, "Shorten the value.");
    assert_eq!((all[0].fault.place.as_str(), &all[0].fault.message_id), ("/batch/*/traits/*", &None));
    assert_eq!(all[1].first_at, at(4));
    let page = FaultFilter { before: Some(all[0].cursor()), limit: 1, ..FaultFilter::default() };
    assert_eq!(store.faults(&scope, &page).await?, [all[1].clone()]);
    assert_eq!(store.faults(&others, &FaultFilter { limit: 9, ..FaultFilter::default() }).await?, []);
    assert_eq!(store.fault(&others, aside.id).await?, None);

    let again = NewEvent { message_id: "again".into(), ..event("bad", part) };
    let again = Remedy::Event(Box::new(again));
    assert!(store.close_fault(&scope, aside.id, again.clone(), at(8)).await?);
    assert!(!store.close_fault(&scope, aside.id, again, at(8)).await?, "it is no more open");
    assert_eq!(store.standing(&scope).await?.head, 3);
    assert!(store.close_fault(&scope, skipped(1).id, Remedy::Discard, at(8)).await?);
    assert_eq!(store.open_faults(&scope).await?, [(FaultKind::Refused, 1)]);
    store.file_faults(&scope, at(9), vec![skipped(1)]).await?;
    assert_eq!(store.open_faults(&scope).await?, [(FaultKind::Refused, 1), (FaultKind::RowSkipped, 1)]);
    let much_later = openhub_model::Timestamp::from_micros(90 * 86_400_000_000 + 8);
    let last = NewFault::counted(FaultKind::Object, "coupon", "trap", "", "The check broke off.");
    store.file_faults(&scope, much_later, vec![last]).await?;
    let kept = store.faults(&scope, &FaultFilter { limit: 9, ..FaultFilter::default() }).await?;
    let kept: Vec<_> = kept.iter().map(|known| known.fault.kind).collect();
    assert_eq!(kept, [FaultKind::Object, FaultKind::RowSkipped], "what is older than its days is gone");
    recordings(&store, &scope, much_later).await?;
    store.close().await;
    Ok(())
}

/// A fault keeps the call that failed; of a tenant the newest thousand are kept, and none that is too long.
async fn recordings(store: &Store, scope: &Scope, now: Timestamp) -> anyhow::Result<()> {
    let later = now + Span::from_micros(1);
    let recorded = |number: usize, recording: String| {
        let fault = NewFault::one(FaultKind::Rule, &number.to_string(), "points/gold", "trap", "It broke off.");
        NewFault { recording: Some(recording), ..fault }
    };
    let kept = async |fault: &NewFault| store.fault_recording(scope, fault.id).await;
    let (first, long) = (recorded(0, "{}".to_owned()), recorded(1, "x".repeat((64 << 10) + 1)));
    store.file_faults(scope, now, vec![first.clone(), long.clone()]).await?;
    assert_eq!((kept(&first).await?.as_deref(), kept(&long).await?), (Some("{}"), None));
    store.file_faults(scope, now, vec![NewFault { recording: None, ..first.clone() }]).await?;
    assert_eq!(kept(&first).await?.as_deref(), Some("{}"), "the last one that was recorded");

    let many: Vec<NewFault> = (2..1_007).map(|number| recorded(number, format!("[{number}]"))).collect();
    store.file_faults(scope, later, many.clone()).await?;
    let filter = FaultFilter { kind: Some(FaultKind::Rule), limit: 2_000, ..FaultFilter::default() };
    let all = store.faults(scope, &filter).await?;
    assert_eq!((all.len(), all.iter().filter(|fault| fault.recorded).count()), (1_007, 1_000));
    assert_eq!(kept(&first).await?, None, "newer ones have its place");
    for fault in all {
        assert_eq!(kept(&fault.fault).await?.is_some(), fault.recorded);
    }
    Ok(())
}

/// At the time of its event, whatever the host's clock was; an event that was set aside has an item of its own.
async fn b3_a_timeline_has_what_rules_failed_on(store: &Store) -> anyhow::Result<()> {
    let tenant = store.create_tenant("timely", ClockKind::Replay, at(1)).await?;
    let (scope, part) = (&Scope::of(tenant.id), part(&tenant, 1));
    store.append(scope, vec![event("good", part)]).await?;
    let of = |kind, of: &str, subject: &str, code: &str, text: &str| NewFault {
        part: Some(part),
        ..NewFault::one(kind, of, subject, code, text)
    };
    let rule =
        NewFault { message_id: Some("good".into()), ..of(FaultKind::Rule, "good", "loyalty/earn", "trap", "No luck.") };
    let unmade = of(FaultKind::Object, "7/1", "warranty", "not-unique", "There is one.");
    let run = of(FaultKind::Run, "9", "welcome/send", "no-address", "There is none.");
    let filed = [&rule, &unmade, &run].map(Clone::clone);
    store.file_faults(scope, at(3), filed.into()).await?;
    let filter = TimelineFilter { kinds: vec![TimelineKind::Fault], limit: 9, ..TimelineFilter::default() };
    let timeline = store.timeline(scope, part, &filter).await?;
    let told: Vec<_> = timeline.iter().map(|item| (item.title.as_str(), &item.detail)).collect();
    let of_rule = json!({"kind": "rule", "code": "trap", "fault": "No luck.", "event": "good", "status": "open"});
    let of_object =
        json!({"kind": "object", "code": "not-unique", "fault": "There is one.", "event": null, "status": "open"});
    let mut expected = [(event("good", part).occurred_at, "loyalty/earn", of_rule), (at(3), "warranty", of_object)];
    expected.sort_by_key(|(at, ..)| std::cmp::Reverse(*at));
    let expected: Vec<_> = expected.iter().map(|(_, subject, detail)| (*subject, detail)).collect();
    assert_eq!(told, expected);
    let newest = TimelineFilter { limit: 1, ..filter.clone() };
    let page = store.timeline(scope, part, &newest).await?;
    let older = TimelineFilter { before: Some(page[0].cursor()), ..filter };
    assert_eq!(store.timeline(scope, part, &older).await?, timeline[1..]);
    b1_a_rules_words_go_with_their_event(store, &tenant).await
}

async fn b1_a_rules_words_go_with_their_event(store: &Store, tenant: &Tenant) -> anyhow::Result<()> {
    let scope = &Scope::of(tenant.id);
    let said = format!("{REFUSED_ROW}: Ada Lovelace has none");
    let counted = NewFault::counted(FaultKind::RowSkipped, "loyalty/earn", "none", "", said.as_str());
    store.file_faults(scope, at(3), vec![counted.clone().example("good", 1, 0)]).await?;
    let leases = store.claim_partitions(LEASE, 99).await?.leases;
    let lease = leases.iter().find(|lease| lease.tenant == tenant.id).expect("its partition is free");
    let text = async || anyhow::Ok(store.fault(scope, counted.id).await?.expect("it is counted").fault.text);
    assert_eq!(text().await?, said);
    let mark = Marker::derived("test", &[1; 32]).message(tenant.id, "good");
    let gone = openhub_store::Changes { tombstones: vec![Tombstone { position: 1, mark }], ..changes(1) };
    store.commit(scope, lease, &gone).await?;
    assert_eq!(text().await?, format!("{REFUSED_ROW}."));
    store.release_leases(&leases).await?;
    Ok(())
}
