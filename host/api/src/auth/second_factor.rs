//! Codes of authenticator apps (TOTP, RFC 6238: SHA-1, six digits, half a minute), and codes for who has lost the app.

use openhub_engine::secrets::{Owner, Sealer};
use openhub_model::{TenantId, Timestamp};
use openhub_store::{Proof, SecondFactor};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use totp_rs::{Algorithm, Secret, TOTP};

use crate::problem::Problem;

const ISSUER: &str = "OpenHub";
const STEP_S: i64 = 30;
/// Clocks of phones are off by a step.
const OFF: i64 = 1;
/// Among the secrets that are sealed, those of people: no plugin has this name.
const SEALED_AS: &str = "@person";

/// What one app and the hub both know.
pub(crate) struct Authenticator(TOTP);

impl Authenticator {
    /// A new one, of 160 random bits.
    pub fn new(random: [u8; 20], email: &str) -> Result<Authenticator, Problem> {
        Authenticator::of(random.to_vec(), email)
    }

    pub fn open(sealer: &Sealer, tenant: TenantId, person: &str, sealed: &str) -> Result<Authenticator, Problem> {
        let secret = sealer.open(owner(tenant, person), sealed).map_err(|error| Problem::internal(&error))?;
        Authenticator::of(secret, "")
    }

    fn of(secret: Vec<u8>, email: &str) -> Result<Authenticator, Problem> {
        // A colon stands between the issuer and the account.
        let account = email.replace(':', " ");
        TOTP::new(Algorithm::SHA1, 6, 1, STEP_S.unsigned_abs(), secret, Some(ISSUER.to_owned()), account)
            .map(Authenticator)
            .map_err(|error| Problem::internal(&error))
    }

    pub fn seal(&self, sealer: &Sealer, tenant: TenantId, person: &str) -> String {
        sealer.seal(owner(tenant, person), &self.0.secret)
    }

    /// In Base32.
    pub fn secret(&self) -> String {
        Secret::Raw(self.0.secret.clone()).to_encoded().to_string()
    }

    pub fn url(&self) -> String {
        self.0.get_url()
    }

    /// The half minute that a code is of, if it is of the present one or one beside it.
    pub fn step_of(&self, code: &str, now: Timestamp) -> Option<i64> {
        let present = now.micros().div_euclid(1_000_000 * STEP_S);
        (present - OFF..=present + OFF).find(|step| {
            let expected = self.0.generate(step.unsigned_abs() * STEP_S.unsigned_abs());
            bool::from(expected.as_bytes().ct_eq(code.as_bytes()))
        })
    }
}

/// What a code proves, of the app or for who has lost it; whether it was used already is seen when it is used.
pub(crate) fn proof(second: SecondFactor, authenticator: &Authenticator, code: &str, now: Timestamp) -> Option<Proof> {
    let code: String = code.chars().filter(|c| !c.is_whitespace()).collect();
    if let Some(step) = authenticator.step_of(&code, now) {
        return Some(Proof::Code(step));
    }
    let hash = recovery_hash(&code);
    let left: Vec<String> = second.recovery.iter().filter(|held| **held != hash).cloned().collect();
    (left.len() < second.recovery.len()).then_some(Proof::Recovery { before: second.recovery, left })
}

/// A code for who has lost the app, of 80 random bits.
pub(crate) fn recovery_code(random: [u8; 16]) -> String {
    let digits = hex::encode(&random[..10]);
    let groups: Vec<&str> = (0..digits.len()).step_by(4).map(|at| &digits[at..at + 4]).collect();
    groups.join("-")
}

pub(crate) fn recovery_hash(code: &str) -> String {
    hex::encode(Sha256::digest(code.to_lowercase().as_bytes()))
}

fn owner(tenant: TenantId, person: &str) -> Owner<'_> {
    Owner { tenant, plugin: SEALED_AS, name: person }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_the_standard() {
        // RFC 6238, appendix B; the last six of the eight digits.
        let authenticator = Authenticator::new(*b"12345678901234567890", "ada@example.com").unwrap();
        for (seconds, code) in [(59, "287082"), (1_111_111_109, "081804"), (1_234_567_890, "005924")] {
            let at = |seconds: i64| Timestamp::from_micros(seconds * 1_000_000);
            let step = seconds / STEP_S;
            assert_eq!(authenticator.step_of(code, at(seconds)), Some(step));
            assert_eq!(authenticator.step_of(code, at(seconds + STEP_S)), Some(step), "the clock is off by a step");
            assert_eq!(authenticator.step_of(code, at(seconds + 2 * STEP_S)), None);
        }
        assert_eq!(authenticator.secret(), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        let url = authenticator.url();
        assert!(url.starts_with("otpauth://totp/OpenHub:ada%40example.com?secret=GEZD"), "{url}");
    }

    #[test]
    fn what_is_sealed_is_of_one_person() {
        let sealer = Sealer::from_key([7; 32]);
        let sealed = Authenticator::new([9; 20], "").unwrap().seal(&sealer, TenantId(1), "ada");
        assert!(Authenticator::open(&sealer, TenantId(1), "ada", &sealed).is_ok());
        assert!(Authenticator::open(&sealer, TenantId(1), "bob", &sealed).is_err());
        assert!(Authenticator::open(&sealer, TenantId(2), "ada", &sealed).is_err());
    }

    #[test]
    fn a_recovery_code_is_read_as_people_type_it() {
        let code = recovery_code([0xab; 16]);
        assert_eq!(code, "abab-abab-abab-abab-abab");
        assert_eq!(recovery_hash(&code), recovery_hash(&code.to_uppercase()));
    }
}
