//! API keys: `oh_<env>_<id>_<secret>`. The text is shown once; the hub keeps a SHA-256 of the secret, which
//! needs no salt or stretching because the secret is 256 random bits.

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// A new key: what to store, and what to show once.
#[derive(Clone, Debug)]
pub struct MintedKey {
    pub id: String,
    pub scopes: Vec<String>,
    /// Lowercase hex SHA-256 of the secret.
    pub hash: String,
    /// The whole key, for its owner's eyes.
    pub shown: String,
}

/// Makes a key of 8 random bytes for its id and 32 for its secret. `env` is a short lowercase word (`live`, `test`).
pub fn mint_key(env: &str, scopes: &[&str], random: [u8; 40]) -> MintedKey {
    let (id, secret) = random.split_at(8);
    let (id, secret) = (hex::encode(id), hex::encode(secret));
    MintedKey {
        hash: hash(&secret),
        scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
        shown: format!("oh_{env}_{id}_{secret}"),
        id,
    }
}

/// A key as a client sends it, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeyText<'a> {
    pub id: &'a str,
    secret: &'a str,
}

impl<'a> KeyText<'a> {
    pub fn parse(text: &'a str) -> Option<KeyText<'a>> {
        let mut pieces = text.strip_prefix("oh_")?.split('_');
        let (env, id, secret) = (pieces.next()?, pieces.next()?, pieces.next()?);
        let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        let well_formed = pieces.next().is_none()
            && (1..=16).contains(&env.len())
            && env.bytes().all(|byte| byte.is_ascii_lowercase())
            && (8..=32).contains(&id.len())
            && is_hex(id)
            && (32..=128).contains(&secret.len())
            && is_hex(secret);
        well_formed.then_some(KeyText { id, secret })
    }

    /// Compares in constant time.
    pub fn matches(&self, stored_hash: &str) -> bool {
        hash(self.secret).as_bytes().ct_eq(stored_hash.as_bytes()).into()
    }
}

fn hash(secret: &str) -> String {
    hex::encode(Sha256::digest(secret.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minted_key_matches_only_itself() {
        let minted = mint_key("live", &["events:write"], [7; 40]);
        let text = KeyText::parse(&minted.shown).expect("a minted key is well formed");
        assert_eq!(text.id, minted.id);
        assert!(text.matches(&minted.hash));
        let other = mint_key("live", &[], [8; 40]);
        assert!(!text.matches(&other.hash));
        assert!(!minted.hash.contains(text.secret));
    }

    #[test]
    fn what_is_no_key_is_no_key() {
        let good = mint_key("test", &[], [1; 40]).shown;
        for text in ["", "oh_", "oh_live_1_2", "Bearer", &good[1..], &format!("{good}_x"), &good.to_uppercase()] {
            assert_eq!(KeyText::parse(text), None, "{text}");
        }
    }
}
