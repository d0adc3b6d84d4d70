//! Ids come from their cause, apart from each other, and read back as they are written.

use openhub_model::{Id, Identity, Seed, TenantId, Timestamp};
use proptest::prelude::*;

fn parts() -> impl Strategy<Value = Vec<Vec<u8>>> {
    prop::collection::vec(prop::collection::vec(0u8..3, 0..4), 0..4)
}

fn named(parts: &[Vec<u8>]) -> Id {
    Id::named(&parts.iter().map(Vec::as_slice).collect::<Vec<_>>())
}

proptest! {
    #[test]
    fn equal_parts_and_only_they_give_equal_ids(one in parts(), other in parts()) {
        prop_assert_eq!(named(&one) == named(&other), one == other);
    }

    #[test]
    fn text_comes_back(parts in parts()) {
        let id = named(&parts);
        let text = id.to_string();
        prop_assert_eq!(text.len(), 36);
        prop_assert_eq!(text.parse::<Id>().unwrap(), id);
        prop_assert_eq!(serde_json::to_value(id).unwrap(), serde_json::Value::String(text));
    }

    #[test]
    fn timed_ids_sort_by_their_millisecond(one in 0i64..1 << 47, other in 0i64..1 << 47, cause in parts()) {
        let parts: Vec<&[u8]> = cause.iter().map(Vec::as_slice).collect();
        let id = |millis: i64| Id::at(Timestamp::from_micros(millis * 1000), &parts);
        prop_assert_eq!(id(one).cmp(&id(other)), one.cmp(&other));
        prop_assert_eq!(id(one).to_string().cmp(&id(other).to_string()), one.cmp(&other));
    }
}

#[test]
fn a_part_belongs_to_its_tenant_kind_and_value() {
    let part = |tenant: i64, kind: &str, value: &str| Identity::new(kind, value).part(TenantId(tenant));
    assert_eq!(part(1, "user_id", "7"), part(1, "user_id", "7"));
    assert_ne!(part(1, "user_id", "7"), part(2, "user_id", "7"));
    assert_ne!(part(1, "user_id", "7"), part(1, "anonymous_id", "7"));
    assert_ne!(part(1, "user_id", "7"), part(1, "user_id7", ""));
}

#[test]
fn a_seed_differs_by_cause_ordinal_and_attempt() {
    let seeds = [
        Seed::of(&[b"a"], 0, 0),
        Seed::of(&[b"b"], 0, 0),
        Seed::of(&[b"a"], 1, 0),
        Seed::of(&[b"a"], 0, 1),
        Seed::of(&[], 0, 0),
    ];
    for (index, seed) in seeds.iter().enumerate() {
        assert!(!seeds[..index].contains(seed));
    }
    assert_eq!(Seed::of(&[b"a"], 0, 0), seeds[0]);
}
