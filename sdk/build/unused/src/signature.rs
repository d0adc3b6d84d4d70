//! Requests to Alibaba Cloud's gateway, signed as its version 3 wants it: `ACS3-HMAC-SHA256`.
//!
//! From the provider's page "Request syntax and signature method V3"; the test has its example.

use openhub_sdk::http::Request;
use openhub_sdk::prelude::*;
use openhub_sdk::secrets;
use sha2::{Digest, Sha256};

use crate::Provider;

const KEY: &str = "access-key-secret";
const ALGORITHM: &str = "ACS3-HMAC-SHA256";
const VERSION: &str = "2017-05-25";
const SIGNED: &str = "host;x-acs-action;x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;x-acs-version";

/// What is asked of the provider.
pub struct Call<'c> {
    pub action: &'c str,
    pub parameters: &'c [(&'c str, String)],
    pub at: Timestamp,
    pub nonce: &'c str,
}

/// The request of a call, with its signature.
pub fn signed(provider: &Provider, call: &Call<'_>) -> Result<Request, Failure> {
    let base = provider.url.trim_end_matches('/');
    let host = base.split_once("://").map_or(base, |(_, host)| host);
    let query = query(call.parameters);
    let headers = headers(call, VERSION, host);
    let signature = hex::encode(secrets::hmac(KEY, secrets::SHA256, to_sign(&query, &headers).as_bytes())?);
    let authorization =
        format!("{ALGORITHM} Credential={},SignedHeaders={SIGNED},Signature={signature}", provider.access_key_id);
    // The host writes `host` by itself.
    let request = headers
        .into_iter()
        .skip(1)
        .fold(Request::post(format!("{base}/?{query}")), |request, (name, value)| request.header(name, value));
    Ok(request.header("authorization", authorization))
}

/// By name, as they are signed.
fn headers(call: &Call<'_>, version: &str, host: &str) -> [(&'static str, String); 6] {
    let nothing = hex::encode(Sha256::digest(b""));
    let at = Timestamp::from_micros(call.at.seconds() * 1_000_000).to_string();
    [
        ("host", host.to_owned()),
        ("x-acs-action", call.action.to_owned()),
        ("x-acs-content-sha256", nothing),
        ("x-acs-date", at),
        ("x-acs-signature-nonce", call.nonce.to_owned()),
        ("x-acs-version", version.to_owned()),
    ]
}

/// Sorted by name, each name and value percent-encoded (RFC 3986).
fn query(parameters: &[(&str, String)]) -> String {
    let mut pairs: Vec<String> =
        parameters.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
    pairs.sort();
    pairs.join("&")
}

fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    let encoded = text.bytes().map(|byte| match plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    });
    encoded.collect()
}

/// The text of which the signature is made.
fn to_sign(query: &str, headers: &[(&str, String)]) -> String {
    let lines: String = headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    let nothing = hex::encode(Sha256::digest(b""));
    let canonical = format!("POST\n/\n{query}\n{lines}\n{SIGNED}\n{nothing}");
    format!("{ALGORITHM}\n{}", hex::encode(Sha256::digest(canonical.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the provider's page, with the hash of its canonical request.
    #[test]
    fn the_providers_own_example() {
        let image = "win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd".to_owned();
        let parameters = [("RegionId", "cn-shanghai".to_owned()), ("ImageId", image)];
        let nonce = "3156853299f313e23d1673dc12e1703d";
        let at = Timestamp::parse("2023-10-26T10:22:32Z").expect("a time");
        let call = Call { action: "RunInstances", parameters: &parameters, at, nonce };
        let headers = headers(&call, "2014-05-26", "ecs.cn-shanghai.aliyuncs.com");
        let to_sign = to_sign(&query(&parameters), &headers);
        assert_eq!(to_sign, "ACS3-HMAC-SHA256\n7ea06492da5221eba5297e897ce16e55f964061054b7695beedaac1145b1e259");
    }

    #[test]
    fn parameters_are_sorted_and_encoded() {
        let parameters = [("b", "a b+*~/".to_owned()), ("A", "中".to_owned())];
        assert_eq!(query(&parameters), "A=%E4%B8%AD&b=a%20b%2B%2A~%2F");
    }
}
