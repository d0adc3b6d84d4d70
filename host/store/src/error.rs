//! What can go wrong in the store, named for what happened.

use std::fmt;

/// An object by its type and key.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectKey {
    pub kind: String,
    pub key: String,
}

impl ObjectKey {
    pub fn new(kind: impl Into<String>, key: impl Into<String>) -> ObjectKey {
        ObjectKey { kind: kind.into(), key: key.into() }
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.key)
    }
}

/// An object that could not be written, since another one has what it would have.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Clash {
    pub object: ObjectKey,
    /// The unique field and its value; none for the object's own key.
    pub value: Option<(String, String)>,
}

/// A field of one object leads to another.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Leads {
    pub from: ObjectKey,
    pub field: String,
    pub to: ObjectKey,
}

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database was written by a newer version of the hub.
    #[error(
        "the database has schema version {found}, but this binary knows only versions up to {known}: use a newer binary"
    )]
    Newer { found: i64, known: i64 },
    /// The database was written by an older version of the hub, and is only looked at.
    #[error("the database has an older schema than this binary: start `openhub serve`, which updates it")]
    Older,
    /// There is nothing to look at.
    #[error(
        "{0}: if your hub has one elsewhere, name it with `--data DIR` or `--database URL`; for a new hub, `openhub serve` or `openhub tenant create` creates it"
    )]
    Absent(String),
    /// The database could not be opened or reached at start.
    #[error("the database cannot be reached: {reason}")]
    Unreachable { reason: String },
    /// Policies keep tenants apart in the database, and this role is above them.
    #[error(
        "the role {role} is a superuser or bypasses row-level security, so the database would not keep tenants apart: give the hub its \
         own role, made with `CREATE ROLE openhub LOGIN NOSUPERUSER NOBYPASSRLS`, that owns its database"
    )]
    AbovePolicies { role: String },
    /// The connection was lost before the COMMIT, or the store is closing: nothing was written. Try again.
    #[error("the database is not available at the moment")]
    Unavailable,
    /// The database did not answer, or not in time: it may have been written, or may still be.
    #[error("the database did not say whether this was written")]
    Unknown,
    /// Another node holds the partition now; nothing was written.
    #[error("another node took over the partition's lease")]
    FenceLost,
    /// The partition is not where this commit starts from: an earlier one, whose answer was lost, was made after all. Nothing
    /// was written; what is to be done next stands in the partition's row, see [`crate::Store::held_lease`].
    #[error("a commit that this node does not know of moved the partition")]
    Moved,
    /// These incoming objects have a key or a unique value that exists already; nothing was written.
    #[error("{} objects have a key or a unique value that already exists", .0.len())]
    UniqueConflict(Vec<Clash>),
    /// These objects are not at the version before the one that was to be written; nothing was written.
    #[error("someone else has changed {} of these objects in the meantime", .0.len())]
    VersionConflict(Vec<ObjectKey>),
    /// The declared type of these objects was changed meanwhile; nothing was written.
    #[error("the object type `{0}` has been changed in the meantime")]
    OtherType(String),
    /// Objects of this type are on their way to its next version; nothing was written.
    #[error("objects of the type `{0}` are being migrated")]
    Migrating(String),
    /// These objects would lead to others that are not there; nothing was written.
    #[error("{} relations lead to objects that do not exist", .0.len())]
    LeadsNowhere(Vec<Leads>),
    /// These objects lead to others that would be deleted; nothing was written.
    #[error("objects lead to others that were to be deleted")]
    LedTo(Vec<Leads>),
    /// Who asks works without personal data, and there is nothing else to be read.
    #[error("this shows personal data, which who asks does not see")]
    Masked,
    /// All of a transaction would have succeeded; it was undone because that was asked for.
    #[error("the transaction was undone on request")]
    Undone,
    /// Another try of the same call has come before; nothing was written.
    #[error("another try of the same call has come before")]
    Overtaken,
    /// What was to be read takes more memory than there is room for.
    #[error("the rows to read take too much memory at once")]
    TooMuch,
    #[error("the row does not exist")]
    NotFound,
    #[error("`{0}` already exists")]
    AlreadyExists(String),
    /// A row holds what this version cannot have written.
    #[error("the database holds a value that cannot be read: {0}")]
    Corrupt(String),
    #[error("the database refused a statement")]
    Database(#[source] sqlx::Error),
}

impl StoreError {
    /// Whether the connection is lost, so that nothing more can be done on it.
    pub(crate) fn is_fatal(&self) -> bool {
        matches!(self, StoreError::Database(error) if connection_lost(error))
            || matches!(self, StoreError::Unavailable | StoreError::Unknown)
    }

    /// Whether the database refuses this statement, or holds what cannot be read, and would do so again: what was written is at
    /// fault, and not the database. Full disks, locks and the like are none of it.
    pub fn is_refusal(&self) -> bool {
        match self {
            StoreError::Corrupt(_) => true,
            StoreError::Database(sqlx::Error::Database(error)) => error.code().is_some_and(|code| is_refused(&code)),
            StoreError::Database(
                sqlx::Error::Encode(_)
                | sqlx::Error::Decode(_)
                | sqlx::Error::ColumnDecode { .. }
                | sqlx::Error::TypeNotFound { .. },
            ) => true,
            _ => false,
        }
    }

    /// What it is, and what the database said.
    pub fn detail(&self) -> String {
        match self {
            StoreError::Database(source) => format!("{self}: {source}"),
            _ => self.to_string(),
        }
    }

    /// Whether the disk has no room for what is to be written, or does not take it (SQLite: 13, full; 10, an error of the
    /// disk; PostgreSQL: 53100 and 58030).
    pub fn is_want_of_room(&self) -> bool {
        let StoreError::Database(sqlx::Error::Database(error)) = self else { return false };
        error.code().is_some_and(|code| match code.parse::<u32>() {
            Ok(number) if code.len() < 5 => matches!(number & 0xff, 10 | 13),
            _ => code == "53100" || code == "58030",
        })
    }

    /// Whether a statement ran into its bound of time (SQLite: 9, interrupted; PostgreSQL: 57014, query canceled).
    pub fn is_cut_off(&self) -> bool {
        let StoreError::Database(sqlx::Error::Database(error)) = self else { return false };
        error.code().is_some_and(|code| code == "9" || code == "57014")
    }
}

/// PostgreSQL: a value (22), a constraint (23), a statement (42) or a limit of the program (54). SQLite, of whose codes the last
/// byte is the kind: an error of the statement (1), too big (18), a constraint (19), a mismatch (20), a range (25).
fn is_refused(code: &str) -> bool {
    match code.parse::<u32>() {
        Ok(number) if code.len() < 5 => matches!(number & 0xff, 1 | 18 | 19 | 20 | 25),
        _ => ["22", "23", "42", "54"].iter().any(|class| code.starts_with(class)),
    }
}

fn connection_lost(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed | sqlx::Error::PoolClosed => true,
        // Class 57: the server is shutting down or terminated this connection. 08: connection exceptions.
        sqlx::Error::Database(error) => {
            error.code().is_some_and(|code| code.len() == 5 && (code.starts_with("57P") || code.starts_with("08")))
        }
        _ => false,
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> StoreError {
        match &error {
            sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed | sqlx::Error::Io(_) => {
                tracing::warn!(error = %error, "the database is not available");
                StoreError::Unavailable
            }
            _ if connection_lost(&error) => StoreError::Unavailable,
            _ => StoreError::Database(error),
        }
    }
}
