//! Identities: who may join whom, what the tenant configures, and how customers come apart again.

use crate::hub::{Answer, Hub, Tenant, encode, limits, until};
use openhub_api::{KeyScopes, Limits};
use openhub_test_postgres::Server;
use serde_json::{Value, json};

async fn find(hub: &Hub, tenant: &Tenant, identity: &str) -> Value {
    let found = hub.get(&format!("/api/v1/customers?identity={identity}"), &tenant.api_key).await;
    found.body["customers"][0].clone()
}

fn identities(customer: &Value) -> Vec<&str> {
    let identities = customer["identities"].as_array().map_or(&[][..], Vec::as_slice);
    identities.iter().filter_map(|identity| identity["value"].as_str()).collect()
}

/// A call, and then a change by the API, which waits for the engine.
async fn send(hub: &Hub, tenant: &Tenant, key: &str, path: &str, body: Value) {
    let answer = hub.post(path, key, body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let ping = json!({"identities": [{"kind": "user_id", "value": "ping"}]});
    assert!(hub.post("/api/v1/customers", &tenant.api_key, ping).await.status < 202);
}

fn pointer(answer: &Answer) -> (u16, &str, &str) {
    let fault = &answer.body["faults"][0];
    (answer.status, fault["code"].as_str().unwrap_or_default(), fault["pointer"].as_str().unwrap_or_default())
}

#[tokio::test]
async fn a_visitor_becomes_known_and_is_taken_apart_again() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let (browser, server) = (tenant.write_key.clone(), hub.key(tenant.id, KeyScopes::SERVER).await);
    send(&hub, &tenant, &browser, "/v1/page", json!({"anonymousId": "v1", "name": "Home"})).await;
    let traits = json!({"email": "Ada@Example.com", "city": "London"});
    let identify = json!({"userId": "ada", "anonymousId": "v1", "traits": traits});
    send(&hub, &tenant, &browser, "/v1/identify", identify.clone()).await;
    let ada = find(&hub, &tenant, "user_id:ada").await;
    assert_eq!(identities(&ada), ["v1", "ada"], "a page attaches a visitor and no address");
    assert_eq!(ada["attributes"]["city"], "London");
    send(&hub, &tenant, &server, "/v1/identify", identify).await;
    assert_eq!(identities(&find(&hub, &tenant, "email:ada@example.com").await), ["v1", "ada", "ada@example.com"]);
    // Another user on the same device and with the same address stays another user.
    let rival = json!({"userId": "bob", "anonymousId": "v1", "traits": {"email": "ada@example.com"}});
    send(&hub, &tenant, &server, "/v1/identify", rival).await;
    assert_eq!(identities(&find(&hub, &tenant, "user_id:bob").await), ["bob"]);
    let events = hub.get("/api/v1/events?name=Identity%20Refused", &tenant.api_key).await.body;
    let reasons: Vec<&Value> =
        events["events"].as_array().unwrap().iter().map(|event| &event["body"]["properties"]["reason"]).collect();
    assert_eq!(reasons, ["limit", "limit"], "{events}");
    // The history of the visitor is the user's; its own id leads to the customer.
    let path = format!("/api/v1/customers/{}", ada["id"].as_str().unwrap());
    let timeline = hub.get(&format!("{path}/timeline"), &tenant.api_key).await.body;
    assert_eq!(timeline["items"].as_array().unwrap().len(), 3);
    let unknown = json!({"identity": {"kind": "anonymous_id", "value": "v9"}});
    let refused = hub.post(&format!("{path}/unmerge"), &tenant.api_key, unknown).await;
    assert_eq!(pointer(&refused), (400, "unknown-identity", "/identity"), "{refused:?}");
    let visitor = json!({"identity": {"kind": "anonymous_id", "value": "v1"}});
    let apart = hub.post(&format!("{path}/unmerge"), &tenant.api_key, visitor).await;
    assert_eq!(apart.status, 200, "{apart:?}");
    let customers = apart.body["customers"].as_array().unwrap();
    let mut apart: Vec<Vec<&str>> = customers.iter().map(identities).collect();
    apart.sort();
    // As if the claim had never been made: then the other user's claim of the visitor is in nobody's way.
    assert_eq!(apart, [vec!["ada", "ada@example.com"], vec!["v1", "bob"]]);
    assert_eq!(find(&hub, &tenant, "anonymous_id:v1").await["attributes"]["city"], Value::Null);
    assert_eq!(find(&hub, &tenant, "user_id:ada").await["attributes"]["city"], "London");
    // What was taken apart is not joined again by the next event.
    send(&hub, &tenant, &server, "/v1/identify", json!({"userId": "ada", "anonymousId": "v1"})).await;
    assert_eq!(identities(&find(&hub, &tenant, "anonymous_id:v1").await), ["v1", "bob"]);
}

#[tokio::test]
async fn kinds_and_attributes_are_configured() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let key = &tenant.api_key;
    let put = async |path: &str, body: Value| hub.call("PUT", path, key, Some(body)).await;
    let default = hub.get("/api/v1/identity-kinds", key).await.body;
    assert_eq!(default["kinds"]["user_id"]["limit"], 1);
    let none = put("/api/v1/identity-kinds", json!({"kinds": {"card": {"limit": 0}}})).await;
    assert_eq!(pointer(&none), (400, "out-of-range", "/kinds/card/limit"), "{none:?}");
    let kinds = json!({"kinds": {"card": {"limit": 1, "block": ["TEST"], "max_length": 8}}});
    assert_eq!(put("/api/v1/identity-kinds", kinds).await.status, 200);
    assert_eq!(hub.get("/api/v1/identity-kinds", key).await.body["kinds"]["card"]["limit"], 1);
    let customer = |card: &str| {
        let identities = json!([{"kind": "user_id", "value": "ada"}, {"kind": "card", "value": card}]);
        json!({"identities": identities, "consents": {"news": {"state": "granted", "source": "form"}}})
    };
    for (card, code) in [("test", "blocked-identity"), ("123456789", "invalid-identity"), ("", "blocked-identity")] {
        let refused = hub.post("/api/v1/customers", key, customer(card)).await;
        assert_eq!(pointer(&refused), (400, code, "/identities/1/value"), "{card}");
    }
    let made = hub.post("/api/v1/customers", key, customer("7")).await.body;
    assert_eq!(identities(&made), ["ada", "7"]);
    assert_eq!(made["consents"]["news"]["state"], "granted");
    let path = format!("/api/v1/customers/{}", made["id"].as_str().unwrap());
    let wrong = json!({"consents": {"news": {"state": "perhaps"}}});
    let wrong = hub.call("PATCH", &path, key, Some(wrong)).await;
    assert_eq!(pointer(&wrong), (400, "unknown-state", "/consents/news/state"));
    let changed = json!({"consents": {"news": null, "news/sms": {"state": "denied"}}, "attributes": {"city": "Paris"}});
    let changed = hub.call("PATCH", &path, key, Some(changed)).await.body;
    assert_eq!(changed["consents"].as_object().unwrap().keys().collect::<Vec<_>>(), ["news/sms"]);
    assert_eq!(put("/api/v1/attributes/visits", json!({"type": "integer", "merge": "sum"})).await.status, 200);
    for wrong in [
        json!({"type": "date", "merge": "sum"}),
        json!({"type": "number", "merge": "sum"}),
        json!({"type": "text", "merge": "max"}),
    ] {
        let refused = put("/api/v1/attributes/foo", wrong).await;
        assert_eq!(
            (refused.status, &refused.body["faults"][0]["pointer"]),
            (400, &json!("/merge")),
            "user14 24: {refused:?}"
        );
    }
    assert_eq!(put("/api/v1/attributes/visits", json!({"merge": "least"})).await.status, 400);
    let declared = hub.get("/api/v1/attributes", key).await.body;
    assert_eq!(declared["attributes"]["visits"], json!({"type": "integer", "merge": "sum"}));
    let wrong = hub.call("PATCH", &path, key, Some(json!({"attributes": {"visits": "3"}}))).await;
    assert_eq!(pointer(&wrong), (400, "wrong-type", "/attributes/visits"));
    hub.send_events(
        &tenant,
        json!([
            {"type": "identify", "userId": "ada", "traits": {"visits": 3, "city": "Rome"}, "review": true, "verdict": {}},
            {"type": "identify", "userId": "ada", "traits": {"visits": "four", "city": "Bern"}},
        ]),
    )
    .await;
    let ada = hub.get(&path, key).await.body;
    assert_eq!((&ada["attributes"]["visits"], &ada["attributes"]["city"]), (&json!(3), &json!("Bern")));
    let refused = hub.get("/api/v1/events?name=Attribute%20Refused", key).await.body;
    let refused = refused["events"].as_array().unwrap();
    let said = json!({"attribute": "visits", "reason": "type", "type": "integer", "found": "text", "plugin": null, "rule": null,
        "message": "`visits` was not written: its declared type is integer, and a value of the type text came."});
    assert_eq!((refused.len(), &refused[0]["body"]["properties"]), (1, &said));
    assert_eq!(hub.call("DELETE", "/api/v1/attributes/visits", key, None).await.status, 204);
    assert_eq!(hub.call("DELETE", "/api/v1/attributes/visits", key, None).await.status, 404);
    assert_eq!(hub.get("/api/v1/matches", key).await.body, json!({"matches": [], "next": null}));
    let dry = hub.post("/api/v1/matches", key, json!({"decision": "accept", "dry_run": true})).await.body;
    assert_eq!(dry, json!({"matches": 0, "customers": 0, "refused": 0, "dry_run": true}));
}

#[tokio::test]
async fn matches_are_proposed_counted_and_decided() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let key = &tenant.api_key;
    let server = hub.key(tenant.id, KeyScopes::SERVER).await;
    for (user, card) in [("ada", "1"), ("bob", "2"), ("eve", "3"), ("gil", "4")] {
        let identities = json!([{"kind": "user_id", "value": user}]);
        let made = hub.post("/api/v1/customers", key, json!({ "identities": identities })).await;
        assert_eq!(made.status, 201, "{made:?}");
        let card = json!([{"kind": "card", "value": card}, {"kind": "email", "value": format!("{card}@example.com")}]);
        assert_eq!(hub.post("/api/v1/customers", key, json!({ "identities": card })).await.status, 201);
    }
    let propose = |user: &str, kind: &str, value: &str, score: f64| {
        let properties = json!({"kind": kind, "value": value, "score": score, "reason": "same name"});
        json!({"userId": user, "event": "Match Proposed", "properties": properties})
    };
    let refused = hub.post("/v1/track", &tenant.write_key, propose("ada", "card", "3", 0.9)).await;
    assert_eq!(refused.status, 400, "{refused:?}");
    assert_eq!(hub.get("/api/v1/matches", key).await.body["matches"], json!([]), "a page proposes nothing");
    for (user, kind, value, score) in
        [("ada", "card", "1", 0.9), ("bob", "card", "2", 0.5), ("eve", "user_id", "ada", 0.95)]
    {
        send(&hub, &tenant, &server, "/v1/track", propose(user, kind, value, score)).await;
    }
    let open = hub.get("/api/v1/matches?status=open", key).await.body;
    assert_eq!(open["matches"].as_array().unwrap().len(), 3);
    let accept = json!({"decision": "accept", "score_from": 0.8, "dry_run": true});
    let dry = hub.post("/api/v1/matches", key, accept).await.body;
    assert_eq!(dry, json!({"matches": 2, "customers": 2, "refused": 1, "dry_run": true}));
    let accept = json!({"decision": "accept", "score_from": 0.8});
    assert_eq!(hub.post("/api/v1/matches", key, accept).await.status, 200);
    let joined = find(&hub, &tenant, "card:1").await;
    assert_eq!(identities(&joined), ["ada", "1", "1@example.com"]);
    let reject = hub.post("/api/v1/matches", key, json!({"decision": "reject"})).await;
    assert_eq!(reject.body["matches"], 1, "{reject:?}");
    assert_eq!(identities(&find(&hub, &tenant, "card:2").await).len(), 2);
    let rejected = hub.get("/api/v1/matches?status=rejected", key).await.body;
    assert_eq!(rejected["matches"][0]["identity"]["value"], "2");
    let again = json!({"decision": "accept", "ids": [rejected["matches"][0]["id"]]});
    assert_eq!(pointer(&hub.post("/api/v1/matches", key, again).await), (400, "not-open", "/ids/0"));
    let policy = json!({"kinds": {}, "matches": {"accept_from": 0.7}});
    assert_eq!(hub.call("PUT", "/api/v1/identity-kinds", key, Some(policy)).await.status, 200);
    send(&hub, &tenant, &server, "/v1/track", propose("eve", "card", "3", 0.75)).await;
    // The acceptance goes through the log behind the proposal.
    send(&hub, &tenant, &server, "/v1/track", json!({"userId": "eve", "event": "Later"})).await;
    assert_eq!(identities(&find(&hub, &tenant, "user_id:eve").await), ["eve", "3", "3@example.com"]);
    // Of two that come together the better one counts, in whichever order.
    let two = [0.5, 0.99].map(|score| {
        let mut proposed = propose("gil", "card", "4", score);
        proposed["type"] = json!("track");
        proposed
    });
    send(&hub, &tenant, &server, "/v1/batch", json!({"batch": two})).await;
    send(&hub, &tenant, &server, "/v1/track", json!({"userId": "gil", "event": "Later"})).await;
    assert_eq!(identities(&find(&hub, &tenant, "user_id:gil").await), ["gil", "4", "4@example.com"]);
}

#[tokio::test]
async fn report_06_values_that_are_a_programs_mistake_join_nobody() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let server = hub.key(tenant.id, KeyScopes::SERVER).await;
    let mut events = Vec::new();
    for visitor in ["v1", "v2"] {
        events.push(json!({"type": "identify", "anonymousId": visitor, "traits": {"phone": "00000000000", "email": "undefined"},
            "identities": [{"kind": "crm_id", "value": "[object Object]"}, {"kind": "crm_id", "value": " - "},
                {"kind": "crm_id", "value": "NaN"}, {"kind": "crm_id", "value": "00000000-0000-0000-0000-000000000000"}]}));
        events.push(json!({"type": "page", "userId": "undefined", "anonymousId": visitor}));
    }
    let answer = hub.post("/v1/batch", &server, json!({"batch": events})).await;
    let left_out = answer.body["left_out"].as_array().expect("what joins nobody is told");
    assert!(left_out.len() == 12 && left_out.iter().all(|part| part["code"] == "blocked-identity"), "{answer:?}");
    hub.settle(&tenant).await;
    let customers = hub.get("/api/v1/customers", &tenant.api_key).await.body["customers"].clone();
    assert_eq!(customers.as_array().expect("customers").len(), 2, "{customers}");
    for visitor in ["v1", "v2"] {
        let found = find(&hub, &tenant, &format!("anonymous_id:{visitor}")).await;
        assert_eq!(found["identities"].as_array().expect("identities").len(), 1, "{found}");
    }
    let told = hub.get("/api/v1/events?name=Identity%20Refused&limit=100", &tenant.api_key).await.body;
    assert_eq!(told["events"].as_array().expect("events").len(), 14, "each is told once a visitor: {told}");
    let alone = hub.post("/v1/page", &server, json!({"userId": "[object Object]"})).await;
    assert_eq!((alone.status, &alone.body["faults"][0]["pointer"]), (400, &json!("/userId")));
}

#[tokio::test]
async fn report_07_an_identity_has_one_form_at_every_door() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let key = &tenant.api_key;
    let server = hub.key(tenant.id, KeyScopes::SERVER).await;
    let kinds = json!({"kinds": {"phone": {"format": "phone", "trait": "phone", "calling_code": "49"}}});
    assert_eq!(hub.call("PUT", "/api/v1/identity-kinds", key, Some(kinds)).await.status, 200);
    let ada = json!({"userId": " ada\u{200b}", "traits": {"email": "Ada@Bücher.Example", "phone": "030/123 45 67"}});
    assert_eq!(hub.post("/v1/identify", &server, ada).await.status, 200);
    hub.settle(&tenant).await;
    let id = find(&hub, &tenant, "user_id:ada").await["id"].clone();
    let forms = [
        ("user_id", "ada"),
        ("user_id", "\u{feff}ada "),
        ("email", "ada@bücher.example"),
        ("email", "ADA@xn--bcher-kva.example"),
        ("email", "ada@bu\u{308}cher.example"),
        ("phone", "+49 30 1234567"),
        ("phone", "0049301234567"),
        ("phone", "030 1234567\u{200f}"),
    ];
    for (number, (kind, value)) in forms.into_iter().enumerate() {
        let found = hub.get(&format!("/api/v1/customers?identity={}", encode(&format!("{kind}:{value}"))), key).await;
        assert_eq!(found.body["customers"][0]["id"], id, "{kind}:{value:?}");
        let leaf = |is: &str, value: Value| json!({"identity": {"kind": kind, "is": is, "value": value}});
        for condition in
            [leaf("eq", json!(value)), leaf("in", json!(["x", value])), json!({"not": leaf("ne", json!(value))})]
        {
            let path = format!("/api/v1/customers?condition={}", encode(&condition.to_string()));
            assert_eq!(hub.get(&path, key).await.body["customers"][0]["id"], id, "{condition}");
            let path = format!("/api/v1/export/customers?format=jsonl&condition={}", encode(&condition.to_string()));
            assert!(hub.get(&path, key).await.body.to_string().contains(id.as_str().unwrap()), "{condition}");
            let preview = hub.post("/api/v1/segments/preview", key, json!({"condition": condition})).await;
            assert_eq!(preview.body["count"], 1, "{condition}: {preview:?}");
        }
        let name = format!("/api/v1/segments/s{number}");
        let saved = hub.call("PUT", &name, key, Some(json!({"condition": leaf("eq", json!(value))}))).await;
        assert_eq!(saved.status, 200, "{saved:?}");
        let members = until("the segment is filled", async || {
            let members = hub.get(&format!("{name}/members"), key).await.body;
            (members["members"] != json!([])).then_some(members)
        });
        let members = members.await;
        assert!(members.to_string().contains(id.as_str().unwrap()), "{members}");
        let again = json!({"identities": [{"kind": kind, "value": value}], "tags": {"seen": true}});
        assert_eq!(hub.post("/api/v1/customers", key, again).await.status, 200, "{kind}:{value:?}");
    }
    let all = hub.get("/api/v1/customers", key).await.body;
    assert_eq!(all["customers"].as_array().unwrap().len(), 1, "{all}");
}

#[tokio::test]
async fn report_08_and_09_who_was_erased_is_known_again_however_it_is_written() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let server = hub.key(tenant.id, KeyScopes::SERVER).await;
    let gone = json!({"userId": "gone", "traits": {"email": "jürgen@bücher.example", "phone": "+49 30 1234567"}});
    assert_eq!(hub.post("/v1/identify", &server, gone).await.status, 200);
    hub.settle(&tenant).await;
    let id = find(&hub, &tenant, "user_id:gone").await["id"].as_str().expect("an id").to_owned();
    hub.call("DELETE", &format!("/api/v1/customers/{id}?suppress=true"), &tenant.api_key, None).await;
    hub.settle(&tenant).await;
    for (kind, value) in [
        ("email", "ju\u{308}rgen@bu\u{308}cher.example"),
        ("email", "JÜRGEN@xn--bcher-kva.example"),
        ("email", "\u{202a}jürgen@bücher.example\u{202c}"),
        ("phone", "+49 30 1234567\u{200b}"),
        ("phone", "0049 (0)30 1234567"),
        ("phone", "\u{202d}+49301234567\u{202c}"),
        ("user_id", "go\u{ad}ne"),
    ] {
        let mut event = json!({"userId": "eve", "identities": [{"kind": kind, "value": value}]});
        if kind != "user_id" {
            let of = json!({"userId": "eve", "traits": {kind: value}});
            assert_eq!(hub.post("/v1/identify", &server, of).await.status, 400, "{value:?}");
        } else {
            event["userId"] = json!(value);
        }
        assert_eq!(hub.post("/v1/identify", &server, event).await.status, 400, "{value:?}");
        let new = json!({"identities": [{"kind": kind, "value": value}]});
        assert_eq!(hub.post("/api/v1/customers", &tenant.api_key, new).await.status, 400, "{value:?}");
        let check = json!({"kind": kind, "value": value});
        let check = hub.post("/api/v1/suppressions/check", &tenant.api_key, check).await;
        assert_eq!(check.body, json!({"suppressed": true}), "{value:?}");
    }
}

#[tokio::test]
async fn a_customer_of_more_identities_than_an_event_takes_is_refused_before_any_is_looked_at() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let many = |most: usize| {
        let each = (0..most).chain([0]).map(|number| json!({"kind": "user_id", "value": format!("u{number}")}));
        json!({"identities": each.collect::<Vec<_>>()})
    };
    let few = hub.post("/api/v1/customers", &tenant.api_key, many(100)).await;
    assert_eq!(pointer(&few), (400, "repeated-identity", "/identities/100"));
    let flood = hub.post("/api/v1/customers", &tenant.api_key, many(20_000)).await;
    assert_eq!(flood.status, 413, "{flood:?}");
}

/// Values that were there before: the declaration says how many there are, and where.
async fn a_declaration_tells_of_the_values_that_do_not_fit(hub: Hub) {
    let tenant = hub.tenant("shop").await;
    let key = &tenant.api_key;
    let born = ["1990-05-01", "01.05.1990", "1990-02-30", "soon"];
    let person = |(number, born): (usize, &&str)| json!({"type": "identify", "userId": format!("u{number}"), "traits": {"born": born, "it\"s": born}});
    let mut people: Vec<Value> = born.iter().enumerate().map(person).collect();
    people.push(json!({"type": "identify", "userId": "u9", "traits": {"other": "soon"}}));
    people.push(json!({"type": "identify", "userId": "gone", "traits": {"born": null}}));
    people.push(json!({"type": "identify", "userId": "number", "traits": {"born": 1990}}));
    hub.send_events(&tenant, json!(people)).await;
    let declared = hub.call("PUT", "/api/v1/attributes/born", key, Some(json!({"type": "date"}))).await;
    let unfit = &declared.body["unfit"];
    assert_eq!((declared.status, &unfit["customers"], &unfit["complete"]), (200, &json!(4), &json!(true)));
    assert_eq!(unfit["examples"].as_array().unwrap().len(), 4);
    let message = unfit["message"].as_str().unwrap();
    assert!(
        message.starts_with("4 customers have a value that is not of the type date, like 2026-01-31."),
        "{message}"
    );
    assert!(message.contains("/api/v1/attributes/born/unfit"), "{message}");
    // A page at a time, each once.
    let (mut values, mut after) = (Vec::new(), String::new());
    loop {
        let page = hub.get(&format!("/api/v1/attributes/born/unfit?limit=3{after}"), key).await.body;
        let customers = page["customers"].as_array().unwrap();
        assert!(customers.len() <= 3, "{page}");
        values.extend(customers.iter().map(|customer| customer["value"].to_string()));
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    values.sort();
    assert_eq!(values, ["\"01.05.1990\"", "\"1990-02-30\"", "\"soon\"", "1990"]);
    // A name may have any letter in it; of a type that all values have, nothing is told.
    let quoted = hub.call("PUT", "/api/v1/attributes/it%22s", key, Some(json!({"type": "date"}))).await;
    assert_eq!(quoted.body["unfit"]["customers"], 3, "{quoted:?}");
    let fits = hub.call("PUT", "/api/v1/attributes/other", key, Some(json!({"type": "text"}))).await.body;
    assert_eq!(fits.get("unfit"), None);
    // Whoever may not read customers is told nothing of them.
    let blind = hub.key(tenant.id, &["settings:write"]).await;
    let told = hub.call("PUT", "/api/v1/attributes/born", &blind, Some(json!({"type": "date"}))).await;
    assert_eq!((told.status, told.body.get("unfit")), (200, None));
    assert_eq!(hub.get("/api/v1/attributes/born/unfit", &blind).await.status, 403);
    assert_eq!(hub.get("/api/v1/attributes/nowhere/unfit", key).await.status, 404);
}

#[tokio::test]
async fn a_declaration_tells_of_the_values_that_do_not_fit_on_sqlite() {
    a_declaration_tells_of_the_values_that_do_not_fit(Hub::start().await).await;
}

#[tokio::test]
async fn a_declaration_tells_of_the_values_that_do_not_fit_on_postgres() {
    let server = Server::start().await.expect("PostgreSQL starts");
    let database = server.database().await.expect("a database");
    a_declaration_tells_of_the_values_that_do_not_fit(Hub::on_postgres(database).await).await;
}

/// However many customers there are, the answer comes in time, and says that it may be more.
#[tokio::test]
async fn a_declaration_of_very_many_customers_says_at_least() {
    let limits = Limits { preview_time: std::time::Duration::ZERO, ..limits() };
    let hub = Hub::with_limits(limits).await;
    let tenant = hub.tenant("shop").await;
    let person =
        |number: usize| json!({"type": "identify", "userId": format!("u{number}"), "traits": {"born": "soon"}});
    hub.send_events(&tenant, (0..2_100).map(person).collect()).await;
    let key = &tenant.api_key;
    let declared = hub.call("PUT", "/api/v1/attributes/born", key, Some(json!({"type": "date"}))).await.body;
    assert_eq!((&declared["unfit"]["customers"], &declared["unfit"]["complete"]), (&json!(2_000), &json!(false)));
    assert!(declared["unfit"]["message"].as_str().unwrap().starts_with("At least 2000 customers"), "{declared}");
    let (mut found, mut after) = (0, String::new());
    loop {
        let page = hub.get(&format!("/api/v1/attributes/born/unfit?limit=900{after}"), key).await.body;
        found += page["customers"].as_array().unwrap().len();
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    assert_eq!(found, 2_100);
}

/// Issue 14: 123 and 123.0 were two customers.
#[tokio::test]
async fn a_whole_number_is_one_id_however_it_is_written() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let server = hub.key(tenant.id, KeyScopes::SERVER).await;
    let mut expected = 0;
    for (kind, name) in [("identify", None), ("track", Some("event")), ("page", Some("name")), ("screen", Some("name"))]
    {
        for written in [json!(123), json!(123.0), json!("123"), serde_json::from_str("1.23e2").expect("a number")] {
            let mut call = json!({"userId": written});
            call.as_object_mut().expect("an object").extend(name.map(|name| (name.to_owned(), json!("Seen"))));
            send(&hub, &tenant, &server, &format!("/v1/{kind}"), call.clone()).await;
            call["type"] = kind.into();
            send(&hub, &tenant, &server, "/v1/batch", json!({"batch": [call]})).await;
            send(&hub, &tenant, &server, "/v1/import?historical=true", json!({"batch": [call]})).await;
            expected += if kind == "identify" { 0 } else { 3 };
        }
    }
    let row = json!({"type": "identify", "identity": {"kind": "user_id", "value": 123.0}, "traits": {"a": 1}});
    send(&hub, &tenant, &server, "/v1/import?historical=true", json!({"batch": [row]})).await;
    let visitor = json!({"anonymousId": 9.0, "userId": 123.0});
    send(&hub, &tenant, &server, "/v1/identify", visitor).await;
    send(&hub, &tenant, &server, "/v1/alias", json!({"previousId": 7.0, "userId": 123})).await;
    let besides = json!({"userId": 123, "identities": [{"kind": "phone", "value": 13900001111.0}], "traits": {}});
    send(&hub, &tenant, &server, "/v1/identify", besides).await;
    let all = hub.get("/api/v1/customers", &tenant.api_key).await.body;
    let known: Vec<_> = all["customers"].as_array().expect("customers").iter().map(identities).collect();
    let mut one = known.iter().find(|values| values.contains(&"123")).expect("the customer").clone();
    one.sort_unstable();
    assert_eq!(one, ["123", "13900001111", "7", "9"], "{all}");
    assert!(known.iter().flatten().all(|value| !value.contains('.') && !value.contains('e')), "{all}");
    let id = find(&hub, &tenant, "user_id:123").await["id"].clone();
    let events = hub.get("/api/v1/events?name=Seen&limit=1000", &tenant.api_key).await.body;
    let events = events["events"].as_array().expect("events");
    assert_eq!(events.len(), expected);
    assert!(events.iter().all(|event| event["customer"] == id), "{events:?}");
    // What is no whole number stays what it is.
    send(&hub, &tenant, &server, "/v1/identify", json!({"userId": 1.5})).await;
    assert_eq!(identities(&find(&hub, &tenant, "user_id:1.5").await), ["1.5"]);
}
