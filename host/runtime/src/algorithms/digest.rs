//! Digests, and message authentication codes made of them (HMAC, RFC 2104).

use hmac::{Mac, SimpleHmac};
use sha2::digest::core_api::BlockSizeUser;

/// SHA-1 and MD5 are for old systems that sign with nothing else.
const ALL: [(&str, Digest); 6] = [
    ("sha256", Digest::of::<sha2::Sha256>()),
    ("sha512", Digest::of::<sha2::Sha512>()),
    ("sha384", Digest::of::<sha2::Sha384>()),
    ("sm3", Digest::of::<sm3::Sm3>()),
    ("sha1", Digest::of::<sha1::Sha1>()),
    ("md5", Digest::of::<md5::Md5>()),
];

#[derive(Clone, Copy)]
pub struct Digest {
    hash: fn(&[u8]) -> Vec<u8>,
    mac: fn(&[u8], &[u8]) -> Vec<u8>,
}

impl Digest {
    const fn of<D: sha2::Digest + BlockSizeUser>() -> Digest {
        Digest { hash: |data| D::digest(data).to_vec(), mac: mac::<D> }
    }

    pub fn named(name: &str) -> Result<Digest, String> {
        super::named(&ALL, name)
    }

    pub fn hash(self, data: &[u8]) -> Vec<u8> {
        (self.hash)(data)
    }

    pub fn mac(self, key: &[u8], data: &[u8]) -> Vec<u8> {
        (self.mac)(key, data)
    }
}

fn mac<D: sha2::Digest + BlockSizeUser>(key: &[u8], data: &[u8]) -> Vec<u8> {
    let mut mac = SimpleHmac::<D>::new_from_slice(key).expect("an HMAC key may have any length");
    mac.update(data);
    mac.finalize().into_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4231, test case 2; RFC 2202, test case 2; `openssl dgst -sm3 -hmac`; GB/T 32905-2016, example 1.
    #[test]
    fn published_vectors_hold() {
        for (name, mac) in [
            ("sha256", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
            (
                "sha384",
                "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649",
            ),
            ("sm3", "2e87f1d16862e6d964b50a5200bf2b10b764faa9680a296a2405f24bec39f882"),
            ("sha1", "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"),
            ("md5", "750c783e6ab0b503eaa86e310a5db738"),
        ] {
            let digest = Digest::named(name).unwrap();
            assert_eq!(hex::encode(digest.mac(b"Jefe", b"what do ya want for nothing?")), mac, "{name}");
        }
        let sm3 = Digest::named("sm3").unwrap().hash(b"abc");
        assert_eq!(hex::encode(sm3), "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0");
    }

    #[test]
    fn an_unknown_one_is_told_with_those_there_are() {
        let told = Digest::named("sha3").err().unwrap();
        assert!(
            told.contains("`sha3`") && told.ends_with("there are: sha256, sha512, sha384, sm3, sha1, md5"),
            "{told}"
        );
        assert!(Digest::named("SHA256").is_err(), "one name, one algorithm");
    }
}
