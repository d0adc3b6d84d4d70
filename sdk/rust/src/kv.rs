//! The plugin's own small state: entries by key, one space an installation.
//!
//! A key has 1 to 255 bytes, a value at most 64 KiB; an installation keeps 50,000 entries and 32 MiB. Each write is in force when it
//! returns, whatever becomes of the call. Name the customer whose data an entry is: then erasing the customer erases it.

use crate::bindings::io::openhub::kv::kv;
use crate::reason::Failure;

pub use crate::bindings::io::openhub::kv::kv::{Entry, Item, Page, Write};

/// An entry to be written, which stays until it is deleted.
pub fn entry(key: impl Into<String>, value: impl Into<Vec<u8>>) -> Write {
    Write { key: key.into(), value: value.into(), customer: None, ttl_seconds: 0 }
}

impl Write {
    /// Names whose data it is, by the id that the hub gave.
    #[must_use]
    pub fn of(mut self, customer: impl Into<String>) -> Write {
        self.customer = Some(customer.into());
        self
    }

    /// It is gone after so many seconds, at least one.
    #[must_use]
    pub fn for_seconds(mut self, seconds: u32) -> Write {
        self.ttl_seconds = seconds.max(1);
        self
    }

    /// Writes it, and answers its version.
    pub fn set(self) -> Result<u64, Failure> {
        kv::set(&self)
    }

    /// Writes it only if the stored version is `expected` (0: only if there is none). None: it has another.
    pub fn set_if(self, expected: u64) -> Result<Option<u64>, Failure> {
        kv::compare_and_set(&self, expected)
    }
}

impl Entry {
    /// The value, if it is text.
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(&self.value).ok()
    }
}

pub fn get(key: &str) -> Result<Option<Entry>, Failure> {
    kv::get(key)
}

/// What is not there is deleted, too.
pub fn delete(key: &str) -> Result<(), Failure> {
    kv::delete(key)
}

/// The entries whose keys begin with `prefix`, by key, behind `after`: at most `limit` of them, 1 to 100, and fewer of large ones.
/// [`Page::next`] goes on.
pub fn scan(prefix: &str, after: Option<&str>, limit: u32) -> Result<Page, Failure> {
    kv::scan(prefix, after, limit)
}
