//! Types of objects that an admin declares, without code: by every door, on both databases.

use crate::hub::{Answer, Hub, Tenant, component, until};
use axum::http::header;
use openhub_model::ClockKind;
use openhub_store::Scope;
use openhub_test_postgres::Server;
use serde_json::{Value, json};

/// A test for each database.
macro_rules! on_both {
    ($($(#[$doc:meta])* $name:ident, $on_postgres:ident;)*) => {
        $($(#[$doc])* #[tokio::test]
        async fn $name() {
            checks::$name(Hub::start().await).await;
        }

        #[tokio::test]
        async fn $on_postgres() {
            let server = Server::start().await.expect("a server");
            let database = server.database().await.expect("a database");
            checks::$name(Hub::on_postgres(database).await).await;
        })*
    };
}

on_both! {
    a_type_is_declared_and_its_objects_written, a_type_is_declared_and_its_objects_written_on_postgres;
    what_is_unique_stays_so_whoever_is_first, what_is_unique_stays_so_whoever_is_first_on_postgres;
    a_relation_leads_to_what_is_there, a_relation_leads_to_what_is_there_on_postgres;
    a_segment_follows_declared_objects, a_segment_follows_declared_objects_on_postgres;
    a_journey_makes_declared_objects, a_journey_makes_declared_objects_on_postgres;
    another_version_takes_all_that_is_there_or_is_refused, another_version_takes_all_that_is_there_or_is_refused_on_postgres;
    an_import_takes_what_an_export_writes, an_import_takes_what_an_export_writes_on_postgres;
    objects_go_with_their_customer, objects_go_with_their_customer_on_postgres;
    objects_become_of_another_version, objects_become_of_another_version_on_postgres;
    a_migration_goes_on_where_a_hub_has_stopped, a_migration_goes_on_where_a_hub_has_stopped_on_postgres;
    nothing_is_written_under_a_version_that_has_gone, nothing_is_written_under_a_version_that_has_gone_on_postgres;
    issue_14_all_that_is_wrong_is_told_at_once, issue_14_all_that_is_wrong_is_told_at_once_on_postgres;
    issue_14_what_is_in_force_is_declared_again, issue_14_what_is_in_force_is_declared_again_on_postgres;
    issue_14_a_decimal_is_one_number_by_whatever_door, issue_14_a_decimal_is_one_number_by_whatever_door_on_postgres;
    issue_14_a_customer_is_named_by_identity, issue_14_a_customer_is_named_by_identity_on_postgres;
}

fn store() -> Value {
    json!({
        "title": {"en": "Store", "zh": "门店"}, "key": "code", "owner": "manager",
        "fields": [
            {"name": "code", "type": "text", "required": true, "max_length": 10, "label": {"en": "Code", "zh": "编号"}},
            {"name": "manager", "type": "customer"},
            {"name": "status", "type": {"enum": ["open", "closed"]}, "default": "open"},
            {"name": "size", "type": "integer", "min": 1, "max": 1000},
            {"name": "rating", "type": {"decimal": 1}, "min": "0.0", "max": 5},
            {"name": "phone", "type": "text", "unique": true},
            {"name": "tags", "type": "text", "list": true, "max_items": 3},
        ],
    })
}

async fn put(hub: &Hub, tenant: &Tenant, name: &str, declaration: Value) -> Answer {
    hub.call("PUT", &format!("/api/v1/object-types/{name}"), &tenant.api_key, Some(declaration)).await
}

async fn declare(hub: &Hub, tenant: &Tenant, name: &str, declaration: Value) -> Value {
    let declared = put(hub, tenant, name, declaration).await;
    assert_eq!(declared.status, 200, "{declared:?}");
    declared.body
}

async fn create(hub: &Hub, tenant: &Tenant, kind: &str, fields: Value) -> Answer {
    hub.post(&format!("/api/v1/objects/{kind}"), &tenant.api_key, json!({"fields": fields})).await
}

/// Pointer and code of each fault.
fn faults(answer: &Answer) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let faults = answer.body["faults"].as_array().into_iter().flatten();
    faults.map(|fault| (text(&fault["pointer"]), text(&fault["code"]))).collect()
}

fn is(found: &Answer, status: u16, expected: &[(&str, &str)]) {
    let expected: Vec<(String, String)> =
        expected.iter().map(|(at, code)| ((*at).to_owned(), (*code).to_owned())).collect();
    assert_eq!((found.status, faults(found)), (status, expected), "{found:?}");
}

async fn customer(hub: &Hub, tenant: &Tenant, user: &str) -> String {
    let made = json!({"identities": [{"kind": "user_id", "value": user}]});
    let made = hub.post("/api/v1/customers", &tenant.api_key, made).await;
    assert!(made.status < 300, "{made:?}");
    hub.settle(tenant).await;
    let found = hub.get(&format!("/api/v1/customers?identity=user_id:{user}"), &tenant.api_key).await;
    found.body["customers"][0]["id"].as_str().expect("an id").to_owned()
}

/// A file, as it was written.
async fn exported(hub: &Hub, path: &str, key: &str) -> String {
    let answer = hub.get(path, key).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body.as_str().map_or_else(|| format!("{}\n", answer.body), str::to_owned)
}

mod checks {
    use super::*;

    pub async fn a_type_is_declared_and_its_objects_written(hub: Hub) {
        let tenant = hub.tenant("shop").await;
        let key = &tenant.api_key;
        let declared = declare(&hub, &tenant, "store", store()).await;
        assert_eq!((&declared["version"], &declared["declared_by"]), (&json!(1), &json!("admin")));
        let shown = hub.get("/api/v1/object-types/store", key).await;
        assert_eq!((&shown.body, &shown.headers[header::ETAG]), (&declared, &"\"1\"".parse().unwrap()));
        assert_eq!(hub.get("/api/v1/object-types", key).await.body["object_types"], json!([declared]));
        let schema = hub.get("/api/v1/object-types/store/schema", key).await.body;
        assert_eq!(schema["required"], json!(["code"]));
        assert_eq!(schema["properties"]["status"]["enum"], json!(["open", "closed"]));
        assert_eq!(schema["title"], "Store", "user14 18: {schema}");

        let manager = customer(&hub, &tenant, "ada").await;
        let fields = json!({"code": "S1", "manager": manager, "size": 40, "rating": "4.5", "tags": ["a", "b"]});
        let made = create(&hub, &tenant, "store", fields).await;
        assert_eq!(made.status, 201, "{made:?}");
        assert_eq!((&made.body["key"], &made.body["customer"]), (&json!("S1"), &json!(manager)));
        assert_eq!(made.body["fields"]["status"], "open", "a default is filled in");
        let changed = json!({"fields": {"status": "closed", "size": null}});
        let changed = hub.call("PATCH", "/api/v1/objects/store/S1", key, Some(changed)).await;
        assert_eq!((changed.status, &changed.body["version"]), (200, &json!(2)), "{changed:?}");
        assert_eq!(changed.body["fields"].get("size"), None);

        // Each kind of fault, all of them at once.
        let wrong = json!({
            "code": "much too long", "manager": "nobody", "status": "ajar", "size": 1001, "rating": "5.55", "phone": 7,
            "tags": ["a", 1, "c"], "colour": "red",
        });
        let told = [
            ("/fields/colour", "unknown-field"),
            ("/fields/code", "too-long"),
            ("/fields/manager", "wrong-type"),
            ("/fields/status", "wrong-type"),
            ("/fields/size", "too-great"),
            ("/fields/rating", "wrong-type"),
            ("/fields/phone", "wrong-type"),
            ("/fields/tags/1", "wrong-type"),
        ];
        is(&create(&hub, &tenant, "store", wrong).await, 422, &told);
        is(
            &create(&hub, &tenant, "store", json!({"size": 0})).await,
            422,
            &[("/fields/code", "required"), ("/fields/size", "too-small")],
        );
        let stranger = json!({"code": "S2", "manager": "00000000-0000-8000-8000-000000000000"});
        is(&create(&hub, &tenant, "store", stranger).await, 422, &[("/fields/manager", "unknown-customer")]);
        let many = json!({"code": "S2", "tags": ["a", "b", "c", "d"]});
        is(&create(&hub, &tenant, "store", many).await, 422, &[("/fields/tags", "too-many-values")]);
        is(&create(&hub, &tenant, "store", json!({"code": "S1"})).await, 422, &[("/fields", "not-unique")]);
        let moved = hub.call("PATCH", "/api/v1/objects/store/S1", key, Some(json!({"fields": {"code": "S9"}}))).await;
        is(&moved, 422, &[("/fields", "key-changed")]);

        // Another tenant has neither.
        let other = hub.tenant("other").await;
        assert_eq!(hub.get("/api/v1/object-types/store", &other.api_key).await.status, 404);
        assert_eq!(create(&hub, &other, "store", json!({"code": "S1"})).await.status, 404);

        // A declaration goes once there are no objects of it.
        assert_eq!(hub.call("DELETE", "/api/v1/object-types/store", key, None).await.status, 409);
        assert_eq!(hub.call("DELETE", "/api/v1/objects/store/S1", key, None).await.status, 204);
        assert_eq!(hub.call("DELETE", "/api/v1/object-types/store", key, None).await.status, 204);
        assert_eq!(hub.call("DELETE", "/api/v1/object-types/store", key, None).await.status, 404);
        assert_eq!(create(&hub, &tenant, "store", json!({"code": "S1"})).await.status, 404);
        assert_eq!(declare(&hub, &tenant, "store", store()).await["version"], 1);
    }

    pub async fn what_is_unique_stays_so_whoever_is_first(hub: Hub) {
        let tenant = hub.tenant("shop").await;
        declare(&hub, &tenant, "store", store()).await;
        let made = (0..20).map(|number| {
            create(
                &hub,
                &tenant,
                "store",
                json!({"code": format!("S{number}"), "phone": format!("+86 {}", number % 2)}),
            )
        });
        let made = futures::future::join_all(made).await;
        let good = made.iter().filter(|answer| answer.status == 201).count();
        assert_eq!(good, 2, "{made:?}");
        for refused in made.iter().filter(|answer| answer.status != 201) {
            is(refused, 422, &[("/fields/phone", "not-unique")]);
        }
        // Once it is given up, it is free.
        let first = made.iter().find(|answer| answer.status == 201).expect("one");
        let (key, phone) = (first.body["key"].as_str().unwrap(), &first.body["fields"]["phone"]);
        let path = format!("/api/v1/objects/store/{key}");
        let given_up = hub.call("PATCH", &path, &tenant.api_key, Some(json!({"fields": {"phone": null}}))).await;
        assert_eq!(given_up.status, 200, "{given_up:?}");
        assert_eq!(create(&hub, &tenant, "store", json!({"code": "T", "phone": phone})).await.status, 201);
    }

    pub async fn a_relation_leads_to_what_is_there(hub: Hub) {
        let tenant = hub.tenant("shop").await;
        let key = &tenant.api_key;
        let city = json!({"key": "name", "fields": [{"name": "name", "type": "text", "required": true}]});
        let store = json!({"key": "code", "fields": [
            {"name": "code", "type": "text", "required": true},
            {"name": "city", "type": {"object": "city"}},
            {"name": "flagship_of", "type": {"object": "city"}, "unique": true},
            {"name": "near", "type": {"object": "store"}, "list": true, "on_delete": "clear"},
        ]});
        is(
            &put(&hub, &tenant, "store", store.clone()).await,
            422,
            &[("/fields/1/type/object", "unknown-object"), ("/fields/2/type/object", "unknown-object")],
        );
        declare(&hub, &tenant, "city", city).await;
        declare(&hub, &tenant, "store", store).await;
        for name in ["Berlin", "Shanghai"] {
            assert_eq!(create(&hub, &tenant, "city", json!({"name": name})).await.status, 201);
        }
        let make = async |fields: Value| create(&hub, &tenant, "store", fields).await;
        // n:1, and a list of n:m.
        assert_eq!(make(json!({"code": "A", "city": "Berlin"})).await.status, 201);
        assert_eq!(make(json!({"code": "B", "city": "Berlin", "near": ["A", "B"]})).await.status, 201, "itself, too");
        is(
            &make(json!({"code": "C", "city": "Bonn", "near": ["A", "Z"]})).await,
            422,
            &[("/fields/city", "unknown-object"), ("/fields/near/1", "unknown-object")],
        );
        // 1:1.
        assert_eq!(make(json!({"code": "D", "flagship_of": "Berlin"})).await.status, 201);
        is(&make(json!({"code": "E", "flagship_of": "Berlin"})).await, 422, &[("/fields/flagship_of", "not-unique")]);

        // What others lead to is not deleted, and they are named.
        let refused = hub.call("DELETE", "/api/v1/objects/city/Berlin", key, None).await;
        let users = [("/objects/store/A", "in-use"), ("/objects/store/B", "in-use"), ("/objects/store/D", "in-use")];
        is(&refused, 409, &users);
        assert_eq!(hub.call("DELETE", "/api/v1/objects/city/Shanghai", key, None).await.status, 204);
        is(&make(json!({"code": "F", "city": "Shanghai"})).await, 422, &[("/fields/city", "unknown-object")]);
        // What gives it up is changed with it.
        assert_eq!(hub.call("DELETE", "/api/v1/objects/store/A", key, None).await.status, 204);
        let left = hub.get("/api/v1/objects/store/B", key).await.body;
        assert_eq!((&left["fields"]["near"], &left["version"]), (&json!(["B"]), &json!(2)));
        hub.settle(&tenant).await;
        let events = hub.get("/api/v1/events?limit=1000", key).await.body;
        let told: Vec<&str> =
            events["events"].as_array().unwrap().iter().filter_map(|event| event["name"].as_str()).collect();
        assert!(told.contains(&"store.updated") && told.contains(&"store.deleted"), "{told:?}");
        for store in ["B", "D"] {
            assert_eq!(hub.call("DELETE", &format!("/api/v1/objects/store/{store}"), key, None).await.status, 204);
        }
        assert_eq!(hub.call("DELETE", "/api/v1/objects/city/Berlin", key, None).await.status, 204);
        // The types, in the same order.
        let refused = hub.call("DELETE", "/api/v1/object-types/city", key, None).await;
        is(&refused, 409, &[("/object-types/store", "in-use")]);
        assert_eq!(hub.call("DELETE", "/api/v1/object-types/store", key, None).await.status, 204);
        assert_eq!(hub.call("DELETE", "/api/v1/object-types/city", key, None).await.status, 204);

        // One who leads there and one who deletes it at the same moment: never both.
        let leaf = json!({"fields": [{"name": "to", "type": {"object": "stem"}}]});
        declare(
            &hub,
            &tenant,
            "stem",
            json!({"key": "n", "fields": [{"name": "n", "type": "integer", "required": true}]}),
        )
        .await;
        declare(&hub, &tenant, "leaf", leaf).await;
        for number in 0..10 {
            assert_eq!(create(&hub, &tenant, "stem", json!({"n": number})).await.status, 201);
            let path = format!("/api/v1/objects/stem/{number}");
            let (made, gone) = tokio::join!(
                create(&hub, &tenant, "leaf", json!({"to": number.to_string()})),
                hub.call("DELETE", &path, key, None),
            );
            assert!((made.status == 201) != (gone.status == 204), "{made:?} {gone:?}");
        }
    }

    pub async fn a_segment_follows_declared_objects(hub: Hub) {
        let tenant = hub.tenant("shop").await;
        let key = &tenant.api_key;
        declare(&hub, &tenant, "store", store()).await;
        let ada = customer(&hub, &tenant, "ada").await;
        let test = |field: &str, is: &str, value: Value| json!({"condition": {"object": {"kind": "store", "quantifier": "any", "where": [{"field": field, "is": is, "value": value}]}}});
        let refused = hub.call("PUT", "/api/v1/segments/managers", key, Some(test("statu", "eq", json!("open")))).await;
        is(&refused, 422, &[("/condition/object/where/0/field", "unknown-field")]);
        let refused =
            hub.call("PUT", "/api/v1/segments/managers", key, Some(test("status", "eq", json!("ajar")))).await;
        is(&refused, 422, &[("/condition/object/where/0/value", "unknown-value")]);
        let refused = hub.call("PUT", "/api/v1/segments/managers", key, Some(test("tags", "eq", json!("a")))).await;
        is(&refused, 422, &[("/condition/object/where/0/is", "wrong-comparison")]);
        let saved = hub.call("PUT", "/api/v1/segments/managers", key, Some(test("status", "eq", json!("open")))).await;
        assert_eq!(saved.status, 200, "{saved:?}");
        let members = async || {
            hub.settle(&tenant).await;
            let members = hub.get("/api/v1/segments/managers/members", key).await.body;
            members["members"].as_array().unwrap().len()
        };
        assert_eq!(members().await, 0);
        assert_eq!(create(&hub, &tenant, "store", json!({"code": "S1", "manager": ada})).await.status, 201);
        assert_eq!(members().await, 1);
        let closed = json!({"fields": {"status": "closed"}});
        assert_eq!(hub.call("PATCH", "/api/v1/objects/store/S1", key, Some(closed)).await.status, 200);
        assert_eq!(members().await, 0);

        // What the segment needs does not go, at the door and at its place.
        let mut without = store();
        without["fields"].as_array_mut().unwrap().remove(2);
        assert_eq!(hub.call("DELETE", "/api/v1/objects/store/S1", key, None).await.status, 204);
        is(&put(&hub, &tenant, "store", without).await, 409, &[("/segments/managers", "in-use")]);
        let refused = hub.call("DELETE", "/api/v1/object-types/store", key, None).await;
        is(&refused, 409, &[("/segments/managers", "in-use")]);
        assert_eq!(hub.call("DELETE", "/api/v1/segments/managers", key, None).await.status, 204);
        assert_eq!(hub.call("DELETE", "/api/v1/object-types/store", key, None).await.status, 204);
    }

    pub async fn a_journey_makes_declared_objects(hub: Hub) {
        let tenant = hub.tenant_on("shop", ClockKind::Replay).await;
        let key = &tenant.api_key;
        let visit = json!({"owner": "who", "fields": [
            {"name": "who", "type": "customer", "required": true},
            {"name": "number", "type": "integer", "required": true, "max": 100},
            {"name": "kind", "type": {"enum": ["first", "again"]}, "default": "first"},
            {"name": "notes", "type": "text", "list": true},
        ]});
        declare(&hub, &tenant, "visit", visit).await;
        let journey = |fields: Value| {
            json!({
                "trigger": {"event": "Visited"}, "reentry": "always", "start": "make",
                "nodes": {
                    "make": {"type": "object", "action": "create", "kind": "visit", "fields": fields, "as": "visit", "next": "note"},
                    "note": {"type": "update", "attributes": {"last": "{{ visit.kind }} {{ visit.number }}"}, "next": "done"},
                    "done": {"type": "exit"},
                },
            })
        };
        let wrong = hub
            .call("PUT", "/api/v1/journeys/visits", key, Some(journey(json!({"number": 101, "notes": ["a", 1]}))))
            .await;
        is(&wrong, 200, &[("/nodes/make/fields/number", "too-great"), ("/nodes/make/fields/notes/1", "wrong-type")]);
        let good =
            journey(json!({"number": "{{ trigger.properties.number }}", "notes": ["{{ trigger.properties.note }}"]}));
        let saved = hub.call("PUT", "/api/v1/journeys/visits", key, Some(good)).await;
        is(&saved, 200, &[]);
        assert_eq!(hub.call("POST", "/api/v1/journeys/visits/publish", key, None).await.status, 200);
        let visited = |user: &str, number: i64| {
            json!({"type": "track", "event": "Visited", "userId": user, "timestamp": "2026-01-01T12:00:00Z",
                "properties": {"number": number, "note": "hello"}})
        };
        hub.send_events(&tenant, json!([visited("ada", 7), visited("bob", 101)])).await;
        let visits = hub.get("/api/v1/objects/visit", key).await.body;
        let visits = visits["objects"].as_array().unwrap();
        assert_eq!(visits.len(), 1, "the other is out of bounds: {visits:?}");
        assert_eq!(visits[0]["fields"]["kind"], "first");
        assert_eq!(visits[0]["fields"]["notes"], json!(["hello"]));
        let ada = hub.get("/api/v1/customers?identity=user_id:ada", key).await.body;
        assert_eq!(ada["customers"][0]["attributes"]["last"], "first 7", "{ada}");
        let failed = hub.get("/api/v1/faults?kind=run", key).await.body;
        assert!(failed["faults"].to_string().contains("too great"), "{failed}");
        let refused = hub.call("DELETE", "/api/v1/object-types/visit", key, None).await;
        is(&refused, 409, &[("/journeys/visits/versions/1", "in-use")]);
    }

    pub async fn another_version_takes_all_that_is_there_or_is_refused(hub: Hub) {
        let tenant = hub.tenant("shop").await;
        let key = &tenant.api_key;
        declare(&hub, &tenant, "store", store()).await;
        let old = create(&hub, &tenant, "store", json!({"code": "S1", "size": 40})).await;
        assert_eq!(old.status, 201);

        // What widens takes effect at once, and what is there gets a required default with its next change.
        let mut wider = store();
        wider["fields"][2]["type"]["enum"] = json!(["open", "closed", "moving"]);
        wider["fields"][3]["max"] = json!(5000);
        let more = json!({"name": "floor", "type": "integer", "required": true, "default": 0});
        wider["fields"].as_array_mut().unwrap().push(more);
        assert_eq!(declare(&hub, &tenant, "store", wider.clone()).await["version"], 2);
        let changed = json!({"fields": {"status": "moving"}});
        let changed = hub.call("PATCH", "/api/v1/objects/store/S1", key, Some(changed)).await;
        assert_eq!((changed.status, &changed.body["fields"]["floor"]), (200, &json!(0)), "{changed:?}");

        // What narrows is refused while there are objects, each narrowing at its place.
        let mut narrower = wider.clone();
        narrower["fields"][2]["type"]["enum"] = json!(["open"]);
        narrower["fields"][3]["max"] = json!(10);
        narrower["fields"][5]["type"] = json!("number");
        narrower["fields"][5]["unique"] = json!(false);
        narrower["fields"].as_array_mut().unwrap().push(json!({"name": "must", "type": "text", "required": true}));
        is(
            &put(&hub, &tenant, "store", narrower.clone()).await,
            409,
            &[
                ("/fields/2/type", "narrows"),
                ("/fields/3/max", "narrows"),
                ("/fields/5/type", "narrows"),
                ("/fields/8/required", "narrows"),
            ],
        );
        assert_eq!(hub.get("/api/v1/object-types/store", key).await.body["version"], 2);
        assert_eq!(hub.call("DELETE", "/api/v1/objects/store/S1", key, None).await.status, 204);
        assert_eq!(declare(&hub, &tenant, "store", narrower.clone()).await["version"], 3);

        // Only the version that was seen is followed.
        let asked = |version: &str, body: Value| {
            let request = crate::hub::request("PUT", "/api/v1/object-types/store")
                .header(header::AUTHORIZATION, format!("Bearer {key}"))
                .header(header::CONTENT_TYPE, "application/json")
                .header(header::IF_MATCH, format!("\"{version}\""));
            hub.send(request.body(axum::body::Body::from(body.to_string())).unwrap())
        };
        assert_eq!(asked("2", wider.clone()).await.status, 412);
        let followed = asked("3", wider.clone()).await;
        assert_eq!((followed.status, &followed.body["version"]), (200, &json!(4)), "{followed:?}");
    }

    pub async fn an_import_takes_what_an_export_writes(hub: Hub) {
        let tenant = hub.tenant("shop").await;
        let key = &tenant.api_key;
        declare(&hub, &tenant, "store", store()).await;
        let row = |id: &str, fields: Value| json!({"id": id, "fields": fields});
        let person = json!({"kind": "user_id", "value": "ada"});
        let rows = json!({"rows": [
            row("r1", json!({"code": "S1", "manager": person, "tags": ["a"], "phone": "1"})),
            row("r2", json!({"code": "S2", "size": 0})),
            row("r3", json!({"code": "S3", "phone": "1"})),
            row("r4", json!({"code": "S4", "status": "closed"})),
        ]});
        let dry = hub.post("/api/v1/import/objects/store?dry_run=true", key, rows.clone()).await;
        let done = hub.post("/api/v1/import/objects/store", key, rows.clone()).await;
        assert_eq!((dry.status, &dry.body), (200, &done.body), "{dry:?}");
        assert_eq!((&done.body["accepted"], &done.body["duplicates"]), (&json!(2), &json!(0)), "{done:?}");
        let refused: Vec<(&str, &str)> = done.body["refused"]
            .as_array()
            .unwrap()
            .iter()
            .map(|refused| (refused["pointer"].as_str().unwrap(), refused["code"].as_str().unwrap()))
            .collect();
        assert_eq!(refused, [("/rows/1/fields/size", "too-small"), ("/rows/2/fields/phone", "not-unique")]);
        let again = hub.post("/api/v1/import/objects/store", key, rows).await;
        assert_eq!(again.body["duplicates"], 2, "{again:?}");
        hub.settle(&tenant).await;

        let exported = hub.get("/api/v1/export/objects?kind=store", key).await.body;
        let exported = exported.as_str().expect("lines");
        let lines: Vec<Value> = exported.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0]["fields"]["status"], "open");
        // As they are, they are known; without them, they are made again.
        let back = |number: usize| {
            let rows: Vec<Value> = lines.iter().enumerate().map(|(index, line)| {
                json!({"id": format!("b{number}-{index}"), "key": line["key"], "fields": line["fields"]})
            }).collect();
            json!({ "rows": rows })
        };
        let known = hub.post("/api/v1/import/objects/store", key, back(1)).await;
        assert_eq!(known.body, json!({"accepted": 0, "duplicates": 2}));
        for store in ["S1", "S4"] {
            assert_eq!(hub.call("DELETE", &format!("/api/v1/objects/store/{store}"), key, None).await.status, 204);
        }
        let mut strangers = back(2);
        strangers["rows"][0]["fields"]["manager"] = person;
        let made = hub.post("/api/v1/import/objects/store", key, strangers).await;
        assert_eq!(made.body, json!({"accepted": 2, "duplicates": 0}), "{made:?}");
    }

    pub async fn objects_go_with_their_customer(hub: Hub) {
        let tenant = hub.tenant("shop").await;
        let key = &tenant.api_key;
        declare(&hub, &tenant, "store", store()).await;
        let visit = json!({"fields": [{"name": "at", "type": {"object": "store"}}]});
        declare(&hub, &tenant, "visit", visit).await;
        let ada = customer(&hub, &tenant, "ada").await;
        assert_eq!(
            create(&hub, &tenant, "store", json!({"code": "S1", "manager": ada, "phone": "1"})).await.status,
            201
        );
        let led = create(&hub, &tenant, "visit", json!({"at": "S1"})).await;
        assert_eq!(led.status, 201);
        let erased = hub.call("DELETE", &format!("/api/v1/customers/{ada}"), key, None).await;
        assert!(erased.status < 300, "{erased:?}");
        until("the object is gone", async || {
            (hub.get("/api/v1/objects/store/S1", key).await.status == 404).then_some(())
        })
        .await;
        hub.settle(&tenant).await;
        let scope = Scope::of(tenant.id);
        let to = [("store".to_owned(), "S1".to_owned())];
        assert_eq!(hub.store.referrers(&scope, &to, 10).await.expect("a read"), []);
        // Its values are free, and who led to it can be changed and deleted.
        assert_eq!(create(&hub, &tenant, "store", json!({"code": "S2", "phone": "1"})).await.status, 201);
        let path = format!("/api/v1/objects/visit/{}", led.body["key"].as_str().unwrap());
        let changed = hub.call("PATCH", &path, key, Some(json!({"fields": {"at": "S2"}}))).await;
        assert_eq!(changed.status, 200, "{changed:?}");
    }

    pub async fn objects_become_of_another_version(hub: Hub) {
        let tenant = hub.tenant("shop").await;
        let key = &tenant.api_key;
        let before = json!({"owner": "who", "fields": [
            {"name": "who", "type": "customer"},
            {"name": "status", "type": {"enum": ["open", "closed"]}},
            {"name": "size", "type": "text"},
            {"name": "code", "type": "text"},
            {"name": "old", "type": "boolean"},
        ]});
        declare(&hub, &tenant, "store", before).await;
        let ada = customer(&hub, &tenant, "ada").await;
        let open = json!({"condition": {"object": {"kind": "store", "quantifier": "any", "where": [{"field": "status", "is": "eq", "value": "open"}]}}});
        assert_eq!(hub.call("PUT", "/api/v1/segments/open", key, Some(open)).await.status, 200);
        let made = json!({"rows": [
            {"id": "1", "key": "a", "fields": {"who": ada, "status": "closed", "size": "40", "code": "x", "old": true}},
            {"id": "2", "key": "b", "fields": {"status": "open", "size": "many", "code": "x"}},
            {"id": "3", "key": "c", "fields": {}},
        ]});
        assert_eq!(hub.post("/api/v1/import/objects/store", key, made).await.body["accepted"], 3);
        let after = |migrate: Option<Value>| {
            let mut declaration = json!({"owner": "who", "fields": [
                {"name": "who", "type": "customer"},
                {"name": "status", "type": {"enum": ["open", "closed"]}},
                {"name": "size", "type": "integer", "max": 100},
                {"name": "number", "type": "text", "unique": true},
                {"name": "floor", "type": "integer", "required": true},
            ]});
            if let Some(migrate) = migrate {
                declaration["migrate"] = migrate;
            }
            declaration
        };
        let whole = json!({
            "status": {"map": {"open": "closed", "closed": "open"}}, "size": {"convert": true}, "number": {"from": "code"},
            "floor": {"default": 1}, "old": {"drop": true},
        });

        // Without a word about it, it is refused; a dry run says what does not fit, and how many.
        let refused = put(&hub, &tenant, "store", after(None)).await;
        let narrows = [
            ("/fields", "narrows"),
            ("/fields", "narrows"),
            ("/fields/2/type", "narrows"),
            ("/fields/4/required", "narrows"),
        ];
        is(&refused, 409, &narrows);
        let dry = async |migrate: Option<Value>| {
            let tried = put(&hub, &tenant, "store?dry_run=true", after(migrate)).await;
            assert_eq!(tried.status, 200, "{tried:?}");
            let misfits = tried.body["misfits"].as_array().unwrap().iter();
            let misfits =
                misfits.map(|misfit| json!([misfit["pointer"], misfit["code"], misfit["objects"], misfit["samples"]]));
            json!([tried.body["objects"], tried.body["changed"], misfits.collect::<Vec<_>>()])
        };
        assert_eq!(
            dry(None).await,
            json!([
                3,
                0,
                [
                    ["/code", "unknown-field", 2, ["a", "b"]],
                    ["/floor", "required", 3, ["a", "b", "c"]],
                    ["/old", "unknown-field", 1, ["a"]],
                    ["/size", "wrong-type", 2, ["a", "b"]],
                ]
            ])
        );
        let misfits = json!([3, 3, [["/number", "not-unique", 1, ["b"]], ["/size", "wrong-type", 1, ["b"]]]]);
        assert_eq!(dry(Some(whole.clone())).await, misfits);
        let refused = put(&hub, &tenant, "store", after(Some(whole.clone()))).await;
        is(&refused, 409, &[("/objects/number", "not-unique"), ("/objects/size", "wrong-type")]);
        let wrong =
            put(&hub, &tenant, "store", after(Some(json!({"none": {"drop": true}, "floor": {"default": "x"}})))).await;
        is(&wrong, 422, &[("/migrate/floor/default", "wrong-type"), ("/migrate/none", "unknown-field")]);
        let wrong = put(&hub, &tenant, "store", after(Some(json!({"floor": {"defalt": 1}})))).await;
        is(&wrong, 422, &[("/migrate/floor/defalt", "wrong-form")]);
        let unchanged = hub.get("/api/v1/objects/store/a", key).await.body;
        assert_eq!((&unchanged["version"], &unchanged["fields"]["size"]), (&json!(1), &json!("40")));

        // Once each object fits, all of them become of the new version, and who asks about them knows it.
        let mended = json!({"fields": {"size": null, "code": "y"}});
        assert_eq!(hub.call("PATCH", "/api/v1/objects/store/b", key, Some(mended)).await.status, 200);
        assert_eq!(dry(Some(whole.clone())).await, json!([3, 3, []]));
        assert_eq!(hub.get("/api/v1/object-types/store", key).await.body["version"], 1, "a dry run changes nothing");
        let done = put(&hub, &tenant, "store", after(Some(whole.clone()))).await;
        assert_eq!(
            (done.status, &done.body["version"], &done.body["migrating"]),
            (200, &json!(2), &json!(false)),
            "{done:?}"
        );
        hub.settle(&tenant).await;
        let object = |key: &str| format!("/api/v1/objects/store/{key}");
        let a = hub.get(&object("a"), key).await.body;
        let expected = json!({"who": ada, "status": "open", "size": 40, "number": "x", "floor": 1});
        assert_eq!((&a["fields"], &a["version"]), (&expected, &json!(2)));
        assert_eq!(hub.get(&object("c"), key).await.body["fields"], json!({"floor": 1}));
        let members = hub.get("/api/v1/segments/open/members", key).await.body;
        assert_eq!(members["members"].as_array().unwrap().len(), 1, "{members}");
        is(
            &create(&hub, &tenant, "store", json!({"number": "x", "floor": 2})).await,
            422,
            &[("/fields/number", "not-unique")],
        );
        assert_eq!(create(&hub, &tenant, "store", json!({"number": "z", "floor": 2})).await.status, 201);

        // At its place in the log it is looked at once more.
        let body =
            json!({"type": "store", "declaration": {"fields": [{"name": "floor", "type": "boolean"}]}, "migrate": {}});
        let event = openhub_model::NewEvent {
            message_id: "behind".into(),
            kind: openhub_model::EventKind::Control,
            name: "object-type.declared".into(),
            part: None,
            occurred_at: hub.now(),
            received_at: hub.now(),
            historical: false,
            authority: openhub_model::identity::Authority::Server,
            cause: None,
            body: body.to_string(),
        };
        let op = openhub_store::Op::Append(event);
        assert_eq!(hub.call("DELETE", "/api/v1/segments/open", key, None).await.status, 204);
        hub.store.transact(&Scope::of(tenant.id), vec![op]).await.expect("it is appended");
        hub.settle(&tenant).await;
        let declared = hub.get("/api/v1/object-types/store", key).await.body;
        assert_eq!((&declared["version"], &declared["migrating"]), (&json!(2), &json!(false)));
        let status = hub.get("/api/v1/status", key).await.body;
        assert!(status["faults"].to_string().contains("do not fit"), "{status}");
    }

    /// The map is not one that may be applied twice: who is closed is open then.
    pub async fn a_migration_goes_on_where_a_hub_has_stopped(hub: Hub) {
        const OBJECTS: usize = 4_000;
        let tenant = hub.tenant("shop").await;
        let (key, scope) = (&tenant.api_key, Scope::of(tenant.id));
        let of = json!({"key": "n", "fields": [
            {"name": "n", "type": "integer", "required": true},
            {"name": "status", "type": {"enum": ["open", "closed"]}},
        ]});
        declare(&hub, &tenant, "store", of.clone()).await;
        let row = |n: usize| json!({"id": format!("r{n}"), "fields": {"n": n, "status": if n.is_multiple_of(2) { "open" } else { "closed" }}});
        for rows in (0..OBJECTS).collect::<Vec<_>>().chunks(1_000) {
            let rows: Vec<Value> = rows.iter().map(|n| row(*n)).collect();
            let made = hub.post("/api/v1/import/objects/store", key, json!({ "rows": rows })).await;
            assert_eq!(made.body["accepted"], 1_000, "{made:?}");
        }
        let mut turned = of;
        turned["migrate"] = json!({"status": {"map": {"open": "closed", "closed": "open"}}});
        let stored = async || hub.store.object_types(&scope).await.expect("types").remove(0);
        let mut turns = 0;
        let mut engine = hub.another_engine();
        hub.engine.stop().await;
        // Whoever looks too late turns them once more.
        let mut is_caught = false;
        while !is_caught {
            assert!(turns < 20, "each time it was through before anybody could look");
            let stopped = async {
                // As soon as some are of the new version.
                let migrating = until("some are done", async || {
                    let stored = stored().await;
                    if stored.version > turns + 1 {
                        Some(None)
                    } else {
                        stored.migrating.filter(|state| state.after.is_some()).map(Some)
                    }
                })
                .await;
                if migrating.is_none() {
                    return false;
                }
                engine.stop().await;
                let stored = stored().await;
                let after = stored.migrating.filter(|_| stored.version == turns + 1).and_then(|state| state.after);
                if let Some(after) = &after {
                    // What is written meanwhile waits.
                    let waits = create(&hub, &tenant, "store", json!({"n": OBJECTS})).await;
                    assert_eq!(
                        (waits.status, &waits.headers[header::RETRY_AFTER]),
                        (503, &"1".parse().unwrap()),
                        "{waits:?}"
                    );
                    let first = hub.get("/api/v1/objects/store/0", key).await.body;
                    let expected = if turns % 2 == 0 { "closed" } else { "open" };
                    assert_eq!(first["fields"]["status"], expected, "{after}");
                }
                engine = hub.another_engine();
                after.is_some()
            };
            let (done, caught) = tokio::join!(put(&hub, &tenant, "store", turned.clone()), stopped);
            turns += 1;
            is_caught = caught;
            assert_eq!((done.status, &done.body["version"]), (200, &json!(turns + 1)), "{done:?}");
        }
        let mut after = None;
        let mut seen = 0;
        loop {
            let filter = openhub_store::ObjectFilter { kind: "store".into(), part: None, after, limit: 1_000 };
            let page = hub.store.objects(&scope, &filter).await.expect("a page");
            let Some(last) = page.last() else { break };
            for object in &page {
                let n = object.fields["n"].as_i64().expect("a number");
                let expected = if (n + turns) % 2 == 0 { "open" } else { "closed" };
                assert_eq!((object.version, &object.fields["status"]), (turns + 1, &json!(expected)), "{n}");
            }
            seen += page.len();
            after = Some(last.key.clone());
        }
        assert_eq!(seen, OBJECTS);
        assert_eq!(create(&hub, &tenant, "store", json!({"n": OBJECTS})).await.status, 201);
        engine.stop().await;
    }

    /// Objects are written while the type is changed to one that they would not fit: none is left that does not.
    pub async fn nothing_is_written_under_a_version_that_has_gone(hub: Hub) {
        let tenant = hub.tenant("shop").await;
        let of = |of: Value| json!({"key": "n", "fields": [{"name": "n", "type": "integer", "required": true}, {"name": "v", "type": of}]});
        for round in 0..5 {
            let name = format!("note{round}");
            declare(&hub, &tenant, &name, of(json!("text"))).await;
            let writes = (0..4).map(|n| create(&hub, &tenant, &name, json!({"n": n, "v": "text"})));
            let (made, changed) =
                tokio::join!(futures::future::join_all(writes), put(&hub, &tenant, &name, of(json!("boolean"))));
            hub.settle(&tenant).await;
            let objects = hub.get(&format!("/api/v1/objects/{name}"), &tenant.api_key).await.body;
            let there = objects["objects"].as_array().unwrap().len();
            assert_eq!(there, made.iter().filter(|answer| answer.status == 201).count(), "{made:?}");
            let declared = hub.get(&format!("/api/v1/object-types/{name}"), &tenant.api_key).await.body;
            let is_changed = declared["fields"][1]["type"] == "boolean";
            assert!(!is_changed || there == 0, "{there} objects do not fit: {changed:?} {made:?}");
        }
    }

    pub async fn issue_14_all_that_is_wrong_is_told_at_once(hub: Hub) {
        let tenant = hub.tenant("shop").await;
        let key = &tenant.api_key;
        // Of a declaration: its form, its meaning, what it leads to, and its migration.
        let wrong = json!({
            "fields": [
                {"name": "Code", "type": "text"},
                {"name": "opened", "type": "date"},
                {"name": "city", "type": {"object": "city"}},
                {"name": "size", "type": "integer", "min": 3, "max": 2},
            ],
            "migrate": {"size": {"conver": true}},
        });
        let refused = put(&hub, &tenant, "store", wrong).await;
        is(
            &refused,
            422,
            &[
                ("/fields/1/type", "wrong-form"),
                ("/fields/2/type/object", "unknown-object"),
                ("/fields/0/name", "invalid-name"),
                ("/fields/3/min", "out-of-range"),
                ("/migrate/size/conver", "wrong-form"),
            ],
        );
        assert!(refused.body["faults"][0]["message"].as_str().unwrap().contains("use `timestamp`"), "{refused:?}");

        let city = json!({"key": "name", "fields": [{"name": "name", "type": "text", "required": true}]});
        declare(&hub, &tenant, "city", city).await;
        let store = json!({"key": "code", "fields": [
            {"name": "code", "type": "text", "required": true},
            {"name": "phone", "type": "text", "unique": true},
            {"name": "city", "type": {"object": "city"}},
            {"name": "manager", "type": "customer"},
            {"name": "size", "type": "integer"},
        ]});
        declare(&hub, &tenant, "store", store).await;
        let made = create(&hub, &tenant, "store", json!({"code": "A", "phone": "1", "size": 12.0})).await;
        assert_eq!((made.status, &made.body["fields"]["size"]), (201, &json!(12)), "a whole number: {made:?}");
        // Of an object: its fields, relations, customers and unique values.
        let nobody = "00000000-0000-8000-8000-000000000000";
        let wrong = json!({"colour": 1, "code": "B", "phone": "1", "city": "Rome", "manager": nobody, "size": "x"});
        let told = [
            ("/fields/colour", "unknown-field"),
            ("/fields/size", "wrong-type"),
            ("/fields/manager", "unknown-customer"),
            ("/fields/city", "unknown-object"),
            ("/fields/phone", "not-unique"),
        ];
        is(&create(&hub, &tenant, "store", wrong.clone()).await, 422, &told);
        assert_eq!(create(&hub, &tenant, "store", json!({"code": "B", "phone": "2"})).await.status, 201);
        let changed = hub.call("PATCH", "/api/v1/objects/store/B", key, Some(json!({"fields": wrong}))).await;
        is(&changed, 422, &told);
        // Of a row of an import.
        let rows = json!({"rows": [{"id": "r1", "fields": wrong}, {"id": "r2", "fields": {"code": "C", "size": 3.0}}]});
        let done = hub.post("/api/v1/import/objects/store", key, rows).await.body;
        assert_eq!(done["accepted"], 1, "{done}");
        let refused = &done["refused"][0];
        let more = refused["more"].as_array().unwrap().iter().map(|fault| &fault["pointer"]);
        let places: Vec<&str> = std::iter::once(&refused["pointer"]).chain(more).filter_map(Value::as_str).collect();
        let expected = ["colour", "size", "manager", "city"].map(|field| format!("/rows/0/fields/{field}"));
        assert_eq!(places, expected, "{done}");
    }

    pub async fn issue_14_what_is_in_force_is_declared_again(hub: Hub) {
        let tenant = hub.tenant("shop").await;
        let key = &tenant.api_key;
        let first = json!({"fields": [{"name": "title", "type": "text"}, {"name": "size", "type": "text"}]});
        declare(&hub, &tenant, "book", first.clone()).await;
        assert_eq!(declare(&hub, &tenant, "book", first).await["version"], 1, "the same again");
        assert_eq!(create(&hub, &tenant, "book", json!({"title": "a", "size": "12"})).await.status, 201);
        let second = json!({
            "fields": [{"name": "label", "type": "text"}, {"name": "size", "type": "integer"}],
            "migrate": {"label": {"from": "title"}, "size": {"convert": true}, "title": {"drop": true}},
        });
        // Without the migration, the dry run says what the call says.
        let mut without = second.clone();
        without.as_object_mut().unwrap().remove("migrate");
        let refused = put(&hub, &tenant, "book", without.clone()).await;
        assert_eq!(refused.status, 409);
        let tried = hub.call("PUT", "/api/v1/object-types/book?dry_run=true", key, Some(without.clone())).await;
        assert_eq!((tried.status, &tried.body["narrows"]), (200, &refused.body["faults"]), "{tried:?}");
        assert_eq!(tried.body["objects"], 1);
        assert!(!tried.body["misfits"].as_array().unwrap().is_empty(), "{tried:?}");

        let mut second = second;
        second["migrate"].as_object_mut().unwrap().remove("title");
        assert_eq!(declare(&hub, &tenant, "book", second.clone()).await["version"], 2);
        for again in [&second, &without] {
            assert_eq!(declare(&hub, &tenant, "book", again.clone()).await["version"], 2);
        }
        let tried = hub.call("PUT", "/api/v1/object-types/book?dry_run=true", key, Some(second.clone())).await;
        assert_eq!((tried.status, &tried.body["changed"], &tried.body["narrows"]), (200, &json!(0), &json!([])));
        // Another migration is another matter.
        let mut other = second;
        other["migrate"] = json!({"labl": {"default": "x"}});
        is(&put(&hub, &tenant, "book", other).await, 422, &[("/migrate/labl", "unknown-field")]);
        let objects = hub.get("/api/v1/objects/book", key).await.body;
        assert_eq!(objects["objects"][0]["fields"], json!({"label": "a", "size": 12}));

        let asked = |name: &str, method: &str| {
            let request = crate::hub::request(method, &format!("/api/v1/object-types/{name}"))
                .header(header::AUTHORIZATION, format!("Bearer {key}"))
                .header(header::CONTENT_TYPE, "application/json")
                .header(header::IF_MATCH, "\"1\"");
            hub.send(request.body(axum::body::Body::from(without.to_string())).unwrap())
        };
        assert_eq!(asked("book", "PUT").await.status, 412, "another version was seen");
        let absent = asked("none", "PUT").await;
        let detail = absent.body["detail"].as_str().unwrap();
        assert!(absent.status == 412 && detail.contains("Nobody declares the object type"), "{absent:?}");
        assert_eq!(asked("none", "DELETE").await.status, 404);
    }

    pub async fn issue_14_a_decimal_is_one_number_by_whatever_door(hub: Hub) {
        let tenant = hub.tenant("shop").await;
        let key = &tenant.api_key;
        let ticket = json!({"key": "code", "owner": "who", "fields": [
            {"name": "code", "type": "text", "required": true}, {"name": "who", "type": "customer"},
            {"name": "price", "type": {"decimal": 2}}, {"name": "fees", "type": {"decimal": 2}, "list": true},
        ]});
        declare(&hub, &tenant, "ticket", ticket).await;
        for (user, price) in [("ada", json!(12.5)), ("bob", json!("12.50")), ("cyd", json!("9.90"))] {
            customer(&hub, &tenant, user).await;
            let fields = json!({"code": user, "who": format!("user_id:{user}"), "price": price, "fees": [price, 1]});
            assert_eq!(create(&hub, &tenant, "ticket", fields).await.status, 201);
        }
        customer(&hub, &tenant, "dot").await;
        let row = json!({"rows": [{"id": "r", "fields": {"code": "dot", "who": "user_id:dot", "price": "12.500"}}]});
        assert_eq!(hub.post("/api/v1/import/objects/ticket", key, row).await.body["accepted"], 1);
        for user in ["ada", "bob", "dot"] {
            let held = hub.get(&format!("/api/v1/objects/ticket/{user}"), key).await.body;
            assert_eq!(held["fields"]["price"], json!(12.5), "{user}: {held}");
        }
        assert_eq!(hub.get("/api/v1/objects/ticket/bob", key).await.body["fields"]["fees"], json!([12.5, 1.0]));
        hub.settle(&tenant).await;
        let count = async |is: &str, value: Value| {
            let test = json!({"condition": {"object": {"kind": "ticket", "quantifier": "any",
                "where": [{"field": "price", "is": is, "value": value}]}}});
            hub.post("/api/v1/segments/preview", key, test).await
        };
        assert_eq!(count("gt", json!(10)).await.body["count"], 3);
        assert_eq!(count("eq", json!(12.50)).await.body["count"], 3);
        let text = count("gt", json!("10")).await;
        is(&text, 422, &[("/condition/object/where/0/value", "wrong-type")]);
        assert!(text.body["faults"][0]["message"].as_str().unwrap().contains("Write 10 without quotes."), "{text:?}");
        let csv = exported(&hub, "/api/v1/export/objects?kind=ticket&format=csv&fields=key,field.price", key).await;
        assert_eq!(csv, "key,field.price\nada,12.5\nbob,12.5\ncyd,9.9\ndot,12.5\n");
        let csv = exported(&hub, "/api/v1/export/objects?kind=ticket&excel=true&bom=false", key).await;
        let head = csv.lines().next().unwrap();
        assert_eq!(head, "key;customer;version;field.code;field.who;field.price;field.fees;created_at;updated_at");
        assert!(csv.contains(";12,5;\"[12.5,1.0]\";") || csv.contains(";12,5;[12.5,1.0];"), "{csv}");
        let wrong = hub.get("/api/v1/export/objects?kind=ticket&fields=key,field.prize,nothing", key).await;
        is(&wrong, 400, &[("/fields", "unknown-field"), ("/fields", "unknown-field")]);
        assert!(wrong.body["detail"].as_str().unwrap().contains("Did you mean"), "{wrong:?}");
    }

    pub async fn issue_14_a_customer_is_named_by_identity(hub: Hub) {
        let tenant = hub.tenant("shop").await;
        let key = &tenant.api_key;
        let team = json!({"key": "name", "owner": "lead", "fields": [
            {"name": "name", "type": "text", "required": true}, {"name": "lead", "type": "customer"},
            {"name": "members", "type": "customer", "list": true},
        ]});
        declare(&hub, &tenant, "team", team).await;
        let (ada, bob) = (customer(&hub, &tenant, "ada").await, customer(&hub, &tenant, "bob").await);
        let fields = json!({"name": "red", "lead": "user_id:ada", "members": ["user_id:bob", ada]});
        let made = create(&hub, &tenant, "team", fields).await;
        assert_eq!((made.status, &made.body["customer"]), (201, &json!(ada)), "{made:?}");
        assert_eq!(made.body["fields"]["members"], json!([bob, ada]));
        let changed = json!({"fields": {"lead": {"kind": "user_id", "value": "bob"}}});
        let changed = hub.call("PATCH", "/api/v1/objects/team/red", key, Some(changed)).await;
        assert_eq!((changed.status, &changed.body["customer"]), (200, &json!(bob)), "{changed:?}");
        let stranger = create(&hub, &tenant, "team", json!({"name": "blue", "members": ["user_id:eve"]})).await;
        is(&stranger, 422, &[("/fields/members", "unknown-customer")]);
        // Each of several is exported by identity, and by id to a key that may not see customers.
        let path = "/api/v1/export/objects?kind=team&fields=key,field.lead,field.members";
        let row = |lead: &str, members: [&str; 2]| {
            json!({"key": "red", "field.lead": lead, "field.members": members}).to_string() + "\n"
        };
        let shown = exported(&hub, path, key).await;
        assert_eq!(shown, row("user_id:bob", ["user_id:bob", "user_id:ada"]));
        let narrow = hub.key(tenant.id, &["objects:read"]).await;
        assert_eq!(exported(&hub, path, &narrow).await, row(&bob, [&bob, &ada]));
    }
}

#[tokio::test]
async fn a_declaration_is_told_all_that_is_wrong_with_it() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    // What cannot be read, wherever it stands.
    let unreadable = json!({"owner": 7, "fields": [
        {"name": "a", "type": "txt"}, {"name": "b", "type": "text", "size": 3}, {"name": "c", "type": "text"}, 7,
    ]});
    is(
        &put(&hub, &tenant, "store", unreadable).await,
        422,
        &[
            ("/owner", "wrong-form"),
            ("/fields/0/type", "wrong-form"),
            ("/fields/1/size", "wrong-form"),
            ("/fields/3", "wrong-form"),
        ],
    );
    let unsound = json!({"key": "b", "fields": [
        {"name": "a b", "type": "text"},
        {"name": "b", "type": "integer", "min": "x", "default": true},
        {"name": "b", "type": {"enum": []}},
    ]});
    is(
        &put(&hub, &tenant, "store", unsound).await,
        422,
        &[
            ("/fields/0/name", "invalid-name"),
            ("/fields/1/min", "wrong-type"),
            ("/fields/1/default", "wrong-type"),
            ("/fields/2/name", "repeated-field"),
            ("/fields/2/type/enum", "wrong-number"),
            ("/key", "not-required"),
        ],
    );
    for body in [json!([]), json!("x"), json!({}), json!({"fields": {}}), json!({"fields": []})] {
        let refused = put(&hub, &tenant, "store", body.clone()).await;
        assert_eq!(refused.status, 422, "{body}: {refused:?}");
    }
    let many: Vec<Value> = (0..101).map(|n| json!({"name": format!("f{n}"), "type": "text"})).collect();
    is(&put(&hub, &tenant, "store", json!({ "fields": many })).await, 422, &[("/fields", "wrong-number")]);
    let large = json!({"description": {"en": "x".repeat(300_000)}, "fields": []});
    is(&put(&hub, &tenant, "store", large).await, 422, &[("", "too-large")]);
    let good = json!({"fields": [{"name": "a", "type": "text"}]});
    for name in ["Store", "1a", "a%20b", "-a", "a.b", "%E5%BA%97", &"a".repeat(65), "a%2Fb"] {
        let refused = put(&hub, &tenant, name, good.clone()).await;
        assert_eq!((refused.status, &refused.body["code"]), (400, &json!("invalid-path")), "{name}: {refused:?}");
    }
    assert_eq!(hub.get("/api/v1/object-types", &tenant.api_key).await.body["object_types"], json!([]));
    // Who may not, may not.
    let reader = hub.key(tenant.id, &["objects:read", "objects:write"]).await;
    let refused = hub.call("PUT", "/api/v1/object-types/store", &reader, Some(good.clone())).await;
    assert_eq!(refused.status, 403, "{refused:?}");
    // A hundred of them at most.
    for number in 0..100 {
        declare(&hub, &tenant, &format!("t{number}"), good.clone()).await;
    }
    assert_eq!(put(&hub, &tenant, "t100", good.clone()).await.status, 409);
    assert_eq!(put(&hub, &tenant, "t99", good).await.status, 200);
}

#[tokio::test]
async fn a_name_belongs_to_one_who_declares_it() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let manifest = json!({
        "format": 1, "name": "stamps", "version": "1.0.0", "publisher": "x", "imports": [],
        "objects": [{"name": "stamp", "version": 1, "fields": [{"name": "motif", "type": "text"}]}],
    });
    let manifest = serde_json::from_value(manifest).expect("a manifest");
    let installation = openhub_store::Installation::uploaded("0".repeat(64), manifest, hub.now());
    let put_plugin = openhub_store::Op::PutPlugin(installation);
    let component = openhub_store::Op::PutComponent { digest: "0".repeat(64), bytes: component(None) };
    hub.store.transact(&Scope::of(tenant.id), vec![component, put_plugin]).await.expect("it is stored");
    let good = json!({"fields": [{"name": "motif", "type": "text"}]});
    let refused = put(&hub, &tenant, "stamp", good.clone()).await;
    assert_eq!(refused.status, 409, "{refused:?}");
    assert!(refused.body["detail"].as_str().unwrap().contains("`stamps`"), "{refused:?}");
    // The other way round.
    assert_eq!(hub.call("DELETE", "/api/v1/plugins/stamps", &tenant.api_key, None).await.status, 200);
    declare(&hub, &tenant, "stamp", good).await;
    let installation = hub.store.plugin(&Scope::of(tenant.id), "stamps").await.expect("a read");
    assert!(installation.is_none());
    let manifest = json!({
        "format": 1, "name": "stamps", "version": "1.0.0", "publisher": "x", "imports": [],
        "objects": [{"name": "stamp", "version": 1, "fields": [{"name": "motif", "type": "text"}]}],
    });
    let manifest = serde_json::from_value(manifest).expect("a manifest");
    let installation = openhub_store::Installation::uploaded("0".repeat(64), manifest, hub.now());
    let ops = vec![openhub_store::Op::PutPlugin(installation)];
    hub.store.transact(&Scope::of(tenant.id), ops).await.expect("it is stored");
    let accept = json!({"accept": "0".repeat(64)});
    let refused = hub.post("/api/v1/plugins/stamps/enable", &tenant.api_key, accept).await;
    is(&refused, 422, &[("/objects/0", "already-owned")]);
}

/// The first block of the page, as a reader does it.
#[tokio::test]
async fn user14_f9_the_example_of_the_page_about_objects_is_done_as_it_is_written() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let page = include_str!("../../../../docs/objects.md");
    let block = page.split("```sh\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a block");
    let mut declared = Vec::new();
    for call in block.split("curl -X PUT $HUB").skip(1) {
        let (path, rest) = call.split_once(' ').expect("a path");
        let body = rest.split('\'').nth(3).expect("the headers, and the body");
        let body: Value = serde_json::from_str(body).expect("JSON");
        let answer = hub.call("PUT", path, &tenant.api_key, Some(body)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        declared.push(path);
    }
    assert_eq!(declared.last(), Some(&"/api/v1/object-types/store"));
    let schema = hub.get("/api/v1/object-types/store/schema", &tenant.api_key).await.body;
    let rating = json!({"type": ["string", "number"], "minimum": 0, "maximum": 5,
        "description": "A decimal with at most 1 digit after the point, from 0 to 5."});
    assert_eq!(schema["properties"]["rating"], rating, "user14 18");
}
