//! Identities: what a merge and an unmerge write, and how everything of a customer is found through its parts.

use openhub_model::attribute::Declaration;
use openhub_model::customer::{Merge, Merges, fold};
use openhub_model::identity::{Age, Authority, Kind, Part, Policies, Policy, Refusal};
use openhub_model::{Cause, ClockKind, Customer, Id, Identity};
use openhub_store::{
    Afterwards, CatalogChange, ClaimRow, ClaimStatus, CustomerFilter, Decision, EventFilter, Judged, Match,
    MatchStatus, NewErasure, NewMatch, Op, Scope, TimelineFilter,
};
use serde_json::json;

use crate::support::{Database, LEASE, at, changes, event, identity, part};

pub async fn a_merge_moves_parts_only(database: &Database) -> anyhow::Result<()> {
    let store = database.open("i").await?;
    let tenant = store.create_tenant("identities", openhub_model::ClockKind::Live, at(1)).await?;
    let scope = Scope::of(tenant.id);
    let leases = store.claim_partitions(LEASE, 99).await?.leases;
    let lease = *leases.iter().find(|lease| lease.tenant == tenant.id).expect("its partition is free");
    let (first, second) = (part(&tenant, 1), part(&tenant, 2));
    store.append(&scope, vec![event("a", first), event("b", second)]).await?;
    let cause = |micros| Cause { at: at(micros), event: format!("m{micros}").into(), plugin: None, rule: None };
    let mut states = [1, 2].map(|user| Customer::new(part(&tenant, user), identity(user), at(user as i64)));
    states[0].set("tier", json!("gold\u{0}\"'"), cause(5));
    states[0].set_consent("news", json!({"state": "denied"}), cause(5), None);
    states[1].add("n", 3, cause(6));
    states[1].set_tag("vip", json!(true), cause(6));
    states[1].set_consent("news", json!({"state": "granted", "source": "form"}), cause(7), None);
    let mut apart = changes(1);
    apart.customers = states.iter().cloned().map(Into::into).collect();
    apart.parts = vec![row(&tenant, 1, 1), row(&tenant, 2, 2)];
    let lease = store.commit(&scope, &lease, &apart).await?;
    let stored = store.customers_by_id(&scope, &[first, second]).await?;
    assert_eq!(stored.len(), 2);
    // U+0000 is stored as U+FFFD.
    states[0].set("tier", json!("gold\u{FFFD}\"'"), cause(5));

    let joined = fold([&states[0], &states[1]], &Merges::new()).expect("two parts");
    let mut merge = changes(2);
    merge.parts = apart.parts.clone();
    for (part, state) in merge.parts.iter_mut().zip(&states) {
        part.customer = first;
        part.state = Some(Box::new(Customer { customer: first, ..state.clone() }));
    }
    merge.customers = vec![joined.clone().into()];
    merge.gone_customers = vec![second];
    let claim = ClaimRow {
        part: first,
        identity: identity(2),
        authority: Authority::Server,
        policy: 0,
        position: 2,
        source: "b".into(),
        status: ClaimStatus::Joined,
    };
    let refused =
        ClaimRow { authority: Authority::Browser, status: ClaimStatus::Refused(Refusal::Limit), ..claim.clone() };
    merge.claims = vec![claim.clone(), refused.clone()];
    let lease = store.commit(&scope, &lease, &merge).await?;
    for id in [first, second] {
        assert_eq!(store.customer(&scope, id).await?, Some(joined.clone()), "either id leads to the customer");
        let events = EventFilter { part: Some(id), limit: 9, ..EventFilter::default() };
        assert_eq!(store.events(&scope, &events).await?.len(), 2);
        let filter = TimelineFilter { limit: 9, ..TimelineFilter::default() };
        assert_eq!(store.timeline(&scope, id, &filter).await?.len(), 2);
        let mut parts = store.parts_around(&scope, &[id]).await?;
        parts.sort_by_key(|part| part.age);
        assert_eq!(parts, merge.parts);
    }
    assert_eq!(store.customers_by_id(&scope, &[second]).await?, []);
    let filter = CustomerFilter { identity: Some(identity(2)), limit: 9, ..CustomerFilter::default() };
    assert_eq!(store.customers(&scope, &filter).await?, [joined]);
    let mut judged = store.judged_pairs(&scope, &[(second, identity(1)), (first, identity(2))]).await?;
    judged.sort_by_key(|judged| judged.authority);
    assert_eq!(judged, [Judged::from(&refused), Judged::from(&claim)]);
    let mut claims = store.claims_of_identities(&scope, &[identity(2)]).await?;
    claims.sort_by_key(|claim| claim.authority);
    assert_eq!(claims, [refused, claim.clone()]);

    let mut unmerge = changes(3);
    unmerge.parts = apart.parts;
    unmerge.customers = states.iter().cloned().map(Into::into).collect();
    unmerge.claims = vec![ClaimRow { status: ClaimStatus::Undone, ..claim }];
    let lease = store.commit(&scope, &lease, &unmerge).await?;
    let mut back = store.customers_by_id(&scope, &[first, second]).await?;
    back.sort_by_key(|customer| customer.identity.value.clone());
    assert_eq!(back, states);
    let mut gone = changes(4);
    (gone.gone_parts, gone.gone_customers) = (vec![second], vec![second]);
    store.commit(&scope, &lease, &gone).await?;
    assert_eq!(store.customer(&scope, second).await?, None);
    store.release_leases(&leases).await?;
    store.close().await;
    Ok(())
}

pub async fn policies_attributes_and_matches(database: &Database) -> anyhow::Result<()> {
    let store = database.open("j").await?;
    let tenant = store.tenant_by_name("identities").await?.expect("the case before made it");
    let scope = Scope::of(tenant.id);
    assert_eq!(store.identity_policies(&scope).await?, Policies::default());
    let leases = store.claim_partitions(LEASE, 99).await?.leases;
    let lease = *leases.iter().find(|lease| lease.tenant == tenant.id).expect("its partition is free");
    let mut policy = Policy::default();
    policy.kinds.insert("card".into(), Kind { limit: Some(2), ..Kind::default() });
    let declaration = Declaration { merge: Merge::Sum, ..Declaration::default() };
    let proposal = |name: &str| NewMatch {
        id: Id::named(&[name.as_bytes()]),
        part: part(&tenant, 1),
        identity: Identity::new("card", name),
        score: 0.75,
        reason: "same name".into(),
        source: "m".into(),
        proposed_at: at(4),
    };
    let mut batch = changes(9);
    batch.catalog = vec![
        CatalogChange::IdentityKinds { policy: policy.clone(), position: 9 },
        CatalogChange::Attribute { name: "n".into(), declaration: Some(declaration.clone()), position: 9 },
        CatalogChange::Attribute { name: "gone".into(), declaration: Some(declaration.clone()), position: 9 },
        CatalogChange::Attribute { name: "gone".into(), declaration: None, position: 9 },
    ];
    batch.matches = vec![proposal("a"), proposal("b")];
    let lease = store.commit(&scope, &lease, &batch).await?;
    let policies = store.identity_policies(&scope).await?;
    assert_eq!((policies.at(9), policies.at(10)), ((0, &Policy::default()), (9, &policy)));
    assert_eq!(store.declared_attributes(&scope).await?, [("n".to_owned(), declaration)].into());
    let id = proposal("b").id;
    batch.decisions = vec![Decision { id, status: MatchStatus::Rejected, at: at(5) }];
    store.commit(&scope, &lease, &batch).await?;
    let rejected = Match { proposal: proposal("b"), status: MatchStatus::Rejected, decided_at: Some(at(5)) };
    assert_eq!(store.identity_match(&scope, id).await?, Some(rejected.clone()));
    assert_eq!(store.matches(&scope, None, None, 9).await?.len(), 2);
    assert_eq!(store.matches(&scope, Some(MatchStatus::Rejected), None, 9).await?, [rejected]);
    assert_eq!(store.matches(&scope, Some(MatchStatus::Open), Some(proposal("a").id), 9).await?, []);
    store.release_leases(&leases).await?;
    store.close().await;
    Ok(())
}

/// The row of a part that stands alone.
pub fn row(tenant: &openhub_store::Tenant, user: usize, position: i64) -> Part {
    let id = part(tenant, user);
    Part {
        age: Age { position, claimed: false, id },
        customer: id,
        identity: identity(user),
        source: "m".into(),
        seen: true,
        state: None,
    }
}

/// Nothing is made any more for who is about to be erased: it would be left behind.
pub async fn who_is_about_to_be_erased_is_known_no_more(database: &Database) -> anyhow::Result<()> {
    let store = database.open("a").await?;
    let made = store.create_tenant("erasing", ClockKind::Live, at(1)).await?;
    let scope = Scope::of(made.id);
    let (one, two) = (part(&made, 1), part(&made, 2));
    store.append(&scope, vec![event("1", one), event("2", two)]).await?;
    let leases = store.claim_partitions(LEASE, 99).await?.leases;
    let lease = leases.iter().find(|lease| lease.tenant == made.id).expect("its partition is free");
    let mut both = changes(2);
    both.parts = vec![row(&made, 1, 1), row(&made, 2, 2)];
    store.commit(&scope, lease, &both).await?;
    assert_eq!(store.known_parts(&scope, &[one, two]).await?.len(), 2);
    let asked = NewErasure {
        id: Id::named(&[b"erasure"]),
        customer: one,
        afterwards: Afterwards::Forgotten,
        asked_by: "test".into(),
        asked_at: at(9),
    };
    store.transact(&scope, vec![Op::PutErasure(asked)]).await?;
    assert_eq!(store.known_parts(&scope, &[one, two]).await?, [two].into());
    store.release_leases(&leases).await?;
    store.close().await;
    Ok(())
}
