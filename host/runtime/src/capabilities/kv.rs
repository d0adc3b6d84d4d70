//! `openhub:kv/kv`: a plugin's own small state. I/O lane only.
//!
//! Here are the bounds of a key, a value and a call. How much an installation may keep is its keeper's to say.

use std::sync::Arc;

use openhub_model::limits;
use openhub_model::manifest::Manifest;
use wasmtime::component::Linker;

use crate::backing::{Declined, Entry, EntryWrite, KeyValues, Range, Scanned};
use crate::bindings::kv::kv::{self, Item, Page, Write};
use crate::bindings::types::types::Failure;
use crate::capabilities::taped::{Tapes, taped};
use crate::error::Refusal;
use crate::fault::{FaultKind, Raised};
use crate::host::Host;

/// Bytes of a key.
pub const KEY: usize = limits::NAME;
/// Bytes of a value.
pub const VALUE: usize = 64 * 1024;
/// Bytes that one call may write.
const WRITTEN: usize = 4 << 20;
/// Entries of a page, and their bytes.
const PAGE: u32 = 100;
const PAGE_BYTES: usize = 1 << 20;
/// The greatest character. No key has it, so that it stands behind each key of a prefix.
const LAST: char = '\u{10ffff}';

pub fn link(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    kv::add_to_linker::<Host, Tapes>(linker, taped)
}

/// Every plugin of the I/O lane may have it.
pub fn check(_: &Manifest) -> Result<(), Refusal> {
    Ok(())
}

impl Host {
    fn kept(&mut self) -> wasmtime::Result<Arc<dyn KeyValues>> {
        let kept = self.io()?.kv.clone();
        kept.ok_or_else(|| Raised::error(FaultKind::Refused, "nothing is kept for this plugin here"))
    }

    async fn put(&mut self, write: Write, expected: Option<u64>) -> wasmtime::Result<Result<Option<u64>, Failure>> {
        let Write { key, value, customer, ttl_seconds } = write;
        let bytes = key.len() + value.len() + customer.as_ref().map_or(0, String::len);
        self.meter.host_call(bytes)?;
        let kept = self.kept()?;
        if let Err(declined) = is_key(&key).and_then(|()| is_value(&value)) {
            return Ok(Err(declined.into()));
        }
        let io = self.io()?;
        if io.written + bytes > WRITTEN {
            let message = format!("the plugin wrote too much of its own state: at most {WRITTEN} bytes a call");
            return Err(Raised::error(FaultKind::Fuel, message));
        }
        io.written += bytes;
        let ttl_seconds = (ttl_seconds > 0).then_some(ttl_seconds);
        Ok(kept.set(EntryWrite { key, value, customer, ttl_seconds }, expected).await.map_err(Failure::from))
    }
}

fn is_key(key: &str) -> Result<(), Declined> {
    if !(1..=KEY).contains(&key.len()) || key.contains(['\0', LAST]) {
        let message = format!("a key has 1 to {KEY} bytes, without U+0000 and U+10FFFF");
        return Err(Declined::never("invalid-key", message));
    }
    Ok(())
}

fn is_value(value: &[u8]) -> Result<(), Declined> {
    if value.len() > VALUE {
        let message = format!("the value has {} bytes: at most {VALUE}", value.len());
        return Err(Declined::never("too-long", message));
    }
    Ok(())
}

fn size(entry: &Entry) -> usize {
    entry.key.len() + entry.value.len()
}

/// As many as a page takes, and at least one.
fn page(scanned: Scanned) -> Page {
    let Scanned { entries, more } = scanned;
    let count = entries.len();
    let mut bytes = 0;
    let fit = entries.iter().take_while(|entry| {
        let is_first = bytes == 0;
        bytes += size(entry);
        is_first || bytes <= PAGE_BYTES
    });
    let fit = fit.count();
    let items = entries.into_iter().take(fit).map(|Entry { key, value, version }| Item { key, value, version });
    let items: Vec<Item> = items.collect();
    let next = items.last().filter(|_| more || fit < count).map(|item| item.key.clone());
    Page { items, next }
}

impl kv::Host for Host {
    async fn get(&mut self, key: String) -> wasmtime::Result<Result<Option<kv::Entry>, Failure>> {
        self.meter.host_call(key.len())?;
        let kept = self.kept()?;
        if let Err(declined) = is_key(&key) {
            return Ok(Err(declined.into()));
        }
        match kept.get(key).await {
            Ok(entry) => {
                self.meter.work(entry.as_ref().map_or(0, size))?;
                Ok(Ok(entry.map(|Entry { value, version, .. }| kv::Entry { value, version })))
            }
            Err(declined) => Ok(Err(declined.into())),
        }
    }

    async fn set(&mut self, write: Write) -> wasmtime::Result<Result<u64, Failure>> {
        let put = self.put(write, None).await?;
        // Nothing was expected, so nothing stands in the way.
        Ok(put.map(Option::unwrap_or_default))
    }

    async fn compare_and_set(&mut self, write: Write, expected: u64) -> wasmtime::Result<Result<Option<u64>, Failure>> {
        self.put(write, Some(expected)).await
    }

    async fn delete(&mut self, key: String) -> wasmtime::Result<Result<(), Failure>> {
        self.meter.host_call(key.len())?;
        let kept = self.kept()?;
        if let Err(declined) = is_key(&key) {
            return Ok(Err(declined.into()));
        }
        Ok(kept.delete(key).await.map_err(Failure::from))
    }

    async fn scan(
        &mut self,
        prefix: String,
        after: Option<String>,
        limit: u32,
    ) -> wasmtime::Result<Result<Page, Failure>> {
        self.meter.host_call(prefix.len() + after.as_ref().map_or(0, String::len))?;
        let kept = self.kept()?;
        let good = if prefix.is_empty() { Ok(()) } else { is_key(&prefix) };
        let good = good.and_then(|()| after.as_deref().map_or(Ok(()), is_key));
        let good = good.and_then(|()| match limit {
            1..=PAGE => Ok(()),
            _ => Err(Declined::never("out-of-range", format!("a page has 1 to {PAGE} entries"))),
        });
        if let Err(declined) = good {
            return Ok(Err(declined.into()));
        }
        match kept.scan(Range { prefix, after, limit: limit as usize }).await {
            Ok(scanned) => {
                let page = page(scanned);
                self.meter.work(page.items.iter().map(|item| item.key.len() + item.value.len()).sum())?;
                Ok(Ok(page))
            }
            Err(declined) => Ok(Err(declined.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(key: &str, bytes: usize) -> Entry {
        Entry { key: key.to_owned(), value: vec![0; bytes], version: 1 }
    }

    #[test]
    fn a_page_of_large_values_is_short_and_says_where_it_goes_on() {
        let of = |entries: Vec<Entry>, more| page(Scanned { entries, more });
        let small = of(vec![entry("a", 1), entry("b", 1)], false);
        assert_eq!((small.items.len(), small.next), (2, None));
        let cut = of(vec![entry("a", 1), entry("b", 1)], true);
        assert_eq!((cut.items.len(), cut.next.as_deref()), (2, Some("b")));
        let large = of(vec![entry("a", PAGE_BYTES - 9), entry("b", 9), entry("c", 1)], false);
        assert_eq!((large.items.len(), large.next.as_deref()), (1, Some("a")));
        assert_eq!(of(vec![entry("a", 2 * PAGE_BYTES)], false).items.len(), 1, "or nobody could go on");
        assert_eq!(of(Vec::new(), false).next, None);
    }

    #[test]
    fn keys_and_values_have_bounds() {
        assert!(is_key("orders/1").is_ok() && is_key(&"x".repeat(KEY)).is_ok());
        for key in ["", "a\0b", "a\u{10ffff}", &"x".repeat(KEY + 1)] {
            assert!(is_key(key).is_err(), "{key:?}");
        }
        assert!(is_value(&[0; VALUE]).is_ok() && is_value(&[0; VALUE + 1]).is_err());
    }
}
