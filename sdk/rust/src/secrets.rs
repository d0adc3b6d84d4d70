//! Computing with secrets that the guest never sees: the host holds the keys.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::bindings::io::openhub::secrets::secrets;
use crate::reason::Failure;

pub use crate::bindings::io::openhub::secrets::secrets::Digest;

fn key(secret: &str) -> secrets::Key {
    secrets::Key { secret: secret.to_owned(), prefix: Vec::new(), suffix: Vec::new() }
}

/// HMAC of `data` under the secret of that name.
pub fn hmac(secret: &str, digest: Digest, data: &[u8]) -> Result<Vec<u8>, Failure> {
    secrets::hmac(&key(secret), digest, data)
}

/// Compares in constant time.
pub fn verify_hmac(secret: &str, digest: Digest, data: &[u8], mac: &[u8]) -> Result<bool, Failure> {
    secrets::verify_hmac(&key(secret), digest, data, mac)
}

/// As [`verify_hmac`], of a code in hexadecimal; what is none is wrong.
pub fn verify_hmac_hex(secret: &str, digest: Digest, data: &[u8], mac: &str) -> Result<bool, Failure> {
    verify_hmac(secret, digest, data, &hex::decode(mac.trim()).unwrap_or_default())
}

/// As [`verify_hmac`], of a code in base64; what is none is wrong.
pub fn verify_hmac_base64(secret: &str, digest: Digest, data: &[u8], mac: &str) -> Result<bool, Failure> {
    verify_hmac(secret, digest, data, &STANDARD.decode(mac.trim()).unwrap_or_default())
}

/// Whether somebody sent the secret itself, as a shared token; compared in constant time.
pub fn verify_token(secret: &str, token: &str) -> Result<bool, Failure> {
    secrets::verify_token(secret, token.as_bytes())
}

/// Digest of the secret and `others`, sorted and joined, against `mac` in hexadecimal: how WeChat and WeCom sign callbacks.
pub fn verify_sorted(secret: &str, digest: Digest, others: &[String], mac: &str) -> Result<bool, Failure> {
    secrets::verify_sorted(secret, digest, others, mac)
}

/// AES-256-CBC with the secret (base64) as its key, and no check of the padding: the body of WeChat's and WeCom's callbacks.
pub fn aes_cbc_decrypt(secret: &str, iv: &[u8], data: &[u8]) -> Result<Vec<u8>, Failure> {
    secrets::aes_cbc_decrypt(secret, iv, data)
}
