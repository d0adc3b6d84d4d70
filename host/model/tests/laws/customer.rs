//! Attributes merge by event time, counters by addition: the order of arrival decides nothing.

use openhub_model::Customer;
use proptest::prelude::*;
use serde_json::Value;

use crate::{cause, somebody};

/// Sets of a few names, each at an event time of its own, in two orders of arrival.
fn two_orders() -> impl Strategy<Value = (Vec<Set>, Vec<Set>)> {
    let value = prop_oneof![Just(Value::Null), any::<i64>().prop_map(Value::from), any::<bool>().prop_map(Value::from)];
    let sets = prop::collection::btree_map(any::<i64>(), ("[abc]", value), 0..12)
        .prop_map(|sets| sets.into_iter().map(|(at, (name, value))| (name, value, at)).collect::<Vec<_>>());
    sets.prop_flat_map(|sets| (Just(sets.clone()), Just(sets).prop_shuffle()))
}

type Set = (String, Value, i64);

fn apply(sets: &[Set]) -> Customer {
    let mut customer = somebody();
    for (name, value, at) in sets {
        customer.set(name, value.clone(), cause(*at));
        customer.set_tag(name, (*value == Value::Bool(true)).into(), cause(*at));
    }
    customer
}

proptest! {
    #[test]
    fn the_newest_by_event_time_wins_in_any_order((one, other) in two_orders()) {
        let customer = apply(&one);
        prop_assert_eq!(&customer, &apply(&other));
        for (name, attribute) in &customer.attributes {
            let newest = one.iter().filter(|set| set.0 == *name).max_by_key(|set| set.2).unwrap();
            prop_assert_eq!(&attribute.value, &newest.1);
        }
    }

    #[test]
    fn additions_commute(amounts in prop::collection::vec((-1_000_000i64..1_000_000, 0i64..1000), 0..20)) {
        let mut amounts: Vec<_> = amounts;
        amounts.sort_by_key(|(_, at)| *at);
        amounts.dedup_by_key(|(_, at)| *at);
        let sum = |amounts: &mut dyn Iterator<Item = &(i64, i64)>| {
            let mut customer = somebody();
            amounts.for_each(|(amount, at)| customer.add("spent_cents", *amount, cause(*at)));
            customer
        };
        let customer = sum(&mut amounts.iter());
        prop_assert_eq!(&customer, &sum(&mut amounts.iter().rev()));
        let total: i64 = amounts.iter().map(|(amount, _)| amount).sum();
        if let Some((_, newest)) = amounts.last() {
            prop_assert_eq!(customer.attribute("spent_cents"), Some(&Value::from(total)));
            prop_assert_eq!(&customer.attributes.get("spent_cents").expect("it is counted").cause, &cause(*newest));
        }
    }

    #[test]
    fn first_and_last_seen_are_the_extremes(times in prop::collection::vec(any::<i64>(), 0..10)) {
        let mut customer = somebody();
        times.iter().for_each(|at| customer.saw(cause(*at).at));
        prop_assert_eq!(customer.first_seen_at.micros(), times.iter().copied().chain([0]).min().unwrap());
        prop_assert_eq!(customer.last_seen_at.micros(), times.iter().copied().chain([0]).max().unwrap());
    }
}

#[test]
fn an_older_event_does_not_bring_a_removed_value_back() {
    let mut customer = somebody();
    assert!(customer.set("phone", "1".into(), cause(1)));
    assert!(customer.set("phone", Value::Null, cause(3)));
    assert!(!customer.set("phone", "2".into(), cause(2)));
    assert_eq!(customer.attribute("phone"), None);
}
