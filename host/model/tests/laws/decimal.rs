//! Decimals are exact: what is written is read back, and a sum of units is the sum of the amounts.

use openhub_model::decimal::{MAX_SCALE, format, from_json, parse};
use proptest::prelude::*;

proptest! {
    #[test]
    fn written_and_read_back(units in any::<i64>(), scale in 0..=MAX_SCALE) {
        prop_assert_eq!(parse(&format(units, scale), scale), Some(units));
    }

    #[test]
    fn trailing_zeros_change_nothing(units in any::<i32>(), scale in 1u32..6, zeros in 0usize..5) {
        let text = format(units.into(), scale) + &"0".repeat(zeros);
        prop_assert_eq!(parse(&text, scale), Some(units.into()));
    }

    #[test]
    fn cents_survive_json_numbers(cents in -100_000_000_000i64..100_000_000_000) {
        let number: serde_json::Value = serde_json::from_str(&format(cents, 2)).unwrap();
        prop_assert_eq!(from_json(&number, 2), Some(cents));
        prop_assert_eq!(from_json(&serde_json::json!(format(cents, 2)), 2), Some(cents));
    }

    #[test]
    fn no_text_panics(text in ".{0,24}", scale in any::<u32>()) {
        let _ = parse(&text, scale);
    }
}

#[test]
fn the_ends_of_the_range() {
    for units in [i64::MIN, i64::MAX] {
        assert_eq!(parse(&format(units, 2), 2), Some(units));
    }
    assert_eq!(parse("9223372036854775808", 0), None);
    assert_eq!(parse("1", MAX_SCALE), Some(1_000_000_000_000_000_000));
    assert_eq!(parse("1", MAX_SCALE + 1), None);
}
