//! How much memory what is read for one purpose may take: rows are counted as they come, and a reader that would take more than there
//! is room for stops there.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures::{Stream, TryStreamExt};

use crate::error::StoreError;

/// Bytes of memory that may still be taken by what is read. Several reads share it.
#[derive(Debug)]
pub struct Room(AtomicUsize);

impl Room {
    pub fn of(bytes: usize) -> Room {
        Room(AtomicUsize::new(bytes))
    }

    pub fn endless() -> Room {
        Room::of(usize::MAX)
    }

    fn take(&self, bytes: usize) -> Result<(), StoreError> {
        let taken = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes));
        taken.map(drop).map_err(|_| StoreError::TooMuch)
    }
}

/// A row whose texts may be of any length.
pub(crate) trait Texts {
    /// What it takes once its texts of JSON are values: see `limits::weight`.
    fn weight(&self) -> usize;
}

/// All rows, if there is room for them.
pub(crate) async fn gather<R: Texts>(
    rows: impl Stream<Item = Result<R, sqlx::Error>>,
    room: &Room,
) -> Result<Result<Vec<R>, StoreError>, sqlx::Error> {
    let mut rows = std::pin::pin!(rows);
    let mut gathered = Vec::new();
    while let Some(row) = rows.try_next().await? {
        if let Err(error) = room.take(row.weight()) {
            return Ok(Err(error));
        }
        gathered.push(row);
    }
    Ok(Ok(gathered))
}
