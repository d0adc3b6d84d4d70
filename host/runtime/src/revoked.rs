//! What the operator lets in no more. The list may change while the hub runs: who holds something that was let in asks whether the list
//! is still the one that it was let in by.

use std::collections::BTreeSet;
use std::sync::{PoisonError, RwLock};

/// Public keys of publishers, and digests of components, in lower case, and how often they have changed.
#[derive(Debug)]
pub(crate) struct Revoked(RwLock<(u64, BTreeSet<String>)>);

impl Revoked {
    pub(crate) fn new(names: &[String]) -> Revoked {
        Revoked(RwLock::new((0, lower(names))))
    }

    /// Takes the place of what was revoked before. Whether anything is different.
    pub(crate) fn put(&self, names: &[String]) -> bool {
        let names = lower(names);
        let mut held = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let is_new = held.1 != names;
        if is_new {
            *held = (held.0 + 1, names);
        }
        is_new
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        let held = self.0.read().unwrap_or_else(PoisonError::into_inner);
        held.1.contains(&name.to_ascii_lowercase())
    }

    /// Another number with each change.
    pub(crate) fn generation(&self) -> u64 {
        self.0.read().unwrap_or_else(PoisonError::into_inner).0
    }
}

fn lower(names: &[String]) -> BTreeSet<String> {
    names.iter().map(|name| name.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_told_and_the_same_list_is_none() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let revoked = Revoked::new(&names(&["AB"]));
        assert!(revoked.has("ab") && revoked.has("aB") && !revoked.has("cd"));
        assert!(!revoked.put(&names(&["ab", "AB"])));
        assert_eq!(revoked.generation(), 0);
        assert!(revoked.put(&names(&["cd"])));
        assert_eq!((revoked.generation(), revoked.has("ab"), revoked.has("CD")), (1, false, true));
    }
}
