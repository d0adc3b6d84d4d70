//! Passwords: what one must be, and how it is kept. As NIST SP 800-63B says: long, not a known one, and otherwise as its owner
//! likes. The hash is argon2id's, with the parameters that OWASP names (19 MiB, two passes).

use argon2::Argon2;
use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use openhub_model::Fault;
use std::collections::HashSet;
use std::sync::Arc;
use tokio::sync::Semaphore;

use crate::problem::{OVERLOADED, Problem};

const SHORTEST: usize = 12;
const LONGEST: usize = 1024;
/// Fewer different characters than this are a pattern.
const DIFFERENT: usize = 5;
/// Hashes that are computed at once: each takes 19 MiB and a core.
const AT_ONCE: usize = 2;
/// How many wait for that.
const WAITING: usize = 64;

/// Those of the lists of leaked passwords that are long enough to be refused for nothing else.
const KNOWN: &[&str] = &[
    "0123456789ab",
    "012345678910",
    "123456789012",
    "1234567890123",
    "12345678910",
    "123456789101112",
    "1234567890qwe",
    "1234567890qwerty",
    "1q2w3e4r5t6y",
    "1q2w3e4r5t6y7u",
    "1q2w3e4r5t6y7u8i9o0p",
    "1qaz2wsx3edc",
    "1qaz2wsx3edc4rfv",
    "abcdefghijkl",
    "abcdefghijklm",
    "abc123456789",
    "administrator",
    "adminadmin123",
    "asdfghjkl123",
    "changemeplease",
    "correcthorsebatterystaple",
    "iloveyouforever",
    "letmeinletmein",
    "password1234",
    "password12345",
    "password123456",
    "passwordpassword",
    "p@ssw0rd1234",
    "qazwsxedcrfv",
    "qwerty123456",
    "qwerty1234567",
    "qwertyqwerty",
    "qwertyuiop12",
    "qwertyuiop123",
    "qwertyuiop[]",
    "qwertyuiopasdfghjkl",
    "trustno1trustno1",
    "welcome12345",
    "welcometothehub",
    "zaq12wsxcde3",
    "zxcvbnm12345",
];

/// What is wrong with a new password of somebody who has these names.
pub(crate) fn fault(password: &str, pointer: &str, names: &[&str]) -> Option<Fault> {
    let refused = |code: &str, message: &str| Some(Fault::new(pointer, code, message));
    let length = password.chars().count();
    if length < SHORTEST {
        return refused("too-short", "The password is too short: at least 12 characters.");
    }
    if password.len() > LONGEST {
        return refused("too-long", "The password is too long: at most 1024 bytes.");
    }
    let lower = password.to_lowercase();
    let different = lower.chars().collect::<HashSet<_>>().len();
    let is_name = || names.iter().any(|name| !name.is_empty() && lower == name.to_lowercase());
    if different < DIFFERENT || KNOWN.contains(&lower.as_str()) || is_name() {
        return refused("weak-password", "Whoever guesses tries this password early. Choose another one.");
    }
    None
}

/// Computes hashes, a few at a time: however many try to log in, the rest of the hub goes on.
#[derive(Clone)]
pub(crate) struct Passwords {
    turns: Arc<Semaphore>,
    places: Arc<Semaphore>,
    /// Of no password: what is compared with it costs as much as anybody's.
    nobodys: Arc<str>,
}

impl Default for Passwords {
    fn default() -> Self {
        let nobodys = hashed("nobody has this password", &[0; 16]).expect("a text and a salt of 16 bytes have a hash");
        Passwords {
            turns: Arc::new(Semaphore::new(AT_ONCE)),
            places: Arc::new(Semaphore::new(WAITING)),
            nobodys: nobodys.into(),
        }
    }
}

impl Passwords {
    /// The hash of a new password.
    pub async fn hash(&self, password: String, salt: [u8; 16]) -> Result<String, Problem> {
        self.run(move || hashed(&password, &salt)).await?.map_err(|error| Problem::internal(&error))
    }

    /// Whether it is the password of this hash. Without a hash it takes as long, and is not.
    pub async fn check(&self, password: String, stored: Option<String>) -> Result<bool, Problem> {
        let is_somebodys = stored.is_some();
        let stored = stored.unwrap_or_else(|| (*self.nobodys).to_owned());
        let right = self.run(move || {
            PasswordHash::new(&stored)
                .is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
        });
        Ok(right.await? && is_somebodys)
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
        let busy = || Problem::new(OVERLOADED, "Too many people log in at this moment. Try again.").retry_after(1);
        let _place = self.places.try_acquire().map_err(|_| busy())?;
        let turn = self.turns.clone().acquire_owned().await.map_err(|_| busy())?;
        let done = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            work()
        });
        done.await.map_err(|panic| Problem::internal(&panic))
    }
}

fn hashed(password: &str, salt: &[u8; 16]) -> Result<String, argon2::password_hash::Error> {
    let salt = SaltString::encode_b64(salt)?;
    Ok(Argon2::default().hash_password(password.as_bytes(), &salt)?.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_long_and_not_a_known_one() {
        let code = |password: &str| fault(password, "/password", &["ada.lovelace@example.com"]).map(|fault| fault.code);
        assert_eq!(code("eleven char").as_deref(), Some("too-short"));
        assert_eq!(code("twelve chars"), None, "nothing is asked of its composition");
        assert_eq!(code("密码是一句很长的话不好猜"), None, "characters are counted, not bytes");
        for weak in ["Password1234", "aaaaaaaaaaaaaaa", "121212121212", "Ada.Lovelace@example.com"] {
            assert_eq!(code(weak).as_deref(), Some("weak-password"), "{weak}");
        }
        assert_eq!(code(&"ab cd ef".repeat(200)).as_deref(), Some("too-long"));
    }

    #[tokio::test]
    async fn a_hash_is_of_one_password() {
        let passwords = Passwords::default();
        let hash = passwords.hash("a long enough one".to_owned(), [1; 16]).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(passwords.check("a long enough one".to_owned(), Some(hash.clone())).await.unwrap());
        assert!(!passwords.check("another one".to_owned(), Some(hash)).await.unwrap());
        let nobodys = "nobody has this password".to_owned();
        assert!(!passwords.check(nobodys, None).await.unwrap(), "nobody has a password");
    }
}
