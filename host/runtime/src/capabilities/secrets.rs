//! `openhub:secrets/secrets`: computing with secrets that never enter the guest. I/O lane only.
//!
//! Also keeps what every use of a secret needs: which places the manifest names, and how it is masked in what comes back.

use aes::cipher::{BlockDecryptMut, KeyIvInit, block_padding::NoPadding};
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::{Engine as _, alphabet};
use openhub_model::Timestamp;
use openhub_model::manifest::{Manifest, SecretEncoding, SecretPlace, SecretShape};
use std::collections::BTreeMap;
use std::sync::Arc;
use subtle::ConstantTimeEq;
use wasmtime::component::Linker;

use crate::algorithms::digest::Digest;
use crate::algorithms::signing::Signing;
use crate::bindings::secrets::secrets::{self, Key};
use crate::bindings::types::types::{Failure, Reason, Retry};
use crate::capabilities::taped::{Tapes, taped};
use crate::captured::{Capture, Captured};
use crate::egress::hosts::{self, Pattern};
use crate::error::{BadSecret, Refusal};
use crate::host::Host;
use crate::masks::Masks;

/// Keys are handed out without padding, too, and with bits in their last digit that belong to no byte (WeChat's EncodingAESKey).
const BASE64: GeneralPurpose = {
    let lenient = GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true);
    GeneralPurpose::new(&alphabet::STANDARD, lenient.with_decode_padding_mode(DecodePaddingMode::Indifferent))
};

pub fn link(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    secrets::add_to_linker::<Host, Tapes>(linker, taped)
}

/// Who computes with secrets must declare one for it, and algorithms that there are.
pub fn check(manifest: &Manifest) -> Result<(), Refusal> {
    let places = || manifest.secrets.iter().flat_map(|secret| secret.places.iter().map(move |place| (secret, place)));
    if places().all(|(_, place)| place.travels()) {
        let message = "the component uses openhub:secrets/secrets, but the manifest declares no secret with the place `hmac`, `sign` or `verify`";
        return Err(Refusal::new(Refusal::BAD_MANIFEST, message));
    }
    for (secret, place) in places() {
        if let SecretPlace::Sign(algorithm) | SecretPlace::Verify(algorithm) = place {
            let refused = |why| Refusal::new(Refusal::BAD_MANIFEST, format!("the secret `{}`: {why}", secret.name));
            Signing::named(algorithm).map_err(refused)?;
        }
    }
    Ok(())
}

/// The bytes of a secret behind what an admin typed, or why it cannot be read, or be the key that it is declared as.
pub fn read(shape: &SecretShape, text: &str) -> Result<Vec<u8>, BadSecret> {
    let bytes = decode(shape.encoding, text).map_err(BadSecret::Encoding)?;
    for place in &shape.places {
        let checked = match place {
            SecretPlace::Sign(algorithm) => Signing::named(algorithm).and_then(|signing| signing.check_private(&bytes)),
            SecretPlace::Verify(algorithm) => {
                Signing::named(algorithm).and_then(|signing| signing.check_public(&bytes))
            }
            _ => Ok(()),
        };
        checked.map_err(BadSecret::Key)?;
    }
    Ok(bytes)
}

fn decode(encoding: SecretEncoding, text: &str) -> Result<Vec<u8>, String> {
    let base64 = |text: &str| BASE64.decode(text.trim()).map_err(|error| format!("is not base64: {error}"));
    match encoding {
        SecretEncoding::Text => Ok(text.as_bytes().to_vec()),
        SecretEncoding::Base64 => base64(text),
        SecretEncoding::Whsec => base64(
            text.trim()
                .strip_prefix("whsec_")
                .ok_or("is not `whsec_` followed by base64, like `whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw`")?,
        ),
    }
}

/// The secrets of one installation, their places, and the forms under which they are masked.
#[derive(Clone)]
pub struct Secrets {
    values: Arc<BTreeMap<String, Vec<u8>>>,
    shapes: Arc<[SecretShape]>,
    /// Of each shape, where it may go to; none: wherever requests may.
    hosts: Arc<[Option<Vec<Pattern>>]>,
    pub masks: Masks,
    /// What answers have given, now and before.
    given: BTreeMap<String, Capture>,
    /// Where later calls find it.
    captured: Arc<Captured>,
}

impl Secrets {
    /// `settings` are the installation's: a host may stand in one of them.
    pub fn prepare(
        manifest: &Manifest,
        settings: &str,
        values: Arc<BTreeMap<String, Vec<u8>>>,
        captured: Arc<Captured>,
    ) -> Secrets {
        let settings = serde_json::from_str(settings).unwrap_or_default();
        let hosts = manifest.secrets.iter().map(|shape| {
            let is_only = shape.hosts.is_empty() && manifest.hosts.len() <= 1;
            (!is_only).then(|| {
                let hosts = hosts::resolve(&shape.hosts, &settings).unwrap_or_default();
                hosts.iter().filter_map(|host| Pattern::parse(host)).collect()
            })
        });
        let hosts = hosts.collect();
        let given = captured.all();
        let masks = Masks::of(values.values().map(Vec::as_slice).chain(given.values().map(|capture| &*capture.value)));
        Secrets { values, shapes: manifest.secrets.clone().into(), hosts, masks, given, captured }
    }

    fn shape(&self, name: &str) -> Option<&SecretShape> {
        self.shapes.iter().find(|shape| shape.name == name)
    }

    /// Where in an answer this secret stands.
    pub fn pointer(&self, name: &str) -> Result<&str, String> {
        let shape = self.shape(name).ok_or_else(|| Missing::Undeclared.explain(name))?;
        shape.capture.as_deref().ok_or_else(|| {
            format!("the manifest does not say that an answer gives the secret `{name}`: name its place in `capture`")
        })
    }

    /// With a secret that an answer gave, which is masked from now on, and which later calls have, too.
    pub fn with(&self, name: &str, capture: Capture) -> Secrets {
        let mut with = self.clone();
        with.masks.add([&*capture.value].into_iter());
        with.captured.put(name.to_owned(), capture.clone());
        with.given.insert(name.to_owned(), capture);
        with
    }

    /// Since when a secret that answers give has its value.
    pub fn captured_at(&self, name: &str) -> Option<Timestamp> {
        self.given.get(name).map(|capture| capture.at)
    }

    /// The bytes of a secret for use at a place that satisfies `fits`.
    pub fn at(&self, name: &str, fits: impl Fn(&SecretPlace) -> bool) -> Result<&[u8], Missing> {
        let shape = self.shape(name).ok_or(Missing::Undeclared)?;
        if !shape.places.iter().any(fits) {
            return Err(Missing::Place);
        }
        match shape.capture {
            Some(_) => self.given.get(name).map(|capture| &*capture.value).ok_or(Missing::Ungiven),
            None => self.values.get(name).map(Vec::as_slice).ok_or(Missing::Unset),
        }
    }

    /// As [`Secrets::at`], in a request to this host.
    pub fn towards(
        &self,
        name: &str,
        (host, port): (&str, u16),
        fits: impl Fn(&SecretPlace) -> bool,
    ) -> Result<&[u8], Missing> {
        let shape = self.shapes.iter().position(|shape| shape.name == name).ok_or(Missing::Undeclared)?;
        match &self.hosts[shape] {
            Some(hosts) if !hosts.iter().any(|own| own.matches(host, port)) => Err(Missing::Host),
            _ => self.at(name, fits),
        }
    }
}

/// Why a secret may not, or cannot, be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    Undeclared,
    Place,
    Host,
    Unset,
    Ungiven,
}

impl Missing {
    pub fn explain(self, name: &str) -> String {
        match self {
            Missing::Undeclared => format!("the manifest declares no secret `{name}`"),
            Missing::Place => format!(
                "the manifest does not allow the secret `{name}` at this place: name it in the secret's `places`"
            ),
            Missing::Host => format!(
                "the manifest does not allow the secret `{name}` for this host: name it in the secret's `hosts`"
            ),
            Missing::Unset => format!("the secret `{name}` has no value: set it"),
            Missing::Ungiven => format!("no answer has given the secret `{name}` yet: capture it first"),
        }
    }

    fn failure(self, name: &str) -> Failure {
        let reason = |code: &str| Reason { code: code.to_owned(), message: self.explain(name), args: Vec::new() };
        match self {
            Missing::Undeclared | Missing::Place | Missing::Host => Failure::Rejected(reason("secret-denied")),
            Missing::Unset => Failure::Misconfigured(reason("secret-unset")),
            Missing::Ungiven => Failure::Retry(Retry { after_ms: 0, reason: reason("secret-ungiven") }),
        }
    }
}

fn decrypt(key: &[u8], iv: &[u8], data: &[u8]) -> Option<Vec<u8>> {
    let cipher = cbc::Decryptor::<aes::Aes256>::new_from_slices(key, iv).ok()?;
    let mut data = data.to_vec();
    cipher.decrypt_padded_mut::<NoPadding>(&mut data).ok()?;
    Some(data)
}

fn unknown_algorithm(message: String) -> Failure {
    Failure::Misconfigured(Reason { code: "unknown-algorithm".to_owned(), message, args: Vec::new() })
}

impl Host {
    /// A secret as a key, for the place `hmac`, to compute with so many bytes.
    fn key(&mut self, name: &str, bytes: usize) -> wasmtime::Result<Result<Vec<u8>, Failure>> {
        self.meter.host_call(name.len() + bytes)?;
        let found = self.io()?.secrets.at(name, |place| *place == SecretPlace::Hmac);
        Ok(found.map(<[u8]>::to_vec).map_err(|missing| missing.failure(name)))
    }

    /// Remembers that a signature was right: what the call was given comes from who knows the secret.
    fn verified(&mut self, verified: Result<bool, Failure>) -> wasmtime::Result<Result<bool, Failure>> {
        self.io()?.verified |= verified.as_ref().is_ok_and(|right| *right);
        Ok(verified)
    }

    fn mac_of(&mut self, key: Key, algorithm: &str, data: &[u8]) -> wasmtime::Result<Result<Vec<u8>, Failure>> {
        let secret = self.key(&key.secret, key.prefix.len() + key.suffix.len() + algorithm.len() + data.len())?;
        Ok(secret.and_then(|secret| {
            let digest = Digest::named(algorithm).map_err(unknown_algorithm)?;
            Ok(digest.mac(&[key.prefix, secret, key.suffix].concat(), data))
        }))
    }

    /// Computes with a pair of keys, one of which is a secret with this place.
    fn with_pair<T>(
        &mut self,
        (secret, algorithm): (&str, String),
        bytes: usize,
        place: fn(String) -> SecretPlace,
        compute: impl FnOnce(Signing, &[u8]) -> Result<T, String>,
    ) -> wasmtime::Result<Result<T, Failure>> {
        self.meter.host_call(secret.len() + algorithm.len() + bytes)?;
        let signing = match Signing::named(&algorithm) {
            Ok(signing) => signing,
            Err(message) => return Ok(Err(unknown_algorithm(message))),
        };
        self.meter.work(signing.work())?;
        let place = place(algorithm);
        let key = match self.io()?.secrets.at(secret, |declared| *declared == place) {
            Ok(key) => key,
            Err(missing) => return Ok(Err(missing.failure(secret))),
        };
        Ok(compute(signing, key).map_err(|why| {
            let message = format!("the secret `{secret}` {why}");
            Failure::Misconfigured(Reason { code: "bad-key".to_owned(), message, args: Vec::new() })
        }))
    }
}

impl secrets::Host for Host {
    fn hmac(&mut self, key: Key, algorithm: String, data: Vec<u8>) -> wasmtime::Result<Result<Vec<u8>, Failure>> {
        self.mac_of(key, &algorithm, &data)
    }

    fn verify_hmac(
        &mut self,
        key: Key,
        algorithm: String,
        data: Vec<u8>,
        mac: Vec<u8>,
    ) -> wasmtime::Result<Result<bool, Failure>> {
        let computed = self.mac_of(key, &algorithm, &data)?;
        let verified = computed.map(|computed| computed.ct_eq(&mac).into());
        self.verified(verified)
    }

    fn verify_token(&mut self, secret: String, token: Vec<u8>) -> wasmtime::Result<Result<bool, Failure>> {
        let key = self.key(&secret, token.len())?;
        self.verified(key.map(|key| key.ct_eq(&token).into()))
    }

    fn verify_sorted(
        &mut self,
        secret: String,
        algorithm: String,
        mut others: Vec<String>,
        mac: String,
    ) -> wasmtime::Result<Result<bool, Failure>> {
        // Sorted and then hashed.
        let bytes = 2 * others.iter().map(String::len).sum::<usize>() + mac.len() + algorithm.len();
        let key = self.key(&secret, bytes)?;
        let verified = key.and_then(|key| {
            let digest = Digest::named(&algorithm).map_err(unknown_algorithm)?;
            others.push(String::from_utf8_lossy(&key).into_owned());
            others.sort();
            let computed = hex::encode(digest.hash(others.concat().as_bytes()));
            Ok(computed.as_bytes().ct_eq(mac.to_ascii_lowercase().as_bytes()).into())
        });
        self.verified(verified)
    }

    fn sign(&mut self, secret: String, algorithm: String, data: Vec<u8>) -> wasmtime::Result<Result<Vec<u8>, Failure>> {
        self.with_pair((&secret, algorithm), data.len(), SecretPlace::Sign, |signing, key| signing.sign(key, &data))
    }

    fn verify_signature(
        &mut self,
        secret: String,
        algorithm: String,
        data: Vec<u8>,
        signature: Vec<u8>,
    ) -> wasmtime::Result<Result<bool, Failure>> {
        let bytes = data.len() + signature.len();
        let verified = self.with_pair((&secret, algorithm), bytes, SecretPlace::Verify, |signing, key| {
            signing.verify(key, &data, &signature)
        })?;
        self.verified(verified)
    }

    fn aes_cbc_decrypt(
        &mut self,
        secret: String,
        iv: Vec<u8>,
        data: Vec<u8>,
    ) -> wasmtime::Result<Result<Vec<u8>, Failure>> {
        let key = self.key(&secret, iv.len() + data.len())?;
        Ok(key.and_then(|key| {
            decrypt(&key, &iv, &data).ok_or_else(|| {
                let message = "the key has 32 bytes, the vector 16, and the data a multiple of 16".to_owned();
                Failure::Rejected(Reason { code: "not-decryptable".to_owned(), message, args: Vec::new() })
            })
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(places: Vec<SecretPlace>) -> SecretShape {
        let name = "key".to_owned();
        SecretShape { name, encoding: SecretEncoding::Text, places, hosts: Vec::new(), required: true, capture: None }
    }

    fn secrets(places: Vec<SecretPlace>) -> Secrets {
        let manifest = Manifest { secrets: vec![shape(places)], ..Manifest::default() };
        let values = BTreeMap::from([("key".to_owned(), b"p@ss word\"1".to_vec())]);
        Secrets::prepare(&manifest, "{}", Arc::new(values), Arc::default())
    }

    #[test]
    fn a_secret_is_given_for_its_place_only() {
        let secrets = secrets(vec![SecretPlace::Hmac]);
        assert!(secrets.at("key", |place| *place == SecretPlace::Hmac).is_ok());
        assert_eq!(secrets.at("key", |place| matches!(place, SecretPlace::Body(_))), Err(Missing::Place));
        assert_eq!(secrets.at("other", |_| true), Err(Missing::Undeclared));
        let unset = Secrets { values: Arc::default(), ..secrets };
        assert_eq!(unset.at("key", |_| true), Err(Missing::Unset));
    }

    #[test]
    fn what_an_answer_gave_is_a_secret_from_then_on() {
        let token =
            SecretShape { capture: Some("/token".to_owned()), ..shape(vec![SecretPlace::Query("t".to_owned())]) };
        let manifest = Manifest { secrets: vec![token], ..Manifest::default() };
        let captured = Arc::new(Captured::default());
        let prepare = || Secrets::prepare(&manifest, "{}", Arc::default(), Arc::clone(&captured));
        let before = prepare();
        assert_eq!((before.at("key", |_| true), before.captured_at("key")), (Err(Missing::Ungiven), None));
        assert_eq!(before.pointer("key"), Ok("/token"));
        assert!(before.pointer("other").is_err() && secrets(vec![]).pointer("key").is_err());
        let at = Timestamp::from_micros(7);
        let during = before.with("key", Capture { value: Arc::from(&b"abc-123"[..]), at });
        for secrets in [during, prepare()] {
            assert_eq!((secrets.at("key", |_| true), secrets.captured_at("key")), (Ok(&b"abc-123"[..]), Some(at)));
            assert_eq!(secrets.masks.mask(b"<abc-123>".to_vec()), b"<***>");
            assert_eq!(secrets.at("key", |place| *place == SecretPlace::Hmac), Err(Missing::Place));
        }
    }

    #[test]
    fn secrets_are_decoded_as_declared() {
        assert_eq!(decode(SecretEncoding::Text, "abc").unwrap(), b"abc");
        assert_eq!(decode(SecretEncoding::Base64, "YWJj").unwrap(), b"abc");
        assert_eq!(decode(SecretEncoding::Whsec, "whsec_YWJj").unwrap(), b"abc");
        assert!(decode(SecretEncoding::Whsec, "YWJj").is_err());
        let wechat = decode(SecretEncoding::Base64, "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG").unwrap();
        assert_eq!(wechat.len(), 32, "43 digits and no padding");
        assert_eq!(decode(SecretEncoding::Base64, "YWI=").unwrap(), decode(SecretEncoding::Base64, "YWI").unwrap());
    }

    /// NIST SP 800-38A, F.2.6 (first block).
    #[test]
    fn a_published_vector_holds() {
        let key = hex::decode("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4").unwrap();
        let iv = hex::decode("000102030405060708090a0b0c0d0e0f").unwrap();
        let data = hex::decode("f58c4c04d6e5f1ba779eabfb5f7bfbd6").unwrap();
        assert_eq!(hex::encode(decrypt(&key, &iv, &data).unwrap()), "6bc1bee22e409f96e93d7e117393172a");
    }

    #[test]
    fn a_plugin_that_computes_declares_a_key() {
        assert!(check(&Manifest::default()).is_err());
        let declared =
            |place: SecretPlace| check(&Manifest { secrets: vec![shape(vec![place])], ..Manifest::default() });
        assert!(declared(SecretPlace::Header("x-key".to_owned())).is_err());
        assert!(declared(SecretPlace::Hmac).is_ok() && declared(SecretPlace::Sign("ed25519".to_owned())).is_ok());
        let told = declared(SecretPlace::Verify("rsa-md5".to_owned())).unwrap_err().to_string();
        assert!(told.contains("`key`") && told.contains("there are: ed25519, rsa-sha256, ecdsa-p256-sha256"), "{told}");
    }

    #[test]
    fn a_key_is_checked_when_it_is_set() {
        let private = include_str!("../../tests/keys/ec.pem");
        let public = include_str!("../../tests/keys/ec.pub.pem");
        let (signs, verifies) =
            (SecretPlace::Sign("ecdsa-p256-sha256".to_owned()), SecretPlace::Verify("ecdsa-p256-sha256".to_owned()));
        assert_eq!(read(&shape(vec![signs.clone()]), private).unwrap(), private.as_bytes());
        assert!(read(&shape(vec![signs.clone()]), public).unwrap_err().to_string().contains("not a private key"));
        assert!(read(&shape(vec![verifies.clone()]), public).is_ok());
        assert!(read(&shape(vec![signs, verifies.clone()]), private).is_ok());
        assert!(read(&shape(vec![verifies]), "ab").unwrap_err().to_string().contains("not a public key"));
        assert_eq!(read(&shape(vec![SecretPlace::Hmac]), "ab").unwrap(), b"ab");
    }
}
