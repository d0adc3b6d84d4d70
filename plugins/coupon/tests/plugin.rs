//! The built component, in the hub's own runtime.

use openhub_sdk_testing::{Hub, Timestamp, json};

#[openhub_sdk_testing::test]
fn codes_come_from_the_seed(hub: Hub) {
    let coupons = |seed| hub.object("coupon").customer("ann").at(Timestamp::from_micros(0)).seed(seed);
    let issued = |seed| coupons(seed).create(json!({"percent": 15})).expect("a coupon");
    let coupon = issued(7);
    assert_eq!(coupon, issued(7));
    assert_ne!(coupon.key, issued(8).key);
    assert_eq!(coupon.fields["code"], coupon.key.as_str());
    assert_eq!(coupon.fields["owner"], "ann");
    assert_eq!(coupon.fields["status"], "issued");
    assert_eq!(coupon.fields["issued_at"], "1970-01-01T00:00:00Z");
}

#[openhub_sdk_testing::test]
fn redeemed_once(hub: Hub) {
    let coupons = hub.object("coupon").customer("ann");
    let issued = coupons.create(json!({"percent": 15})).expect("a coupon").fields;
    let mut wanted = issued.clone();
    wanted["status"] = json!("redeemed");
    let redeemed = coupons.update(&issued, &wanted).expect("redeemed");
    assert_eq!(redeemed.events[0].name, "Coupon Redeemed");
    let faults = coupons.update(&redeemed.fields, &wanted).expect_err("a second time");
    assert_eq!((faults[0].pointer.as_str(), faults[0].code.as_str()), ("/status", "redeemed"));
}

#[openhub_sdk_testing::test]
fn one_bad_coupon_leaves_the_others(hub: Hub) {
    let asked = [json!({"percent": 15}), json!({"percent": 101}), json!({"percent": 1, "code": "no"})];
    let answers = hub.object("coupon").customer("ann").create_all(&asked);
    let told: Vec<_> =
        answers.iter().map(|answer| answer.as_ref().err().map(|faults| faults[0].pointer.as_str())).collect();
    assert_eq!(told, [None, Some("/percent"), Some("/code")]);
}

#[openhub_sdk_testing::test]
fn coupons_that_are_too_old_expire(hub: Hub) {
    let at = |text: &str| Timestamp::parse(text).expect("a time");
    let coupon = |hub: &Hub, seed: u64, issued: &str| {
        let coupons = hub.object("coupon").customer("ann").at(at(issued)).seed(seed);
        coupons.create(json!({"percent": 15})).expect("a coupon")
    };
    let (old, new) = (coupon(&hub, 7, "2026-01-01T00:00:00Z"), coupon(&hub, 8, "2026-01-20T00:00:00Z"));
    let hub = hub.storing("coupon", &old.key, old.fields.clone()).storing("coupon", &new.key, new.fields.clone());
    let hub = hub.at(at("2026-02-01T03:30:00Z"));
    assert_eq!(nights(&hub, "expire"), ["0 coupons expired"]);
    let hub = hub.with_settings(json!({"expire_after_days": 30}));
    assert_eq!(nights(&hub, "expire"), ["0 coupons expired", "1 coupons expired"]);
    let status = |key: &str| hub.stored("coupon", key).expect("it is there")["status"].clone();
    assert_eq!((status(&old.key), status(&new.key)), (json!("expired"), json!("issued")));
    assert_eq!(nights(&hub, "expire"), ["0 coupons expired", "0 coupons expired"]);
}

/// The notes of a job's runs, one after the other until it is done.
fn nights(hub: &Hub, job: &str) -> Vec<String> {
    let (mut notes, mut cursor) = (Vec::new(), None);
    loop {
        let run = match cursor.take() {
            Some(cursor) => hub.job(job).cursor(cursor).run(),
            None => hub.job(job).run(),
        };
        notes.push(run.note.unwrap_or_default());
        if run.done {
            return notes;
        }
        cursor = run.cursor;
    }
}

#[openhub_sdk_testing::test]
fn coupons_whose_time_is_over_expire_a_page_at_a_time_and_not_while_somebody_pays(hub: Hub) {
    let start = Timestamp::parse("2026-01-01T00:00:00Z").expect("a time");
    let mut hub = hub.at(start);
    let mut codes = Vec::new();
    for seed in 0..150 {
        let wanted = json!({"amount": "5.00", "valid_until": "2026-01-02T00:00:00Z"});
        let issued = hub.object("coupon").customer("ann").at(start).seed(seed).create(wanted).expect("a coupon");
        hub = hub.storing("coupon", &issued.key, issued.fields);
        codes.push(issued.key);
    }
    let mut held = hub.stored("coupon", &codes[0]).expect("a coupon");
    held["status"] = json!("reserved");
    held["reserved_by"] = json!("key-1/");
    held["reserved_until"] = json!("2026-01-02T00:05:00Z");
    let hub = hub.storing("coupon", &codes[0], held).at(Timestamp::parse("2026-01-02T00:00:00Z").expect("a time"));
    let expired: usize =
        nights(&hub, "expire").iter().filter_map(|note| note.split(' ').next()?.parse::<usize>().ok()).sum();
    assert_eq!(expired, 149);
    let hub = hub.at(Timestamp::parse("2026-01-02T00:05:00Z").expect("a time"));
    assert_eq!(nights(&hub, "expire"), ["1 coupons expired"]);
}

/// A merchant or two, a till for the first, and a coupon.
fn till(hub: Hub) -> (Hub, String) {
    let merchant = |hub: &Hub, key: &str, share: &str| {
        let wanted = json!({"merchant": key, "name": key, "share": share, "currency": "EUR"});
        hub.object("merchant").create(wanted).expect("a merchant").fields
    };
    let (north, south) = (merchant(&hub, "north", "50"), merchant(&hub, "south", "100"));
    let till = |hub: &Hub, key: &str, merchants: &[&str]| {
        let wanted = json!({"key": key, "merchants": merchants, "may_issue": true});
        hub.object("coupon-till").create(wanted).expect("a till").fields
    };
    let (one, two) = (till(&hub, "key-1", &["north"]), till(&hub, "key-2", &["north", "south"]));
    let issued = hub.object("coupon").customer("ann").create(json!({"percent": 15})).expect("a coupon");
    assert!(issued.events.is_empty(), "it is of no batch");
    let hub = hub.storing("merchant", "north", north).storing("merchant", "south", south);
    let hub = hub.storing("coupon-till", "key-1", one).storing("coupon-till", "key-2", two);
    (hub.storing("coupon", &issued.key, issued.fields), issued.key)
}

#[openhub_sdk_testing::test]
fn a_till_redeems_once_however_often_it_asks(hub: Hub) {
    let (hub, code) = till(hub);
    let path = format!("/coupons/{}-{}/redeem", code[..6].to_lowercase(), &code[6..]);
    let by = |order: &str| hub.endpoints().post(&path, &json!({"order": order, "order_amount": "99.90"}));
    let redeemed = by("4711");
    let told = json!({
        "code": code, "percent": 15, "status": "redeemed", "merchant": "north", "order": "4711", "order_amount": "99.90",
        "discount": "14.99",
    });
    assert_eq!((redeemed.status, redeemed.json()), (200, told.clone()));
    assert_eq!(hub.stored("coupon", &code).expect("the coupon")["status"], "redeemed");
    assert_eq!((by("4711").status, by("4711").json()), (200, told), "the same order again");
    assert_eq!((by("4712").status, by("4712").json()), (409, json!({"error": "redeemed"})));
    let keyed = hub.endpoints().header("Idempotency-Key", "4711").post(&path, &json!({}));
    assert_eq!(keyed.status, 200, "the key names the order, too");
    assert!(hub.endpoints().send("POST", &path, "{}").is_err(), "no order");
    assert!(hub.endpoints().send("POST", &path, r#"{"order": "1", "order_amount": "-1"}"#).is_err());
}

#[openhub_sdk_testing::test]
fn a_till_redeems_for_its_own_merchants_only(hub: Hub) {
    let (hub, code) = till(hub);
    let batch = json!({"batch": "south-only", "name": "S", "percent": 5, "merchants": ["south"]});
    let batch = hub.object("coupon-batch").create(batch).expect("a batch").fields;
    let narrow = hub.object("coupon").customer("ann").seed(9).create(json!({"percent": 5, "batch": "south-only"}));
    let narrow = narrow.expect("a coupon");
    let hub = hub.storing("coupon-batch", "south-only", batch).storing("coupon", &narrow.key, narrow.fields.clone());
    let redeem = |key: &str, code: &str, merchant: Option<&str>| {
        let body = json!({"order": "1", "merchant": merchant});
        let answer = hub.endpoints().by(key, &["plugins:call:coupon"]).post(&format!("/coupons/{code}/redeem"), &body);
        (answer.status, answer.json()["error"].as_str().map(str::to_owned))
    };
    let refused = |why: &str| (403, Some(why.to_owned()));
    assert_eq!(redeem("stranger", &code, Some("north")), refused("no-till"));
    assert_eq!(redeem("key-1", &code, Some("south")), refused("other-merchant"));
    assert_eq!(redeem("key-2", &code, None), refused("other-merchant"), "which of the two?");
    assert_eq!(redeem("key-1", &narrow.key, None), refused("other-merchant"));
    assert_eq!(redeem("key-2", &narrow.key, Some("north")), refused("other-merchant"));
    assert_eq!(redeem("key-2", &narrow.key, Some("south")), (200, None));
    assert_eq!(redeem("key-2", &code, Some("north")), (200, None));
}

#[openhub_sdk_testing::test]
fn what_one_till_reserves_no_other_redeems(hub: Hub) {
    let (hub, code) = till(hub);
    let ask = |till: &str, what: &str| {
        let body = json!({"till": till, "order": till});
        hub.endpoints().post(&format!("/coupons/{code}/{what}"), &body).status
    };
    assert_eq!(
        [
            ask("one", "reserve"),
            ask("one", "reserve"),
            ask("two", "reserve"),
            ask("two", "redeem"),
            ask("two", "release")
        ],
        [200, 200, 409, 409, 409]
    );
    assert_eq!([ask("one", "release"), ask("two", "reserve"), ask("one", "redeem")], [200, 200, 409]);
    assert_eq!([ask("two", "redeem"), ask("one", "redeem"), ask("one", "release")], [200, 409, 409]);
    let looked = hub.endpoints().get(&format!("/coupons/{code}"));
    assert_eq!(looked.json()["status"], "redeemed");
    assert_eq!(hub.endpoints().get("/coupons/000000000000").status, 404);
}

#[openhub_sdk_testing::test]
fn a_reservation_ends(hub: Hub) {
    let (hub, code) = till(hub.at(Timestamp::from_micros(0)));
    let ask = |hub: &Hub, till: &str| {
        hub.endpoints().post(&format!("/coupons/{code}/reserve"), &json!({"till": till, "seconds": 60})).status
    };
    assert_eq!([ask(&hub, "one"), ask(&hub, "two")], [200, 409]);
    let hub = hub.at(Timestamp::from_micros(60_000_000));
    assert_eq!(hub.endpoints().get(&format!("/coupons/{code}")).json()["status"], "issued");
    assert_eq!(ask(&hub, "two"), 200);
}

#[openhub_sdk_testing::test]
fn a_batch_gives_as_many_as_it_may(hub: Hub) {
    let (hub, _) = till(hub);
    let batch = json!({"batch": "spring", "name": "Spring", "amount": "5.00", "most": 3, "per_customer": 2});
    let batch = hub.object("coupon-batch").create(batch).expect("a batch").fields;
    let mut hub = hub.storing("coupon-batch", "spring", batch);
    for id in ["ann", "bob", "cy"] {
        hub = hub.knowing(json!({"id": id, "identities": [["user_id", id]]}));
    }
    let issue = |who: &str, once: &str| {
        let body = json!({"batch": "spring", "customer": {"user_id": who}});
        let answer = hub.endpoints().header("Idempotency-Key", once).post("/issue", &body);
        let told = answer.json();
        (answer.status, told["code"].as_str().or(told["error"].as_str()).unwrap_or_default().to_owned())
    };
    let first = issue("ann", "1");
    assert_eq!(first.0, 201);
    assert_eq!(issue("ann", "1"), (200, first.1.clone()), "the same request again");
    assert_eq!(hub.stored("coupon", &first.1).expect("the coupon")["owner"], "ann");
    assert_eq!((issue("ann", "2").0, issue("ann", "3")), (201, (409, "had-enough".into())));
    assert_eq!((issue("bob", "4").0, issue("cy", "5")), (201, (409, "used-up".into())));
    assert_eq!(issue("dan", "6"), (404, "unknown-customer".into()));
    assert_eq!(hub.stored("coupon-batch", "spring").expect("the batch")["issued"], 3);
}

#[openhub_sdk_testing::test]
fn each_coupon_is_in_one_settlement_wherever_a_run_breaks_off(hub: Hub) {
    let at = |text: &str| Timestamp::parse(text).expect("a time");
    let (mut hub, _) = till(hub.at(at("2026-01-31T23:00:00Z")));
    for number in 0..120 {
        let issued = hub.object("coupon").customer("ann").seed(100 + number).create(json!({"percent": 10}));
        let issued = issued.expect("a coupon");
        hub = hub.storing("coupon", &issued.key, issued.fields);
        // A third of them in February, a fourth in the south.
        hub = hub.at(at(if number % 3 == 0 { "2026-02-01T01:00:00Z" } else { "2026-01-31T23:00:00Z" }));
        let merchant = if number % 4 == 0 { "south" } else { "north" };
        let body = json!({"order": number.to_string(), "merchant": merchant, "order_amount": "10.05"});
        let redeemed = hub.endpoints().by("key-2", &[]).post(&format!("/coupons/{}/redeem", issued.key), &body);
        assert_eq!(redeemed.status, 200, "{}", redeemed.text());
    }
    let hub = hub.at(at("2026-02-02T04:00:00Z"));
    // The outcome of this run is lost, and with it its cursor: the next one begins anew.
    assert!(!hub.job("settle").run().done);
    assert!(nights(&hub, "settle").iter().any(|note| note == "2 settlements closed"));
    let notes = nights(&hub, "settle");
    assert!(notes.iter().all(|note| note.starts_with("0 ")), "nothing is settled twice: {notes:?}");
    let report = |merchant: &str| {
        hub.endpoints().by("key-2", &[]).get(&format!("/merchants/{merchant}/settlements")).json()["settlements"]
            .clone()
    };
    let line = |period: &str, coupons: i64, orders: &str, discounts: &str, share: &str, payable: &str, closed: bool| {
        json!({
            "merchant": if share == "50.00" { "north" } else { "south" }, "period": period, "coupons": coupons, "orders": orders,
            "discounts": discounts, "share": share, "payable": payable, "currency": "EUR", "closed": closed,
        })
    };
    assert_eq!(
        report("north"),
        json!([
            line("2026-01", 60, "603.00", "60.60", "50.00", "30.30", true),
            line("2026-02", 30, "301.50", "30.30", "50.00", "15.15", false),
        ])
    );
    assert_eq!(
        report("south"),
        json!([
            line("2026-01", 20, "201.00", "20.20", "100.00", "20.20", true),
            line("2026-02", 10, "100.50", "10.10", "100.00", "10.10", false),
        ])
    );
    let other = hub.endpoints().get("/merchants/south/settlements/2026-01");
    assert_eq!((other.status, other.json()["error"].as_str()), (403, Some("other-merchant")));
    assert_eq!(hub.endpoints().get("/merchants/north/settlements/2026-01").json()["payable"], "30.30");
}

#[openhub_sdk_testing::test]
fn what_customers_do_draws_coupons_in_batches_of_any_size(hub: Hub) {
    let due = hub.rule("earn").params(json!({"batch": "spring"})).rows(&[json!({}), json!({"batch": "summer"})]);
    let batches: Vec<_> = due.iter().map(|effects| effects.events[0].properties["batch"].clone()).collect();
    assert_eq!(batches, ["spring", "summer"]);
    let row = |number: i64| {
        let had = (number % 3 > 0).then_some(number % 3);
        json!({
            "customer": format!("c{number}"), "batch": "spring", "name": (number % 5 > 0).then_some("Spring"), "percent": 10, "most": 25,
            "issued": number, "per_customer": 2, "had": had,
        })
    };
    let rows: Vec<_> = (0..40).map(row).collect();
    let by = |size: usize| rows.chunks(size).flat_map(|rows| hub.rule("draw").rows(rows)).collect::<Vec<_>>();
    let all = by(rows.len());
    assert_eq!((by(1), by(7)), (all.clone(), all.clone()));
    let why = |number: usize| {
        let refused = all[number].events.first().map(|event| event.properties["why"].clone());
        refused.unwrap_or_else(|| json!(all[number].objects.len()))
    };
    let told: Vec<_> = [0, 1, 2, 3, 31].into_iter().map(why).collect();
    assert_eq!(told, [json!("unknown-batch"), json!(3), json!("had-enough"), json!(3), json!("used-up")]);
    let of = |number: usize, kind: &str| all[number].objects.iter().find(|object| object.kind == kind).cloned();
    let count = |number, kind| of(number, kind).map(|object| (object.key, object.fields["issued"].clone()));
    assert_eq!(count(3, "coupon-batch"), Some(("spring".into(), json!(4))));
    assert_eq!(count(3, "coupon-allowance"), Some((String::new(), json!(1))), "her first");
    assert_eq!(count(1, "coupon-allowance"), Some(("spring/c1".into(), json!(2))));
    assert_eq!(of(3, "coupon").expect("a coupon").fields["batch"], "spring");
}
