//! Pushes: a provider takes its subscribers to another version, wave by wave.

use crate::hub::{Answer, Hub, Tenant, component};
use crate::tree::below;
use serde_json::{Value, json};

/// A provider that offers `visits`, and subscribers to its first version: each by its key and the id of its subscription.
struct Network {
    hub: Hub,
    brand: Tenant,
    dealers: Vec<(String, String)>,
}

fn visits(tier: &str, more: &[Value]) -> Value {
    let first = [
        json!({"object-type": {"name": "visit", "declaration": {"fields": [{"name": "code", "type": "text"}]}}}),
        json!({"segment": {"name": "lapsed", "condition": {"attribute": {"name": "tier", "is": "eq", "value": tier}}}}),
    ];
    let items = [&first, more].concat();
    json!({"approval": "automatic", "items": items})
}

fn note() -> Value {
    json!({"object-type": {"name": "note", "declaration": {"fields": [{"name": "text", "type": "text"}]}}})
}

async fn published(hub: &Hub, key: &str, name: &str, document: Value) {
    let path = format!("/api/v1/offerings/{name}");
    hub.call("PUT", &path, key, Some(json!({"title": {"en": "Visits"}}))).await;
    let made = hub.post(&format!("{path}/versions"), key, document).await;
    assert_eq!(made.status, 201, "{made:?}");
    let publish = format!("{path}/versions/{}/publish", made.body["version"]);
    assert_eq!(hub.call("POST", &publish, key, None).await.status, 200);
}

impl Network {
    async fn of(dealers: usize) -> Network {
        let hub = Hub::start().await;
        let brand = hub.tenant("brand").await;
        published(&hub, &brand.api_key, "visits", visits("gold", &[])).await;
        let mut network = Network { hub, brand, dealers: Vec::new() };
        for number in 0..dealers {
            let (_, key) =
                below(&network.hub, &network.brand.api_key, json!({"name": format!("dealer-{number}")})).await;
            let wanted = json!({"key": "k", "offering": "visits"});
            let asked = network.hub.post("/api/v1/subscriptions", &key, wanted).await;
            assert_eq!(asked.status, 202, "{asked:?}");
            network.dealers.push((key, asked.body["id"].as_str().expect("an id").to_owned()));
        }
        network.hub.provision().await;
        network
    }

    async fn begin(&self, waves: Value, stop_at: i64) -> Answer {
        let body = json!({"from": 1, "to": 2, "waves": waves, "stop_at_percent": stop_at});
        self.hub.post("/api/v1/offerings/visits/pushes", &self.brand.api_key, body).await
    }

    async fn push(&self, push: &Answer) -> Value {
        let id = push.body["id"].as_str().expect("an id");
        self.hub.get(&format!("/api/v1/offerings/visits/pushes/{id}"), &self.brand.api_key).await.body
    }

    /// How far it is with a dealer.
    async fn target(&self, push: &Answer, dealer: usize) -> Value {
        let id = push.body["id"].as_str().expect("an id");
        let path = format!("/api/v1/offerings/visits/pushes/{id}/targets");
        let targets = self.hub.get(&path, &self.brand.api_key).await.body["targets"].clone();
        let its = targets.as_array().expect("targets").iter().find(|of| of["subscription"] == self.dealers[dealer].1);
        its.unwrap_or_else(|| panic!("{dealer}: {targets}")).clone()
    }

    async fn version(&self, dealer: usize) -> Value {
        let (key, id) = &self.dealers[dealer];
        self.hub.get(&format!("/api/v1/subscriptions/{id}"), key).await.body["version"].clone()
    }

    async fn turn(&self, push: &Answer, verb: &str) -> Answer {
        let id = push.body["id"].as_str().expect("an id");
        let path = format!("/api/v1/offerings/visits/pushes/{id}/{verb}");
        self.hub.call("POST", &path, &self.brand.api_key, None).await
    }
}

fn counts(wave: &Value) -> [i64; 6] {
    ["waiting", "running", "upgraded", "awaits_partner", "failed", "skipped"]
        .map(|state| wave[state].as_i64().expect("a number"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_goes_in_waves_and_overwrites_nothing() {
    let network = Network::of(5).await;
    let (hub, brand) = (&network.hub, &network.brand.api_key);
    published(hub, brand, "visits", visits("platinum", &[note()])).await;
    // One has changed what the version says otherwise, one has what it would make, one is blocked, and one has left.
    let own = json!({"condition": {"attribute": {"name": "tier", "is": "eq", "value": "silver"}}});
    assert_eq!(hub.call("PUT", "/api/v1/segments/lapsed", &network.dealers[1].0, Some(own)).await.status, 200);
    let mine = json!({"fields": [{"name": "mine", "type": "text"}]});
    assert!(hub.call("PUT", "/api/v1/object-types/note", &network.dealers[2].0, Some(mine)).await.status < 202);
    let block = json!({"reason": "unpaid", "stops": ["changes"]});
    let blocks = format!("/api/v1/subscribers/{}/blocks", network.dealers[3].1);
    assert_eq!(hub.post(&blocks, brand, block).await.status, 201);

    let first = json!([{"subscribers": [network.dealers[0].1]}, {"percent": 100}]);
    let begun = network.begin(first.clone(), 50).await;
    assert_eq!((begun.status, &begun.body["state"], &begun.body["wave"]), (201, &json!("running"), &json!(1)));
    assert_eq!(network.begin(first, 50).await.status, 409, "one at a time");
    let end = format!("/api/v1/subscriptions/{}/end", network.dealers[4].1);
    assert_eq!(hub.post(&end, &network.dealers[4].0, json!({})).await.status, 200);
    assert_eq!(network.version(0).await, 1, "nothing happens while the request is handled");
    hub.provision().await;

    let push = network.push(&begun).await;
    assert_eq!(push["state"], "done", "{push}");
    assert_eq!(
        (counts(&push["waves"][0]), counts(&push["waves"][1])),
        ([0, 0, 1, 0, 0, 0], [0, 0, 0, 1, 1, 2]),
        "{push}"
    );
    let states = [(0, "upgraded", 2), (1, "awaits-partner", 1), (2, "failed", 2), (3, "skipped", 1), (4, "skipped", 1)];
    for (dealer, state, version) in states {
        let target = network.target(&begun, dealer).await;
        assert_eq!((&target["state"], &target["version"]), (&json!(state), &json!(version)), "{target}");
        assert_eq!(target["reason"].is_string(), state != "upgraded", "{target}");
    }
    let (key, id) = &network.dealers[1];
    let path = format!("/api/v1/subscriptions/{id}");
    assert_eq!(hub.get(&path, key).await.body["offered"], 2, "the partner sees what waits for it");
    let told = hub.get("/api/v1/events?name=subscription.upgrade-offered", key).await.body;
    assert!(told["events"][0]["body"]["why"].as_str().expect("why").contains("segment/lapsed"), "{told}");
    let kept = hub.get("/api/v1/segments/lapsed", key).await.body;
    assert_eq!(kept["condition"]["attribute"]["value"], "silver", "what it has changed stays");

    // It says yes, later.
    let yes = json!({"version": 2, "overwrite": ["segment/lapsed"]});
    assert_eq!(hub.post(&format!("{path}/upgrade"), key, yes).await.status, 202);
    hub.provision().await;
    assert_eq!(hub.get(&path, key).await.body["offered"], Value::Null);
    assert_eq!(network.target(&begun, 1).await["state"], "upgraded");
    let events = hub.get("/api/v1/events?limit=100", brand).await.body.to_string();
    for name in ["offering.push-begun", "offering.push-wave-done", "offering.push-done"] {
        assert!(events.contains(name), "{name}: {events}");
    }
    let audit = hub.get("/api/v1/audit?limit=100", brand).await.body.to_string();
    assert!(audit.contains("push visits to version 2"), "{audit}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_stops_by_itself_where_too_many_fail() {
    let network = Network::of(3).await;
    let (hub, brand) = (&network.hub, &network.brand.api_key);
    published(hub, brand, "visits", visits("platinum", &[note()])).await;
    let mine = json!({"fields": [{"name": "mine", "type": "text"}]});
    assert!(hub.call("PUT", "/api/v1/object-types/note", &network.dealers[0].0, Some(mine)).await.status < 202);
    let begun = network.begin(json!([{"subscribers": [network.dealers[0].1]}, {"percent": 100}]), 20).await;
    hub.provision().await;
    let push = network.push(&begun).await;
    assert_eq!((&push["state"], &push["reason"]), (&json!("stopped"), &json!("1 of 1 in wave 1 failed.")), "{push}");
    assert_eq!(counts(&push["waves"][1]), [2, 0, 0, 0, 0, 0], "the next wave does not begin");
    for dealer in [1, 2] {
        assert_eq!(network.version(dealer).await, 1);
    }
    for verb in ["pause", "resume", "stop"] {
        assert_eq!(network.turn(&begun, verb).await.status, 409, "{verb}: what is stopped is stopped");
    }
    let again = network.begin(json!([{"percent": 100}]), 20).await;
    assert_eq!((again.status, &again.body["number"]), (201, &json!(2)), "another one takes who is left");
    hub.provision().await;
    assert_eq!(counts(&network.push(&again).await["waves"][0]), [0, 0, 2, 0, 0, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_is_paused_resumed_and_stopped() {
    let network = Network::of(2).await;
    let (hub, brand) = (&network.hub, &network.brand.api_key);
    published(hub, brand, "visits", visits("platinum", &[])).await;
    let begun = network.begin(json!([{"percent": 50}, {"percent": 100}]), 20).await;
    assert_eq!(network.turn(&begun, "pause").await.body["state"], "paused");
    hub.provision().await;
    assert_eq!(counts(&network.push(&begun).await["waves"][0]), [1, 0, 0, 0, 0, 0], "nobody is begun with");
    assert_eq!(network.turn(&begun, "resume").await.body["state"], "running");
    hub.provision().await;
    let push = network.push(&begun).await;
    assert_eq!((&push["state"], counts(&push["waves"][1])), (&json!("done"), [0, 0, 1, 0, 0, 0]), "{push}");
    for (waves, place) in [
        (json!([]), "/waves"),
        (json!([{"percent": 101}]), "/waves/0/percent"),
        (json!([{"percents": 1}]), "/waves/0"),
        (json!([{"subscribers": ["6ea8fc8f-e861-88c6-b5d2-3fe8191a4347"]}]), "/waves/0/subscribers"),
    ] {
        let refused = network.begin(waves, 20).await;
        assert_eq!(refused.body["faults"][0]["pointer"], place, "{refused:?}");
    }
    let stopped = network.begin(json!([{"percent": 100}]), 20).await;
    assert_eq!(network.turn(&stopped, "stop").await.body["state"], "stopped");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wider_grant_waits_for_the_partner_and_what_was_agreed_goes_on() {
    let hub = Hub::start().await;
    let brand = hub.tenant("brand").await;
    let (_, dealer) = below(&hub, &brand.api_key, json!({"name": "dealer"})).await;
    let manifest = |version: &str, hosts: &[&str]| json!({"format": 1, "name": "quiet", "version": version, "publisher": "OpenHub", "hosts": hosts, "imports": []});
    let document = json!({"approval": "automatic", "items": [{"plugin": {"name": "quiet"}}]});
    let release = async |version: &str, hosts: &[&str]| {
        let uploaded = hub.upload(&brand.api_key, component(Some(manifest(version, hosts)))).await;
        assert!(uploaded.status < 202, "{uploaded:?}");
        let digest = uploaded.body["difference"]["to"].as_str().expect("a digest").to_owned();
        let agreed = json!({"digest": digest, "accept": uploaded.body["difference"]["accept"]});
        let active = hub.post("/api/v1/plugins/quiet/activate", &brand.api_key, agreed).await;
        assert!(active.status < 203, "{active:?}");
        published(&hub, &brand.api_key, "visits", document.clone()).await;
        digest
    };
    let first = release("1.0.0", &["sms.example.com"]).await;
    let wanted = json!({"key": "k", "offering": "visits", "agree": {"quiet": first}});
    let asked = hub.post("/api/v1/subscriptions", &dealer, wanted).await;
    assert_eq!(asked.status, 202, "{asked:?}");
    let path = format!("/api/v1/subscriptions/{}", asked.body["id"].as_str().expect("an id"));
    hub.provision().await;
    let push = async |from: i64, to: i64| {
        let body = json!({"from": from, "to": to, "waves": [{"percent": 100}]});
        let begun = hub.post("/api/v1/offerings/visits/pushes", &brand.api_key, body).await;
        assert_eq!(begun.status, 201, "{begun:?}");
        hub.provision().await;
        let id = begun.body["id"].as_str().expect("an id");
        let targets = format!("/api/v1/offerings/visits/pushes/{id}/targets");
        hub.get(&targets, &brand.api_key).await.body["targets"][0].clone()
    };
    // What asks for no more goes through by itself.
    let second = release("1.1.0", &["sms.example.com"]).await;
    assert_eq!(push(1, 2).await["state"], "upgraded");
    assert_eq!(hub.get(&path, &dealer).await.body["agreed"]["quiet"], second);
    let third = release("1.2.0", &["sms.example.com", "mail.example.com"]).await;
    let target = push(2, 3).await;
    assert_eq!(target["state"], "awaits-partner", "{target}");
    assert!(target["reason"].as_str().expect("words").contains("mail.example.com"), "{target}");
    let waits = hub.get(&path, &dealer).await.body;
    assert_eq!((&waits["version"], &waits["offered"]), (&json!(2), &json!(3)));
    assert_eq!(hub.get("/api/v1/plugins/quiet", &dealer).await.body["digest"], second, "the old version goes on");
    let seen = hub.get(&format!("{path}/upgrade?version=3"), &dealer).await.body;
    assert!(seen["grants"][0]["more"].to_string().contains("mail.example.com"), "{seen}");
    let yes = json!({"version": 3, "agree": {"quiet": third}});
    assert_eq!(hub.post(&format!("{path}/upgrade"), &dealer, yes).await.status, 202);
    hub.provision().await;
    assert_eq!(hub.get("/api/v1/plugins/quiet", &dealer).await.body["digest"], third);
    assert_eq!(hub.get(&path, &dealer).await.body["offered"], Value::Null);
}
