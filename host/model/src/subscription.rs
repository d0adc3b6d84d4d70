//! Subscriptions: a partner's contract for a version of an offering, and the work that makes it so.
//!
//! Two axes, and no more. The contract says what is agreed; an operation says how far the hub is in making it so. Neither knows the other's
//! states: a contract is active while its provisioning runs, and stays active when that fails.

use serde::{Deserialize, Serialize};
use std::fmt;

use crate::id::Id;

/// How a contract stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(i64)]
pub enum Contract {
    /// The provider has yet to say yes or no.
    Requested = 0,
    Active = 1,
    /// One of the two ended it.
    Ended = 2,
    /// The provider said no.
    Declined = 3,
    /// Nobody said anything for too long.
    Expired = 4,
    /// The partner took its request back.
    Withdrawn = 5,
}

/// What may become of a contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Act {
    Approve,
    Decline,
    Expire,
    Withdraw,
    End,
}

impl Act {
    pub const ALL: [Act; 5] = [Act::Approve, Act::Decline, Act::Expire, Act::Withdraw, Act::End];
}

impl Contract {
    pub const ALL: [Contract; 6] = [
        Contract::Requested,
        Contract::Active,
        Contract::Ended,
        Contract::Declined,
        Contract::Expired,
        Contract::Withdrawn,
    ];

    pub const fn code(self) -> i64 {
        self as i64
    }

    pub fn from_code(code: i64) -> Option<Contract> {
        Contract::ALL.into_iter().find(|state| state.code() == code)
    }

    /// What the act makes of it; none: it cannot be done now.
    pub const fn after(self, act: Act) -> Option<Contract> {
        match (self, act) {
            (Contract::Requested, Act::Approve) => Some(Contract::Active),
            (Contract::Requested, Act::Decline) => Some(Contract::Declined),
            (Contract::Requested, Act::Expire) => Some(Contract::Expired),
            (Contract::Requested, Act::Withdraw) => Some(Contract::Withdrawn),
            (Contract::Active, Act::End) => Some(Contract::Ended),
            _ => None,
        }
    }

    /// Whether nothing becomes of it any more.
    pub fn is_over(self) -> bool {
        Act::ALL.into_iter().all(|act| self.after(act).is_none())
    }

    pub const fn word(self) -> &'static str {
        match self {
            Contract::Requested => "requested",
            Contract::Active => "active",
            Contract::Ended => "ended",
            Contract::Declined => "declined",
            Contract::Expired => "expired",
            Contract::Withdrawn => "withdrawn",
        }
    }
}

impl fmt::Display for Contract {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What an operation is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// All items of the version are made.
    Provision,
    /// What another version says otherwise is changed, made or removed.
    Upgrade,
    /// All that was made is removed.
    Remove,
}

/// How far an operation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(i64)]
pub enum OperationState {
    Running = 0,
    Succeeded = 1,
    /// It stays as it is, with its reason, until somebody resumes it.
    Failed = 2,
}

/// What may become of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// Its last item is done.
    AllDone,
    /// An item cannot be done.
    CannotGoOn,
    /// Somebody asks for another try.
    Resume,
}

impl OperationState {
    pub const ALL: [OperationState; 3] = [OperationState::Running, OperationState::Succeeded, OperationState::Failed];

    pub const fn code(self) -> i64 {
        self as i64
    }

    pub fn from_code(code: i64) -> Option<OperationState> {
        OperationState::ALL.into_iter().find(|state| state.code() == code)
    }

    /// What the outcome makes of it; none: it cannot come about now.
    pub const fn after(self, outcome: Outcome) -> Option<OperationState> {
        match (self, outcome) {
            (OperationState::Running, Outcome::AllDone) => Some(OperationState::Succeeded),
            (OperationState::Running, Outcome::CannotGoOn) => Some(OperationState::Failed),
            (OperationState::Failed, Outcome::Resume) => Some(OperationState::Running),
            _ => None,
        }
    }
}

/// How a request to do something stands to what is known under its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is new: it begins (202).
    Begins,
    /// The same is under way (202).
    UnderWay,
    /// The same is done, or has failed (200).
    Settled,
    /// The key belongs to another request (409).
    OtherContent,
    /// Something else is under way (422).
    Busy,
}

/// A request that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    pub key: String,
    /// Of its content.
    pub digest: String,
    pub running: bool,
}

/// What to answer a request with this key and this content: `same` is what is known under the key, `running` whatever is under way.
pub fn answer(same: Option<&Known>, running: Option<&Known>, digest: &str) -> Answer {
    match (same, running) {
        (Some(known), _) if known.digest != digest => Answer::OtherContent,
        (Some(known), _) if known.running => Answer::UnderWay,
        (Some(_), _) => Answer::Settled,
        (None, Some(_)) => Answer::Busy,
        (None, None) => Answer::Begins,
    }
}

/// How far one item of an operation is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// As in the version: `journey/win-back`.
    pub item: String,
    pub state: ItemState,
    /// Why it is not done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ItemState {
    Waiting,
    Done,
    Failed,
}

/// The id of a subscription: the same whoever repeats the request.
pub fn id_of(tenant: i64, key: &str) -> Id {
    Id::named(&[b"subscription", &tenant.to_le_bytes(), key.as_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_becomes_of_a_contract() {
        use Contract::{Active, Declined, Ended, Expired, Requested, Withdrawn};
        #[rustfmt::skip]
        let table = [
            //          Approve       Decline         Expire         Withdraw         End
            (Requested, [Some(Active), Some(Declined), Some(Expired), Some(Withdrawn), None]),
            (Active,    [None,         None,           None,          None,            Some(Ended)]),
            (Ended,     [None,         None,           None,          None,            None]),
            (Declined,  [None,         None,           None,          None,            None]),
            (Expired,   [None,         None,           None,          None,            None]),
            (Withdrawn, [None,         None,           None,          None,            None]),
        ];
        assert_eq!(table.map(|(state, _)| state), Contract::ALL);
        for (state, row) in table {
            assert_eq!(Act::ALL.map(|act| state.after(act)), row, "{state:?}");
            assert_eq!(state.is_over(), row.iter().all(Option::is_none), "{state:?}");
            assert_eq!(Contract::from_code(state.code()), Some(state));
        }
    }

    #[test]
    fn what_becomes_of_an_operation() {
        use OperationState::{Failed, Running, Succeeded};
        use Outcome::{AllDone, CannotGoOn, Resume};
        let table = [
            (Running, [Some(Succeeded), Some(Failed), None]),
            (Succeeded, [None, None, None]),
            (Failed, [None, None, Some(Running)]),
        ];
        assert_eq!(table.map(|(state, _)| state), OperationState::ALL);
        for (state, row) in table {
            assert_eq!([AllDone, CannotGoOn, Resume].map(|outcome| state.after(outcome)), row, "{state:?}");
            assert_eq!(OperationState::from_code(state.code()), Some(state));
        }
    }

    #[test]
    fn a_request_is_answered_by_what_is_known_under_its_key() {
        let known = |key: &str, running| Known { key: key.to_owned(), digest: "d".to_owned(), running };
        let (running, done, other) = (known("k", true), known("k", false), known("other", true));
        for (same, under_way, digest, expected) in [
            (None, None, "d", Answer::Begins),
            (Some(&running), Some(&running), "d", Answer::UnderWay),
            (Some(&done), None, "d", Answer::Settled),
            (Some(&done), Some(&other), "d", Answer::Settled),
            (Some(&running), Some(&running), "e", Answer::OtherContent),
            (Some(&done), None, "e", Answer::OtherContent),
            (None, Some(&other), "d", Answer::Busy),
        ] {
            assert_eq!(answer(same, under_way, digest), expected, "{same:?} {under_way:?} {digest}");
        }
    }
}
