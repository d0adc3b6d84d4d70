//! What the hub signs with its key (Ed25519, RFC 8032): whoever has the public half can tell that it was this hub, without being
//! able to sign themselves.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use openhub_model::identity::Marker;
use openhub_store::Notary;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use std::sync::Arc;

/// Tells the key of signatures from the key of secrets: BLAKE3 derives one from the other.
const SIGNATURES: &str = "openhub signatures of the audit log, version 1";

/// Signs as this hub.
#[derive(Clone)]
pub struct Signer {
    seed: [u8; 32],
}

impl Signer {
    pub(crate) fn derived(key: &[u8; 32]) -> Signer {
        Signer { seed: blake3::derive_key(SIGNATURES, key) }
    }

    /// Base64 of the signature.
    pub fn sign(&self, message: &[u8]) -> String {
        STANDARD.encode(self.pair().sign(message))
    }

    /// Whether this hub signed it.
    pub fn is_ours(&self, message: &[u8], signature: &str) -> bool {
        is_signed_by(self.pair().public_key().as_ref(), message, signature)
    }

    /// Base64 of the public half.
    pub fn public_key(&self) -> String {
        STANDARD.encode(self.pair().public_key())
    }

    fn pair(&self) -> Ed25519KeyPair {
        Ed25519KeyPair::from_seed_unchecked(&self.seed).expect("each 32 bytes are a seed of Ed25519")
    }

    pub(crate) fn notary(&self, marker: Marker) -> Notary {
        let (signs, knows) = (self.clone(), self.clone());
        Notary {
            marker,
            sign: Arc::new(move |message| signs.sign(message)),
            is_ours: Arc::new(move |message, signature| knows.is_ours(message, signature)),
        }
    }
}

/// Whether who holds the private half of `public` signed it.
pub fn is_signed_by(public: &[u8], message: &[u8], signature: &str) -> bool {
    let Ok(signature) = STANDARD.decode(signature) else { return false };
    UnparsedPublicKey::new(&ED25519, public).verify(message, &signature).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_of_one_message_and_one_key() {
        let (ours, other) = (Signer::derived(&[7; 32]), Signer::derived(&[8; 32]));
        let signature = ours.sign(b"entry 5");
        assert!(ours.is_ours(b"entry 5", &signature));
        assert!(!ours.is_ours(b"entry 4", &signature) && !other.is_ours(b"entry 5", &signature));
        assert!(!ours.is_ours(b"entry 5", "") && !ours.is_ours(b"entry 5", "!"));
        let public = STANDARD.decode(ours.public_key()).unwrap();
        assert!(is_signed_by(&public, b"entry 5", &signature));
    }
}
