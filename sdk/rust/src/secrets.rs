//! Computing with secrets that the guest never sees: the host holds the keys.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::bindings::io::openhub::secrets::secrets;
use crate::reason::Failure;

/// Digests of [`hmac`], [`verify_hmac`] and [`verify_sorted`].
pub const SHA256: &str = "sha256";
pub const SHA384: &str = "sha384";
pub const SHA512: &str = "sha512";
/// GB/T 32905-2016.
pub const SM3: &str = "sm3";
/// For old systems that sign with nothing else, as is [`MD5`].
pub const SHA1: &str = "sha1";
pub const MD5: &str = "md5";

/// Algorithms of [`sign`] and [`verify_signature`]. The manifest names the one of a secret: `places = [{ sign = "ed25519" }]`.
pub const ED25519: &str = "ed25519";
/// PKCS#1 v1.5, keys of 2048 bits or more.
pub const RSA_SHA256: &str = "rsa-sha256";
/// The signature is in DER.
pub const ECDSA_P256_SHA256: &str = "ecdsa-p256-sha256";

fn key(secret: &str) -> secrets::Key {
    secrets::Key { secret: secret.to_owned(), prefix: Vec::new(), suffix: Vec::new() }
}

/// HMAC of `data` under the secret of that name. An algorithm that the hub does not know is [`Failure::Misconfigured`].
pub fn hmac(secret: &str, algorithm: &str, data: &[u8]) -> Result<Vec<u8>, Failure> {
    secrets::hmac(&key(secret), algorithm, data)
}

/// Compares in constant time.
pub fn verify_hmac(secret: &str, algorithm: &str, data: &[u8], mac: &[u8]) -> Result<bool, Failure> {
    secrets::verify_hmac(&key(secret), algorithm, data, mac)
}

/// As [`verify_hmac`], of a code in hexadecimal; what is none is wrong.
pub fn verify_hmac_hex(secret: &str, algorithm: &str, data: &[u8], mac: &str) -> Result<bool, Failure> {
    verify_hmac(secret, algorithm, data, &hex::decode(mac.trim()).unwrap_or_default())
}

/// As [`verify_hmac`], of a code in base64; what is none is wrong.
pub fn verify_hmac_base64(secret: &str, algorithm: &str, data: &[u8], mac: &str) -> Result<bool, Failure> {
    verify_hmac(secret, algorithm, data, &STANDARD.decode(mac.trim()).unwrap_or_default())
}

/// Whether somebody sent the secret itself, as a shared token; compared in constant time.
pub fn verify_token(secret: &str, token: &str) -> Result<bool, Failure> {
    secrets::verify_token(secret, token.as_bytes())
}

/// Digest of the secret and `others`, sorted and joined, against `mac` in hexadecimal: how WeChat and WeCom sign callbacks.
pub fn verify_sorted(secret: &str, algorithm: &str, others: &[String], mac: &str) -> Result<bool, Failure> {
    secrets::verify_sorted(secret, algorithm, others, mac)
}

/// Signs with the private key that the secret is. The manifest allows it by `{ sign = "<algorithm>" }`.
pub fn sign(secret: &str, algorithm: &str, data: &[u8]) -> Result<Vec<u8>, Failure> {
    secrets::sign(secret, algorithm, data)
}

/// Whether the owner of the public key that the secret is signed it. The manifest allows it by `{ verify = "<algorithm>" }`.
pub fn verify_signature(secret: &str, algorithm: &str, data: &[u8], signature: &[u8]) -> Result<bool, Failure> {
    secrets::verify_signature(secret, algorithm, data, signature)
}

/// AES-256-CBC with the secret (base64) as its key, and no check of the padding: the body of WeChat's and WeCom's callbacks.
pub fn aes_cbc_decrypt(secret: &str, iv: &[u8], data: &[u8]) -> Result<Vec<u8>, Failure> {
    secrets::aes_cbc_decrypt(secret, iv, data)
}
