//! What two tenants agree on: both see the row and nobody else does, each log says so, and one node at a time makes it so.

use openhub_model::block::Stops;
use openhub_model::subscription::{Contract, ItemState, OperationState, Progress, Purpose, id_of};
use openhub_model::{ClockKind, Id, Principal, TenantId};
use openhub_store::{Agreement, Block, Made, Operation, Scope, StoreError, Subscription, SubscriptionFilter};

use crate::support::{Database, at, event, part};

pub fn requested(partner: TenantId, provider: TenantId, key: &str) -> Subscription {
    Subscription {
        id: id_of(partner.0, key),
        partner,
        provider,
        offering: "visits".to_owned(),
        version: 1,
        digest: "sha256:1".to_owned(),
        key: key.to_owned(),
        request: "sha256:2".to_owned(),
        contract: Contract::Requested,
        parameters: Default::default(),
        agreed: [("points".to_owned(), "d".to_owned())].into(),
        time_zone: "Asia/Shanghai".to_owned(),
        cap: Some("10.50".to_owned()),
        reason: None,
        requested_at: at(10),
        expires_at: at(1_000),
        active_at: None,
        ended_at: None,
        export_until: None,
        removed_at: None,
        offered: None,
    }
}

pub async fn what_two_agree_on_is_seen_by_both_and_by_nobody_else(database: &Database) -> anyhow::Result<()> {
    let store = database.open("agreed").await?;
    let brand = store.create_tenant("agreed-brand", ClockKind::Live, at(1)).await?;
    let dealer = store.create_tenant("agreed-dealer", ClockKind::Live, at(1)).await?;
    let other = store.create_tenant("agreed-other", ClockKind::Live, at(1)).await?;
    let (provider, partner, stranger) = (Scope::of(brand.id), Scope::of(dealer.id), Scope::of(other.id));
    let asked = requested(dealer.id, brand.id, "k");
    let request = || vec![Agreement::Request(Box::new(asked.clone()))];
    let told = |name: &str| {
        vec![(dealer.id, event(format!("{name}-dealer"), part(&dealer, 1))), (brand.id, event(name, part(&brand, 1)))]
    };
    assert_eq!(store.agree(&partner, request(), told("asked")).await?, 1);
    for scope in [&provider, &partner] {
        assert_eq!(store.subscription(scope, asked.id).await?, Some(asked.clone()));
        assert_eq!(store.load_events(scope, 0, 10).await?.len(), 1, "each log says so");
    }
    assert_eq!(store.subscription(&stranger, asked.id).await?, None);
    let all = SubscriptionFilter { limit: 10, ..SubscriptionFilter::default() };
    assert_eq!(store.subscriptions(&partner, &all).await?, std::slice::from_ref(&asked));
    assert_eq!(store.subscribers(&provider, &all).await?, std::slice::from_ref(&asked));
    assert_eq!(
        (store.subscriptions(&provider, &all).await?, store.subscribers(&partner, &all).await?),
        (vec![], vec![])
    );

    // Once, whatever its key is, and nothing is told of what was not agreed on.
    assert!(matches!(store.agree(&partner, request(), told("again")).await, Err(StoreError::AlreadyExists(_))));
    let second = vec![Agreement::Request(Box::new(requested(dealer.id, brand.id, "k2")))];
    assert!(matches!(store.agree(&partner, second, told("second")).await, Err(StoreError::AlreadyExists(_))));
    let active = Subscription { contract: Contract::Active, active_at: Some(at(20)), ..asked.clone() };
    let approve = || vec![Agreement::Change { from: Contract::Requested, to: Box::new(active.clone()) }];
    store.agree(&provider, approve(), told("approved")).await?;
    assert!(matches!(store.agree(&provider, approve(), told("twice")).await, Err(StoreError::VersionConflict(_))));
    assert_eq!(store.subscription(&partner, asked.id).await?, Some(active));
    assert_eq!(store.load_events(&partner, 0, 10).await?.len(), 2);
    store.close().await;
    Ok(())
}

pub async fn operations_are_one_nodes_at_a_time(database: &Database) -> anyhow::Result<()> {
    let store = database.open("operated").await?;
    let brand = store.create_tenant("operated-brand", ClockKind::Live, at(1)).await?;
    let dealer = store.create_tenant("operated-dealer", ClockKind::Live, at(1)).await?;
    let (partner, of) = (dealer.id, Scope::of(dealer.id));
    let subscription = requested(dealer.id, brand.id, "k");
    let progress = vec![Progress { item: "segment/lapsed".to_owned(), state: ItemState::Waiting, reason: None }];
    let operation = Operation {
        subscription: subscription.id,
        number: 1,
        purpose: Purpose::Provision,
        state: OperationState::Running,
        version: 1,
        digest: "sha256:1".to_owned(),
        progress,
        reason: None,
        started_at: at(30),
        settled_at: None,
    };
    let begin = |number| {
        let operation = Box::new(Operation { number, ..operation.clone() });
        vec![Agreement::Begin { partner, operation }, Agreement::LookAt { partner, at: None }]
    };
    let asked = vec![Agreement::Request(Box::new(subscription.clone())), Agreement::LookAt { partner, at: None }];
    store.agree(&of, asked, Vec::new()).await?;
    let due = async |now: i64| -> anyhow::Result<Vec<_>> {
        let due = store.operations_due(at(now)).await?;
        Ok(due.into_iter().filter(|(tenant, _)| *tenant == partner).collect())
    };
    assert_eq!((due(999).await?, due(1_000).await?), (vec![], vec![(partner, at(1_000))]), "a request expires then");
    store.agree(&of, begin(1), Vec::new()).await?;
    assert!(matches!(store.agree(&of, begin(2), Vec::new()).await, Err(StoreError::AlreadyExists(_))), "one at a time");
    assert_eq!(due(30).await?, [(partner, at(30))]);
    assert!(store.take_operations(partner, at(30), at(90)).await?);
    assert!(!store.take_operations(partner, at(30), at(91)).await?, "another node has read the same");
    assert_eq!((due(89).await?, due(90).await?), (vec![], vec![(partner, at(90))]), "who is gone is followed");
    assert_eq!(store.open_operations(&of).await?, std::slice::from_ref(&operation));

    let made = Made {
        kind: "segment".to_owned(),
        name: "lapsed".to_owned(),
        subscription: subscription.id,
        item: "segment/lapsed".to_owned(),
        version: 1,
        digest: "sha256:3".to_owned(),
        made_at: at(31),
    };
    let failed = Operation { state: OperationState::Failed, reason: Some("why".to_owned()), ..operation.clone() };
    let note = |from, operation: &Operation| Agreement::Note { partner, from, operation: Box::new(operation.clone()) };
    let first = vec![Agreement::Made { partner, made: Box::new(made.clone()) }, note(OperationState::Running, &failed)];
    store.agree(&of, first, Vec::new()).await?;
    assert_eq!(
        (store.made(&of).await?, store.operations(&of, subscription.id).await?),
        (vec![made], vec![failed.clone()])
    );
    let late = vec![note(OperationState::Running, &operation)];
    assert!(matches!(store.agree(&of, late, Vec::new()).await, Err(StoreError::VersionConflict(_))));
    store.agree(&of, begin(2), Vec::new()).await?;
    let resumed = vec![note(OperationState::Failed, &operation)];
    let late = store.agree(&of, resumed.clone(), Vec::new()).await;
    assert!(matches!(late, Err(StoreError::VersionConflict(_))), "one at a time: {late:?}");
    let second =
        Operation { number: 2, state: OperationState::Succeeded, settled_at: Some(at(40)), ..operation.clone() };
    store.agree(&of, vec![note(OperationState::Running, &second)], Vec::new()).await?;
    store.agree(&of, resumed, Vec::new()).await?;
    assert!(store.agree(&of, begin(3), Vec::new()).await.is_err(), "it is under way again");
    let done = Operation { state: OperationState::Succeeded, settled_at: Some(at(40)), ..operation.clone() };
    store.agree(&of, vec![note(OperationState::Running, &done)], Vec::new()).await?;
    store.agree(&of, begin(3), Vec::new()).await?;
    let unmade = Agreement::Unmade { partner, kind: "segment".to_owned(), name: "lapsed".to_owned() };
    store.agree(&of, vec![unmade], Vec::new()).await?;
    assert!(store.made(&of).await?.is_empty() && store.made(&Scope::of(brand.id)).await?.is_empty());
    store.close().await;
    Ok(())
}

pub async fn a_block_holds_what_was_made_until_each_is_lifted(database: &Database) -> anyhow::Result<()> {
    let store = database.open("blocked").await?;
    let brand = store.create_tenant("blocked-brand", ClockKind::Live, at(1)).await?;
    let dealer = store.create_tenant("blocked-dealer", ClockKind::Live, at(1)).await?;
    let other = store.create_tenant("blocked-other", ClockKind::Live, at(1)).await?;
    let (partner, of, provider) = (dealer.id, Scope::of(dealer.id), Scope::of(brand.id));
    let subscription = requested(dealer.id, brand.id, "k");
    let block = |name: &str, stops: i64, now: i64| Block {
        id: Id::named(&[name.as_bytes()]),
        subscription: subscription.id,
        partner,
        provider: brand.id,
        reason: name.to_owned(),
        stops: Stops::from_bits(stops),
        set_by: Principal::key("k"),
        set_at: at(now),
        lifted_by: None,
        lifted_at: None,
    };
    let lifted = |block: &Block, now: i64| Block {
        lifted_by: Some(Principal::key("k2")),
        lifted_at: Some(at(now)),
        ..block.clone()
    };
    let operation = Operation {
        subscription: subscription.id,
        number: 1,
        purpose: Purpose::Provision,
        state: OperationState::Running,
        version: 1,
        digest: "sha256:1".to_owned(),
        progress: Vec::new(),
        reason: None,
        started_at: at(30),
        settled_at: None,
    };
    let begin = Agreement::Begin { partner, operation: Box::new(operation) };
    let asked = vec![Agreement::Request(Box::new(subscription.clone())), begin];
    store.agree(&of, asked, Vec::new()).await?;
    let (bill, both) = (block("bill", 5, 40), block("both", 2, 50));
    let set = |block: &Block| vec![Agreement::Block(Box::new(block.clone()))];
    let lift = |block: Block| vec![Agreement::Lift(Box::new(block)), Agreement::LookAt { partner, at: None }];
    store.agree(&provider, set(&bill), Vec::new()).await?;
    assert_eq!(store.open_operations(&of).await?.len(), 1, "it stops no service");
    store.agree(&provider, [set(&both), vec![Agreement::LookAt { partner, at: None }]].concat(), Vec::new()).await?;
    assert!(store.open_operations(&of).await?.is_empty());
    let due = async |now: i64| -> anyhow::Result<bool> {
        Ok(store.operations_due(at(now)).await?.into_iter().any(|(tenant, _)| tenant == partner))
    };
    assert!(!due(900).await?, "nobody looks at what waits for a block");
    for scope in [&of, &provider] {
        assert_eq!(store.blocks(scope, subscription.id).await?, [both.clone(), bill.clone()]);
        assert_eq!(store.blocks_in_force(scope).await?.len(), 2);
        assert_eq!(store.stops(scope, subscription.id).await?, Stops::from_bits(7));
    }
    assert!(store.blocks(&Scope::of(other.id), subscription.id).await?.is_empty(), "a stranger sees none");
    let subscribed = subscription.id.to_string();
    assert_eq!(store.billing_blocks(&of, &subscribed).await?, [(at(40), None)]);
    store.agree(&provider, lift(lifted(&both, 60)), Vec::new()).await?;
    let twice = store.agree(&provider, lift(lifted(&both, 61)), Vec::new()).await;
    assert!(matches!(twice, Err(StoreError::VersionConflict(_))), "it is lifted once");
    assert_eq!(store.blocks(&of, subscription.id).await?, [lifted(&both, 60), bill.clone()]);
    assert!(due(60).await?, "what waited goes on");
    assert_eq!(store.stops(&of, subscription.id).await?, Stops::from_bits(5));
    store.agree(&provider, lift(lifted(&bill, 70)), Vec::new()).await?;
    assert_eq!(store.billing_blocks(&of, &subscribed).await?, [(at(40), Some(at(70)))], "it stays on record");
    store.close().await;
    Ok(())
}
