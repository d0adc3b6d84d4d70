//! The fake hub of one test: the plugin, its settings and secrets, and a provider that it may reach.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::Timestamp;
use crate::channel::ChannelCase;
use crate::endpoint::EndpointCase;
use crate::function::FunctionCase;
use crate::job::JobCase;
use crate::kit::{self, Kit};
use crate::object::ObjectCase;
use crate::privacy::PrivacyCase;
use crate::provider::Provider;
use crate::rule::RuleCase;
use crate::source::SourceCase;
use crate::step::StepCase;
use crate::told::{Receipt, text};

/// Components of this process by the folder of their crate: each is built once.
static BUILT: Mutex<BTreeMap<PathBuf, String>> = Mutex::new(BTreeMap::new());

/// A plugin, installed and enabled for one test.
pub struct Hub {
    kit: RefCell<Kit>,
    manifest: Value,
    provider: String,
    settings: Value,
    secrets: Vec<(String, String)>,
    at: Option<Timestamp>,
    receipt: Cell<Receipt>,
}

impl Hub {
    /// Builds the plugin crate in a folder and installs it.
    ///
    /// # Panics
    /// If the crate does not build, or the hub would refuse the component.
    #[track_caller]
    pub fn of(plugin_dir: impl AsRef<Path>) -> Hub {
        let dir = plugin_dir.as_ref();
        let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(component) = built.get(dir) {
            let component = component.clone();
            drop(built);
            return Hub::open(json!({"component": component})).0;
        }
        let (hub, component) = Hub::open(json!({"dir": dir}));
        built.insert(dir.to_path_buf(), component);
        hub
    }

    /// Installs a component that is built already.
    ///
    /// # Panics
    /// If the hub would refuse it.
    #[track_caller]
    pub fn running(component: impl AsRef<Path>) -> Hub {
        Hub::open(json!({"component": component.as_ref()})).0
    }

    #[track_caller]
    fn open(mut open: Value) -> (Hub, String) {
        // Compiled code stays beside the tests.
        if let Some(cache) = kit::folder().map(|folder| folder.join("openhub-compiled"))
            && std::fs::create_dir_all(&cache).is_ok()
        {
            open["cache"] = json!(cache);
        }
        let mut kit = Kit::start();
        let mut opened = kit.ask(&json!({"open": open}));
        let (provider, component) = (text(&opened["provider"]), text(&opened["component"]));
        let hub = Hub {
            kit: RefCell::new(kit),
            manifest: opened["manifest"].take(),
            provider,
            settings: json!({}),
            secrets: Vec::new(),
            at: None,
            receipt: Cell::default(),
        };
        (hub, component)
    }

    /// The installation's settings, a JSON object; a rule's parameters lie in it under the rule's name.
    #[must_use]
    #[track_caller]
    pub fn with_settings(mut self, settings: Value) -> Hub {
        assert!(settings.is_object(), "the settings must be a JSON object, not {settings}");
        self.settings = settings;
        self
    }

    /// Sets a secret, in the text form that an admin would give.
    #[must_use]
    #[track_caller]
    pub fn with_secret(mut self, name: &str, text: &str) -> Hub {
        self.ask(&json!({"secret": {"name": name, "text": text}}));
        self.secrets.push((name.to_owned(), text.to_owned()));
        self
    }

    /// The time that the plugin is told; without, that of the machine.
    #[must_use]
    pub fn at(mut self, at: Timestamp) -> Hub {
        self.at = Some(at);
        self
    }

    /// The HTTP server that channels can reach: it answers by script and keeps what came.
    pub fn provider(&self) -> Provider<'_> {
        Provider::new(self, &self.provider)
    }

    pub fn manifest(&self) -> &Value {
        &self.manifest
    }

    /// A rule, by its name.
    pub fn rule(&self, name: &str) -> RuleCase<'_> {
        RuleCase::new(self, name)
    }

    /// An object type, by its name.
    pub fn object(&self, kind: &str) -> ObjectCase<'_> {
        ObjectCase::new(self, kind)
    }

    /// A channel, by its name.
    pub fn channel(&self, name: &str) -> ChannelCase<'_> {
        ChannelCase::new(self, name)
    }

    /// A source, by its name.
    pub fn source(&self, name: &str) -> SourceCase<'_> {
        SourceCase::new(self, name)
    }

    /// The plugin's own HTTP API, called by a key that may.
    pub fn endpoints(&self) -> EndpointCase<'_> {
        EndpointCase::new(self)
    }

    /// A job, by its name.
    pub fn job(&self, name: &str) -> JobCase<'_> {
        JobCase::new(self, name)
    }

    /// A step of journeys, by its name.
    pub fn step(&self, name: &str) -> StepCase<'_> {
        StepCase::new(self, name)
    }

    /// A function for templates, by its name.
    pub fn function(&self, name: &str) -> FunctionCase<'_> {
        FunctionCase::new(self, name)
    }

    /// What the plugin answers about a customer who is given their data, or was erased.
    pub fn privacy(&self) -> PrivacyCase<'_> {
        PrivacyCase::new(self)
    }

    /// What the plugin keeps under a key, by `openhub_sdk::kv`.
    #[track_caller]
    pub fn kept(&self, key: &str) -> Option<Vec<u8>> {
        let told = self.ask(&json!({"kv": {"key": key}}));
        let bytes = told["value"].as_array()?.iter();
        Some(bytes.filter_map(|byte| u8::try_from(byte.as_u64()?).ok()).collect())
    }

    /// Keeps something under a key, as if the plugin had.
    #[must_use]
    #[track_caller]
    pub fn keeping(self, key: &str, value: impl AsRef<[u8]>) -> Hub {
        self.ask(&json!({"kv": {"key": key, "value": value.as_ref()}}));
        self
    }

    /// An object that is there, or was written: its fields. For what jobs, sources and channels do; [`Hub::object`] tries a check.
    #[track_caller]
    pub fn stored(&self, kind: &str, key: &str) -> Option<Value> {
        let told = self.ask(&json!({"record": {"kind": kind, "key": key}}));
        (!told.is_null()).then_some(told)
    }

    /// Puts an object there, as it is.
    #[must_use]
    #[track_caller]
    pub fn storing(self, kind: &str, key: &str, fields: Value) -> Hub {
        self.ask(&json!({"record": {"kind": kind, "key": key, "fields": fields}}));
        self
    }

    /// Knows a customer: `{"id": "ann", "attributes": {"points": 7}, "identities": [["email", "ann@example.com"]], "segments": ["vip"]}`;
    /// also `tags` and `consents`.
    #[must_use]
    #[track_caller]
    pub fn knowing(self, customer: Value) -> Hub {
        self.ask(&json!({"customer": customer}));
        self
    }

    /// What the last call used: fuel, memory, calls of the host.
    pub fn receipt(&self) -> Receipt {
        self.receipt.get()
    }

    #[track_caller]
    pub(crate) fn ask(&self, question: &Value) -> Value {
        let answer = self.kit.borrow_mut().ask(question);
        if answer["receipt"].is_object() {
            self.receipt.set(Receipt::of(&answer["receipt"]));
        }
        answer
    }

    pub(crate) fn settings(&self) -> &Value {
        &self.settings
    }

    pub(crate) fn secrets(&self) -> Vec<Value> {
        self.secrets.iter().map(|(name, text)| json!({"name": name, "text": text})).collect()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.at.unwrap_or_else(|| {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
        })
    }
}
