//! People and their sessions: one address is one person, an invitation works once, and a tenant keeps an owner.

use openhub_model::{ClockKind, Principal, Role, TenantId};
use openhub_store::{
    IdentityProvider, Invitation, NewSession, OwnerKept, Person, PersonChange, Proof, Scope, SecondFactor, Shown,
    StoreError, Subject,
};

use crate::support::{Database, at};

fn person(id: &str, role: Role, created: i64) -> Person {
    Person {
        id: id.to_owned(),
        email: format!("{id}@example.com"),
        name: id.to_owned(),
        role,
        password: None,
        second: None,
        subject: None,
        invitation: Some(Invitation { hash: format!("invitation of {id}"), until: at(100) }),
        created_at: at(created),
        made_by: Some(Principal::Operator),
        logged_in_at: None,
    }
}

pub async fn an_invitation_works_once_and_a_session_is_of_its_tenant(database: &Database) -> anyhow::Result<()> {
    let store = database.open("persons").await?;
    let tenant = store.create_tenant("people", ClockKind::Live, at(1)).await?;
    let other = store.create_tenant("others", ClockKind::Live, at(1)).await?;
    let (scope, elsewhere) = (Scope::of(tenant.id), Scope::of(other.id));
    for (id, created) in [("ada", 5), ("bob", 5), ("eve", 7)] {
        store.create_person(&scope, &person(id, Role::Analyst, created)).await?;
        assert_eq!(store.person(&scope, id).await?, Some(person(id, Role::Analyst, created)), "it is as it was made");
        assert_eq!(store.person(&elsewhere, id).await?, None);
    }
    let twice = Person { id: "x".to_owned(), ..person("ada", Role::Analyst, 9) };
    assert!(matches!(store.create_person(&scope, &twice).await, Err(StoreError::AlreadyExists(_))));
    store.create_person(&elsewhere, &person("ada", Role::Owner, 9)).await?;
    let found = store.person_by_email(&scope, "ada@example.com").await?.expect("ada");
    assert_eq!((found.id.as_str(), found.role), ("ada", Role::Analyst));
    let ids = async |behind, rows| -> anyhow::Result<Vec<String>> {
        Ok(store.newest_persons(&scope, behind, rows).await?.into_iter().map(|person| person.id).collect())
    };
    assert_eq!(ids(None, 2).await?, ["eve", "bob"]);
    assert_eq!(ids(Some(&(at(5), "bob".to_owned())), 2).await?, ["ada"]);

    let accept = |scope: Scope, invitation: &str, now| {
        let (store, invitation) = (store.clone(), invitation.to_owned());
        async move { store.accept_invitation(&scope, "ada", &invitation, "hash one", at(now)).await }
    };
    for (scope, invitation, now) in
        [(scope, "another", 50), (elsewhere, "invitation of bob", 50), (scope, "invitation of ada", 100)]
    {
        let refused = accept(scope, invitation, now).await;
        assert!(matches!(refused, Err(StoreError::NotFound)), "{invitation} at {now}");
    }
    accept(scope, "invitation of ada", 99).await?;
    assert!(matches!(accept(scope, "invitation of ada", 99).await, Err(StoreError::NotFound)), "it works once");

    let session = |hash: &str, now: i64| NewSession {
        hash: hash.to_owned(),
        person: "ada".to_owned(),
        at: at(now),
        ends_at: at(now + 100),
        idle_since: at(now - 20),
    };
    let stale =
        store.begin_session(&scope, &session("s0", 100), &Shown::Password("another hash".to_owned()), None).await;
    assert!(matches!(stale, Err(StoreError::NotFound)), "the password was changed since it was checked");
    for (hash, now) in [("s1", 100), ("s2", 110), ("s3", 121)] {
        store.begin_session(&scope, &session(hash, now), &Shown::Password("hash one".to_owned()), None).await?;
    }
    let alive = async |tenant: TenantId| -> anyhow::Result<Vec<String>> {
        let asked = ["s1", "s2", "s3", "s4"].map(|hash| (tenant, hash.to_owned()));
        let mut found: Vec<String> = store.sessions(&asked).await?.into_iter().map(|session| session.hash).collect();
        found.sort();
        Ok(found)
    };
    assert_eq!(alive(tenant.id).await?, ["s2", "s3"], "what was idle went at the next log-in");
    assert_eq!(alive(other.id).await?, Vec::<String>::new());
    store.note_session_seen(tenant.id, "s2", at(130)).await?;
    store.note_session_seen(tenant.id, "s2", at(125)).await?;
    let change = PersonChange { role: Some(Role::Admin), ..PersonChange::default() };
    assert_eq!(store.change_person(&scope, "ada", change).await?, OwnerKept::Yes);
    let seen = store.sessions(&[(tenant.id, "s2".to_owned())]).await?.remove(0);
    assert_eq!((seen.seen_at, seen.role, seen.email.as_str()), (at(130), Role::Admin, "ada@example.com"));
    assert_eq!(store.person(&scope, "ada").await?.and_then(|person| person.logged_in_at), Some(at(121)));

    let wrong = store.change_password(&scope, "ada", ("hash zero", "hash two"), "s2").await;
    assert!(matches!(wrong, Err(StoreError::NotFound)));
    store.change_password(&scope, "ada", ("hash one", "hash two"), "s2").await?;
    assert_eq!(alive(tenant.id).await?, ["s2"]);
    store.end_session(&elsewhere, "s2").await?;
    assert_eq!(alive(tenant.id).await?, ["s2"]);
    store.begin_session(&scope, &session("s4", 131), &Shown::Password("hash two".to_owned()), None).await?;
    store.end_session(&scope, "s2").await?;
    assert_eq!(alive(tenant.id).await?, ["s4"]);
    assert!(matches!(store.remove_person(&elsewhere, "bob").await, Err(StoreError::NotFound)));
    assert_eq!(store.remove_person(&scope, "ada").await?, OwnerKept::Yes);
    assert_eq!(alive(tenant.id).await?, Vec::<String>::new(), "sessions go with their person");
    store.close().await;
    Ok(())
}

pub async fn a_tenant_keeps_an_owner(database: &Database) -> anyhow::Result<()> {
    let store = database.open("owners").await?;
    let tenant = store.create_tenant("owned", ClockKind::Live, at(1)).await?;
    let scope = Scope::of(tenant.id);
    for id in ["one", "two", "invited"] {
        store.create_person(&scope, &person(id, Role::Owner, 5)).await?;
    }
    for id in ["one", "two"] {
        store.accept_invitation(&scope, id, &format!("invitation of {id}"), "hash", at(6)).await?;
    }
    let less = || PersonChange { role: Some(Role::Admin), ..PersonChange::default() };
    // Each goes at the same time as the other.
    let (one, two) = tokio::join!(store.change_person(&scope, "one", less()), store.remove_person(&scope, "two"));
    let mut kept = [one?, two?];
    kept.sort_by_key(|kept| *kept == OwnerKept::WouldBeLost);
    assert_eq!(kept, [OwnerKept::Yes, OwnerKept::WouldBeLost]);
    let stays = if store.person(&scope, "two").await?.is_some() { "two" } else { "one" };
    assert_eq!(store.person(&scope, stays).await?.map(|person| person.role), Some(Role::Owner));
    assert_eq!(store.remove_person(&scope, stays).await?, OwnerKept::WouldBeLost);
    let renamed = PersonChange { name: Some("Name".to_owned()), role: Some(Role::Owner) };
    assert_eq!(store.change_person(&scope, stays, renamed).await?, OwnerKept::Yes);
    assert_eq!(store.remove_person(&scope, "invited").await?, OwnerKept::Yes, "who is invited is no owner yet");
    store.close().await;
    Ok(())
}

pub async fn a_proof_works_once(database: &Database) -> anyhow::Result<()> {
    let store = database.open("second-factors").await?;
    let tenant = store.create_tenant("careful", ClockKind::Live, at(1)).await?;
    let scope = Scope::of(tenant.id);
    store.create_person(&scope, &person("ada", Role::Owner, 5)).await?;
    store.accept_invitation(&scope, "ada", "invitation of ada", "hash", at(6)).await?;
    let mut sessions = 0;
    let mut log_in = async |proof: Option<Proof>| {
        sessions += 1;
        let (hash, person) = (format!("s{sessions}"), "ada".to_owned());
        let new = NewSession { hash, person, at: at(10), ends_at: at(1_000), idle_since: at(0) };
        match store.begin_session(&scope, &new, &Shown::Password("hash".to_owned()), proof).await {
            Ok(()) => Ok(true),
            Err(StoreError::NotFound) => Ok(false),
            Err(error) => Err(error),
        }
    };
    let codes = |codes: &[&str]| codes.iter().map(|code| (*code).to_owned()).collect::<Vec<_>>();
    let recovery = |before: &[&str], left: &[&str]| Some(Proof::Recovery { before: codes(before), left: codes(left) });
    store.offer_second_factor(&scope, "ada", "sealed one").await?;
    assert!(log_in(None).await?, "what is offered is not asked for");
    assert!(!log_in(Some(Proof::Code(7))).await?, "nor taken");
    store.offer_second_factor(&scope, "ada", "sealed two").await?;
    let stale = store.confirm_second_factor(&scope, "ada", "sealed one", 7, &codes(&["a", "b"])).await;
    assert!(matches!(stale, Err(StoreError::NotFound)));
    store.confirm_second_factor(&scope, "ada", "sealed two", 7, &codes(&["a", "b"])).await?;
    let held = SecondFactor { sealed: "sealed two".to_owned(), confirmed: true, step: 7, recovery: codes(&["a", "b"]) };
    assert_eq!(store.person(&scope, "ada").await?.and_then(|ada| ada.second), Some(held));
    let over = store.offer_second_factor(&scope, "ada", "sealed three").await;
    assert!(matches!(over, Err(StoreError::NotFound)), "nobody replaces one that is asked for");
    assert!(!log_in(None).await?);
    assert!(!log_in(Some(Proof::Code(7))).await?, "the first code was used");
    assert!(log_in(Some(Proof::Code(8))).await?);
    assert!(!log_in(Some(Proof::Code(8))).await?);
    assert!(log_in(recovery(&["a", "b"], &["b"])).await?);
    assert!(!log_in(recovery(&["a", "b"], &["b"])).await?);
    let invitation = Invitation { hash: "again".to_owned(), until: at(100) };
    store.invite_person(&scope, "ada", invitation).await?;
    store.accept_invitation(&scope, "ada", "again", "hash", at(20)).await?;
    assert!(log_in(None).await?, "a new invitation is for who has lost the authenticator, too");
    store.close().await;
    Ok(())
}

pub async fn a_provider_is_of_its_tenant_and_knows_each_person_as_one(database: &Database) -> anyhow::Result<()> {
    let store = database.open("providers").await?;
    let tenant = store.create_tenant("provided", ClockKind::Live, at(1)).await?;
    let other = store.create_tenant("unprovided", ClockKind::Live, at(1)).await?;
    let (scope, elsewhere) = (Scope::of(tenant.id), Scope::of(other.id));
    let provider = |issuer: &str, newcomers| IdentityProvider {
        issuer: issuer.to_owned(),
        client_id: "openhub".to_owned(),
        client_secret: "sealed".to_owned(),
        domains: vec!["example.com".to_owned()],
        newcomers,
        updated_at: at(2),
    };
    for wanted in [provider("https://one.example", None), provider("https://idp.example", Some(Role::Analyst))] {
        store.put_identity_provider(&scope, &wanted).await?;
        assert_eq!(store.identity_provider(&scope).await?, Some(wanted));
    }
    assert_eq!(store.identity_provider(&elsewhere).await?, None);
    let subject = |id: &str| Subject { issuer: "https://idp.example".to_owned(), id: id.to_owned() };
    for (id, role) in [("ada", Role::Owner), ("bob", Role::Analyst)] {
        store.create_person(&scope, &person(id, role, 5)).await?;
    }
    let enter = async |id: &str, hash: &str| {
        let (hash, person) = (hash.to_owned(), id.to_owned());
        let new = NewSession { hash, person, at: at(9), ends_at: at(90), idle_since: at(0) };
        store.begin_session(&scope, &new, &Shown::Subject(subject(id)), None).await
    };
    assert!(matches!(enter("ada", "s0").await, Err(StoreError::NotFound)), "nobody has said so");
    store.know_person_as(&scope, "ada", &subject("ada")).await?;
    let known = store.person_by_subject(&scope, &subject("ada")).await?.expect("ada");
    assert_eq!((known.id.as_str(), known.subject, known.invitation), ("ada", Some(subject("ada")), None));
    assert_eq!(store.person_by_subject(&elsewhere, &subject("ada")).await?, None);
    let second = store.know_person_as(&scope, "ada", &subject("another")).await;
    assert!(matches!(second, Err(StoreError::NotFound)), "a person is one to a provider");
    assert!(store.know_person_as(&scope, "bob", &subject("ada")).await.is_err(), "and a subject is one person");
    enter("ada", "s1").await?;
    assert_eq!(store.drop_identity_provider(&scope).await?, OwnerKept::WouldBeLost);
    assert_eq!(store.remove_person(&scope, "ada").await?, OwnerKept::WouldBeLost);
    store.accept_invitation(&scope, "ada", "no invitation", "hash", at(50)).await.unwrap_err();
    let again = Invitation { hash: "again".to_owned(), until: at(100) };
    store.invite_person(&scope, "ada", again).await?;
    store.accept_invitation(&scope, "ada", "again", "hash", at(50)).await?;
    assert_eq!(store.drop_identity_provider(&scope).await?, OwnerKept::Yes);
    assert!(matches!(enter("ada", "s2").await, Err(StoreError::NotFound)), "the provider is gone");
    assert!(matches!(store.drop_identity_provider(&scope).await, Err(StoreError::NotFound)));
    Ok(())
}
