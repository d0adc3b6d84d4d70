//! The built component, in the hub's own runtime.

use openhub_sdk_testing::{Effects, Hub, Value, json};

const ANN: &str = "11111111-1111-8111-8111-111111111111";
const BOB: &str = "22222222-2222-8222-8222-222222222222";
const CY: &str = "33333333-3333-8333-8333-333333333333";

/// A code that can be one, of a place in the tree.
fn code(hub: &Hub, seed: u64) -> String {
    let made = hub.object("referral").customer(ANN).seed(seed).create(json!({})).expect("a place");
    made.fields["code"].as_str().expect("a code").to_owned()
}

/// Ann claims the code of Bob.
fn claim(more: Value) -> Value {
    let mut row = json!({
        "customer": ANN, "code": "C", "own_code": "A", "own_brought": 0, "giver": BOB, "giver_depth": 0, "giver_brought": 4,
    });
    for (name, value) in more.as_object().into_iter().flatten() {
        row[name] = value.clone();
    }
    row
}

fn why(effects: &Effects) -> Option<&str> {
    let refusal = effects.events.iter().find(|event| event.name == "Referral Refused")?;
    refusal.properties["why"].as_str()
}

#[openhub_sdk_testing::test]
fn who_signs_up_gets_a_code_and_says_whose_they_came_with(hub: Hub) {
    let given = code(&hub, 5);
    let written = format!("{}-{}", given[..6].to_lowercase(), &given[6..]);
    let rows = [json!({"with": written}), json!({"with": "nonsense", "code": "A"}), json!({}), json!({"code": "A"})];
    let joined = hub.rule("join").rows(&rows);
    assert_eq!(joined[0].event_names(), ["Referral Claimed"]);
    assert_eq!(joined[0].events[0].properties, json!({"code": given}));
    assert_eq!(joined[0].objects.len(), 1);
    assert_eq!((why(&joined[1]), joined[1].objects.len()), (Some("no-code"), 0));
    assert_eq!((joined[2].objects.len(), joined[2].events.len()), (1, 0));
    assert_eq!(joined[3], Effects::default());
    assert_eq!(hub.rule("keep").row(json!({"code": given})).attribute("referral_code"), json!(given));
}

#[openhub_sdk_testing::test]
fn the_first_who_brings_a_customer_counts(hub: Hub) {
    let bring = |more: Value| hub.rule("bring").row(claim(more));
    let brought = bring(json!({"giver_first": CY, "giver_depth": 1}));
    assert_eq!((brought.attribute("referred_by"), brought.attribute("referral_depth")), (json!("C"), json!(2)));
    assert_eq!(brought.event_names(), ["Referral Made", "Referral Brought"]);
    assert_eq!(brought.events[0].to, None);
    assert_eq!(brought.events[1].to.as_deref(), Some(BOB), "it happens to who brought her");
    let places: Vec<_> = brought.objects.iter().map(|object| (object.key.as_str(), object.fields.clone())).collect();
    let own = &places[0].1;
    assert_eq!((places[0].0, &own["first"], &own["second"], &own["depth"]), (ANN, &json!(BOB), &json!(CY), &json!(2)));
    assert_eq!(places[1], (BOB, json!({"brought": 5})));
    for (more, said) in [
        (json!({"giver": null}), "unknown-code"),
        (json!({"giver": ANN}), "own-code"),
        (json!({"own_first": CY}), "brought-before"),
        (json!({"referred_by": "B"}), "brought-before"),
        (json!({"own_brought": 1}), "has-brought"),
        (json!({"giver_depth": 10}), "too-deep"),
    ] {
        let refused = bring(more.clone());
        assert_eq!((why(&refused), refused.objects.len()), (Some(said), 0), "{more}");
        assert_eq!(refused.attribute("referred_by"), Value::Null);
    }
    let deep = hub.rule("bring").params(json!({"deepest": 11})).row(claim(json!({"giver_depth": 10})));
    assert_eq!(why(&deep), None);
}

#[openhub_sdk_testing::test]
fn the_first_order_rewards_those_above_once_each(hub: Hub) {
    let params = json!({"first": 100, "second": 30, "third": 10});
    let order = |row: Value| hub.rule("reward").params(params.clone()).row(row);
    let rewarded = order(json!({"customer": ANN, "first": BOB, "second": CY}));
    assert_eq!(rewarded.tag("referral-rewarded"), Some(true));
    let to = |event: &openhub_sdk_testing::Caused| (event.to.clone(), event.properties["points"].as_i64());
    let to: Vec<_> = rewarded.events.iter().map(to).collect();
    assert_eq!(to, [(Some(BOB.to_owned()), Some(100)), (Some(CY.to_owned()), Some(30))]);
    assert_eq!(order(json!({"customer": ANN, "first": BOB, "rewarded": true})), Effects::default());
    assert_eq!(order(json!({"customer": ANN})), Effects::default(), "nobody brought her");

    let due = json!({"event": "Referral Rewarded", "referred": ANN, "level": 1, "points": 100});
    let mut again = due.clone();
    again["had"] = json!(100);
    let brought = json!({"event": "Referral Brought", "referred": ANN});
    let collected = hub.rule("collect").rows(&[due, again, brought]);
    assert_eq!((collected[0].counter("referral_points"), collected[0].objects.len()), (100, 1));
    let reward = hub.object("referral-reward").customer(BOB).create(collected[0].objects[0].fields.clone());
    assert_eq!(reward.expect("a reward").key, format!("{ANN}/1"));
    assert_eq!(collected[1], Effects::default(), "it was given before");
    assert_eq!((collected[2].counter("referrals"), collected[2].objects.len()), (1, 0));
}

/// What a row leads to does not depend on those beside it.
#[openhub_sdk_testing::test]
fn batches_of_one_of_seven_and_of_all_are_the_same(hub: Hub) {
    let row = |row: i64| {
        claim(match row % 5 {
            0 => json!({"giver": null}),
            1 => json!({"own_first": CY}),
            2 => json!({"giver_first": CY, "giver_depth": row % 12}),
            _ => json!({"code": format!("C{row}"), "giver_brought": row}),
        })
    };
    let claims: Vec<Value> = (0..50).map(row).collect();
    let by =
        |size: usize| -> Vec<Effects> { claims.chunks(size).flat_map(|rows| hub.rule("bring").rows(rows)).collect() };
    let all = by(claims.len());
    assert!(all.iter().any(|effects| why(effects).is_some()) && all.iter().any(|effects| why(effects).is_none()));
    assert_eq!(by(1), all);
    assert_eq!(by(7), all);
}
