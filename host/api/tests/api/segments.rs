//! Segments: written, checked, counted before they are saved, explained, exported. Who is in one is the engine's to say;
//! what is shown of it is tested on memberships that are written here.

use crate::hub::{Hub, Tenant, encode, limits};
use insta::assert_json_snapshot;
use openhub_model::{Condition, PartId, Timestamp};
use openhub_store::{CatalogChange, Changes, Fill, Membership, Op, Scope, SegmentVersion};
use serde_json::{Value, json};
use std::time::Duration;

/// A hub with a tenant and the customers `ada`, `bob` and `eve`.
async fn shop() -> (Hub, Tenant) {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let people = [("ada", "gold", 300), ("bob", "silver", 200), ("eve", "gold", 100)];
    let identify = people.map(|(id, tier, spent)| {
        let traits = json!({"tier": tier, "spent": spent, "note": format!("\"{id}\", of the {tier} tier")});
        json!({"type": "identify", "userId": id, "messageId": id, "traits": traits})
    });
    hub.send_events(&tenant, json!(identify)).await;
    (hub, tenant)
}

async fn put(hub: &Hub, tenant: &Tenant, name: &str, body: Value) -> crate::hub::Answer {
    hub.call("PUT", &format!("/api/v1/segments/{name}"), &tenant.api_key, Some(body)).await
}

async fn id_of(hub: &Hub, tenant: &Tenant, user: &str) -> PartId {
    let found = hub.get(&format!("/api/v1/customers?identity=user_id:{user}"), &tenant.api_key).await;
    found.body["customers"][0]["id"].as_str().unwrap().parse().unwrap()
}

fn tier(tier: &str) -> Value {
    json!({"attribute": {"name": "tier", "is": "eq", "value": tier}})
}

/// A segment in force whose members the engine does not know of.
async fn with_members(hub: &Hub, tenant: &Tenant, name: &str, condition: Option<Value>, members: &[PartId]) {
    let condition: Option<Condition> = condition.map(|condition| serde_json::from_value(condition).unwrap());
    let version = SegmentVersion {
        segment: name.to_owned(),
        version: 1,
        condition,
        author: "test".to_owned(),
        created_at: hub.now(),
    };
    hub.store.transact(&Scope::of(tenant.id), vec![Op::PutSegmentVersion(version)]).await.unwrap();
    let since: Timestamp = "2026-01-30T08:00:00Z".parse().unwrap();
    let membership =
        |customer: &PartId| Membership { segment: name.to_owned(), customer: *customer, since: Some(since) };
    let in_force = CatalogChange::Segment { name: name.to_owned(), version: 1, position: 0 };
    hub.commit(tenant, Changes { catalog: vec![in_force], ..Changes::default() }).await;
    let filled = Fill { segment: name.to_owned(), looked: 3, filled_to: None };
    let memberships = members.iter().map(membership).collect();
    hub.commit(tenant, Changes { memberships, fills: vec![filled], ..Changes::default() }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mistyped_name_is_no_empty_answer() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    for path in ["/api/v1/customers", "/api/v1/export/customers"] {
        let journey = json!({"journey": {"name": "nobody", "is": "in"}});
        for (asked, code) in [(json!({"segment": "nobody"}), "unknown-segment"), (journey, "unknown-journey")] {
            let asked = crate::hub::encode(&asked.to_string());
            let answer = hub.get(&format!("{path}?condition={asked}"), &tenant.api_key).await;
            assert_eq!((answer.status, &answer.body["faults"][0]["code"]), (400, &json!(code)), "{path}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn each_version_is_kept_with_its_author() {
    let (hub, tenant) = shop().await;
    let none = hub.get("/api/v1/segments/best", &tenant.api_key).await;
    assert_eq!(none.status, 404);
    let first = put(&hub, &tenant, "best", json!({"condition": tier("gold")})).await;
    assert_eq!((first.status, &first.body["latest"]), (200, &json!(1)), "{first:?}");
    assert_eq!((&first.body["static"], &first.body["condition"]), (&json!(false), &tier("gold")));
    let again = put(&hub, &tenant, "best", json!({"condition": tier("gold")})).await;
    assert_eq!((again.status, &again.body["latest"]), (200, &json!(1)), "it said so already");
    let second = put(&hub, &tenant, "best", json!({"condition": {"not": tier("silver")}})).await;
    assert_eq!((second.status, &second.body["latest"]), (200, &json!(2)));
    assert_json_snapshot!("segment_versions", hub.get("/api/v1/segments/best/versions", &tenant.api_key).await);
    let log = hub.get("/api/v1/events?name=segment.published", &tenant.api_key).await;
    let bodies: Vec<_> = log.body["events"].as_array().unwrap().iter().map(|event| event["body"].clone()).collect();
    assert_eq!(bodies, [1, 2].map(|version| json!({"segment": "best", "version": version})));
    put(&hub, &tenant, "worst", json!({"condition": tier("silver")})).await;
    let list = async |query: &str| hub.get(&format!("/api/v1/segments?{query}"), &tenant.api_key).await.body;
    let first = list("limit=1").await;
    assert_eq!(first["segments"][0]["name"], "best");
    let second = list(&format!("limit=1&after={}", first["next"].as_str().unwrap())).await;
    assert_eq!((&second["segments"][0]["name"], &second["next"]), (&json!("worst"), &Value::Null));
}

#[tokio::test]
async fn what_a_condition_mentions_must_be_there() {
    let (hub, tenant) = shop().await;
    let declared = json!({"type": "number"});
    let put_attribute = hub.call("PUT", "/api/v1/attributes/spent", &tenant.api_key, Some(declared)).await;
    assert_eq!(put_attribute.status, 200, "{put_attribute:?}");
    let condition = json!({"all": [
        {"segment": "nobody"},
        {"journey": {"name": "nowhere", "is": "in"}},
        {"object": {"kind": "coupon", "quantifier": "any"}},
        {"attribute": {"name": "spent", "is": "eq", "value": "much"}},
        {"attribute": {"name": "tier", "is": "in", "value": []}},
        {"event": {"name": "Order Completed", "is": "ge", "value": "two"}},
    ]});
    let refused = put(&hub, &tenant, "best", json!({"condition": condition})).await;
    assert_json_snapshot!("segment_refused", refused);
    let preview = hub.post("/api/v1/segments/preview", &tenant.api_key, json!({"condition": condition})).await;
    assert_eq!((preview.status, &preview.body["faults"]), (422, &refused.body["faults"]));
    let mut deep = tier("gold");
    for _ in 0..32 {
        deep = json!({"not": deep});
    }
    let refused = put(&hub, &tenant, "best", json!({"condition": deep})).await;
    assert_eq!((refused.status, &refused.body["faults"][0]["code"]), (422, &json!("too-deep")));
    let wide: Vec<Value> = (0..1001).map(|_| tier("gold")).collect();
    let refused = put(&hub, &tenant, "best", json!({"condition": {"any": wide}})).await;
    assert_eq!((refused.status, &refused.body["faults"][0]["code"]), (422, &json!("too-many-leaves")));
    for body in [json!({}), json!({"static": false}), json!({"static": true, "condition": tier("gold")})] {
        assert_eq!(put(&hub, &tenant, "best", body).await.status, 400);
    }
    assert_eq!(hub.get("/api/v1/segments", &tenant.api_key).await.body["segments"], json!([]), "nothing was written");
}

#[tokio::test]
async fn segments_mention_each_other_but_not_in_a_circle() {
    let (hub, tenant) = shop().await;
    let mention = |name: &str| json!({"condition": {"all": [tier("gold"), {"not": {"segment": name}}]}});
    assert_eq!(put(&hub, &tenant, "a", json!({"condition": tier("gold")})).await.status, 200);
    assert_eq!(put(&hub, &tenant, "b", mention("a")).await.status, 200);
    assert_eq!(put(&hub, &tenant, "c", mention("b")).await.status, 200);
    let circle = put(&hub, &tenant, "a", mention("c")).await;
    let fault = &circle.body["faults"][0];
    assert_eq!((circle.status, &fault["code"]), (422, &json!("cycle")), "{circle:?}");
    assert_eq!(fault["pointer"], "/condition/all/1/not/segment");
    assert_eq!(fault["message"], "The segments use each other in a circle: a → c → b → a.");
    assert_eq!(put(&hub, &tenant, "d", mention("d")).await.body["faults"][0]["code"], "cycle");
}

#[tokio::test]
async fn a_segment_that_is_used_is_not_deleted() {
    let (hub, tenant) = shop().await;
    let key = &tenant.api_key;
    put(&hub, &tenant, "best", json!({"condition": tier("gold")})).await;
    put(&hub, &tenant, "rest", json!({"condition": {"not": {"segment": "best"}}})).await;
    let journey = json!({
        "trigger": {"event": "Signed Up"}, "start": "ask",
        "nodes": {
            "ask": {"type": "branch", "branches": [{"if": {"segment": "best"}, "next": "done"}], "else": "done"},
            "done": {"type": "exit"},
        },
    });
    hub.call("PUT", "/api/v1/journeys/welcome", key, Some(journey.clone())).await;
    let published = hub.call("POST", "/api/v1/journeys/welcome/publish", key, None).await;
    assert_eq!(published.status, 200, "{published:?}");
    let remove = async || hub.call("DELETE", "/api/v1/segments/best", key, None).await;
    assert_json_snapshot!("segment_in_use", remove().await);
    put(&hub, &tenant, "rest", json!({"condition": tier("silver")})).await;
    let mut other = journey;
    other["nodes"]["ask"]["branches"][0]["if"] = tier("gold");
    hub.call("PUT", "/api/v1/journeys/welcome", key, Some(other)).await;
    let still = remove().await.body["faults"].clone();
    assert_eq!(still.as_array().unwrap().len(), if still[0]["pointer"] == "/segments/rest" { 2 } else { 1 });
    hub.call("POST", "/api/v1/journeys/welcome/publish", key, None).await;
    let unused = put(&hub, &tenant, "unused", json!({"condition": tier("gold")})).await;
    assert_eq!(unused.status, 200);
    assert_eq!(hub.call("DELETE", "/api/v1/segments/unused", key, None).await.status, 204);
    assert_eq!(hub.get("/api/v1/segments/unused", key).await.status, 404);
    let log = hub.get("/api/v1/events?name=segment.removed", key).await;
    assert_eq!(log.body["events"][0]["body"], json!({"segment": "unused"}));
}

#[tokio::test]
async fn a_static_segment_is_kept_by_hand() {
    let (hub, tenant) = shop().await;
    let key = &tenant.api_key;
    assert_eq!(put(&hub, &tenant, "friends", json!({"static": true})).await.status, 200);
    let who =
        |users: &[&str]| -> Vec<Value> { users.iter().map(|user| json!({"kind": "user_id", "value": user})).collect() };
    // Nothing has happened for an hour: they are members from now on, and not from the last event on.
    hub.advance(Duration::from_secs(3_600));
    let change = json!({"add": who(&["ada", "bob", "mallory"]), "remove": who(&["bob", "trudy"])});
    let changed = hub.post("/api/v1/segments/friends/members", key, change).await;
    let unknown = who(&["mallory", "trudy"]);
    assert_eq!((changed.status, changed.body), (200, json!({"added": 1, "removed": 1, "unknown": unknown})));
    let (ada, bob) = (id_of(&hub, &tenant, "ada").await, id_of(&hub, &tenant, "bob").await);
    let log = hub.get("/api/v1/events?name=segment.members", key).await;
    assert_eq!(log.body["events"][0]["body"], json!({"segment": "friends", "add": [ada], "remove": [bob]}));
    let members = hub.get("/api/v1/segments/friends/members", key).await.body;
    assert_eq!(members["members"], json!([{"customer": ada, "since": hub.now()}]));
    let shown = hub.get("/api/v1/segments/friends", key).await.body;
    assert_eq!([&shown["version"], &shown["members"], &shown["fill"]], [&json!(1), &json!(1), &Value::Null]);
    let nobody = hub.post("/api/v1/segments/friends/members", key, json!({"add": who(&["mallory"])})).await;
    assert_eq!((nobody.status, &nobody.body["added"]), (200, &json!(0)));
    let many: Vec<Value> = (0..10_001).map(|number| json!({"kind": "user_id", "value": number.to_string()})).collect();
    assert_eq!(hub.post("/api/v1/segments/friends/members", key, json!({"add": many})).await.status, 400);
    assert_eq!(put(&hub, &tenant, "friends", json!({"condition": tier("gold")})).await.status, 409);
    put(&hub, &tenant, "best", json!({"condition": tier("gold")})).await;
    let refused = hub.post("/api/v1/segments/best/members", key, json!({"add": who(&["ada"])})).await;
    assert_eq!(refused.status, 409, "{refused:?}");
    assert_eq!(put(&hub, &tenant, "best", json!({"static": true})).await.status, 409);
}

#[tokio::test]
async fn members_are_paged_and_exported() {
    let (hub, tenant) = shop().await;
    let mut ids = [id_of(&hub, &tenant, "ada").await, id_of(&hub, &tenant, "eve").await];
    ids.sort();
    with_members(&hub, &tenant, "best", Some(tier("gold")), &ids).await;
    let shown = hub.get("/api/v1/segments/best", &tenant.api_key).await;
    assert_json_snapshot!("segment", shown);
    let first = hub.get("/api/v1/segments/best/members?limit=1", &tenant.api_key).await.body;
    let after = first["next"].as_str().unwrap();
    let second = hub.get(&format!("/api/v1/segments/best/members?limit=1&after={after}"), &tenant.api_key).await.body;
    assert_eq!(
        [&first["members"][0]["customer"], &second["members"][0]["customer"]],
        ids.each_ref().map(|id| json!(id)).each_ref()
    );
    assert_eq!((&first["members"][0]["since"], &second["next"]), (&json!("2026-01-30T08:00:00Z"), &Value::Null));
    let export = async |query: &str| {
        let answer = hub.get(&format!("/api/v1/segments/best/export?{query}"), &tenant.api_key).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        (answer.headers["content-type"].to_str().unwrap().to_owned(), answer.body)
    };
    let fields = "fields=user_id,attributes.tier,attributes.spent,attributes.note,email,since";
    assert_json_snapshot!("segment_csv", export(&format!("format=csv&{fields}")).await);
    assert_json_snapshot!("segment_jsonl", export(fields).await);
    let refused = hub.get("/api/v1/segments/best/export?fields=id,shoe-size", &tenant.api_key).await;
    assert_eq!((refused.status, &refused.body["faults"][0]["pointer"]), (400, &json!("/fields")));
}

#[tokio::test]
async fn an_export_goes_on_past_its_first_page() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    for batch in 0..3 {
        let people: Vec<Value> =
            (0..400).map(|number| json!({"type": "identify", "userId": format!("{batch}-{number}")})).collect();
        hub.send_events(&tenant, json!(people)).await;
    }
    let everybody = hub.store.customer_ids_after(&Scope::of(tenant.id), None, 2_000).await.unwrap();
    assert_eq!(everybody.len(), 1_200);
    with_members(&hub, &tenant, "all", None, &everybody).await;
    let answer = hub.get("/api/v1/segments/all/export?format=csv&fields=id", &tenant.api_key).await;
    let text = answer.body.as_str().unwrap();
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("id"));
    let ids: Vec<PartId> = lines.map(|line| line.parse().unwrap()).collect();
    assert_eq!(ids, everybody);
}

#[tokio::test]
async fn a_first_fill_says_how_far_it_is() {
    let (hub, tenant) = shop().await;
    let ada = id_of(&hub, &tenant, "ada").await;
    with_members(&hub, &tenant, "best", Some(tier("gold")), &[]).await;
    let again = CatalogChange::Segment { name: "best".to_owned(), version: 1, position: 0 };
    hub.commit(&tenant, Changes { catalog: vec![again], ..Changes::default() }).await;
    let fill = Fill { segment: "best".to_owned(), looked: 2, filled_to: Some(ada) };
    hub.commit(&tenant, Changes { fills: vec![fill], ..Changes::default() }).await;
    let shown = hub.get("/api/v1/segments/best", &tenant.api_key).await;
    assert_eq!(shown.body["fill"], json!({"filled": 2, "of": 3}));
    let list = hub.get("/api/v1/segments", &tenant.api_key).await;
    assert_eq!(list.body["segments"], json!([shown.body]));
    // Who is in it is not known yet, so a count that asks is not exact.
    for (condition, exact, filling) in
        [(json!({"segment": "best"}), false, json!(["best"])), (json!({"tag": "vip"}), true, json!([]))]
    {
        let answer = hub.post("/api/v1/segments/preview", &tenant.api_key, json!({"condition": condition})).await.body;
        assert_eq!((&answer["exact"], &answer["filling"]), (&json!(exact), &filling), "{answer}");
    }
}

#[tokio::test]
async fn a_preview_counts_and_shows_some() {
    let (hub, tenant) = shop().await;
    let preview = async |condition: Value| {
        hub.post("/api/v1/segments/preview", &tenant.api_key, json!({"condition": condition})).await
    };
    let gold = preview(tier("gold")).await;
    assert_eq!(gold.status, 200, "{gold:?}");
    let counted = ["count", "exact", "error", "share"].map(|field| gold.body[field].clone());
    assert_eq!(counted, [json!(2), json!(true), json!(0), json!(1.0)]);
    let mut users: Vec<&str> = gold.body["sample"]
        .as_array()
        .unwrap()
        .iter()
        .map(|customer| customer["identities"][0]["value"].as_str().unwrap())
        .collect();
    users.sort_unstable();
    assert_eq!(users, ["ada", "eve"]);
    assert_eq!(preview(json!({"tag": "none"})).await.body["count"], 0);
    let absent = preview(json!({"not": {"attribute": {"name": "none", "is": "eq", "value": 1}}})).await;
    assert_eq!(absent.body["count"], 0, "what is unknown does not hold, nor does its opposite");
}

#[tokio::test]
async fn a_preview_that_takes_too_long_is_refused_or_estimated() {
    let limits = openhub_api::Limits { preview_time: std::time::Duration::ZERO, ..limits() };
    let hub = Hub::with_limits(limits).await;
    let tenant = hub.tenant("shop").await;
    let people: Vec<Value> = (0..300).map(|user| json!({"type": "identify", "userId": user.to_string()})).collect();
    hub.send_events(&tenant, json!(people)).await;
    let condition = json!({"condition": {"identity": {"kind": "user_id", "is": "exists"}}});
    for _ in 0..8 {
        let preview = hub.post("/api/v1/segments/preview", &tenant.api_key, condition.clone()).await;
        match preview.status {
            200 => assert_eq!(preview.body["exact"], preview.body["share"] == json!(1.0), "{preview:?}"),
            status => assert!(matches!(status, 422 | 503), "{preview:?}"),
        }
        assert_eq!(hub.get("/api/v1/customers?limit=1", &tenant.api_key).await.status, 200);
    }
}

#[tokio::test]
async fn a_list_whose_condition_takes_too_long_is_refused() {
    let limits = openhub_api::Limits { condition_time: std::time::Duration::ZERO, ..limits() };
    let hub = Hub::with_limits(limits).await;
    let tenant = hub.tenant("shop").await;
    let people: Vec<Value> = (0..300).map(|user| json!({"type": "identify", "userId": user.to_string()})).collect();
    hub.send_events(&tenant, json!(people)).await;
    let exists = json!({"identity": {"kind": "user_id", "is": "exists"}});
    let condition = json!({"all": vec![exists; 100]}).to_string();
    let list =
        hub.get(&format!("/api/v1/customers?limit=1000&condition={}", encode(&condition)), &tenant.api_key).await;
    assert_eq!((list.status, &list.body["type"]), (422, &json!("https://openhub.dev/problems/too-costly")), "{list:?}");
    assert_eq!(hub.get("/api/v1/customers?limit=1000", &tenant.api_key).await.status, 200);
}

#[tokio::test]
async fn why_shows_the_truth_and_the_evidence_at_each_leaf() {
    let (hub, tenant) = shop().await;
    let order = |day: &str, total: i64| {
        json!({"type": "track", "event": "Order Completed", "userId": "ada", "messageId": day,
            "timestamp": format!("2026-01-{day}T10:00:00Z"), "properties": {"total": total}})
    };
    hub.send_events(&tenant, json!([order("05", 40), order("20", 60)])).await;
    let condition = json!({"all": [
        tier("gold"),
        {"event": {"name": "Order Completed", "within": "30d", "is": "ge", "value": 2}},
        {"not": {"tag": "blocked"}},
        {"any": [{"attribute": {"name": "city", "is": "eq", "value": "Rome"}}, {"segment": "friends"}]},
    ]});
    let ada = id_of(&hub, &tenant, "ada").await;
    with_members(&hub, &tenant, "friends", None, &[ada]).await;
    with_members(&hub, &tenant, "buyers", Some(condition.clone()), &[ada]).await;
    let why = hub.get(&format!("/api/v1/segments/buyers/why?customer={ada}"), &tenant.api_key).await;
    assert_json_snapshot!("segment_why", why);
    let unsaved = json!({"condition": condition, "customer": ada});
    let same = hub.post("/api/v1/segments/why", &tenant.api_key, unsaved).await;
    assert_eq!((same.status, &same.body["why"]), (200, &why.body["why"]));
    assert_eq!(same.body["until"], "2026-02-04T10:00:00Z", "then the first order leaves the window");
    let bob = id_of(&hub, &tenant, "bob").await;
    let out = hub.get(&format!("/api/v1/segments/buyers/why?customer={bob}"), &tenant.api_key).await;
    assert_eq!((&out.body["truth"], &out.body["since"]), (&json!("false"), &Value::Null));
    let by_hand = hub.get(&format!("/api/v1/segments/friends/why?customer={ada}"), &tenant.api_key).await;
    assert_eq!((by_hand.status, &by_hand.body["why"]), (200, &Value::Null));
    assert_eq!(by_hand.body["since"], "2026-01-30T08:00:00Z");
    let segments = hub.get(&format!("/api/v1/customers/{ada}/segments?why=true"), &tenant.api_key).await.body;
    assert_eq!(segments["segments"][0]["why"], why.body["why"]);
    assert_eq!(
        (&segments["segments"][1]["segment"], &segments["segments"][1]["why"]),
        (&json!("friends"), &Value::Null)
    );
}

#[tokio::test]
async fn why_explains_the_segments_that_a_condition_mentions() {
    let (hub, tenant) = shop().await;
    let ada = id_of(&hub, &tenant, "ada").await;
    with_members(&hub, &tenant, "friends", None, &[ada]).await;
    with_members(&hub, &tenant, "gold", Some(tier("gold")), &[ada]).await;
    let dear = json!({"all": [{"segment": "gold"}, {"segment": "friends"}]});
    with_members(&hub, &tenant, "dear", Some(dear), &[ada]).await;
    let called = json!({"message": {"is": "sent"}});
    with_members(&hub, &tenant, "called", Some(called), &[]).await;
    let condition = json!({"any": [{"segment": "dear"}, {"segment": "called"}]});
    let ask = async |key: &str| {
        let asked = json!({"condition": condition, "customer": ada});
        hub.post("/api/v1/segments/why", key, asked).await
    };
    let why = ask(&tenant.api_key).await;
    let [dear, called] = [0, 1].map(|part| why.body["why"]["parts"][part]["because"].clone());
    assert_eq!((&dear["kind"], &dear["truth"], &called["kind"]), (&json!("all"), &json!("true"), &json!("message")));
    let (gold, friends) = (&dear["parts"][0], &dear["parts"][1]);
    assert_eq!(gold["because"]["evidence"]["value"], "gold", "{gold}");
    assert_eq!((&friends["evidence"]["member"], friends.get("because")), (&json!(true), None), "it has no condition");
    // The membership is not hidden, what it comes from is.
    let key = hub.key(tenant.id, &["customers:read"]).await;
    let why = ask(&key).await;
    assert_eq!((why.status, why.body["why"]["parts"][1].get("because")), (200, None), "{why:?}");
    assert!(why.body["why"]["parts"][0]["because"].is_object());
}

#[tokio::test]
async fn every_fault_of_a_condition_is_told() {
    let (hub, tenant) = shop().await;
    let condition =
        json!({"all": [{"tags": "vip"}, tier("gold"), {"not": {"attribute": {"name": "tier", "is": "above"}}}]});
    let saved = put(&hub, &tenant, "some", json!({"condition": condition})).await;
    let pointers: Vec<&Value> =
        saved.body["faults"].as_array().unwrap().iter().map(|fault| &fault["pointer"]).collect();
    assert_eq!(
        (saved.status, pointers),
        (422, vec![&json!("/condition/all/0"), &json!("/condition/all/2/not/attribute/is")])
    );
    let query = crate::hub::encode(&condition.to_string());
    let listed = hub.get(&format!("/api/v1/customers?condition={query}"), &tenant.api_key).await;
    assert_eq!((listed.status, listed.body["faults"].as_array().unwrap().len()), (400, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_date_has_no_time_and_no_zone() {
    let (hub, tenant) = shop().await;
    let key = tenant.api_key.as_str();
    let declared = hub.call("PUT", "/api/v1/attributes/born", key, Some(json!({"type": "date"}))).await;
    assert_eq!((declared.status, &declared.body["type"]), (200, &json!("date")));
    let born = |user: &str, day: &str| json!({"type": "identify", "userId": user, "traits": {"born": day}});
    let batch =
        json!({"batch": [born("ada", "1990-05-01"), born("bob", "1990-04-30"), born("eve", "1990-05-01T00:00:00Z")]});
    let answer = hub.post("/v1/import?dry_run=true", key, batch.clone()).await;
    let refused = &answer.body["refused"];
    assert_eq!((&refused[0]["index"], &refused[0]["code"]), (&json!(2), &json!("wrong-type")), "{answer:?}");
    assert!(refused[0]["message"].as_str().unwrap().contains("date, like 2026-01-31"), "{answer:?}");
    assert_eq!(hub.post("/v1/batch", key, batch).await.status, 200);
    hub.settle(&tenant).await;
    let count = async |is: &str, value: Value| {
        let condition = json!({"condition": {"attribute": {"name": "born", "is": is, "value": value}}});
        hub.post("/api/v1/segments/preview", key, condition).await
    };
    for (is, people) in [("eq", 1), ("ne", 1), ("lt", 1), ("le", 2), ("gt", 0), ("ge", 1)] {
        assert_eq!(count(is, json!("1990-05-01")).await.body["count"], people, "{is}");
    }
    let other = count("lt", json!("1990-05-01T00:00:00Z")).await;
    assert_eq!((other.status, &other.body["faults"][0]["pointer"]), (422, &json!("/condition/attribute/value")));
}
