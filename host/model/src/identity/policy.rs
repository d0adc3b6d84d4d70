//! What a tenant lets join: limits, priorities, formats and block lists by identity kind.

use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::claim::Refusal;
use super::{Identity, normal, resolve::Side};
use crate::fault::Fault;
use crate::limits;

pub const MAX_KINDS: usize = 64;
const MAX_LENGTH: u32 = limits::IDENTITY as u32;
/// How a kind's values are written. A value is brought into this form before it is claimed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// As it came, without surrounding white space and what shows nothing, composed as Unicode's NFC does.
    #[default]
    Any,
    /// One `@` between two non-empty halves, the latter with a dot; in lower case, the domain as punycode writes it.
    Email,
    /// From 5 to 20 digits, perhaps behind a `+`; spaces, hyphens, dots, slashes and brackets are left out.
    Phone,
}

/// One kind of identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kind {
    /// How many of it a customer may have; absent: any number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Of the identities that one event names, those of a higher priority are joined first; what then exceeds a limit
    /// is dropped.
    #[serde(default)]
    pub priority: i32,
    /// A device or a session, which tells nobody who a customer is.
    #[serde(default)]
    pub anonymous: bool,
    #[serde(default)]
    pub format: Format,
    /// In bytes.
    #[serde(default = "max_length")]
    pub max_length: u32,
    /// Values that never join anything, besides the well-known junk. Compared without regard to ASCII case.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub block: Vec<String>,
    /// Of a phone: the calling code that a number without one has, as `49`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calling_code: Option<String>,
    /// The trait of an `identify` that claims it.
    #[serde(default, rename = "trait", skip_serializing_if = "Option::is_none")]
    pub from_trait: Option<String>,
}

fn max_length() -> u32 {
    MAX_LENGTH
}

impl Default for Kind {
    fn default() -> Kind {
        Kind {
            limit: None,
            priority: 10,
            anonymous: false,
            format: Format::Any,
            max_length: MAX_LENGTH,
            block: Vec::new(),
            calling_code: None,
            from_trait: None,
        }
    }
}

/// What happens to proposed matches without a human.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MatchPolicy {
    /// A proposal with at least this score (0 to 1) is accepted at once; absent: a human decides all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accept_from: Option<f64>,
}

/// What happens to the identities of a customer who is erased, unless the one who erases them says otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErasurePolicy {
    /// Whether they are suppressed: refused wherever they are named again.
    #[serde(default)]
    pub suppress: bool,
}

/// A tenant's identity kinds. What it does not mention has the kind that [`Policy::default`] gives it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    pub kinds: BTreeMap<String, Kind>,
    #[serde(default)]
    pub matches: MatchPolicy,
    #[serde(default)]
    pub erasure: ErasurePolicy,
}

impl Default for Policy {
    fn default() -> Policy {
        let kinds = [
            (Identity::USER_ID, Kind { limit: Some(1), priority: 100, ..Kind::default() }),
            (
                Identity::EMAIL,
                Kind { priority: 50, format: Format::Email, from_trait: Some("email".into()), ..Kind::default() },
            ),
            (
                Identity::PHONE,
                Kind { priority: 40, format: Format::Phone, from_trait: Some("phone".into()), ..Kind::default() },
            ),
            (Identity::ANONYMOUS_ID, Kind { priority: 0, anonymous: true, ..Kind::default() }),
        ];
        let kinds = kinds.into_iter().map(|(name, kind)| (name.to_owned(), kind)).collect();
        Policy { kinds, matches: MatchPolicy::default(), erasure: ErasurePolicy::default() }
    }
}

static DEFAULT: LazyLock<Policy> = LazyLock::new(Policy::default);
static UNKNOWN: LazyLock<Kind> = LazyLock::new(Kind::default);

impl Policy {
    pub fn kind(&self, name: &str) -> &Kind {
        self.kinds.get(name).or_else(|| DEFAULT.kinds.get(name)).unwrap_or(&UNKNOWN)
    }

    /// All kinds that have rules: those that it mentions, and those that there are without it.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let defaults = DEFAULT.kinds.keys().filter(|name| !self.kinds.contains_key(*name));
        self.kinds.keys().chain(defaults).map(String::as_str)
    }

    /// The kinds that a trait of an `identify` claims, with the trait's name.
    pub fn traits(&self) -> impl Iterator<Item = (&str, &str)> {
        let defaults = DEFAULT.kinds.iter().filter(|(name, _)| !self.kinds.contains_key(*name));
        let kinds = self.kinds.iter().chain(defaults);
        kinds.filter_map(|(name, kind)| Some((name.as_str(), kind.from_trait.as_deref()?)))
    }

    /// The identity in the form of its kind: the one in which it is stored, looked for and compared.
    pub fn normal(&self, identity: Identity) -> Identity {
        let Identity { kind, value } = identity;
        let of = self.kind(&kind);
        let value = match of.format {
            Format::Any => match normal::plain(&value) {
                Cow::Borrowed(plain) if plain.len() == value.len() => value,
                plain => plain.into_owned(),
            },
            Format::Email => normal::email(&value),
            Format::Phone => normal::phone(&value, of.calling_code.as_deref()),
        };
        Identity { kind, value }
    }

    /// Sorts what one event names as its claims are taken: by priority, highest first, then by kind and value.
    pub fn sort(&self, named: &mut [Identity]) {
        named.sort_by(|a, b| {
            let (first, second) = (self.kind(&a.kind).priority, self.kind(&b.kind).priority);
            second.cmp(&first).then_with(|| a.cmp(b))
        });
    }

    /// Whether a value may be joined to others at all.
    pub fn check(&self, identity: &Identity) -> Result<(), Refusal> {
        let kind = self.kind(&identity.kind);
        let value = identity.value.as_str();
        let is = |junk: &str| value.eq_ignore_ascii_case(junk);
        if normal::is_junk(value) || kind.block.iter().any(|blocked| is(blocked)) {
            return Err(Refusal::Blocked);
        }
        let well_formed = match kind.format {
            Format::Any => !value.trim().is_empty(),
            Format::Email => value.split_once('@').is_some_and(|(name, host)| {
                let spaced = value.contains(|c: char| c.is_whitespace() || c.is_control());
                !name.is_empty() && !spaced && !host.contains('@') && host.trim_matches('.').contains('.')
            }),
            Format::Phone => {
                let digits = value.strip_prefix('+').unwrap_or(value);
                (5..=20).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
            }
        };
        if well_formed && value.len() <= kind.max_length as usize { Ok(()) } else { Err(Refusal::Format) }
    }

    /// Whether a claim may join two customers, given the kinds that each has.
    pub fn judge(&self, claim: &super::Claim, subject: &Side<'_>, claimed: &Side<'_>) -> Result<(), Refusal> {
        self.check(&claim.subject)?;
        self.check(&claim.identity)?;
        let free = |identity: &Identity, side: &Side<'_>| self.kind(&identity.kind).anonymous && !self.is_known(side);
        let anonymous = self.kind(&claim.subject.kind).anonymous;
        if claim.authority == super::Authority::Browser
            && !free(&claim.identity, claimed)
            && !(anonymous && self.kind(&claim.identity.kind).anonymous && free(&claim.subject, subject))
        {
            return Err(Refusal::Authority);
        }
        let identities = |side: &Side<'_>| side.kinds.iter().map(|(_, count)| count).sum::<u32>();
        if claim.authority == super::Authority::Browser
            && identities(subject) + identities(claimed) > limits::PAGE_IDENTITIES
        {
            return Err(Refusal::Limit);
        }
        for (kind, count) in subject.kinds {
            let others = claimed.count(kind);
            if others > 0 && self.kind(kind).limit.is_some_and(|limit| count + others > limit) {
                return Err(Refusal::Limit);
            }
        }
        Ok(())
    }

    /// A refusal of [`Policy::judge`] in words. They name no value: who is erased is not to be found in them.
    pub fn why(&self, refusal: Refusal, claim: &super::Claim, subject: &Side<'_>, claimed: &Side<'_>) -> String {
        match refusal {
            Refusal::Blocked => "The value is a placeholder, or on the block list of its kind.".to_owned(),
            Refusal::Format => {
                format!("The value is empty, too long, or not in the form of the kind `{}`.", claim.identity.kind)
            }
            Refusal::Authority => {
                "It belongs to a known customer, whom a page's key may not join. Send it with a server's key."
                    .to_owned()
            }
            Refusal::Limit => {
                let exceeds = |(kind, count): &(String, u32)| {
                    let others = claimed.count(kind);
                    let limit = self.kind(kind).limit.filter(|limit| others > 0 && count + others > *limit)?;
                    Some(format!("it has another `{kind}`, and a customer has at most {limit}"))
                };
                let why = subject.kinds.iter().find_map(exceeds);
                let why = why.unwrap_or_else(|| "together they would have too many identities".to_owned());
                format!("It belongs to another customer, and is not joined: {why}.")
            }
        }
    }

    /// Whether somebody is known behind these identities.
    pub fn is_known(&self, side: &Side<'_>) -> bool {
        side.kinds.iter().any(|(kind, _)| !self.kind(kind).anonymous)
    }

    /// What is wrong with a policy, by pointer.
    pub fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if self.kinds.len() > MAX_KINDS {
            faults.push(Fault::new("/kinds", "too-many", format!("There are too many kinds: at most {MAX_KINDS}.")));
        }
        for (name, kind) in &self.kinds {
            let below = |field: &str| format!("/kinds/{}{field}", name.replace('~', "~0").replace('/', "~1"));
            let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
            if name.is_empty() || name.len() > 64 || !name.bytes().all(plain) {
                let message = "A kind's name must have 1 to 64 lowercase letters, digits or underscores.";
                faults.push(Fault::new(below(""), "invalid-name", message));
            }
            if [Identity::USER_ID, Identity::ANONYMOUS_ID].contains(&name.as_str()) && kind.format != Format::Any {
                let message =
                    "The format of `user_id` and `anonymous_id` must be `any`: the hub does not change these ids.";
                faults.push(Fault::new(below("/format"), "fixed-format", message));
            }
            if let Some(code) = &kind.calling_code
                && !((1..=3).contains(&code.len())
                    && code.bytes().all(|byte| byte.is_ascii_digit())
                    && !code.starts_with('0'))
            {
                let message = "A calling code must have 1 to 3 digits, of which the first is no 0, like `49`.";
                faults.push(Fault::new(below("/calling_code"), "invalid-code", message));
            }
            if let Some(Err(fault)) = kind.from_trait.as_ref().map(|name| limits::name(name, || below("/trait"))) {
                faults.push(fault);
            }
            if kind.limit == Some(0) {
                faults.push(Fault::new(below("/limit"), "out-of-range", "The limit must be at least 1."));
            }
            if !(1..=MAX_LENGTH).contains(&kind.max_length) {
                let message = format!("The length must be 1 to {MAX_LENGTH} bytes.");
                faults.push(Fault::new(below("/max_length"), "out-of-range", message));
            }
            if kind.block.len() > 1_000 {
                faults.push(Fault::new(below("/block"), "too-many", "There are too many values: at most 1000."));
            }
        }
        if self.matches.accept_from.is_some_and(|score| !(0.0..=1.0).contains(&score)) {
            faults.push(Fault::new("/matches/accept_from", "out-of-range", "The score must be a number from 0 to 1."));
        }
        faults
    }
}

/// The policies of a tenant by the position at which each took effect: a claim is judged by the one of its time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Policies(BTreeMap<i64, Policy>);

impl Policies {
    pub fn new(versions: impl IntoIterator<Item = (i64, Policy)>) -> Policies {
        Policies(versions.into_iter().collect())
    }

    /// The policy in force at a position, and the position at which it took effect; 0 for the default one.
    pub fn at(&self, position: i64) -> (i64, &Policy) {
        self.0.range(..position).next_back().map_or((0, &*DEFAULT), |(from, policy)| (*from, policy))
    }

    pub fn latest(&self) -> &Policy {
        self.at(i64::MAX).1
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Authority, Claim};
    use super::*;

    #[test]
    fn breaker14_f18_no_calling_code_begins_with_a_zero() {
        let told = |code: &str| {
            let mut policy = Policy::default();
            let phone = policy.kinds.get_mut(Identity::PHONE).expect("it is a usual kind");
            phone.calling_code = Some(code.to_owned());
            policy.faults().into_iter().map(|fault| fault.code).collect::<Vec<_>>()
        };
        for code in ["0", "049", "", "1234", "+1"] {
            assert_eq!(told(code), ["invalid-code"], "{code}");
        }
        for code in ["1", "49", "852"] {
            assert_eq!(told(code), [""; 0], "{code}");
        }
    }

    #[test]
    fn findings14_f3_a_refusal_says_what_happened() {
        let policy = Policy::default();
        let claim = Claim {
            position: 1,
            subject: Identity::new("user_id", "7"),
            identity: Identity::new("email", "ann@example.com"),
            authority: Authority::Server,
        };
        let kinds = [("user_id".to_owned(), 1), ("email".to_owned(), 1)];
        let (mine, theirs) = (Side { kinds: &kinds[..1] }, Side { kinds: &kinds });
        let refusal = policy.judge(&claim, &mine, &theirs).unwrap_err();
        let why = policy.why(refusal, &claim, &mine, &theirs);
        assert_eq!(
            why,
            "It belongs to another customer, and is not joined: it has another `user_id`, and a customer has at most 1."
        );
        for refusal in [Refusal::Blocked, Refusal::Format, Refusal::Limit, Refusal::Authority] {
            let why = policy.why(refusal, &claim, &mine, &mine);
            assert!(why.ends_with('.') && !why.contains("ann@"), "{why}");
        }
    }
}
