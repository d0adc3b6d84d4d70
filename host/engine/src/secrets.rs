//! Secrets at rest: sealed under the hub's key with ChaCha20-Poly1305 (RFC 8439). The key comes from a
//! file or the environment, never from the database; the plain secret goes to the runtime only.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead, KeyInit, OsRng};
use chacha20poly1305::{AeadCore, ChaCha20Poly1305, Key, Nonce};
use openhub_model::identity::Marker;

/// Tells the key of marks from the key of secrets: BLAKE3 derives one from the other.
const MARKS: &str = "openhub marks of what was erased, version 1";
const NONCE_BYTES: usize = 12;

/// Seals and opens the secrets of this hub's tenants.
#[derive(Clone)]
pub struct Sealer {
    cipher: ChaCha20Poly1305,
    marker: Marker,
}

#[derive(Debug, thiserror::Error)]
#[error("the sealed text is damaged, or was sealed under another key")]
pub struct Unopened;

impl Sealer {
    pub fn from_key(key: [u8; 32]) -> Sealer {
        let marker = Marker::derived(MARKS, &key);
        Sealer { cipher: ChaCha20Poly1305::new(Key::from_slice(&key)), marker }
    }

    /// Marks what was erased, such that nobody can make the marks who lacks the hub's key.
    pub fn marker(&self) -> Marker {
        self.marker
    }

    /// Base64 of a fresh nonce and the ciphertext.
    pub fn seal(&self, secret: &[u8]) -> String {
        let nonce = ChaCha20Poly1305::generate_nonce(&mut OsRng);
        let mut sealed = nonce.to_vec();
        let ciphertext =
            self.cipher.encrypt(&nonce, secret).expect("ChaCha20-Poly1305 refuses only texts over 256 GiB");
        sealed.extend(ciphertext);
        STANDARD.encode(sealed)
    }

    pub fn open(&self, sealed: &str) -> Result<Vec<u8>, Unopened> {
        let bytes = STANDARD.decode(sealed).map_err(|_| Unopened)?;
        let (nonce, ciphertext) = bytes.split_at_checked(NONCE_BYTES).ok_or(Unopened)?;
        self.cipher.decrypt(Nonce::from_slice(nonce), ciphertext).map_err(|_| Unopened)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_what_it_sealed_and_nothing_else() {
        let sealer = Sealer::from_key([7; 32]);
        let sealed = sealer.seal(b"a secret");
        assert_eq!(sealer.open(&sealed).unwrap(), b"a secret");
        assert_ne!(sealed, sealer.seal(b"a secret"), "each sealing draws its own nonce");
        assert!(Sealer::from_key([8; 32]).open(&sealed).is_err());
        assert!(sealer.open("AAAA").is_err());
    }
}
