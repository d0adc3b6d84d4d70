//! Computing with secrets that the guest never sees: the host holds the keys.

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
