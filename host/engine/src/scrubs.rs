//! When free pages of the database file are overwritten, after somebody was erased.

use std::time::{Duration, Instant};

/// A file that is written anew faster than this is so after each erasure, before anyone who waits is answered.
const QUICK: Duration = Duration::from_millis(300);
/// Others wait as long as a scrub lasts: of a large file, it has one part of so many of the time.
const SHARE: u32 = 20;

/// When the free pages are overwritten: many erasures in a row of a large file share a scrub.
#[derive(Default)]
pub struct Scrubs {
    asked: bool,
    /// Not before.
    next: Option<Instant>,
}

impl Scrubs {
    pub fn ask(&mut self) {
        self.asked = true;
    }

    pub fn is_asked(&self) -> bool {
        self.asked
    }

    pub fn is_due(&self) -> bool {
        self.asked && self.next.is_none_or(|next| next <= Instant::now())
    }

    pub fn done(&mut self, began: Instant) {
        let took = began.elapsed();
        self.asked = false;
        self.next = (took > QUICK).then(|| Instant::now() + took * SHARE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scrub_that_lasted_is_not_due_again_at_once() {
        let mut scrubs = Scrubs::default();
        assert!(!scrubs.is_due(), "nobody has asked");
        scrubs.ask();
        assert!(scrubs.is_due());
        let now = Instant::now();
        scrubs.done(now.checked_sub(2 * QUICK).unwrap_or(now));
        scrubs.ask();
        assert!(!scrubs.is_due(), "it is other writers' turn");
        scrubs.next = Some(now);
        assert!(scrubs.is_due(), "it is asked for and its time has come");
        scrubs.done(Instant::now());
        assert!(!scrubs.is_due(), "it is done");
    }
}
