//! What stands out of a catalog, and why. Everything else is in force all the same.

use std::fmt;

use openhub_store::Unreadable;

/// What kind of thing it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EntryKind {
    Plugin,
    Journey,
    Segment,
    Attribute,
    ObjectType,
    IdentityKinds,
    /// A change that was refused at its place in the log.
    Change,
}

impl EntryKind {
    pub const fn word(self) -> &'static str {
        match self {
            EntryKind::Plugin => "plugin",
            EntryKind::Journey => "journey",
            EntryKind::Segment => "segment",
            EntryKind::Attribute => "attribute",
            EntryKind::ObjectType => "object-type",
            EntryKind::IdentityKinds => "identity-kinds",
            EntryKind::Change => "change",
        }
    }
}

/// An entry that is not in force though it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryFault {
    pub kind: EntryKind,
    pub name: String,
    /// A plugin's version and digest, a journey's or a segment's number, a change's position.
    pub version: Option<String>,
    pub reason: String,
}

impl EntryFault {
    /// A change that does nothing at its position.
    pub(crate) fn refused(name: String, position: i64, reason: String) -> EntryFault {
        EntryFault { kind: EntryKind::Change, name, version: Some(at(position)), reason }
    }

    pub(super) fn is_of(&self, position: i64) -> bool {
        self.kind == EntryKind::Change && self.version.as_ref().is_some_and(|version| *version == at(position))
    }

    pub(super) fn unreadable(kind: EntryKind, row: Unreadable) -> EntryFault {
        let version = row.version.map(|version| version.to_string());
        EntryFault { kind, name: row.name, version, reason: row.fault }
    }
}

fn at(position: i64) -> String {
    format!("at position {position}")
}

impl fmt::Display for EntryFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} `{}`", self.kind.word(), self.name)?;
        if let Some(version) = &self.version {
            write!(f, " {version}")?;
        }
        write!(f, ": {}", self.reason)
    }
}
