//! A customer's place among 10,000 buckets: random, and the same for ever.
//!
//! The seed is hashed here once. What remains is integer arithmetic on the customer's id, itself a hash, so that SQL
//! computes the same without a hash function of its own; no product leaves 64 bits.

use crate::id::{Id, PartId};

/// Buckets under one seed.
pub const BUCKETS: u32 = 10_000;

/// The modulus, a prime (2³¹ − 1).
const PRIME: u64 = 2_147_483_647;

/// `((low · x + high · y + offset) mod prime) mod 10,000`, where `x` are the first three bytes of the customer's id
/// and `y` the first three of its last six.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BucketHash {
    pub low: u64,
    pub high: u64,
    pub offset: u64,
    pub prime: u64,
}

impl BucketHash {
    pub fn of(seed: &str) -> BucketHash {
        let id = Id::named(&[b"bucket", seed.as_bytes()]);
        let word = |at: usize| id.as_bytes()[at..at + 4].iter().fold(0, |word: u64, byte| word << 8 | u64::from(*byte));
        BucketHash {
            low: 1 + word(0) % (PRIME - 1),
            high: 1 + word(4) % (PRIME - 1),
            offset: word(12) % PRIME,
            prime: PRIME,
        }
    }

    pub fn bucket(&self, customer: PartId) -> u32 {
        let bytes = customer.as_bytes();
        let three = |at: usize| bytes[at..at + 3].iter().fold(0, |word: u64, byte| word << 8 | u64::from(*byte));
        let hash = (self.low * three(0) + self.high * three(10) + self.offset) % self.prime;
        (hash % u64::from(BUCKETS)) as u32
    }
}
