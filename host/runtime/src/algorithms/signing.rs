//! Signatures with a pair of keys: what a provider wants signed, and what one has signed.
//!
//! Keys and certificates are read, and signatures made and checked, by rustls and its libraries.

use rustls::SignatureScheme;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, SignatureVerificationAlgorithm, SubjectPublicKeyInfoDer};
use rustls::sign::SigningKey;
use std::sync::Arc;
use webpki::{EndEntityCert, Error, RawPublicKeyEntity, ring};

const ALL: [(&str, Signing); 3] = [
    ("ed25519", Signing::Ed25519),
    ("rsa-sha256", Signing::RsaSha256),
    ("ecdsa-p256-sha256", Signing::EcdsaP256Sha256),
];

/// What stands before the 32 bytes of an Ed25519 key in its SubjectPublicKeyInfo (RFC 8410, 4).
const ED25519: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signing {
    Ed25519,
    /// RSASSA-PKCS1-v1_5 (RFC 8017, 8.2), keys of 2048 bits or more.
    RsaSha256,
    /// The signature is the DER of RFC 3279, 2.2.3.
    EcdsaP256Sha256,
}

impl Signing {
    pub fn named(name: &str) -> Result<Signing, String> {
        super::named(&ALL, name)
    }

    /// What a signature takes of a core, in bytes that could be hashed meanwhile. With RSA the key is checked, too.
    pub fn work(self) -> usize {
        match self {
            Signing::RsaSha256 => 2 * 1024 * 1024,
            Signing::Ed25519 | Signing::EcdsaP256Sha256 => 64 * 1024,
        }
    }

    fn scheme(self) -> SignatureScheme {
        match self {
            Signing::Ed25519 => SignatureScheme::ED25519,
            Signing::RsaSha256 => SignatureScheme::RSA_PKCS1_SHA256,
            Signing::EcdsaP256Sha256 => SignatureScheme::ECDSA_NISTP256_SHA256,
        }
    }

    fn verification(self) -> &'static dyn SignatureVerificationAlgorithm {
        match self {
            Signing::Ed25519 => ring::ED25519,
            Signing::RsaSha256 => ring::RSA_PKCS1_2048_8192_SHA256,
            Signing::EcdsaP256Sha256 => ring::ECDSA_P256_SHA256,
        }
    }

    /// Why this cannot be the private key.
    pub fn check_private(self, key: &[u8]) -> Result<(), String> {
        self.sign(key, b"").map(drop)
    }

    /// Why this cannot be the public key.
    pub fn check_public(self, key: &[u8]) -> Result<(), String> {
        self.verify(key, b"", b"").map(drop)
    }

    pub fn sign(self, key: &[u8], data: &[u8]) -> Result<Vec<u8>, String> {
        let signer = private(key)?.choose_scheme(&[self.scheme()]);
        let signer = signer.ok_or_else(|| format!("is a private key of another kind than {self:?} needs"))?;
        signer.sign(data).map_err(|error| format!("does not sign: {error}"))
    }

    pub fn verify(self, key: &[u8], data: &[u8], signature: &[u8]) -> Result<bool, String> {
        let key = public(key)?;
        let key = RawPublicKeyEntity::try_from(&key).map_err(|error| format!("is not a public key: {error:?}"))?;
        match key.verify_signature(self.verification(), data, signature) {
            Ok(()) => Ok(true),
            Err(Error::InvalidSignatureForPublicKey) => Ok(false),
            Err(_) => Err(format!("is a public key of another kind than {self:?} needs")),
        }
    }
}

fn is_pem(key: &[u8]) -> bool {
    key.trim_ascii_start().starts_with(b"-----BEGIN ")
}

fn private(key: &[u8]) -> Result<Arc<dyn SigningKey>, String> {
    let der = match is_pem(key) {
        true => PrivateKeyDer::from_pem_slice(key).ok(),
        false => PrivateKeyDer::try_from(key).ok(),
    };
    let key = der.and_then(|der| any_supported_type(&der).ok());
    key.ok_or_else(|| "is not a private key: write PKCS#8 in PEM, `-----BEGIN PRIVATE KEY-----` and so on".to_owned())
}

/// Of a public key, a certificate, or the private key that it belongs to.
fn public(key: &[u8]) -> Result<SubjectPublicKeyInfoDer<'_>, String> {
    let of_certificate = |der: &CertificateDer<'_>| {
        EndEntityCert::try_from(der).ok().map(|certificate| certificate.subject_public_key_info())
    };
    let found = if is_pem(key) {
        SubjectPublicKeyInfoDer::from_pem_slice(key)
            .ok()
            .or_else(|| of_certificate(&CertificateDer::from_pem_slice(key).ok()?))
    } else if key.len() == 32 {
        Some(SubjectPublicKeyInfoDer::from([&ED25519, key].concat()))
    } else {
        let plain = SubjectPublicKeyInfoDer::from(key);
        let is_one = RawPublicKeyEntity::try_from(&plain).is_ok();
        if is_one { Some(plain) } else { of_certificate(&CertificateDer::from(key)) }
    };
    found.or_else(|| Some(private(key).ok()?.public_key()?.into_owned())).ok_or_else(|| {
        "is not a public key: write it in PEM, `-----BEGIN PUBLIC KEY-----` and so on, or a certificate".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const RSA: &[u8] = include_bytes!("../../tests/keys/rsa.pem");
    const RSA_PUBLIC: &[u8] = include_bytes!("../../tests/keys/rsa.pub.pem");
    const RSA_CERTIFICATE: &[u8] = include_bytes!("../../tests/keys/rsa.cert.pem");
    const EC: &[u8] = include_bytes!("../../tests/keys/ec.pem");
    const EC_PUBLIC: &[u8] = include_bytes!("../../tests/keys/ec.pub.pem");
    const ED: &[u8] = include_bytes!("../../tests/keys/ed25519.pem");
    const ED_PUBLIC: &[u8] = include_bytes!("../../tests/keys/ed25519.pub.pem");

    /// What `openssl dgst -sha256 -sign` and `openssl pkeyutl -sign -rawin` make of `openhub` with these keys.
    const BY_OPENSSL: [(&str, &[u8], &[u8], &str); 3] = [
        (
            "rsa-sha256",
            RSA,
            RSA_PUBLIC,
            "726a1ac12048cfdfaaedbefb3323946a6ac66b22eea5dba53d5358eee88e01f7353a9ca9c48681799854646c470f4a1d59a9c6e3a5ba68c1\
             bd0215205de8f7ec5278598f149ad267a8a052a7533ed108580942c66f2525e3bfbe7e92f1b9dc2701d8dc065b9f6ed59262f98fb9aa7c7c\
             6e710678ecb137f8cfd968ebb32a7dd24a666418c7bdfda2e72cb4b702721cfbee4dfc7a712cc4914fdcf1b2304bf83ec74f74e02b25eabe\
             920eaae7c4570446b18c171ef43697099733d15f1cff9aeb9970e57f1daa51442c5a93dcb3cbe044ba10b1ec8085d6716f7b5f64d2a383ce\
             8f8b07f86c428c4018821deaa6b6181cc4b460df424167979f929b7d21664f79",
        ),
        (
            "ecdsa-p256-sha256",
            EC,
            EC_PUBLIC,
            "3045022019aee984b27dd5fa64790fad5f37ca3b7d6e464d1bfa60ad88e36767550e431e022100b309b1dc0aab435828f792162e9bb774ea\
             0092d27e5cf8d9ff0b19668be49654",
        ),
        (
            "ed25519",
            ED,
            ED_PUBLIC,
            "3e3aa62915997733d1a76b278ed320cc3364c0c9d6d3074b681f56219b87f81827ee41e59a28f37a5e9f703b89bad411f06b1ae8c8acbe95\
             400de1bec4de7f0a",
        ),
    ];

    #[test]
    fn what_openssl_signs_is_verified_and_the_other_way_round() {
        for (name, private, public, signature) in BY_OPENSSL {
            let (signing, theirs) = (Signing::named(name).unwrap(), hex::decode(signature).unwrap());
            let ours = signing.sign(private, b"openhub").unwrap();
            // ECDSA draws a number for each signature.
            assert_eq!(ours == theirs, signing != Signing::EcdsaP256Sha256, "{name}");
            for signature in [&ours, &theirs] {
                assert_eq!(signing.verify(public, b"openhub", signature), Ok(true), "{name}");
                assert_eq!(signing.verify(private, b"openhub", signature), Ok(true), "{name}");
                assert_eq!(signing.verify(public, b"openhuB", signature), Ok(false), "{name}");
            }
            assert_eq!(signing.verify(public, b"openhub", b"nonsense"), Ok(false), "{name}");
        }
    }

    /// RFC 8032, 7.1, test 2.
    #[test]
    fn a_key_has_several_forms() {
        let key = hex::decode("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c").unwrap();
        let signature = hex::decode(
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aee\
             b00d291612bb0c00",
        );
        assert_eq!(Signing::Ed25519.verify(&key, b"\x72", &signature.unwrap()), Ok(true));

        let signature = Signing::RsaSha256.sign(RSA, b"openhub").unwrap();
        let der = |pem| SubjectPublicKeyInfoDer::from_pem_slice(pem).unwrap().to_vec();
        let certificate = CertificateDer::from_pem_slice(RSA_CERTIFICATE).unwrap();
        for key in [RSA_CERTIFICATE, &certificate, &der(RSA_PUBLIC)] {
            assert_eq!(Signing::RsaSha256.verify(key, b"openhub", &signature), Ok(true));
        }
    }

    #[test]
    fn a_key_of_another_kind_is_told() {
        for (signing, key) in [(Signing::Ed25519, RSA), (Signing::RsaSha256, EC), (Signing::EcdsaP256Sha256, ED)] {
            let told = signing.check_private(key).unwrap_err();
            assert!(told.contains("another kind"), "{told}");
        }
        for (signing, key) in [
            (Signing::Ed25519, RSA_PUBLIC),
            (Signing::RsaSha256, EC_PUBLIC),
            (Signing::EcdsaP256Sha256, RSA_CERTIFICATE),
        ] {
            let told = signing.check_public(key).unwrap_err();
            assert!(told.contains("another kind"), "{told}");
        }
        for (_, private, public, _) in BY_OPENSSL {
            assert!(Signing::RsaSha256.check_private(public).unwrap_err().contains("not a private key"));
            assert!(Signing::RsaSha256.check_public(&private[..40]).unwrap_err().contains("not a public key"));
        }
        assert!(Signing::Ed25519.check_public(b"").is_err() && Signing::Ed25519.check_private(b"").is_err());
    }
}
