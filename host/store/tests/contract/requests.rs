//! What plugins are asked to erase: written with the erasure's last step, open until it is answered or waived, due in the tenant's row.

use openhub_model::identity::Marker;
use openhub_model::{ClockKind, Id};
use openhub_store::{
    Afterwards, DueRequest, EraseStep, Erasing, ErasureAnswer, ErasureRequest, ErasureRequestStatus, FaultFilter,
    FaultKind, FaultStatus, NewErasure, NewErasureRequest, NewFault, Op, Remedy, Scope, Store, StoreError,
};

use crate::support::{Database, LEASE, at, part};

async fn requests(store: &Store, scope: &Scope, erasure: Id) -> anyhow::Result<Vec<ErasureRequest>> {
    Ok(store.erasure_requests(scope, &[erasure]).await?)
}

pub async fn an_erasure_is_open_until_each_plugin_has_answered(database: &Database) -> anyhow::Result<()> {
    let store = database.open("requests").await?;
    let tenant = store.create_tenant("eraser", ClockKind::Live, at(1)).await?;
    let scope = Scope::of(tenant.id);
    let leases = store.claim_partitions(LEASE, 99).await?.leases;
    let lease = leases.into_iter().find(|lease| lease.tenant == tenant.id).expect("its lease");
    let (erasure, who) = (Id::named(&[b"requests"]), part(&tenant, 1));
    let (afterwards, asked_by) = (Afterwards::Forgotten, "k".to_owned());
    let asked = NewErasure { id: erasure, customer: who, afterwards, asked_by, asked_at: at(5) };
    store.transact(&scope, vec![Op::PutErasure(asked)]).await?;
    let new = |plugin: &str| NewErasureRequest { plugin: plugin.to_owned(), who: format!("sealed for {plugin}") };
    let erasing = Erasing {
        id: erasure,
        position: 0,
        parts: Vec::new(),
        wakes: Vec::new(),
        afterwards,
        requests: ["gone", "mail", "shop"].map(new).to_vec(),
        marker: Marker::derived("test", &[1; 32]),
        now: at(100),
        rows: 1_000,
        looked: None,
    };
    let (step, lease) = store.erase_step(&scope, &lease, &erasing).await?;
    assert_eq!(step, EraseStep::Done);
    let due = store.due_erasure_requests(&scope, at(100), 2).await?;
    let first = DueRequest { erasure, plugin: "gone".to_owned(), who: "sealed for gone".to_owned(), attempt: 0 };
    assert_eq!((due.len(), &due[0]), (2, &first));
    assert_eq!(store.due_erasure_requests(&scope, at(99), 9).await?, []);

    // Only who moves the tenant writes an answer.
    let answer = async |fence: i64, plugin: &str, answer: ErasureAnswer| {
        store.answer_erasure_request(&scope, fence, (erasure, plugin.to_owned()), answer, at(200)).await
    };
    let lost = answer(lease.fence + 1, "mail", ErasureAnswer::Nothing).await;
    assert!(matches!(lost, Err(StoreError::FenceLost)));
    answer(lease.fence, "shop", ErasureAnswer::Later(at(900))).await?;
    let failed = |plugin: &str, fault: bool| ErasureAnswer::Failed {
        code: "away".to_owned(),
        again: at(400),
        fault: fault.then(|| Box::new(NewFault::of_erasure(erasure, plugin, "away", "It is away."))),
    };
    answer(lease.fence, "mail", failed("mail", false)).await?;
    answer(lease.fence, "mail", failed("mail", true)).await?;
    answer(lease.fence, "gone", failed("gone", true)).await?;
    let [gone, mail, shop] = <[ErasureRequest; 3]>::try_from(requests(&store, &scope, erasure).await?).expect("three");
    assert_eq!((gone.attempt, mail.attempt, mail.code.as_deref(), mail.due_at), (1, 2, Some("away"), Some(at(400))));
    assert_eq!(
        (shop.attempt, shop.code, shop.due_at, shop.status),
        (0, None, Some(at(900)), ErasureRequestStatus::Open)
    );
    let asleep = store.put_to_sleep(&scope, &lease).await?;
    assert_eq!(asleep.due, Some(at(400)), "it wakes up to ask again");
    let lease = store.rouse(&scope, &lease).await?;

    // Somebody has one asked again, and gives one up.
    let open = async || {
        let (kind, status) = (Some(FaultKind::Erasure), Some(FaultStatus::Open));
        let found = store.faults(&scope, &FaultFilter { kind, status, limit: 9, ..FaultFilter::default() }).await;
        found.map(|found| found.into_iter().map(|fault| (fault.fault.subject, fault.fault.id)).collect::<Vec<_>>())
    };
    let faults = open().await?;
    let id = |plugin: &str| faults.iter().find(|(subject, _)| subject == plugin).expect("its fault").1;
    assert_eq!(faults.len(), 2);
    assert!(store.close_fault(&scope, id("mail"), Remedy::Retry, at(300)).await?);
    assert_eq!(store.next_erasure_request(&scope).await?, Some(at(300)));
    assert!(store.close_fault(&scope, id("gone"), Remedy::Discard, at(300)).await?);
    answer(lease.fence, "gone", failed("gone", true)).await?;
    assert_eq!(open().await?, [], "nobody is told of what was given up");
    answer(lease.fence, "mail", failed("mail", true)).await?;
    assert_eq!(open().await?.len(), 1);
    answer(lease.fence, "mail", ErasureAnswer::Done("2 contacts".to_owned())).await?;
    assert_eq!(open().await?, [], "its fault is seen to");
    answer(lease.fence, "shop", ErasureAnswer::Nothing).await?;
    let closed: Vec<_> =
        requests(&store, &scope, erasure).await?.into_iter().map(|it| (it.status, it.receipt)).collect();
    let done = (ErasureRequestStatus::Done, Some("2 contacts".to_owned()));
    assert_eq!(closed, [(ErasureRequestStatus::Waived, None), done, (ErasureRequestStatus::Nothing, None)]);
    assert_eq!(store.due_erasure_requests(&scope, at(10_000), 9).await?, [], "nothing is known of them any more");
    assert_eq!(store.put_to_sleep(&scope, &lease).await?.due, None);
    store.leave().await?;
    store.close().await;
    Ok(())
}
