//! Privacy: what the plugin keeps of customers outside of the hub, handed out and erased when the hub asks.
//!
//! What it keeps in [`crate::kv`] and names its customer is the hub's to hand out and to erase. By the time that the plugin is asked to
//! erase, the hub has done so: look for somebody at the provider by what [`Person`] says.

use serde_json::Value;

use crate::bindings::privacy::exports::openhub::privacy::privacy as raw;
use crate::reason::Failure;

pub use raw::{Erased, Guest, Page as RawPage, Person};

/// What a plugin that keeps something of customers answers. `#[privacy(identities = ["email"])]` stands above its `impl` and declares
/// by which kinds of identities the plugin is told who it is.
pub trait Privacy {
    /// The same `request` comes until it is [`Erased::Done`] or [`Erased::Nothing`], also after a call that had its effect: what is
    /// erased already is done.
    fn erase(request: &str, who: &Person) -> Result<Erased, Failure>;

    /// A page of what is kept, behind `after`. The same `request` comes for all pages of one answer.
    fn export(request: &str, who: &Person, after: Option<&str>) -> Result<Exported, Failure>;
}

/// A page of what is kept of a customer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Exported {
    items: Vec<Value>,
    next: Option<String>,
}

impl Exported {
    /// Nothing is kept.
    pub fn nothing() -> Exported {
        Exported::default()
    }

    /// At most 1,000 items, and 4 MiB of them.
    pub fn items(items: Vec<Value>) -> Exported {
        Exported { items, next: None }
    }

    /// There is more behind.
    #[must_use]
    pub fn next(mut self, next: impl Into<String>) -> Exported {
        self.next = Some(next.into());
        self
    }
}

impl Person {
    /// Their identities of one kind.
    pub fn all<'p>(&'p self, kind: &'p str) -> impl Iterator<Item = &'p str> {
        self.identities.iter().filter(move |identity| identity.kind == kind).map(|identity| identity.value.as_str())
    }
}

/// A page as it crosses the boundary, for generated code.
pub fn export<P: Privacy>(request: &str, who: &Person, after: Option<&str>) -> Result<RawPage, Failure> {
    let Exported { items, next } = P::export(request, who, after)?;
    Ok(RawPage { items: items.iter().map(Value::to_string).collect(), next })
}
