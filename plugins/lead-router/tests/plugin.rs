//! The built component, in the hub's own runtime.

use openhub_sdk_testing::{Hub, Timestamp, Went, json};

#[openhub_sdk_testing::test]
fn hot_leads_go_to_salespeople_in_turns_and_the_others_are_nurtured(hub: Hub) {
    let route =
        |score: i64, turn: i64| hub.step("route").enter(json!({"score": score, "people": 3, "turn": turn})).outlet();
    let turns: Vec<String> = (0..5).map(|turn| route(80, turn)).collect();
    assert_eq!(turns, ["first", "second", "third", "first", "second"]);
    assert_eq!(route(50, -1), "third", "a turn below nought is one, too");
    assert_eq!(route(49, 0), "nurture");
}

#[openhub_sdk_testing::test]
fn without_a_turn_the_seed_draws_and_draws_the_same_again(hub: Hub) {
    let draw = |seed| hub.step("route").seed(seed).enter(json!({"score": 80, "people": 6})).outlet();
    let drawn: Vec<String> = (0..60).map(&draw).collect();
    assert_eq!(drawn, (0..60).map(draw).collect::<Vec<_>>());
    for person in ["first", "second", "third", "fourth", "fifth", "sixth"] {
        assert!(drawn.iter().any(|way| way == person), "{person} never has a turn");
    }
}

#[openhub_sdk_testing::test]
fn who_has_no_score_waits_for_one(hub: Hub) {
    let hub = hub.at(Timestamp::from_micros(0));
    let with = json!({"patience": 30, "people": 1});
    let waits = hub.step("route").enter(with.clone()).waits();
    assert_eq!(waits.events, ["Lead Scored"]);
    assert_eq!(waits.until, Some(Timestamp::from_micros(1_800_000_000)));
    let woken = hub.step("route").after(&waits);
    assert_eq!(woken.event(with.clone(), "Lead Scored", json!({"score": 90})).outlet(), "first");
    assert_eq!(woken.event(with.clone(), "Lead Scored", json!({"score": 10})).outlet(), "nurture");
    assert_eq!(woken.timer(with).outlet(), "nurture");
}

#[openhub_sdk_testing::test]
fn what_makes_no_sense_fails_the_run(hub: Hub) {
    let failed = hub.step("route").enter(json!({"score": 80, "people": 7}));
    assert!(matches!(&failed, Went::Failed(reason) if reason.code == "people"), "{failed:?}");
}
