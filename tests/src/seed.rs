//! The seed of tests that draw at random: a new one each time, told, and given again to see the same.

use crate::report::say;

/// `OPENHUB_TEST_SEED`, or a new one.
pub fn seed(name: &str) -> u64 {
    let seed = match std::env::var("OPENHUB_TEST_SEED") {
        Ok(seed) => seed.parse().expect("the seed is a number"),
        Err(_) => rand::random::<u32>().into(),
    };
    say(format!("{name}: OPENHUB_TEST_SEED={seed}"));
    seed
}
