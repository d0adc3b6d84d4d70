//! Shares: what one tenant lets another have of its customers, as both have agreed.
//!
//! The weakest kind is the default: the recipient sees counts. What leads to persons, even by pseudonym, goes down the tree and never up.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;

use crate::fault::Fault;
use crate::offering::digest;

/// Counts below this are not told: a small one may be somebody.
pub const FEWEST: i64 = 20;
/// Names in one list of a share.
const NAMES: usize = 50;
/// Begins the half of a consent that names the recipient: `win-back/to:dealer-2`.
const TO: &str = "to:";

/// What the recipient has of it, from the weakest on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ShareKind {
    /// The giver's segments and journeys act; the recipient sees counts.
    #[default]
    Action,
    /// Who is in the segments, under names that no other recipient has.
    Pseudonyms,
    /// Besides, some of their attributes, under a consent that names recipient and purpose.
    Fields,
}

/// What is agreed on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Terms {
    #[serde(default)]
    pub kind: ShareKind,
    /// The giver's segments.
    #[serde(default)]
    pub segments: Vec<String>,
    /// The giver's journeys, of which counts are told.
    #[serde(default)]
    pub journeys: Vec<String>,
    /// For what the recipient uses it: the first half of the consent that it needs. None of counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
    /// The attributes that the recipient reads.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<String>,
}

impl Terms {
    /// Names this content: who agreed to it agreed to nothing else.
    pub fn digest(&self) -> String {
        digest(self)
    }

    /// Whether it leads to persons, by whatever name.
    pub fn leads_to_people(&self) -> bool {
        self.kind > ShareKind::Action
    }

    /// The consent that names the recipient and the purpose.
    pub fn consent(&self, recipient: &str) -> Option<String> {
        self.purpose.as_ref().map(|purpose| format!("{purpose}/{}", second_half(recipient)))
    }

    /// All that is wrong with them.
    pub fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        for (pointer, names) in
            [("/segments", &self.segments), ("/journeys", &self.journeys), ("/fields", &self.fields)]
        {
            if names.len() > NAMES {
                faults.push(Fault::new(pointer, "too-many", format!("There are at most {NAMES}.")));
            }
            let mut known = BTreeSet::new();
            for (at, name) in names.iter().enumerate() {
                if name.is_empty() || name.len() > 255 || !known.insert(name) {
                    let message = "Each is named once, by 1 to 255 bytes.";
                    faults.push(Fault::new(format!("{pointer}/{at}"), "invalid-name", message));
                }
            }
        }
        if self.segments.is_empty() && (self.journeys.is_empty() || self.leads_to_people()) {
            faults.push(Fault::new("/segments", "required", "Name what is shared: at least one segment."));
        }
        if self.leads_to_people() != self.purpose.is_some() {
            let message = match self.leads_to_people() {
                true => "Say for what the recipient uses it: the consent to that is asked of each customer.",
                false => "Counts need no purpose: leave it out.",
            };
            faults.push(Fault::new("/purpose", "wrong-purpose", message));
        }
        let is_purpose = |purpose: &String| (1..=64).contains(&purpose.len()) && !purpose.contains('/');
        if self.purpose.as_ref().is_some_and(|purpose| !is_purpose(purpose)) {
            faults.push(Fault::new("/purpose", "invalid-name", "A purpose has 1 to 64 bytes, and no `/`."));
        }
        if (self.kind == ShareKind::Fields) == self.fields.is_empty() {
            let message = match self.kind {
                ShareKind::Fields => "Name the attributes that the recipient reads.",
                _ => "Only a share of the kind `fields` has fields: leave them out.",
            };
            faults.push(Fault::new("/fields", "wrong-fields", message));
        }
        if self.leads_to_people() && !self.journeys.is_empty() {
            let message = "Counts of journeys are a share of the kind `action`: propose another one.";
            faults.push(Fault::new("/journeys", "not-shared", message));
        }
        faults
    }
}

/// The half of a consent that names a recipient.
pub fn second_half(recipient: &str) -> String {
    format!("{TO}{recipient}")
}

/// How a share stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(i64)]
pub enum ShareState {
    /// The other one has yet to say yes or no.
    Proposed = 0,
    Active = 1,
    /// The other one said no.
    Declined = 2,
    /// One of the two took it back: nothing flows any more.
    Withdrawn = 3,
    /// Both agreed to a later version.
    Replaced = 4,
}

/// What may become of a share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ShareAct {
    Agree,
    Decline,
    Withdraw,
    Replace,
}

/// Who does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Party {
    Proposer,
    /// Who was asked.
    Other,
}

impl ShareState {
    pub const ALL: [ShareState; 5] =
        [ShareState::Proposed, ShareState::Active, ShareState::Declined, ShareState::Withdrawn, ShareState::Replaced];

    pub const fn code(self) -> i64 {
        self as i64
    }

    pub fn from_code(code: i64) -> Option<ShareState> {
        ShareState::ALL.into_iter().find(|state| state.code() == code)
    }

    /// What the act makes of it; none: it cannot be done now, or not by who does it.
    pub const fn after(self, act: ShareAct, by: Party) -> Option<ShareState> {
        match (self, act, by) {
            (ShareState::Proposed, ShareAct::Agree, Party::Other) => Some(ShareState::Active),
            (ShareState::Proposed, ShareAct::Decline, Party::Other) => Some(ShareState::Declined),
            (ShareState::Proposed, ShareAct::Withdraw, Party::Proposer)
            | (ShareState::Active, ShareAct::Withdraw, _) => Some(ShareState::Withdrawn),
            (ShareState::Active, ShareAct::Replace, _) => Some(ShareState::Replaced),
            _ => None,
        }
    }

    pub const fn word(self) -> &'static str {
        match self {
            ShareState::Proposed => "proposed",
            ShareState::Active => "active",
            ShareState::Declined => "declined",
            ShareState::Withdrawn => "withdrawn",
            ShareState::Replaced => "replaced",
        }
    }
}

impl fmt::Display for ShareState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_moves_as_the_table_says_and_no_other_way() {
        use Party::{Other, Proposer};
        use ShareAct::{Agree, Decline, Replace, Withdraw};
        use ShareState::{Active, Declined, Proposed, Replaced, Withdrawn};
        let moves = [
            (Proposed, Agree, Other, Active),
            (Proposed, Decline, Other, Declined),
            (Proposed, Withdraw, Proposer, Withdrawn),
            (Active, Withdraw, Proposer, Withdrawn),
            (Active, Withdraw, Other, Withdrawn),
            (Active, Replace, Proposer, Replaced),
            (Active, Replace, Other, Replaced),
        ];
        for from in ShareState::ALL {
            assert_eq!(ShareState::from_code(from.code()), Some(from));
            for act in [Agree, Decline, Withdraw, Replace] {
                for by in [Proposer, Other] {
                    let found = moves.iter().find(|(state, is, who, _)| (*state, *is, *who) == (from, act, by));
                    assert_eq!(from.after(act, by), found.map(|(.., to)| *to), "{from} {act:?} {by:?}");
                }
            }
        }
    }

    fn told(terms: &Terms) -> Vec<String> {
        terms.faults().into_iter().map(|fault| format!("{} {}", fault.pointer, fault.code)).collect()
    }

    #[test]
    fn the_weakest_kind_is_the_default_and_what_leads_to_people_has_a_purpose() {
        let segments = vec!["lapsed".to_owned()];
        let weakest: Terms = serde_json::from_value(serde_json::json!({"segments": ["lapsed"]})).unwrap();
        assert_eq!((weakest.kind, told(&weakest)), (ShareKind::Action, Vec::new()));
        assert_eq!(weakest.consent("dealer"), None);
        let purpose = Some("win-back".to_owned());
        let pseudonyms = Terms { kind: ShareKind::Pseudonyms, segments: segments.clone(), purpose, ..Terms::default() };
        assert_eq!(
            (told(&pseudonyms), pseudonyms.consent("dealer")),
            (Vec::new(), Some("win-back/to:dealer".to_owned()))
        );
        let fields = Terms { kind: ShareKind::Fields, fields: vec!["tier".to_owned()], ..pseudonyms.clone() };
        assert_eq!(told(&fields), Vec::<String>::new());
        assert_eq!(told(&Terms { purpose: None, ..pseudonyms.clone() }), ["/purpose wrong-purpose"]);
        assert_eq!(told(&Terms { purpose: Some("a/b".to_owned()), ..pseudonyms.clone() }), ["/purpose invalid-name"]);
        assert_eq!(told(&Terms { fields: Vec::new(), ..fields.clone() }), ["/fields wrong-fields"]);
        assert_eq!(told(&Terms { kind: ShareKind::Pseudonyms, ..fields }), ["/fields wrong-fields"]);
        assert_eq!(told(&Terms { journeys: vec!["j".to_owned()], ..pseudonyms }), ["/journeys not-shared"]);
        assert_eq!(told(&Terms::default()), ["/segments required"]);
        let twice = Terms { segments: [segments.clone(), segments].concat(), ..Terms::default() };
        assert_eq!(told(&twice), ["/segments/1 invalid-name"]);
    }
}
