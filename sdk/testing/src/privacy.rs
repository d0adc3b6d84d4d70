//! Privacy: a test has the plugin hand out, and erase, what it keeps of a customer outside of the hub.

use serde_json::{Value, json};

use crate::hub::Hub;
use crate::source::Unanswered;

/// A customer about whom the plugin is asked.
pub struct PrivacyCase<'h> {
    hub: &'h Hub,
    request: String,
    customers: Vec<String>,
    identities: Vec<(String, String)>,
}

/// What became of what the plugin keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Erased {
    /// With what stands in the receipt.
    Done(String),
    /// The hub asks again after so many seconds.
    Later(u32),
    Nothing,
}

impl<'h> PrivacyCase<'h> {
    pub(crate) fn new(hub: &'h Hub) -> Self {
        let customers = vec!["customer-1".to_owned()];
        PrivacyCase { hub, request: "request-1".to_owned(), customers, identities: Vec::new() }
    }

    /// An identity of the customer. The plugin is told those of the kinds that it declares.
    #[must_use]
    pub fn identity(mut self, kind: &str, value: &str) -> Self {
        self.identities.push((kind.to_owned(), value.to_owned()));
        self
    }

    /// An id by which the hub has told the plugin of the customer; without, `customer-1`.
    #[must_use]
    pub fn customer(mut self, id: &str) -> Self {
        self.customers = vec![id.to_owned()];
        self
    }

    /// The same request comes until it is done; without, `request-1`.
    #[must_use]
    pub fn request(mut self, request: &str) -> Self {
        self.request = request.to_owned();
        self
    }

    /// # Panics
    /// If the call fails.
    #[track_caller]
    pub fn erase(&self) -> Erased {
        self.try_erase().unwrap_or_else(|why| panic!("the plugin did not erase: {why:?}"))
    }

    /// For tests of calls that fail, too.
    #[track_caller]
    pub fn try_erase(&self) -> Result<Erased, Unanswered> {
        let told = self.asked("erase", None);
        if let Some(why) = Unanswered::of(&told) {
            return Err(why);
        }
        let seconds = told["later"].as_u64().map(|seconds| u32::try_from(seconds).unwrap_or(u32::MAX));
        Ok(match (told["done"].as_str(), seconds) {
            (Some(receipt), _) => Erased::Done(receipt.to_owned()),
            (None, Some(seconds)) => Erased::Later(seconds),
            (None, None) => Erased::Nothing,
        })
    }

    /// All pages.
    ///
    /// # Panics
    /// If a call fails.
    #[track_caller]
    pub fn export(&self) -> Vec<Value> {
        self.try_export().unwrap_or_else(|why| panic!("the plugin did not export: {why:?}"))
    }

    /// For tests of calls that fail, too.
    #[track_caller]
    pub fn try_export(&self) -> Result<Vec<Value>, Unanswered> {
        let (mut items, mut after) = (Vec::new(), None);
        loop {
            let told = self.asked("export", after);
            if let Some(why) = Unanswered::of(&told) {
                return Err(why);
            }
            items.extend(told["items"].as_array().into_iter().flatten().cloned());
            match told["next"].as_str() {
                Some(next) => after = Some(next.to_owned()),
                None => return Ok(items),
            }
        }
    }

    #[track_caller]
    fn asked(&self, what: &str, after: Option<String>) -> Value {
        let (settings, secrets, at) = (self.hub.settings(), self.hub.secrets(), self.hub.now().micros());
        self.hub.ask(&json!({"privacy": {
            "what": what, "settings": settings, "secrets": secrets, "at": at, "request": self.request,
            "customers": self.customers, "identities": self.identities, "after": after,
        }}))
    }
}
