//! Whether the database takes writes, as the node finds that says each second that it lives.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

#[derive(Debug, Default)]
pub struct Writes(Mutex<Option<Instant>>);

/// What is new about it.
#[derive(Debug, PartialEq, Eq)]
pub enum Change {
    None,
    Fails,
    Works,
}

impl Writes {
    pub fn note(&self, works: bool) -> Change {
        let mut since = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match (*since, works) {
            (None, false) => {
                *since = Some(Instant::now());
                Change::Fails
            }
            (Some(_), true) => {
                *since = None;
                Change::Works
            }
            _ => Change::None,
        }
    }

    /// For how long none has been taken.
    pub fn failing_for(&self) -> Duration {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).map_or(Duration::ZERO, |since| since.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_new_is_told_once() {
        let writes = Writes::default();
        let told = [true, false, false, true, true].map(|works| writes.note(works));
        assert_eq!(told, [Change::None, Change::Fails, Change::None, Change::Works, Change::None]);
        assert_eq!(writes.failing_for(), Duration::ZERO);
        writes.note(false);
        std::thread::sleep(Duration::from_millis(2));
        assert!(writes.failing_for() > Duration::ZERO);
    }
}
