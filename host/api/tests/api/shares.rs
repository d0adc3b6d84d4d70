//! Shares: what one tenant lets another have of its customers, from both sides.

use std::collections::BTreeSet;

use crate::hub::{Answer, Hub, Tenant, until};
use crate::tree::below;
use openhub_model::{Identity, TenantId};
use openhub_store::{EventFilter, Scope};
use openhub_test_postgres::Server;
use serde_json::{Value, json};

/// The end of a problem's type.
fn code(answer: &Answer) -> &str {
    answer.body["type"].as_str().and_then(|of| of.rsplit('/').next()).unwrap_or_default()
}

/// A brand with a segment of those who lapsed, and a dealer below it: its number and its key.
async fn two(hub: &Hub) -> (Tenant, i64, String) {
    let brand = hub.tenant("brand").await;
    let lapsed = json!({"condition": {"attribute": {"name": "tier", "is": "eq", "value": "lapsed"}}});
    assert!(hub.call("PUT", "/api/v1/segments/lapsed", &brand.api_key, Some(lapsed)).await.status < 202);
    let (dealer, key) = below(hub, &brand.api_key, json!({"name": "dealer"})).await;
    (brand, dealer, key)
}

fn customer(user: &str) -> Value {
    let traits = json!({"tier": "lapsed", "city": "Ulm", "email": format!("{user}@example.com")});
    json!({"type": "identify", "userId": user, "traits": traits})
}

/// Sets what a customer consents to.
async fn consent(hub: &Hub, tenant: &Tenant, user: &str, consents: Value) {
    let found = hub.get(&format!("/api/v1/customers?identity=user_id:{user}"), &tenant.api_key).await;
    let id = found.body["customers"][0]["id"].as_str().expect("a customer").to_owned();
    let body = Some(json!({"consents": consents}));
    let changed = hub.call("PATCH", &format!("/api/v1/customers/{id}"), &tenant.api_key, body).await;
    assert!(changed.status < 300, "{changed:?}");
}

async fn proposed(hub: &Hub, key: &str, with: i64, name: &str, terms: Value) -> Value {
    let made = hub.post("/api/v1/shares", key, json!({"with": with, "name": name, "terms": terms})).await;
    assert_eq!((made.status, &made.body["state"]), (201, &json!("proposed")), "{made:?}");
    made.body
}

async fn act(hub: &Hub, key: &str, share: &Value, act: &str) -> Answer {
    let body = match act {
        "agree" => json!({"digest": share["digest"]}),
        _ => json!({"reason": "no more"}),
    };
    hub.post(&format!("/api/v1/shares/{}/{act}", share["id"].as_str().expect("an id")), key, body).await
}

async fn read(hub: &Hub, key: &str, share: &Value, what: &str) -> Answer {
    hub.get(&format!("/api/v1/shares/{}/{what}", share["id"].as_str().expect("an id")), key).await
}

async fn names(hub: &Hub, key: &str, share: &Value) -> BTreeSet<String> {
    let answer = read(hub, key, share, "members?limit=1000").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let members = answer.body["members"].as_array().expect("members").iter();
    members.map(|member| member["pseudonym"].as_str().expect("a name").to_owned()).collect()
}

async fn log(hub: &Hub, tenant: TenantId, name: &str) -> usize {
    let named = EventFilter { name: Some(name.to_owned()), limit: 99, ..EventFilter::default() };
    hub.store.events(&Scope::of(tenant), &named).await.expect("events").len()
}

async fn both_agree_and_either_withdraws(hub: Hub) {
    let (brand, dealer, key) = two(&hub).await;
    let stranger = hub.tenant("stranger").await;
    let share = proposed(&hub, &brand.api_key, dealer, "lapsed", json!({"segments": ["lapsed"]})).await;
    assert_eq!((&share["kind"], &share["version"], &share["consent"]), (&json!("action"), &json!(1), &Value::Null));
    assert_eq!(hub.get("/api/v1/shares", &key).await.body["shares"][0], share, "both see it");
    assert_eq!(hub.get("/api/v1/shares", &stranger.api_key).await.body["shares"], json!([]));
    assert_eq!(read(&hub, &stranger.api_key, &share, "counts").await.status, 404);
    assert_eq!(code(&read(&hub, &key, &share, "counts").await), "not-active", "nothing flows before");
    assert_eq!(code(&act(&hub, &brand.api_key, &share, "agree").await), "already-decided", "nobody agrees alone");
    let other = json!({"id": share["id"], "digest": "sha256:0"});
    assert_eq!(code(&act(&hub, &key, &other, "agree").await), "not-agreed");
    let twice = json!({"with": dealer, "name": "lapsed", "terms": {"segments": ["lapsed"]}});
    assert_eq!(code(&hub.post("/api/v1/shares", &brand.api_key, twice).await), "already-exists");
    assert_eq!(act(&hub, &key, &share, "agree").await.body["state"], "active");
    let counts = read(&hub, &key, &share, "counts").await;
    assert_eq!(counts.body, json!({"fewest": 20, "segments": [{"segment": "lapsed", "count": null}], "journeys": []}));
    assert_eq!(code(&read(&hub, &brand.api_key, &share, "counts").await), "conflict", "its recipient reads it");
    assert_eq!(code(&read(&hub, &key, &share, "members").await), "conflict", "it has counts alone");

    // Nineteen are not told, and twenty are.
    let some = |from: i64, to: i64| json!((from..to).map(|of| customer(&of.to_string())).collect::<Vec<_>>());
    hub.send_events(&brand, some(0, 19)).await;
    let told = async || read(&hub, &key, &share, "counts").await.body["segments"][0]["count"].clone();
    assert_eq!(told().await, Value::Null);
    hub.send_events(&brand, some(19, 20)).await;
    assert_eq!(told().await, 20);

    // A later version takes its place.
    let next = proposed(&hub, &brand.api_key, dealer, "lapsed", json!({"segments": ["lapsed"], "journeys": []})).await;
    assert_eq!(next["version"], 2);
    assert_eq!(told().await, 20, "the one before flows until then");
    assert_eq!(act(&hub, &key, &next, "agree").await.status, 200);
    assert_eq!(code(&read(&hub, &key, &share, "counts").await), "not-active");
    let withdrawn = act(&hub, &key, &next, "withdraw").await;
    assert_eq!((&withdrawn.body["state"], &withdrawn.body["reason"]), (&json!("withdrawn"), &json!("no more")));
    assert_eq!(code(&read(&hub, &key, &next, "counts").await), "not-active");
    assert_eq!(code(&act(&hub, &brand.api_key, &next, "withdraw").await), "already-decided");
    for tenant in [brand.id, TenantId(dealer)] {
        let told = ["share.proposed", "share.agreed", "share.withdrawn"].map(|name| (name, tenant));
        let mut counts = Vec::new();
        for (name, tenant) in told {
            counts.push(log(&hub, tenant, name).await);
        }
        assert_eq!(counts, [2, 2, 1]);
    }
    // The other direction: a dealer asks, and gives nothing that leads to persons.
    let asked = json!({"with": brand.id.0, "direction": "have", "name": "asked", "terms": {"segments": ["lapsed"]}});
    let asked = hub.post("/api/v1/shares", &key, asked).await;
    assert_eq!((asked.status, &asked.body["giver"]["name"]), (201, &json!("brand")), "{asked:?}");
    assert_eq!(act(&hub, &brand.api_key, &asked.body, "decline").await.body["state"], "declined");
    let people = json!({"kind": "pseudonyms", "segments": ["own"], "purpose": "win-back"});
    let up = hub.post("/api/v1/shares", &key, json!({"with": brand.id.0, "name": "up", "terms": people})).await;
    assert_eq!((up.status, &up.body["faults"][0]["code"]), (400, &json!("upwards")), "{up:?}");
    let nobody = json!({"with": stranger.id.0, "name": "up", "terms": {"segments": ["lapsed"]}});
    let nobody = hub.post("/api/v1/shares", &key, nobody).await;
    assert_eq!((nobody.status, &nobody.body["faults"][0]["code"]), (400, &json!("unknown-tenant")), "{nobody:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn both_agree_and_either_withdraws_on_sqlite() {
    both_agree_and_either_withdraws(Hub::start().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_agree_and_either_withdraws_on_postgres() {
    let server = Server::start().await.expect("a server");
    both_agree_and_either_withdraws(Hub::on_postgres(server.database().await.expect("a database")).await).await;
}

async fn who_consents_is_told_under_names_of_the_pairs_own(hub: Hub) {
    let (brand, dealer, key) = two(&hub).await;
    let (second, second_key) = below(&hub, &brand.api_key, json!({"name": "second"})).await;
    hub.send_events(&brand, json!(["ada", "bob", "cleo", "dora"].map(customer))).await;
    let granted = json!({"state": "granted"});
    consent(&hub, &brand, "ada", json!({"win-back": granted})).await;
    consent(&hub, &brand, "bob", json!({"win-back/to:dealer": granted})).await;
    consent(&hub, &brand, "cleo", json!({"win-back": granted, "win-back/to:dealer": {"state": "denied"}})).await;
    let terms = json!({"kind": "pseudonyms", "segments": ["lapsed"], "purpose": "win-back"});
    let share = proposed(&hub, &brand.api_key, dealer, "lapsed", terms.clone()).await;
    assert_eq!(share["consent"], "win-back/to:dealer");
    act(&hub, &key, &share, "agree").await;
    let other = proposed(&hub, &brand.api_key, second, "lapsed", terms).await;
    act(&hub, &second_key, &other, "agree").await;
    let (first, others) = (names(&hub, &key, &share).await, names(&hub, &second_key, &other).await);
    assert_eq!((first.len(), others.len()), (2, 2), "ada and bob; ada and cleo");
    assert!(first.is_disjoint(&others), "nobody is called alike by two");
    let text = read(&hub, &key, &share, "members").await.body.to_string();
    for secret in ["lapsed", "example.com", "Ulm"] {
        assert!(!text.contains(secret), "{text}");
    }
    let page = read(&hub, &key, &share, "members?limit=1").await.body;
    let next = page["next"].as_str().expect("another page");
    let rest = read(&hub, &key, &share, &format!("members?limit=1&after={next}")).await.body;
    let told: BTreeSet<String> =
        [&page, &rest].map(|page| page["members"][0]["pseudonym"].as_str().expect("a name").to_owned()).into();
    assert_eq!((told, &rest["next"]), (first.clone(), &Value::Null));

    // A consent that is withdrawn stops the flow at the next read.
    consent(&hub, &brand, "ada", json!({"win-back": {"state": "denied"}})).await;
    let left = names(&hub, &key, &share).await;
    assert!(left.len() == 1 && left.is_subset(&first), "{left:?}");

    // Fields are of those alone who named recipient and purpose.
    let fields =
        json!({"kind": "fields", "segments": ["lapsed"], "purpose": "win-back", "fields": ["city", "nothing"]});
    let richer = proposed(&hub, &brand.api_key, dealer, "lapsed", fields).await;
    act(&hub, &key, &richer, "agree").await;
    consent(&hub, &brand, "ada", json!({"win-back": granted})).await;
    let told = read(&hub, &key, &richer, "members").await.body;
    let members = told["members"].as_array().expect("members");
    let [bob] = &members[..] else { panic!("{told}") };
    assert_eq!((&bob["fields"], left.contains(bob["pseudonym"].as_str().unwrap())), (&json!({"city": "Ulm"}), true));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_consents_is_told_under_names_of_the_pairs_own_on_sqlite() {
    who_consents_is_told_under_names_of_the_pairs_own(Hub::start().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_consents_is_told_under_names_of_the_pairs_own_on_postgres() {
    let server = Server::start().await.expect("a server");
    let database = server.database().await.expect("a database");
    who_consents_is_told_under_names_of_the_pairs_own(Hub::on_postgres(database).await).await;
}

async fn an_erasure_travels_on_and_its_receipt_comes_back(hub: Hub) {
    let (brand, dealer, key) = two(&hub).await;
    hub.send_events(&brand, json!(["ada", "bob"].map(customer))).await;
    for user in ["ada", "bob"] {
        consent(&hub, &brand, user, json!({"win-back": {"state": "granted"}})).await;
    }
    let terms = json!({"kind": "pseudonyms", "segments": ["lapsed"], "purpose": "win-back"});
    let share = proposed(&hub, &brand.api_key, dealer, "lapsed", terms).await;
    act(&hub, &key, &share, "agree").await;
    // The dealer keeps whom it was told of.
    let before = names(&hub, &key, &share).await;
    assert_eq!(before.len(), 2);
    for name in &before {
        let known = json!({"identities": [{"kind": "pseudonym", "value": name}]});
        let made = hub.post("/api/v1/customers", &key, known).await;
        assert_eq!(made.status, 201, "{made:?}");
    }
    let found = hub.get("/api/v1/customers?identity=user_id:ada", &brand.api_key).await;
    let ada = found.body["customers"][0]["id"].as_str().expect("ada").to_owned();
    // The other one is asked by the hub's clock, and the call waits for all.
    let path = format!("/api/v1/customers/{ada}");
    let mut asked = std::pin::pin!(hub.call("DELETE", &path, &brand.api_key, None));
    let erased = loop {
        tokio::select! {
            erased = &mut asked => break erased,
            () = tokio::time::sleep(std::time::Duration::from_millis(50)) => hub.advance(std::time::Duration::from_secs(2)),
        }
    };
    assert!(erased.status == 200 || erased.status == 202, "{erased:?}");
    let receipt = format!("/api/v1/erasures/{}", erased.body["id"].as_str().expect("an id"));
    let done = until("the receipt comes back", async || {
        hub.advance(std::time::Duration::from_secs(2));
        let receipt = hub.get(&receipt, &brand.api_key).await.body;
        receipt["done_at"].is_string().then_some(receipt)
    })
    .await;
    let [travelled] = &done["plugins"].as_array().expect("answers")[..] else { panic!("{done}") };
    assert_eq!((&travelled["plugin"], &travelled["status"]), (&json!(format!("share:{dealer}")), &json!("done")));
    let told: Value = serde_json::from_str(travelled["receipt"].as_str().expect("a receipt")).expect("JSON");
    assert_eq!((&told["tenant"], told["erased"].as_array().map(Vec::len)), (&json!("dealer"), Some(1)), "{told}");

    // Who is left is the other one, and the dealer's log names nobody.
    let after = names(&hub, &key, &share).await;
    let gone: Vec<&String> = before.difference(&after).collect();
    assert_eq!((after.len(), gone.len()), (1, 1));
    let there = async |name: &str| {
        let part = Identity::new("pseudonym", name).part(TenantId(dealer));
        hub.store.customer(&Scope::of(TenantId(dealer)), part).await.expect("a look").is_some()
    };
    assert!(!there(gone[0]).await && there(after.first().expect("bob")).await);
    let own = hub.get("/api/v1/erasures", &key).await.body;
    assert_eq!(own["erasures"][0]["asked_by"], format!("share:{}", brand.id.0), "{own}");
    let again = json!({"identities": [{"kind": "pseudonym", "value": gone[0]}]});
    assert!(hub.post("/api/v1/customers", &key, again).await.status >= 400, "it is suppressed there");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_travels_on_and_its_receipt_comes_back_on_sqlite() {
    an_erasure_travels_on_and_its_receipt_comes_back(Hub::start().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_travels_on_and_its_receipt_comes_back_on_postgres() {
    let server = Server::start().await.expect("a server");
    let database = server.database().await.expect("a database");
    an_erasure_travels_on_and_its_receipt_comes_back(Hub::on_postgres(database).await).await;
}
