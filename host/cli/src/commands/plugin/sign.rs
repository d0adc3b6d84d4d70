//! `openhub plugin keygen` and `sign`: a publisher's key, and its signature in a component. Nothing here needs a hub.

use anyhow::{Context, Result, anyhow, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use openhub_runtime::signature::{SigningKey, pkcs8};
use openhub_runtime::{Inspected, Runtime};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const END: &str = "-----END PRIVATE KEY-----";

/// Writes a new private key, in a file that nobody else can read; answers the public key.
pub fn keygen(file: &Path) -> Result<String> {
    let mut seed = [0; 32];
    rand::fill(&mut seed);
    let key = SigningKey::of_seed(&seed).context("32 bytes are always a key")?;
    let text = format!("{BEGIN}\n{}\n{END}\n", STANDARD.encode(pkcs8(&seed)));
    // Whoever has lost a key has lost the name of its plugins.
    let made = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
    let mut made = made.with_context(|| format!("{}: no key was written", file.display()))?;
    made.write_all(text.as_bytes()).with_context(|| file.display().to_string())?;
    Ok(key.public())
}

/// Reads a private key in PEM, as `keygen` and `openssl genpkey -algorithm ed25519` write it.
fn read(file: &Path) -> Result<SigningKey> {
    let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let wrong =
        || anyhow!("{} is not a private key for Ed25519 in PEM: make one with `openhub plugin keygen`", file.display());
    let body = text.split(BEGIN).nth(1).and_then(|rest| rest.split(END).next()).ok_or_else(wrong)?;
    let body: String = body.split_whitespace().collect();
    let der = STANDARD.decode(body).map_err(|_| wrong())?;
    SigningKey::of_pkcs8(&der).ok_or_else(wrong)
}

/// Signs a component, in place of a signature that it has; answers what it is by then.
pub fn sign(component: &[u8], key: &Path) -> Result<(Vec<u8>, Inspected)> {
    let refused = |refusal| anyhow!("a hub refuses this component: {refusal}");
    let signed = read(key)?.sign(component).map_err(refused)?;
    let inspected = Runtime::inspect(&signed).map_err(refused)?;
    ensure!(inspected.signer.is_some(), "the component could not be signed");
    Ok((signed, inspected))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_written_once_and_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("publisher.pem");
        let public = keygen(&file).unwrap();
        assert_eq!(read(&file).unwrap().public(), public);
        assert!(keygen(&file).is_err(), "a key is never written over");
        let other = folder.path().join("other.pem");
        std::fs::write(&other, "no key").unwrap();
        assert!(read(&other).err().unwrap().to_string().contains("keygen"));
    }

    /// As OpenSSL 3 writes it.
    #[test]
    fn a_key_of_openssl_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("publisher.pem");
        let pem = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE KEY-----\n";
        std::fs::write(&file, pem).unwrap();
        let public = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
        assert_eq!(read(&file).unwrap().public(), public);
    }
}
