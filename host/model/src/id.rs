//! Identifiers. Ids of things that COMPUTE makes are derived from their cause, so that a replay makes
//! the same ones; ids of things that the host makes at a door come from its clock and randomness.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use uuid::{Builder, Uuid};

use crate::time::Timestamp;

/// A 128-bit id, written as a hyphenated UUID (RFC 9562).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Id(Uuid);

/// A customer as first seen: the unit that state rows belong to. A merge changes only part → customer.
pub type PartId = Id;

impl Id {
    /// A name-based id (UUIDv8): the same parts give the same id, on every machine and replay.
    ///
    /// The parts are hashed with BLAKE3, each preceded by its length, so that no two lists collide by
    /// concatenation.
    pub fn named(parts: &[&[u8]]) -> Id {
        Id::from_hash(&hash(parts))
    }

    /// As [`Id::named`], but only who has the key can make it.
    pub fn keyed(key: &[u8; 32], parts: &[&[u8]]) -> Id {
        Id::from_hash(&hash_with(blake3::Hasher::new_keyed(key), parts))
    }

    fn from_hash(hash: &blake3::Hash) -> Id {
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hash.as_bytes()[..16]);
        Id(Builder::from_custom_bytes(bytes).into_uuid())
    }

    /// An id that sorts by `at` (UUIDv7) and whose random bits come from the hash of `parts`.
    pub fn at(at: Timestamp, parts: &[&[u8]]) -> Id {
        Id::at_hash(at, &hash(parts))
    }

    /// As [`Id::at`], but only who has the key can make it.
    pub fn keyed_at(key: &[u8; 32], at: Timestamp, parts: &[&[u8]]) -> Id {
        Id::at_hash(at, &hash_with(blake3::Hasher::new_keyed(key), parts))
    }

    fn at_hash(at: Timestamp, hash: &blake3::Hash) -> Id {
        let mut random = [0; 10];
        random.copy_from_slice(&hash.as_bytes()[..10]);
        let millis = (at.micros() / 1000).max(0) as u64;
        Id(Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
    }

    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl FromStr for Id {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::parse_str(text).map(Id)
    }
}

/// The only randomness of the pure lane: drawn from a cause, never from the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seed(pub u64);

impl Seed {
    /// `hash(cause, ordinal, attempt)`; the plugin's digest is left out, so that a shadow draws alike.
    pub fn of(cause: &[&[u8]], ordinal: u32, attempt: u32) -> Seed {
        let (ordinal, attempt) = (ordinal.to_le_bytes(), attempt.to_le_bytes());
        let mut parts = cause.to_vec();
        parts.extend([&ordinal[..], &attempt[..]]);
        Seed::from_hash(&hash(&parts))
    }

    /// As [`Seed::of`], but only who has the key knows it.
    pub fn keyed(key: &[u8; 32], cause: &[&[u8]], ordinal: u32, attempt: u32) -> Seed {
        let (ordinal, attempt) = (ordinal.to_le_bytes(), attempt.to_le_bytes());
        let mut parts = cause.to_vec();
        parts.extend([&ordinal[..], &attempt[..]]);
        Seed::from_hash(&hash_with(blake3::Hasher::new_keyed(key), &parts))
    }

    fn from_hash(hash: &blake3::Hash) -> Seed {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&hash.as_bytes()[..8]);
        Seed(u64::from_le_bytes(bytes))
    }
}

fn hash(parts: &[&[u8]]) -> blake3::Hash {
    hash_with(blake3::Hasher::new(), parts)
}

fn hash_with(mut hasher: blake3::Hasher, parts: &[&[u8]]) -> blake3::Hash {
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hasher.finalize()
}
