//! Invitations: `oi_<tenant>_<person>_<secret>`. The text is shown once; the hub keeps a SHA-256 of the secret, which needs no salt or
//! stretching because it is 256 random bits.

use openhub_model::plain::misleads;
use openhub_model::{TenantId, Timestamp};
use openhub_store::Invitation;
use sha2::{Digest, Sha256};

/// A week.
const LASTS_MICROS: i64 = 7 * 24 * 3600 * 1_000_000;
/// Bytes of a mail address, as the standard of mail has it.
const LONGEST_EMAIL: usize = 254;

/// A new invitation of a person: what to store, and what to show once.
pub fn mint_invitation(tenant: TenantId, person: &str, random: [u8; 32], now: Timestamp) -> (Invitation, String) {
    let secret = hex::encode(random);
    let until = Timestamp::from_micros(now.micros() + LASTS_MICROS);
    (Invitation { hash: hash(&secret), until }, format!("oi_{}_{person}_{secret}", tenant.0))
}

/// An invitation as somebody sends it, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InvitationText {
    pub tenant: TenantId,
    pub person: String,
    pub hash: String,
}

impl InvitationText {
    pub fn parse(text: &str) -> Option<InvitationText> {
        let mut pieces = text.trim().strip_prefix("oi_")?.split('_');
        let (tenant, person, secret) = (pieces.next()?, pieces.next()?, pieces.next()?);
        let is_plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
        let tenant: i64 = tenant.parse().ok()?;
        let fits = pieces.next().is_none()
            && tenant > 0
            && (1..=64).contains(&person.len())
            && is_plain(person)
            && secret.len() == 64
            && is_plain(secret);
        fits.then(|| InvitationText { tenant: TenantId(tenant), person: person.to_owned(), hash: hash(secret) })
    }
}

/// One at sign with something before and behind, and nothing that nobody can see: whether mail comes there shows the invitation.
pub fn is_email(email: &str) -> bool {
    let is_plain = |text: &str| !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || misleads(c));
    email.len() <= LONGEST_EMAIL
        && email.split_once('@').is_some_and(|(name, host)| is_plain(name) && is_plain(host) && !host.contains('@'))
}

fn hash(secret: &str) -> String {
    hex::encode(Sha256::digest(secret.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invitation_names_its_person_and_not_what_is_stored() {
        let (stored, shown) = mint_invitation(TenantId(3), "ab-12", [9; 32], Timestamp::from_micros(0));
        let text = InvitationText::parse(&shown).expect("a minted one is well formed");
        assert_eq!((text.tenant, text.person.as_str(), &text.hash), (TenantId(3), "ab-12", &stored.hash));
        assert!(!shown.contains(&stored.hash));
        for wrong in ["", "oi_3_ab", &shown[1..], &format!("{shown}_x"), &shown.replace("oi_3", "oi_0"), &shown[..30]] {
            assert_eq!(InvitationText::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_mail_address_has_a_name_and_a_host() {
        for right in ["ada@example.com", "ada+hub@example.com", "阿达@例子.中国", "root@localhost"] {
            assert!(is_email(right), "{right}");
        }
        for wrong in ["", "ada", "@example.com", "ada@", "a@b@c", "ada @example.com", "ada@exa\nmple.com"] {
            assert!(!is_email(wrong), "{wrong}");
        }
    }
}
