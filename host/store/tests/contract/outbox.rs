//! Messages are claimed before their channel is called, and settled under that claim only.

use openhub_model::message::{MessageStatus, NewMessage};
use openhub_model::{Id, PartId};
use openhub_store::{FaultFilter, FaultKind, FaultStatus, Outcomes, Outgoing, Remedy, Settled, StoreError, Verdicts};
use openhub_test_postgres::Server;

use crate::support::{Database, LEASE, at, changes, lease, part, tenant};
use crate::writes::lapse;

pub(super) fn message(part: PartId, channel: &str, number: u8) -> NewMessage {
    NewMessage {
        id: Id::named(&[b"message", channel.as_bytes(), &[number]]),
        part,
        channel: channel.to_owned(),
        address: "a".to_owned(),
        purpose: String::new(),
        content: "{}".to_owned(),
        journey: "j".to_owned(),
        run: Id::named(&[b"run"]),
        node: "send".to_owned(),
        created_at: at(3),
        expires_at: None,
    }
}

fn accepted(id: Id) -> Settled {
    Settled {
        id,
        status: MessageStatus::Accepted,
        attempt: 1,
        next_attempt_at: None,
        provider_id: Some("p".to_owned()),
        is_reported: true,
        units: 1,
        fault: None,
        digest: None,
        is_attempt: true,
        at: at(101),
    }
}

fn ids(outgoing: &[Outgoing]) -> Vec<Id> {
    outgoing.iter().map(|outgoing| outgoing.message.id).collect()
}

async fn what_was_claimed_is_unknown_to_the_next(database: Database) -> anyhow::Result<()> {
    let store = database.open("a").await?;
    let (tenant, scope) = tenant(&store).await?;
    let held = lease(&store).await?;
    let part = part(&tenant, 1);
    let mut all = changes(0);
    all.messages = (0..3).map(|number| message(part, "mail", number)).collect();
    all.messages.push(message(part, "sms", 0));
    store.commit(&scope, &held, &all).await?;
    let waiting = store.pending_channels(&scope).await?;
    assert_eq!(waiting, [("mail".to_owned(), at(100)), ("sms".to_owned(), at(100))]);
    assert!(store.pending_messages(&scope, "mail", at(99), 9).await?.is_empty());
    let mail = ids(&store.pending_messages(&scope, "mail", at(100), 9).await?);
    assert_eq!(mail.len(), 3);

    assert_eq!(store.outcomes(&scope, "j").await?.messages, [(MessageStatus::Pending, 4)]);
    assert_eq!(store.outcomes(&scope, "other").await?, Outcomes::default());
    assert_eq!(store.claim_messages(&scope, held.fence, &mail).await?.len(), 3);
    let outcomes = store.outcomes(&scope, "j").await?.messages;
    assert_eq!(outcomes, [(MessageStatus::Pending, 1), (MessageStatus::Sending, 3)]);
    assert!(store.claim_messages(&scope, held.fence, &mail).await?.is_empty(), "nothing is claimed twice");
    assert!(store.pending_messages(&scope, "mail", at(100), 9).await?.is_empty());
    assert_eq!(store.standing(&scope).await?.unsent, 4, "what is being sent is not sent yet");
    assert!(store.take_over_messages(&scope, held.fence, 9).await?.is_empty(), "its own are known to it");
    store.release_messages(&scope, held.fence, &mail[2..]).await?;
    assert_eq!(ids(&store.pending_messages(&scope, "mail", at(100), 9).await?), mail[2..]);

    // The hub dies. Its successor finds the two that may have been sent; what the dead one still says is not heard.
    lapse(&store).await?;
    store.close().await;
    let store = database.open("b").await?;
    let next = store.claim_partitions(LEASE, 99).await?.leases.remove(0);
    assert!(next.fence > held.fence);
    let lost = store.claim_messages(&scope, held.fence, &mail[2..]).await;
    assert!(matches!(lost, Err(StoreError::FenceLost)), "{lost:?}");
    let mut taken = ids(&store.take_over_messages(&scope, next.fence, 9).await?);
    taken.sort_unstable();
    let mut left = mail[..2].to_vec();
    left.sort_unstable();
    assert_eq!(taken, left);
    assert!(store.take_over_messages(&scope, next.fence, 9).await?.is_empty());
    let head = store.standing(&scope).await?.head;
    store.settle_messages(&scope, held.fence, vec![accepted(mail[0])], Verdicts::Heard).await?;
    let row = store.message(&scope, mail[0]).await?.expect("it is there");
    assert_eq!((row.status, row.attempts), (MessageStatus::Sending, 0));
    assert_eq!(store.standing(&scope).await?.head, head, "nor is it an event");
    store.settle_messages(&scope, next.fence, vec![accepted(mail[0])], Verdicts::Unheard).await?;
    let row = store.message(&scope, mail[0]).await?.expect("it is there");
    assert_eq!((row.status, row.attempts), (MessageStatus::Accepted, 1));
    store.hold_messages(&scope, &[mail[1], mail[2]], at(5_000), "waits").await?;
    let waiting = store.pending_channels(&scope).await?;
    assert_eq!(waiting, [("mail".to_owned(), at(5_000)), ("sms".to_owned(), at(100))]);
    assert_eq!(store.message(&scope, mail[1]).await?.expect("it is there").fault, None, "it is claimed");
    store.close().await;
    Ok(())
}

/// What was given up or parked stands in the list of faults; whoever does something about the one has done it about the other.
async fn a_messages_that_failed_are_faults(database: Database) -> anyhow::Result<()> {
    let store = database.open("failed").await?;
    let (tenant, scope) = tenant(&store).await?;
    let held = lease(&store).await?;
    let part = part(&tenant, 1);
    let mut all = changes(0);
    all.messages = (0..4).map(|number| message(part, "mail", number)).collect();
    store.commit(&scope, &held, &all).await?;
    let mail: Vec<Id> = (0..4).map(|number| message(part, "mail", number).id).collect();
    let fail = async |which: &[Id], status| {
        store.claim_messages(&scope, held.fence, which).await?;
        let ended = which.iter().map(|id| Settled {
            status,
            provider_id: None,
            is_reported: true,
            fault: Some("bounced: no such box".to_owned()),
            ..accepted(*id)
        });
        store.settle_messages(&scope, held.fence, ended.collect(), Verdicts::Unheard).await
    };
    fail(&mail[..3], MessageStatus::Failed).await?;
    fail(&mail[3..], MessageStatus::Parked).await?;
    let open =
        FaultFilter { kind: Some(FaultKind::Message), status: Some(FaultStatus::Open), limit: 9, ..Default::default() };
    let listed = store.faults(&scope, &open).await?;
    assert_eq!(listed.len(), 4);
    let of = |id: Id| listed.iter().find(|listed| listed.fault.place == id.to_string()).expect("it is listed");
    let first = &of(mail[0]).fault;
    assert_eq!((first.subject.as_str(), first.code.as_str(), first.part), ("mail", "bounced", Some(part)));
    assert!(first.text.ends_with("no such box") && of(mail[3]).fault.text.contains("may have arrived"), "{listed:?}");

    // From either side.
    assert!(store.close_fault(&scope, of(mail[0]).fault.id, Remedy::Retry, at(200)).await?);
    assert!(store.retry_message(&scope, mail[1], at(200)).await?);
    assert!(store.close_fault(&scope, of(mail[2]).fault.id, Remedy::Discard, at(200)).await?);
    assert!(store.discard_message(&scope, mail[3], at(200)).await?);
    assert_eq!(store.faults(&scope, &open).await?, []);
    let mut waiting = ids(&store.pending_messages(&scope, "mail", at(200), 9).await?);
    waiting.sort_unstable();
    let mut due = mail[..2].to_vec();
    due.sort_unstable();
    assert_eq!(waiting, due);
    for dropped in &mail[2..] {
        assert_eq!(store.message(&scope, *dropped).await?.expect("it is there").status, MessageStatus::Dropped);
    }
    fail(&mail[..1], MessageStatus::Failed).await?;
    let again = store.faults(&scope, &open).await?;
    assert_eq!(again.iter().map(|listed| listed.fault.count).collect::<Vec<_>>(), [2], "it is open again, and counted");
    store.close().await;
    Ok(())
}

/// Each change of a message that a condition asks about is an event: also the second time that it comes to a status, and what
/// somebody does by hand.
async fn c12_each_change_of_a_message_is_told(database: Database) -> anyhow::Result<()> {
    let store = database.open("told").await?;
    let (tenant, scope) = tenant(&store).await?;
    let held = lease(&store).await?;
    let part = part(&tenant, 1);
    let mut all = changes(0);
    all.messages = (0..2).map(|number| message(part, "mail", number)).collect();
    store.commit(&scope, &held, &all).await?;
    let mail = [0, 1].map(|number| message(part, "mail", number).id);
    let settle = async |id: Id, status| {
        store.claim_messages(&scope, held.fence, &[id]).await?;
        let next_attempt_at = (status == MessageStatus::Pending).then(|| at(9_000));
        let ended = Settled { status, next_attempt_at, fault: Some("busy".to_owned()), ..accepted(id) };
        store.settle_messages(&scope, held.fence, vec![ended], Verdicts::Heard).await
    };
    // All of it at the same instant, and each attempt is the first.
    settle(mail[0], MessageStatus::Pending).await?;
    assert!(store.retry_message(&scope, mail[0], at(101)).await?);
    settle(mail[0], MessageStatus::Failed).await?;
    assert!(store.retry_message(&scope, mail[0], at(101)).await?);
    settle(mail[0], MessageStatus::Pending).await?;
    assert!(store.discard_message(&scope, mail[0], at(101)).await?);
    assert!(!store.discard_message(&scope, mail[0], at(101)).await?, "nothing changes, and nothing is told");
    settle(mail[1], MessageStatus::Failed).await?;
    let open = FaultFilter { status: Some(FaultStatus::Open), limit: 9, ..Default::default() };
    let fault = store.faults(&scope, &open).await?.remove(0).fault.id;
    assert!(store.close_fault(&scope, fault, Remedy::Discard, at(101)).await?);
    let told = store.load_events(&scope, 0, 99).await?;
    let told = told.iter().map(|event| {
        let body: serde_json::Value = serde_json::from_str(&event.body).expect("a body");
        let which = mail.iter().position(|id| body["verdict"]["message"] == id.to_string()).expect("one of them");
        assert_eq!((event.part, &event.cause), (Some(part), &Some(mail[which].to_string())));
        (which, body["verdict"]["status"].as_str().expect("a status").to_owned())
    });
    let told: Vec<(usize, String)> = told.collect();
    let first = ["pending", "pending", "failed", "pending", "pending", "dropped"].map(|status| (0, status.to_owned()));
    let second = ["failed", "dropped"].map(|status| (1, status.to_owned()));
    assert_eq!(told, first.into_iter().chain(second).collect::<Vec<_>>());
    store.close().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c12_each_change_of_a_message_is_told_sqlite() -> anyhow::Result<()> {
    c12_each_change_of_a_message_is_told(Database::sqlite()?).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c12_each_change_of_a_message_is_told_postgres() -> anyhow::Result<()> {
    let server = Server::start().await?;
    c12_each_change_of_a_message_is_told(Database::postgres(&server).await?).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_messages_that_failed_are_faults_sqlite() -> anyhow::Result<()> {
    a_messages_that_failed_are_faults(Database::sqlite()?).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_messages_that_failed_are_faults_postgres() -> anyhow::Result<()> {
    let server = Server::start().await?;
    a_messages_that_failed_are_faults(Database::postgres(&server).await?).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b7_what_was_claimed_is_unknown_to_the_next_sqlite() -> anyhow::Result<()> {
    what_was_claimed_is_unknown_to_the_next(Database::sqlite()?).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b7_what_was_claimed_is_unknown_to_the_next_postgres() -> anyhow::Result<()> {
    let server = Server::start().await?;
    what_was_claimed_is_unknown_to_the_next(Database::postgres(&server).await?).await
}
