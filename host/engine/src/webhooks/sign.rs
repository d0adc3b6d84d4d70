//! Signatures as Standard Webhooks 1.0 has them: HMAC-SHA256 over the id, the time and the body.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use openhub_model::{TenantId, Timestamp};
use openhub_store::Webhook;
use sha2::Sha256;

use crate::secrets::{Owner, Sealer, Unopened};

/// No plugin is called like this.
const OWNER: &str = "openhub:webhooks";

/// Whose the secret of a webhook is.
pub fn sealed_as(tenant: TenantId, webhook: &str) -> Owner<'_> {
    Owner { tenant, plugin: OWNER, name: webhook }
}

/// A secret as its owner gets to see it, once.
pub fn secret_text(secret: &[u8]) -> String {
    format!("whsec_{}", STANDARD.encode(secret))
}

/// The secrets that sign now: the present one first, and the one before while it is being replaced.
pub fn secrets(sealer: &Sealer, tenant: TenantId, webhook: &Webhook, now: Timestamp) -> Result<Vec<Vec<u8>>, Unopened> {
    let old = webhook.old_secret.as_deref().filter(|_| webhook.old_until.is_some_and(|until| now < until));
    let open = |sealed: &str| sealer.open(sealed_as(tenant, &webhook.name), sealed);
    [Some(webhook.secret.as_str()), old].into_iter().flatten().map(open).collect()
}

/// What stands in `webhook-signature`: one signature for each secret.
pub fn signature(secrets: &[Vec<u8>], id: &str, seconds: i64, body: &[u8]) -> String {
    let signed = |secret: &Vec<u8>| {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes keys of any length");
        mac.update(format!("{id}.{seconds}.").as_bytes());
        mac.update(body);
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    };
    secrets.iter().map(signed).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification, <https://github.com/standard-webhooks/standard-webhooks>, as its libraries test it.
    #[test]
    fn the_published_example_is_signed_alike() {
        let secret = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let body = br#"{"test": 2432232314}"#;
        let signed = signature(std::slice::from_ref(&secret), "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert_eq!(secret_text(&secret), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let both = signature(&[b"new".to_vec(), secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);
        assert!(both.ends_with(&format!(" {signed}")) && both.split(' ').count() == 2);
    }
}
