//! Whether a token was signed by a key of its provider's (JSON Web Signature, RFC 7515). The algorithm has to be one of the key's own kind: a
//! public key is nobody's password, and `none` is no algorithm.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{self, RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm};
use serde::Deserialize;
use serde_json::Value;

/// Keys of one set that are tried.
const TRIED: usize = 20;

/// What a token says of its signature.
#[derive(Debug, Deserialize)]
pub(super) struct Header {
    alg: String,
    kid: Option<String>,
    /// What has to be understood.
    pub crit: Option<Value>,
}

/// A public key as its provider publishes it (JSON Web Key, RFC 7517).
#[derive(Clone, Debug, Deserialize)]
pub(super) struct PublicKey {
    kid: Option<String>,
    /// What it is for.
    #[serde(rename = "use")]
    of: Option<String>,
    alg: Option<String>,
    #[serde(flatten)]
    kind: Kind,
}

/// By RFC 7518 and, for Ed25519, RFC 8037: numbers and points in base64.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kty")]
enum Kind {
    #[serde(rename = "RSA")]
    Rsa { n: String, e: String },
    #[serde(rename = "EC")]
    Ec { crv: String, x: String, y: String },
    #[serde(rename = "OKP")]
    Okp { crv: String, x: String },
}

/// The keys that may have signed under this header: the one that it names, or else each that is for its algorithm.
pub(super) fn candidates<'k>(header: &Header, keys: &'k [PublicKey]) -> Vec<&'k PublicKey> {
    let may = |key: &&PublicKey| {
        let is_named = header.kid.is_none() || key.kid == header.kid;
        let signs = key.of.as_ref().is_none_or(|of| of == "sig");
        is_named && signs && key.alg.as_ref().is_none_or(|alg| *alg == header.alg)
    };
    keys.iter().filter(may).take(TRIED).collect()
}

/// `token` is the whole text.
pub(super) fn is_signed(token: &str, header: &Header, key: &PublicKey) -> bool {
    verify(token, header, key).is_some()
}

fn verify(token: &str, header: &Header, key: &PublicKey) -> Option<()> {
    let (message, signature) = token.rsplit_once('.')?;
    let (message, signature) = (message.as_bytes(), bytes(signature)?);
    let algorithm = header.alg.as_str();
    match &key.kind {
        Kind::Rsa { n, e } => {
            let (n, e) = (bytes(n)?, bytes(e)?);
            RsaPublicKeyComponents { n, e }.verify(rsa(algorithm)?, message, &signature).ok()
        }
        Kind::Ec { crv, x, y } => {
            let (way, length): (&dyn VerificationAlgorithm, usize) = match (algorithm, crv.as_str()) {
                ("ES256", "P-256") => (&signature::ECDSA_P256_SHA256_FIXED, 32),
                ("ES384", "P-384") => (&signature::ECDSA_P384_SHA384_FIXED, 48),
                _ => return None,
            };
            let (x, y) = (bytes(x)?, bytes(y)?);
            if x.len() != length || y.len() != length {
                return None;
            }
            // An uncompressed point.
            UnparsedPublicKey::new(way, [&[4][..], &x[..], &y[..]].concat()).verify(message, &signature).ok()
        }
        Kind::Okp { crv, x } if crv == "Ed25519" && ["EdDSA", "Ed25519"].contains(&algorithm) => {
            UnparsedPublicKey::new(&signature::ED25519, bytes(x)?).verify(message, &signature).ok()
        }
        Kind::Okp { .. } => None,
    }
}

/// Keys of less than 2,048 bits sign nothing.
fn rsa(algorithm: &str) -> Option<&'static RsaParameters> {
    Some(match algorithm {
        "RS256" => &signature::RSA_PKCS1_2048_8192_SHA256,
        "RS384" => &signature::RSA_PKCS1_2048_8192_SHA384,
        "RS512" => &signature::RSA_PKCS1_2048_8192_SHA512,
        "PS256" => &signature::RSA_PSS_2048_8192_SHA256,
        "PS384" => &signature::RSA_PSS_2048_8192_SHA384,
        "PS512" => &signature::RSA_PSS_2048_8192_SHA512,
        _ => return None,
    })
}

pub(super) fn bytes(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// RFC 7515, appendix A.2 (RS256) and A.3 (ES256).
    #[test]
    fn the_tokens_of_the_standard_are_signed_and_no_others() {
        let rsa = json!({"kty": "RSA", "e": "AQAB", "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"});
        let ec = json!({"kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"});
        let payload = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
        let by_rsa = "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
        let by_ec = "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
        let key = |of: &Value| serde_json::from_value::<PublicKey>(of.clone()).expect("a key");
        let header = |text: &str| serde_json::from_slice::<Header>(&bytes(text).expect("base64")).expect("a header");
        let (rs256, es256) = ("eyJhbGciOiJSUzI1NiJ9", "eyJhbGciOiJFUzI1NiJ9");
        for (head, signature, own, other) in [(rs256, by_rsa, &rsa, &ec), (es256, by_ec, &ec, &rsa)] {
            let token = format!("{head}.{payload}.{signature}");
            let said = header(head);
            assert!(is_signed(&token, &said, &key(own)), "{head}");
            assert!(!is_signed(&token, &said, &key(other)), "{head} by another kind of key");
            assert!(!is_signed(&token.replacen("eyJpc3", "eyJpc2", 1), &said, &key(own)), "{head} changed");
            let named = |alg: &str| Header { alg: alg.to_owned(), kid: None, crit: None };
            for alg in ["none", "HS256", "RS384", "PS256", "ES384", "EdDSA", ""] {
                assert!(!is_signed(&token, &named(alg), &key(own)), "{head} as {alg}");
            }
        }
    }
}
