//! Secrets at rest: sealed under the hub's key with ChaCha20-Poly1305 (RFC 8439). The key comes from a
//! file or the environment, never from the database; the plain secret goes to the runtime only.
//!
//! A sealed text is bound to its owner: tenant, plugin and name are its associated data, so that whoever can write the database
//! cannot move it to another plugin, which would be handed the secret. It names the key that it was sealed under.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead, KeyInit, OsRng, Payload};
use chacha20poly1305::{AeadCore, ChaCha20Poly1305, Key, Nonce};
use openhub_model::TenantId;
use openhub_model::identity::Marker;
use openhub_store::Notary;

use crate::signing::Signer;

/// Tells the key of marks from the key of secrets: BLAKE3 derives one from the other.
const MARKS: &str = "openhub marks of what was erased, version 1";
const NAMES: &str = "openhub name of a sealing key, version 1";
const NONCE_BYTES: usize = 12;
/// Begins what is bound to its owner; a text without it was sealed before owners were bound.
const BOUND: &str = "1:";

/// Whose a secret is.
#[derive(Clone, Copy, Debug)]
pub struct Owner<'a> {
    pub tenant: TenantId,
    pub plugin: &'a str,
    /// The secret's own name.
    pub name: &'a str,
}

impl Owner<'_> {
    /// Each part with its length, so that no two owners read alike.
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.tenant.0.to_le_bytes().to_vec();
        for text in [self.plugin, self.name] {
            bytes.extend((text.len() as u64).to_le_bytes());
            bytes.extend(text.as_bytes());
        }
        bytes
    }
}

/// Seals and opens the secrets of this hub's tenants.
#[derive(Clone)]
pub struct Sealer {
    cipher: ChaCha20Poly1305,
    /// Eight hexadecimal digits that tell this key from others and nothing of it.
    key_name: String,
    marker: Marker,
    signer: Signer,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unopened {
    #[error("it was sealed with the key {sealed}, but the hub has the key {own}")]
    OtherKey { sealed: String, own: String },
    #[error("it is damaged, or was sealed for another plugin or with another key")]
    Damaged,
}

impl Sealer {
    pub fn from_key(key: [u8; 32]) -> Sealer {
        let name = Marker::derived(NAMES, &key).name();
        Sealer {
            cipher: ChaCha20Poly1305::new(Key::from_slice(&key)),
            key_name: name,
            marker: Marker::derived(MARKS, &key),
            signer: Signer::derived(&key),
        }
    }

    /// Tells this key from others, and nothing of it.
    pub fn key_name(&self) -> &str {
        &self.key_name
    }

    /// Marks what was erased, such that nobody can make the marks who lacks the hub's key.
    pub fn marker(&self) -> Marker {
        self.marker
    }

    /// Signs the audit log.
    pub fn signer(&self) -> &Signer {
        &self.signer
    }

    /// What the store needs to keep an audit log.
    pub fn notary(&self) -> Notary {
        self.signer.notary(self.marker)
    }

    /// `1:`, the key's name, `:`, and Base64 of a fresh nonce and the ciphertext.
    pub fn seal(&self, owner: Owner<'_>, secret: &[u8]) -> String {
        let nonce = ChaCha20Poly1305::generate_nonce(&mut OsRng);
        let mut sealed = nonce.to_vec();
        let payload = Payload { msg: secret, aad: &owner.bytes() };
        let ciphertext =
            self.cipher.encrypt(&nonce, payload).expect("ChaCha20-Poly1305 refuses only texts over 256 GiB");
        sealed.extend(ciphertext);
        format!("{BOUND}{}:{}", self.key_name, STANDARD.encode(sealed))
    }

    pub fn open(&self, owner: Owner<'_>, sealed: &str) -> Result<Vec<u8>, Unopened> {
        let Some(bound) = sealed.strip_prefix(BOUND) else { return self.decrypt(&[], sealed) };
        let (key_name, text) = bound.split_once(':').ok_or(Unopened::Damaged)?;
        if key_name != self.key_name {
            return Err(Unopened::OtherKey { sealed: key_name.to_owned(), own: self.key_name.clone() });
        }
        self.decrypt(&owner.bytes(), text)
    }

    fn decrypt(&self, owner: &[u8], text: &str) -> Result<Vec<u8>, Unopened> {
        let bytes = STANDARD.decode(text).map_err(|_| Unopened::Damaged)?;
        let (nonce, ciphertext) = bytes.split_at_checked(NONCE_BYTES).ok_or(Unopened::Damaged)?;
        let payload = Payload { msg: ciphertext, aad: owner };
        self.cipher.decrypt(Nonce::from_slice(nonce), payload).map_err(|_| Unopened::Damaged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWNER: Owner<'_> = Owner { tenant: TenantId(1), plugin: "webhook", name: "signing" };

    #[test]
    fn opens_what_it_sealed_and_nothing_else() {
        let sealer = Sealer::from_key([7; 32]);
        let sealed = sealer.seal(OWNER, b"a secret");
        assert_eq!(sealer.open(OWNER, &sealed).unwrap(), b"a secret");
        assert_ne!(sealed, sealer.seal(OWNER, b"a secret"), "each sealing draws its own nonce");
        let other = Sealer::from_key([8; 32]).open(OWNER, &sealed).unwrap_err();
        assert!(matches!(other, Unopened::OtherKey { .. }), "{other}");
        for damaged in ["AAAA", "1:", "1:x", &sealed[..sealed.len() - 4]] {
            assert!(sealer.open(OWNER, damaged).is_err(), "{damaged}");
        }
    }

    #[test]
    fn c4_a_sealed_secret_that_is_moved_to_another_owner_does_not_open() {
        let sealer = Sealer::from_key([7; 32]);
        let sealed = sealer.seal(OWNER, b"a secret");
        let others = [
            Owner { tenant: TenantId(2), ..OWNER },
            Owner { plugin: "other", ..OWNER },
            Owner { name: "token", ..OWNER },
            Owner { plugin: "webhooks", name: "igning", ..OWNER },
        ];
        for other in others {
            assert_eq!(sealer.open(other, &sealed), Err(Unopened::Damaged), "{other:?}");
        }
        let (_, text) = sealed.rsplit_once(':').unwrap();
        assert_eq!(sealer.open(OWNER, text), Err(Unopened::Damaged), "nor without its owner's name");
    }

    #[test]
    fn what_was_sealed_before_owners_were_bound_opens() {
        let sealer = Sealer::from_key([7; 32]);
        let nonce = ChaCha20Poly1305::generate_nonce(&mut OsRng);
        let text = [nonce.to_vec(), sealer.cipher.encrypt(&nonce, b"old".as_slice()).unwrap()].concat();
        assert_eq!(sealer.open(OWNER, &STANDARD.encode(text)).unwrap(), b"old");
    }
}
