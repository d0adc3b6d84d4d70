//! Who signed a component: an Ed25519 signature over all of its bytes before it, in a custom section that is its last.
//!
//! The section holds a byte that names this form (1), the public key (32 bytes) and the signature (64 bytes). Its digest covers the
//! signature, so an agreement to a component is one to who signed it.

use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

use crate::error::Refusal;

/// The name of the custom section.
pub const SIGNATURE_SECTION: &str = "openhub:signature";
const FORM: u8 = 1;
const KEY: usize = 32;
const SIGNATURE: usize = 64;
/// Magic number and version of any WebAssembly binary.
const HEADER: usize = 8;
const CUSTOM: u8 = 0;
/// What stands before the 32 bytes of a private key in PKCS #8 (RFC 8410).
const PKCS8: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// A publisher's private key.
pub struct SigningKey(Ed25519KeyPair);

impl SigningKey {
    /// Of 32 random bytes.
    pub fn of_seed(seed: &[u8; KEY]) -> Option<SigningKey> {
        Ed25519KeyPair::from_seed_unchecked(seed).ok().map(SigningKey)
    }

    /// As `openssl genpkey -algorithm ed25519` writes it, in DER.
    pub fn of_pkcs8(der: &[u8]) -> Option<SigningKey> {
        Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).ok().map(SigningKey)
    }

    /// The public key, in lowercase hex: how the publisher is known.
    pub fn public(&self) -> String {
        hex::encode(self.0.public_key())
    }

    /// The component with this key's signature, in place of one that it has.
    pub fn sign(&self, component: &[u8]) -> Result<Vec<u8>, Refusal> {
        let bare = match find(component)? {
            Some(found) => &component[..found.start],
            None => component,
        };
        let mut payload = vec![SIGNATURE_SECTION.len() as u8];
        payload.extend_from_slice(SIGNATURE_SECTION.as_bytes());
        payload.push(FORM);
        payload.extend_from_slice(self.0.public_key().as_ref());
        payload.extend_from_slice(self.0.sign(bare).as_ref());
        let mut signed = bare.to_vec();
        signed.push(CUSTOM);
        // Below 128, so one byte says how long it is.
        signed.push(payload.len() as u8);
        signed.extend(payload);
        Ok(signed)
    }
}

/// The PKCS #8 form of a private key, in DER.
pub fn pkcs8(seed: &[u8; KEY]) -> Vec<u8> {
    [PKCS8.as_slice(), seed].concat()
}

/// The public key of who signed a component, in lowercase hex; none if nobody did.
pub fn signer(component: &[u8]) -> Result<Option<String>, Refusal> {
    let Some(found) = find(component)? else { return Ok(None) };
    let (key, signature) = found.content.split_at(KEY);
    let signed = UnparsedPublicKey::new(&ED25519, key).verify(&component[..found.start], signature);
    match signed {
        Ok(()) => Ok(Some(hex::encode(key))),
        Err(_) => Err(bad("the signature is wrong: the component was changed after it was signed. Sign it again")),
    }
}

struct Found<'a> {
    /// Where its section begins.
    start: usize,
    /// The key and the signature.
    content: &'a [u8],
}

/// The section of the signature, which is the last one.
fn find(component: &[u8]) -> Result<Option<Found<'_>>, Refusal> {
    let mut at = HEADER;
    let mut found = None;
    while at < component.len() {
        if found.is_some() {
            return Err(bad("something follows the signature, which is not signed. Sign it again"));
        }
        let cut = || Refusal::new(Refusal::INCOMPLETE, "the component ends in the middle of a section");
        let id = component[at];
        let (size, length) = number(&component[at + 1..]).ok_or_else(cut)?;
        let begin = at + 1 + length;
        let payload = component.get(begin..begin.saturating_add(size)).ok_or_else(cut)?;
        if let Some(content) = content(id, payload) {
            if content.len() != 1 + KEY + SIGNATURE || content[0] != FORM {
                return Err(bad("the signature does not have a form that this hub knows. Sign it with this version"));
            }
            found = Some(Found { start: at, content: &content[1..] });
        }
        at = begin + size;
    }
    Ok(found)
}

/// What a signature's section holds, if it is one.
fn content(id: u8, payload: &[u8]) -> Option<&[u8]> {
    let (size, length) = number(payload)?;
    let name = payload.get(length..length.checked_add(size)?)?;
    (id == CUSTOM && name == SIGNATURE_SECTION.as_bytes()).then(|| &payload[length + size..])
}

/// LEB128: the number, and how many bytes it takes.
fn number(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut value = 0u64;
    for (index, byte) in bytes.iter().enumerate().take(5) {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((usize::try_from(value).ok()?, index + 1));
        }
    }
    None
}

fn bad(message: &str) -> Refusal {
    Refusal::new(Refusal::BAD_SIGNATURE, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A component with one custom section.
    fn component() -> Vec<u8> {
        [b"\0asm\x0d\0\x01\0".as_slice(), b"\0\x05\x01nabc"].concat()
    }

    fn key(seed: u8) -> SigningKey {
        SigningKey::of_seed(&[seed; 32]).unwrap()
    }

    #[test]
    fn a_signature_names_its_key_and_holds_for_these_bytes_alone() {
        let signed = key(1).sign(&component()).unwrap();
        assert_eq!(signer(&component()).unwrap(), None);
        assert_eq!(signer(&signed).unwrap(), Some(key(1).public()));
        let again = key(2).sign(&signed).unwrap();
        assert_eq!(signer(&again).unwrap(), Some(key(2).public()), "signed again, it has one signature");
        assert_eq!(again, key(2).sign(&component()).unwrap());
        for at in [11, 12, signed.len() - 1, signed.len() - 70] {
            let mut changed = signed.clone();
            changed[at] ^= 1;
            let code = signer(&changed).map_err(|refusal| refusal.code);
            assert!(matches!(code, Err(Refusal::BAD_SIGNATURE | Refusal::INCOMPLETE)), "byte {at}: {code:?}");
        }
        let behind = [signed.as_slice(), b"\0\x05\x01nabc"].concat();
        assert_eq!(signer(&behind).unwrap_err().code, Refusal::BAD_SIGNATURE);
    }

    #[test]
    fn a_private_key_is_read_as_it_is_written() {
        let read = SigningKey::of_pkcs8(&pkcs8(&[7; 32])).unwrap();
        assert_eq!(read.public(), key(7).public());
        assert!(SigningKey::of_pkcs8(b"no key").is_none());
    }

    /// RFC 8032, section 7.1, test 1.
    #[test]
    fn keys_are_those_of_the_standard() {
        let seed = hex::decode("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60").unwrap();
        let key = SigningKey::of_seed(seed.as_slice().try_into().unwrap()).unwrap();
        assert_eq!(key.public(), "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
    }
}
