//! Tokens for partners: `ot_<what it says>.<signature>`. The hub signs what another firm may do here for an hour at most, and stores
//! nothing. A token ends with the key that made it, or with the secret that could have made it: so it is revoked within five seconds, too.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openhub_engine::secrets::Sealer;
use openhub_model::{TenantId, Timestamp};
use openhub_store::Key;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::sync::Arc;

use super::permission::covers;

const PREFIX: &str = "ot_";
/// Tells it from all else that the hub signs.
const PURPOSE: &str = "openhub partner token 1\n";
/// Bytes of a token that are looked at.
const LONGEST: usize = 8 * 1024;

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TokenText {
    pub tenant: TenantId,
    /// The id of the key that made it.
    pub maker: String,
    /// Which of the key's secrets made it.
    pub secret: String,
    /// Whom it is for.
    pub partner: String,
    pub scopes: Vec<String>,
    pub made_at: Timestamp,
    pub ends_at: Timestamp,
}

impl TokenText {
    /// As its partner shows it.
    pub fn signed(&self, sealer: &Sealer) -> String {
        let said = URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).expect("texts, numbers and lists are always JSON"));
        let signature = sealer.signer().sign(format!("{PURPOSE}{said}").as_bytes());
        format!("{PREFIX}{said}.{signature}")
    }

    /// None if it is no token, or not of this hub's.
    pub fn read(text: &str, sealer: &Sealer) -> Option<TokenText> {
        let (said, signature) = text.strip_prefix(PREFIX).filter(|_| text.len() <= LONGEST)?.split_once('.')?;
        if !sealer.signer().is_ours(format!("{PURPOSE}{said}").as_bytes(), signature) {
            return None;
        }
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(said).ok()?).ok()
    }

    /// Whether a text may be one.
    pub fn looks_like(text: &str) -> bool {
        text.starts_with(PREFIX)
    }

    /// The partner, if the token works now; `maker` is the key that made it, as it is now.
    pub fn partner(self, maker: Arc<Key>, now: Timestamp) -> Option<Partner> {
        let is_over = |end: Timestamp| end <= now;
        let key_is_over = maker.revoked_at.is_some() || maker.expires_at.is_some_and(is_over);
        let former = maker.former.as_ref().filter(|former| !is_over(former.until)).map(|former| &former.hash);
        let secret_is_over = ![Some(&maker.hash), former].into_iter().flatten().any(|hash| name(hash) == self.secret);
        if is_over(self.ends_at) || key_is_over || secret_is_over || maker.tenant != self.tenant {
            return None;
        }
        let scopes = self.scopes.into_iter().filter(|scope| covers(&maker.scopes, scope)).collect();
        Some(Partner { maker, id: self.partner, scopes, ends_at: self.ends_at })
    }
}

/// Tells the secrets of a key apart, and says nothing of them.
pub(crate) fn name(hash: &str) -> String {
    hex::encode(&Sha256::digest(format!("{PURPOSE}{hash}"))[..8])
}

/// Another firm, by a token that works.
pub(crate) struct Partner {
    pub maker: Arc<Key>,
    pub id: String,
    /// Those of the token's that its maker still has.
    pub scopes: Vec<String>,
    pub ends_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> TokenText {
        TokenText {
            tenant: TenantId(1),
            maker: "ab".to_owned(),
            secret: name("hash"),
            partner: "dealer".to_owned(),
            scopes: vec!["segments:read".to_owned()],
            made_at: Timestamp::from_micros(5),
            ends_at: Timestamp::from_micros(100),
        }
    }

    #[test]
    fn a_token_is_read_as_it_was_signed_and_in_no_other_way() {
        let (ours, other) = (Sealer::from_key([7; 32]), Sealer::from_key([8; 32]));
        let text = token().signed(&ours);
        assert_eq!(TokenText::read(&text, &ours), Some(token()));
        assert_eq!(TokenText::read(&text, &other), None);
        let wider = TokenText { scopes: vec!["customers:read".to_owned()], ..token() };
        let said = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&wider).unwrap());
        let (_, signature) = text.split_once('.').unwrap();
        for forged in
            [format!("ot_{said}.{signature}"), format!("ot_{said}."), text[3..].to_owned(), format!("{text}=")]
        {
            assert_eq!(TokenText::read(&forged, &ours), None, "{forged}");
        }
        // Nor is anything else that the hub signs.
        let bare = ours.signer().sign(said.as_bytes());
        assert_eq!(TokenText::read(&format!("ot_{said}.{bare}"), &ours), None);
    }
}
