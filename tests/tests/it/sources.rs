//! Calls from outside that plugins answer, in the real binary: what a shop signs becomes events once each, what nobody signed
//! joins nobody, and a source that fails costs nobody but itself.

use openhub_test_postgres::Server as Postgres;
use openhub_tests::guests;
use openhub_tests::hub::{Answer, Client, Place};
use openhub_tests::patience::until;
use openhub_tests::provider::Provider;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use xtask::demo::setup::Tenant;

const TOKEN: &str = "a token that both know";

async fn installed(client: &Client, tenant: &Tenant, folder: &str, secrets: &[(&str, &str)]) {
    set_up(client, tenant, folder, secrets, json!({})).await;
}

async fn set_up(client: &Client, tenant: &Tenant, folder: &str, secrets: &[(&str, &str)], settings: Value) {
    let plugin = guests::build(folder);
    let uploaded = client.upload(&tenant.api_key, plugin.bytes).await;
    let path = |rest: &str| format!("/api/v1/plugins/{}{rest}", plugin.manifest.name);
    for (name, value) in secrets {
        let body = json!({"value": value});
        let set = client.json(Method::PUT, &path(&format!("/secrets/{name}")), &tenant.api_key, &body).await;
        assert!(set.status.is_success(), "{set:?}");
    }
    let accept = json!({"accept": uploaded.body["digest"], "settings": settings});
    let enabled = client.json(Method::POST, &path("/enable"), &tenant.api_key, &accept).await;
    assert!(enabled.status.is_success(), "{enabled:?}");
    client.settled(&tenant.api_key).await;
}

async fn hook(client: &Client, tenant: &Tenant, token: Option<&str>, body: &Value) -> Answer {
    let path = format!("/hooks/{}/hostile-hook/hook", tenant.name);
    let request = client.request(Method::POST, &path).json(body);
    let request = match token {
        Some(token) => request.header("x-token", token),
        None => request,
    };
    client.send(request).await
}

async fn customer(client: &Client, tenant: &Tenant, identity: &str) -> Value {
    let found = client.get(&format!("/api/v1/customers?identity={identity}"), &tenant.api_key).await.body;
    found["customers"][0].clone()
}

async fn events(client: &Client, tenant: &Tenant, name: &str) -> Vec<Value> {
    client.rows(&format!("/api/v1/events?name={}", name.replace(' ', "%20")), "events", &tenant.api_key).await
}

/// The names of what a customer did, newest first: that somebody identified them is none of it.
async fn timeline(client: &Client, tenant: &Tenant, customer: &Value) -> Vec<String> {
    let path = format!("/api/v1/customers/{}/timeline?", customer["id"].as_str().expect("an id"));
    let items = client.rows(&path, "items", &tenant.api_key).await;
    let names = items.iter().filter(|item| item["kind"] == "event").filter_map(|item| item["title"].as_str());
    names.filter(|name| *name != "identify").map(str::to_owned).collect()
}

async fn sources(database: Option<String>) {
    let place = Place::new(database);
    let tenant = place.tenant("live").await;
    let other = place.create_tenant("other", "live").await.expect("another tenant");
    let hub = place.serve().await;
    let client = Client::new(&hub.url);
    installed(&client, &tenant, "plugins/shop-source", &[("shopify", "key")]).await;
    installed(&client, &tenant, "tests/hostile/hook", &[("token", TOKEN)]).await;
    installed(&client, &other, "tests/hostile/hook", &[("token", TOKEN)]).await;
    let known = json!({"userId": "ada", "traits": {"email": "ada@example.com"}});
    assert!(client.ingest("/v1/identify", &tenant.api_key, &known).await.status.is_success());

    // An order that a shop signs, delivered over and over, is one event of the customer whom its address names.
    let order = r#"{"id":1,"email":"Ada@Example.com","currency":"EUR","total_price":"19.90","line_items":[]}"#;
    let signature = "SaMOofxmwFQ53Av08/PUHmR6n9V9sJrj5nH2lqFlKoM=";
    let shop = |signature: &str| {
        let request = client.request(Method::POST, &format!("/hooks/{}/shop-source/shopify", tenant.name));
        request.header("x-shopify-topic", "orders/paid").header("x-shopify-hmac-sha256", signature).body(order)
    };
    let mut deliveries = JoinSet::new();
    for _ in 0..20 {
        deliveries.spawn(shop(signature).send());
    }
    for answer in deliveries.join_all().await {
        let answer = answer.expect("the hub answers");
        assert_eq!(
            (answer.status().as_u16(), answer.headers()["x-content-type-options"].as_bytes()),
            (200, &b"nosniff"[..])
        );
    }
    assert_eq!(client.send(shop("bm9ib2R5")).await.status, 401);
    client.settled(&tenant.api_key).await;
    let [paid] = events(&client, &tenant, "Order Completed").await.try_into().expect("one order");
    assert_eq!(paid["body"]["properties"]["total"], 19.9);
    let ada = customer(&client, &tenant, "user_id:ada").await;
    assert_eq!(timeline(&client, &tenant, &ada).await, ["Order Completed"]);

    // Who is not verified may say that something happened, and not who is who.
    let told = |id: &str| json!({"do": "event", "id": id, "what": "x", "identities": [["anonymous_id", id], ["email", "ada@example.com"]]});
    assert_eq!(hook(&client, &tenant, None, &told("stranger")).await.status, 200);
    assert_eq!(hook(&client, &tenant, Some(TOKEN), &told("friend")).await.status, 200);
    assert_eq!(hook(&client, &tenant, Some("another"), &told("third")).await.status, 401);
    client.settled(&tenant.api_key).await;
    assert_eq!(customer(&client, &tenant, "anonymous_id:friend").await["id"], ada["id"]);
    let stranger = customer(&client, &tenant, "anonymous_id:stranger").await;
    assert!(stranger["id"].is_string() && stranger["id"] != ada["id"], "{stranger}");
    assert_eq!(events(&client, &tenant, "Told").await.len(), 2);
    assert_eq!(events(&client, &other, "Told").await.len(), 0);

    reports(&client, &tenant).await;
    pairs(&client, &tenant).await;
    failures(&client, &tenant, &other).await;

    // Nobody has such an address, and nobody learns which part of it is wrong.
    let mut answers = Vec::new();
    for path in ["nobody/hostile-hook/hook", "other/shop-source/shopify", "other/hostile-hook/other"] {
        answers.push(client.send(client.request(Method::POST, &format!("/hooks/{path}"))).await);
    }
    assert!(answers.iter().all(|answer| answer.status == 404 && answer.body == answers[0].body), "{answers:?}");
    let disabled = "/api/v1/plugins/hostile-hook/disable";
    let disabled = client.json(Method::POST, disabled, &other.api_key, &json!({})).await;
    assert!(disabled.status.is_success(), "{disabled:?}");
    assert_eq!(hook(&client, &other, Some(TOKEN), &told("late")).await.status, 404);
    assert!(hub.stop().await.expect("the hub ends").success());
}

/// The host signs with a key that it has checked, and only by an algorithm that it knows and the manifest names.
async fn pairs(client: &Client, tenant: &Tenant) {
    let secret = "/api/v1/plugins/hostile-hook/secrets/pair";
    let ask = |algorithm: &str| json!({"do": "sign", "algorithm": algorithm, "data": "openhub"});
    let no_key = json!({"value": "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"});
    let refused = client.json(Method::PUT, secret, &tenant.api_key, &no_key).await;
    assert_eq!((refused.problem(), &refused.body["faults"][0]["code"]), ("invalid-secret", &json!("invalid-key")));
    assert_eq!(hook(client, tenant, Some(TOKEN), &ask("ed25519")).await.status, 503, "it is not set");
    let key = json!({"value": include_str!("../../../host/runtime/tests/keys/ed25519.pem")});
    let set = client.json(Method::PUT, secret, &tenant.api_key, &key).await;
    assert!(set.status.is_success(), "{set:?}");
    client.settled(&tenant.api_key).await;
    let signed = hook(client, tenant, Some(TOKEN), &ask("ed25519")).await;
    assert_eq!((&signed.body[0], &signed.body[1]), (&json!(true), &json!(false)), "{signed:?}");
    // Ed25519 draws nothing: it is what `openssl pkeyutl -sign -rawin` makes with this key.
    assert_eq!(signed.body[2].as_array().map(|bytes| (bytes.len(), bytes[0].clone())), Some((64, json!(0x3e))));
    assert_eq!(hook(client, tenant, Some(TOKEN), &ask("rsa-sha256")).await.problem(), "hook-refused", "not declared");
    assert_eq!(hook(client, tenant, Some(TOKEN), &ask("rot13")).await.status, 503);
}

/// What a provider reports on a message is an event of its customer.
async fn reports(client: &Client, tenant: &Tenant) {
    let thanks = json!({
        "trigger": {"event": "Order Completed"}, "start": "send",
        "nodes": {
            "send": {"type": "send", "channel": "hooked", "purpose": "transactional", "content": {"id": "provider-7"}, "next": "end"},
            "end": {"type": "exit", "reason": "sent"},
        },
    });
    assert!(client.json(Method::PUT, "/api/v1/journeys/thanks", &tenant.api_key, &thanks).await.status.is_success());
    let published = client.json(Method::POST, "/api/v1/journeys/thanks/publish", &tenant.api_key, &json!({})).await;
    assert!(published.status.is_success(), "{published:?}");
    let order = json!({"event": "Order Completed", "userId": "ada", "properties": {"total": 1}});
    assert!(client.ingest("/v1/track", &tenant.api_key, &order).await.status.is_success());
    until("the message is sent", || async {
        let sent = client.rows("/api/v1/messages?status=accepted", "messages", &tenant.api_key).await;
        (sent.len() == 1).then_some(())
    })
    .await;
    let report = |message: &str, status: &str| json!({"do": "report", "message": message, "status": status});
    assert_eq!(hook(client, tenant, None, &report("provider-7", "bounced")).await.problem(), "plugin-failed");
    for status in ["delivered", "opened", "delivered"] {
        assert_eq!(hook(client, tenant, Some(TOKEN), &report("provider-7", status)).await.status, 200);
    }
    assert_eq!(hook(client, tenant, Some(TOKEN), &report("of-another", "delivered")).await.status, 200);
    let mut never = report("provider-7", "clicked");
    never["at"] = json!(i64::MIN);
    assert_eq!(hook(client, tenant, Some(TOKEN), &never).await.problem(), "hook-refused", "no time can be written so");
    assert_eq!(hook(client, tenant, Some(TOKEN), &report("provider-7", "Not a word")).await.problem(), "plugin-failed");
    client.settled(&tenant.api_key).await;
    let reported = events(client, tenant, "Message Reported").await;
    let told: Vec<&Value> = reported.iter().map(|event| &event["body"]["properties"]["status"]).collect();
    assert_eq!(told, [&json!("delivered"), &json!("opened")]);
    let ada = customer(client, tenant, "user_id:ada").await;
    let on_ada = timeline(client, tenant, &ada).await;
    assert_eq!(on_ada.iter().filter(|name| *name == "Message Reported").count(), 2, "{on_ada:?}");
    let page = json!({"event": "Message Reported", "userId": "ada", "properties": {"status": "opened"}});
    assert_eq!(client.ingest("/v1/track", &tenant.write_key, &page).await.problem(), "invalid-event");
}

/// Who was sent a mail looks at its link, which changes nothing, and sends its form, which withdraws the consent.
async fn unsubscribes(database: Option<String>) {
    let place = Place::new(database);
    let tenant = place.tenant("live").await;
    let provider = Provider::start(200).await;
    let config = place.folder.join("hub.toml");
    std::fs::write(&config, "public_url = \"https://hub.example.com/\"\n").expect("it is written");
    let config = config.display().to_string();
    let flags = ["--allow-private", &provider.address, "--config", &config].map(str::to_owned);
    let hub = place.start_hub("127.0.0.1:0", &flags).await.expect("the hub starts");
    let client = Client::new(&hub.url);
    let settings = json!({"url": format!("http://{}/emails", provider.address), "from": "shop@example.com"});
    set_up(&client, &tenant, "plugins/email", &[("api-key", "re_1")], settings).await;
    let offer = json!({
        "trigger": {"event": "Offer"}, "reentry": "always", "start": "send",
        "nodes": {
            "send": {"type": "send", "channel": "email", "purpose": "marketing",
                "content": {"subject": "An offer", "text": "for you"}, "next": "end"},
            "end": {"type": "exit", "reason": "sent"},
        },
    });
    assert!(client.json(Method::PUT, "/api/v1/journeys/offer", &tenant.api_key, &offer).await.status.is_success());
    let published = client.json(Method::POST, "/api/v1/journeys/offer/publish", &tenant.api_key, &json!({})).await;
    assert!(published.status.is_success(), "{published:?}");
    let ada = json!({"type": "identify", "userId": "ada", "traits": {"email": "ada@example.com"},
        "consents": {"marketing": {"state": "granted"}}});
    let offered = json!({"type": "track", "userId": "ada", "event": "Offer"});
    let sent = client.ingest("/v1/batch", &tenant.api_key, &json!({"batch": [ada, offered]})).await;
    assert!(sent.status.is_success(), "{sent:?}");
    let mail = until("the mail is handed over", || async { provider.bodies().pop() }).await;
    let link = mail["headers"]["List-Unsubscribe"].as_str().expect("a link").trim_matches(['<', '>']).to_owned();
    let path = link.strip_prefix("https://hub.example.com").expect("the hub's public address");
    let consent = async || {
        client.settled(&tenant.api_key).await;
        customer(&client, &tenant, "user_id:ada").await["consents"].clone()
    };
    let looked = client.send(client.request(Method::GET, path).header("accept-language", "zh-CN,zh;q=0.9")).await;
    assert!(looked.status == 200 && looked.body.to_string().contains("退订"), "{looked:?}");
    assert_eq!(consent().await["marketing/email"], Value::Null, "looking changes nothing");
    let wrong = client.send(client.request(Method::POST, &path[..path.len() - 1])).await;
    assert_eq!(wrong.status, 404);
    let click = client.request(Method::POST, path).header("content-type", "application/x-www-form-urlencoded");
    let done = client.send(click.body("List-Unsubscribe=One-Click")).await;
    assert!(done.status == 200 && done.body.to_string().contains("no more messages"), "{done:?}");
    let consents = consent().await;
    assert_eq!(consents["marketing/email"]["state"], "denied", "{consents}");
    let log = async || client.rows("/api/v1/events?", "events", &tenant.api_key).await.len();
    let before = log().await;
    for _ in 0..20 {
        assert_eq!(client.send(client.request(Method::POST, path)).await.status, 200);
    }
    assert_eq!(log().await, before, "who has said it adds nothing to the log");
    assert_eq!(consents["marketing"]["state"], "granted", "by other channels they may be reached");
    assert!(client.ingest("/v1/track", &tenant.api_key, &offered).await.status.is_success());
    until("the second is dropped", || async {
        let dropped = client.rows("/api/v1/messages?status=dropped", "messages", &tenant.api_key).await;
        (dropped.len() == 1).then_some(())
    })
    .await;
    assert_eq!(provider.bodies().len(), 1);
    assert!(hub.stop().await.expect("the hub ends").success());
}

/// Each way to fail has its answer, and its line in the list of faults; a neighbour's source goes on meanwhile.
async fn failures(client: &Client, tenant: &Tenant, other: &Tenant) {
    let nothing = json!({});
    for (what, status, code) in [
        ("retry", 503, "unavailable"),
        ("reject", 400, "hook-refused"),
        ("misconfigured", 503, "unavailable"),
        ("panic", 502, "plugin-failed"),
        ("spin", 502, "plugin-failed"),
        ("grow", 502, "plugin-failed"),
        ("huge", 502, "plugin-failed"),
        ("many", 502, "plugin-failed"),
        ("undeclared", 502, "plugin-failed"),
    ] {
        let body = json!({"do": what, "id": what, "identities": [["user_id", "ada"]]});
        let (failed, quiet) =
            tokio::join!(hook(client, tenant, Some(TOKEN), &body), hook(client, other, None, &nothing));
        assert_eq!((failed.status.as_u16(), failed.problem()), (status, code), "{what}: {failed:?}");
        assert_eq!(quiet.status, 200, "{what}");
    }
    // What a sender wrote and the plugin passes on: it is no better the next time.
    let long = "x".repeat(5_000);
    for (id, user, pointer) in
        [(long.as_str(), "ada", "/events/0/id"), ("a\0b", "ada", "/events/0/id"), ("c", "", "/events/0/identities")]
    {
        let refused = hook(
            client,
            tenant,
            Some(TOKEN),
            &json!({"do": "event", "id": id, "what": "x", "identities": [["user_id", user]]}),
        )
        .await;
        assert_eq!((refused.status.as_u16(), refused.problem()), (400, "hook-refused"), "{pointer}: {refused:?}");
        assert_eq!(refused.body["faults"][0]["pointer"], pointer, "{refused:?}");
    }
    let strange = hook(client, tenant, None, &json!({"do": "answer", "status": 99})).await;
    assert_eq!(strange.problem(), "plugin-failed");
    let body = json!({"do": "answer", "status": 418});
    let path = format!("/hooks/{}/hostile-hook/hook", tenant.name);
    let answer = client.request(Method::POST, &path).json(&body).send().await.expect("it answers");
    assert_eq!(answer.status(), 418);
    let headers = answer.headers();
    assert_eq!(headers["content-security-policy"], "sandbox; default-src 'none'");
    assert!(!headers.contains_key("set-cookie") && !headers.contains_key("location"), "{headers:?}");
    // The hub's own keys and cookies are not for plugins.
    let request = client.request(Method::POST, &path).bearer_auth(&tenant.api_key).header("cookie", "session=1");
    let told = client.send(request.header("x-other", "1").json(&json!({"do": "headers"}))).await.body.to_string();
    assert!(told.contains("x-other") && !told.contains("oh_") && !told.contains("session"), "{told}");
    until("each failure is listed", || async {
        let faults = client.rows("/api/v1/faults?", "faults", &tenant.api_key).await;
        let is_listed = |code: &&str| faults.iter().any(|fault| fault["code"] == **code);
        let codes = [
            "never",
            "nobody-set-it",
            "trap",
            "fuel",
            "memory",
            "malformed",
            "unverified-report",
            "invalid-id",
            "unknown-algorithm",
            "turned-away",
        ];
        let waits = faults.iter().find(|fault| fault["code"] == "nobody-set-it");
        assert!(waits.is_none_or(|fault| fault.to_string().contains("An admin must act")), "{waits:?}");
        let refused = faults.iter().find(|fault| fault["code"] == "never").map(ToString::to_string);
        assert!(refused.is_none_or(|fault| fault.contains("refused the request: ")), "{faults:?}");
        codes.iter().all(is_listed).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_in_by_a_plugins_source_on_sqlite() {
    sources(None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_in_by_a_plugins_source_on_postgres() {
    let postgres = Postgres::start().await.expect("PostgreSQL starts");
    sources(Some(postgres.database().await.expect("a database"))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_wants_no_more_mail_says_so_with_one_click_on_sqlite() {
    unsubscribes(None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_wants_no_more_mail_says_so_with_one_click_on_postgres() {
    let postgres = Postgres::start().await.expect("PostgreSQL starts");
    unsubscribes(Some(postgres.database().await.expect("a database"))).await;
}
