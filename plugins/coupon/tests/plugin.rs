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
    assert!(hub.job("expire").run().note.is_some_and(|note| note.contains("no coupon expires")));
    let hub = hub.with_settings(json!({"expire_after_days": 30}));
    let ran = hub.job("expire").run();
    assert_eq!((ran.done, ran.note.as_deref()), (true, Some("1 coupons expired")));
    let status = |key: &str| hub.stored("coupon", key).expect("it is there")["status"].clone();
    assert_eq!((status(&old.key), status(&new.key)), (json!("expired"), json!("issued")));
    assert_eq!(hub.job("expire").run().note.as_deref(), Some("0 coupons expired"));
}

fn till(hub: Hub) -> (Hub, String) {
    let issued = hub.object("coupon").customer("ann").create(json!({"percent": 15})).expect("a coupon");
    (hub.storing("coupon", &issued.key, issued.fields), issued.key)
}

#[openhub_sdk_testing::test]
fn a_till_redeems_once_however_often_it_asks(hub: Hub) {
    let (hub, code) = till(hub);
    let path = format!("/coupons/{}-{}/redeem", code[..6].to_lowercase(), &code[6..]);
    let by = |once: &str| hub.endpoints().header("Idempotency-Key", once).post(&path, &json!({}));
    let redeemed = by("sale-1");
    assert_eq!((redeemed.status, redeemed.json()), (200, json!({"code": code, "percent": 15, "status": "redeemed"})));
    assert_eq!(hub.stored("coupon", &code).expect("the coupon")["status"], "redeemed");
    assert_eq!(by("sale-1").status, 200, "the same request again");
    assert_eq!((by("sale-2").status, by("sale-2").json()), (409, json!({"error": "redeemed"})));
    let unnamed = hub.endpoints().post(&path, &json!({}));
    assert_eq!(unnamed.status, 409);
}

#[openhub_sdk_testing::test]
fn what_one_till_reserves_no_other_redeems(hub: Hub) {
    let (hub, code) = till(hub);
    let ask = |till: &str, what: &str| {
        hub.endpoints().post(&format!("/coupons/{code}/{what}"), &json!({"till": till})).status
    };
    assert_eq!(
        [ask("one", "reserve"), ask("one", "reserve"), ask("two", "reserve"), ask("two", "redeem")],
        [200, 200, 409, 409]
    );
    assert_eq!([ask("one", "redeem"), ask("two", "redeem")], [200, 409]);
    let looked = hub.endpoints().get(&format!("/coupons/{code}"));
    assert_eq!(looked.json()["status"], "redeemed");
    assert_eq!(hub.endpoints().get("/coupons/000000000000").status, 404);
}

#[openhub_sdk_testing::test]
fn a_reservation_ends(hub: Hub) {
    let (hub, code) = till(hub.at(Timestamp::from_micros(0)));
    let ask = |hub: &Hub, till: &str| {
        hub.endpoints().post(&format!("/coupons/{code}/reserve"), &json!({"till": till})).status
    };
    assert_eq!([ask(&hub, "one"), ask(&hub, "two")], [200, 409]);
    let hub = hub.at(Timestamp::from_micros(301_000_000));
    assert_eq!(ask(&hub, "two"), 200);
}
