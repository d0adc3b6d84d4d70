//! Whether the database had no room for what was to be written. What is small may fit in yet, as the renewal of a lease does: so
//! what else is written tells.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::error::StoreError;

/// For so long it is taken for full, unless something is written meanwhile: then it is for who writes to find out.
const BELIEVED: Duration = Duration::from_secs(30);

/// When something found no room last; none once a caller's write was done after that.
#[derive(Default)]
pub(crate) struct Full(Mutex<Option<Instant>>);

impl Full {
    pub(crate) fn note(&self, error: &StoreError) {
        if error.is_want_of_room() {
            self.found_none();
        }
    }

    pub(crate) fn found_none(&self) {
        self.set(Some(Instant::now()));
    }

    pub(crate) fn written(&self) {
        self.set(None);
    }

    pub(crate) fn is(&self, now: Instant) -> bool {
        let since = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        since.is_some_and(|since| now.saturating_duration_since(since) < BELIEVED)
    }

    fn set(&self, since: Option<Instant>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = since;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sqlx::Connection;

    #[tokio::test]
    async fn what_finds_no_room_is_remembered_until_something_is_written() {
        let mut conn = sqlx::SqliteConnection::connect("sqlite::memory:").await.unwrap();
        sqlx::query("CREATE TABLE t (x TEXT)").execute(&mut conn).await.unwrap();
        sqlx::query("PRAGMA max_page_count = 3").execute(&mut conn).await.unwrap();
        let error = sqlx::query("INSERT INTO t VALUES (hex(zeroblob(100000)))").execute(&mut conn).await.unwrap_err();
        let full = Full::default();
        full.note(&StoreError::Unavailable);
        assert!(!full.is(Instant::now()));
        full.note(&StoreError::Database(error));
        assert!(full.is(Instant::now()));
        assert!(!full.is(Instant::now() + BELIEVED), "a new write is to find out");
        full.written();
        assert!(!full.is(Instant::now()));
    }
}
