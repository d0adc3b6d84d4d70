//! The fake hub of one test: the plugin, its settings and secrets, and a provider that it may reach.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use openhub_model::Timestamp;
use openhub_model::manifest::Manifest;
use openhub_runtime::{CallContext, Config, HostPort, IoContext, Plugin, Runtime};
use serde_json::{Value, json};

use crate::channel::ChannelCase;
use crate::object::ObjectCase;
use crate::provider::Provider;
use crate::rule::RuleCase;

/// Components of this process by the folder of their crate: each is built once.
static BUILT: Mutex<BTreeMap<PathBuf, Arc<[u8]>>> = Mutex::new(BTreeMap::new());

/// A plugin, installed and enabled for one test.
pub struct Hub {
    plugin: Arc<Plugin>,
    provider: Provider,
    settings: Value,
    secrets: BTreeMap<String, Vec<u8>>,
    at: Option<Timestamp>,
    /// Last, so that what runs in it ends first.
    pub(crate) tasks: tokio::runtime::Runtime,
}

impl Hub {
    /// Builds the plugin crate in a folder and installs it.
    ///
    /// # Panics
    /// If the crate does not build, or the hub would refuse the component.
    #[track_caller]
    pub fn of(plugin_dir: impl AsRef<Path>) -> Hub {
        Hub::running(&component(plugin_dir.as_ref()))
    }

    /// Installs a component that is built already.
    ///
    /// # Panics
    /// If the hub would refuse it.
    #[track_caller]
    pub fn running(component: &[u8]) -> Hub {
        let mut tasks = tokio::runtime::Builder::new_multi_thread();
        let tasks = tasks.worker_threads(2).enable_all().build().expect("the machine gives threads");
        let provider = Provider::start(tasks.handle());
        let host: HostPort = provider.address().parse().expect("an address and a port");
        let config = Config { cache: cache(), allow_private: vec![host], instances: 4, ..Config::default() };
        let runtime = Runtime::new(config).expect("the runtime starts");
        let plugin = match tasks.block_on(runtime.prepare(component)) {
            Ok(plugin) => plugin,
            Err(refusal) => panic!("the hub refuses this component: {refusal}"),
        };
        Hub { plugin, provider, settings: json!({}), secrets: BTreeMap::new(), at: None, tasks }
    }

    /// The installation's settings, a JSON object; a rule's parameters lie in it under the rule's name.
    #[must_use]
    pub fn with_settings(mut self, settings: Value) -> Hub {
        assert!(settings.is_object(), "the settings must be a JSON object, not {settings}");
        self.settings = settings;
        self
    }

    /// Sets a secret, in the text form that an admin would give.
    #[must_use]
    #[track_caller]
    pub fn with_secret(mut self, name: &str, text: &str) -> Hub {
        let shape = self.manifest().secrets.iter().find(|secret| secret.name == name);
        let shape = shape.unwrap_or_else(|| panic!("plugin.toml does not declare a secret `{name}`"));
        let bytes = openhub_runtime::decode_secret(shape.encoding, text);
        let bytes = bytes.unwrap_or_else(|error| panic!("the secret `{name}` {error}"));
        self.secrets.insert(name.to_owned(), bytes);
        self
    }

    /// The time that the plugin is told; without, that of the machine.
    #[must_use]
    pub fn at(mut self, at: Timestamp) -> Hub {
        self.at = Some(at);
        self
    }

    /// The HTTP server that channels can reach: it answers by script and keeps what came.
    pub fn provider(&self) -> &Provider {
        &self.provider
    }

    pub fn manifest(&self) -> &Manifest {
        self.plugin.manifest()
    }

    /// A rule, by its name.
    #[track_caller]
    pub fn rule(&self, name: &str) -> RuleCase<'_> {
        let shape = self.manifest().rules.iter().find(|rule| rule.name == name);
        RuleCase::new(
            self,
            shape.unwrap_or_else(|| {
                let there: Vec<&str> = self.manifest().rules.iter().map(|rule| rule.name.as_str()).collect();
                panic!("the plugin has no rule `{name}`; it has {}{}", there.join(", "), kebab(name, &there))
            }),
        )
    }

    /// An object type, by its name.
    #[track_caller]
    pub fn object(&self, kind: &str) -> ObjectCase<'_> {
        let shape = self.manifest().objects.iter().find(|object| object.name == kind);
        ObjectCase::new(
            self,
            shape.unwrap_or_else(|| {
                let there: Vec<&str> = self.manifest().objects.iter().map(|object| object.name.as_str()).collect();
                panic!("the plugin has no object type `{kind}`; it has {}{}", there.join(", "), kebab(kind, &there))
            }),
        )
    }

    /// A channel, by its name.
    #[track_caller]
    pub fn channel(&self, name: &str) -> ChannelCase<'_> {
        let shape = self.manifest().channels.iter().find(|channel| channel.name == name);
        ChannelCase::new(self, shape.unwrap_or_else(|| panic!("the plugin has no channel `{name}`")))
    }

    pub(crate) fn plugin(&self) -> &Plugin {
        &self.plugin
    }

    pub(crate) fn settings(&self) -> &Value {
        &self.settings
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.at.unwrap_or_else(|| {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            Timestamp::from_micros(since.as_micros() as i64)
        })
    }

    pub(crate) fn call(&self) -> CallContext {
        CallContext { id: "test".to_owned(), settings: self.settings.to_string().into(), dry_run: false }
    }

    /// All that the manifest asks for is granted.
    pub(crate) fn io(&self) -> IoContext {
        let now = self.now();
        let hosts = openhub_runtime::hosts::resolve(&self.manifest().hosts, &self.settings);
        IoContext {
            call: self.call(),
            hosts: hosts.unwrap_or_else(|faults| panic!("the settings are not valid: {faults:?}")),
            secrets: Arc::new(self.secrets.clone()),
            clock: Arc::new(move || now),
        }
    }
}

#[track_caller]
fn component(dir: &Path) -> Arc<[u8]> {
    let mut built = BUILT.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(component) = built.get(dir) {
        return component.clone();
    }
    let assembled = openhub_sdk_build::assemble(dir);
    let component: Arc<[u8]> = match assembled {
        Ok(assembled) => assembled.bytes.into(),
        Err(error) => panic!("the plugin does not build: {error:#}"),
    };
    built.insert(dir.to_path_buf(), component.clone());
    component
}

/// Compiled code stays beside the tests, in cargo's target folder.
fn cache() -> Option<PathBuf> {
    let binary = std::env::current_exe().ok()?;
    let cache = binary.parent()?.join("openhub-compiled");
    std::fs::create_dir_all(&cache).ok()?;
    Some(cache)
}

/// The name of a Rust function becomes kebab-case in the manifest.
fn kebab(name: &str, there: &[&str]) -> String {
    let meant = name.replace('_', "-");
    if meant != name && there.contains(&meant.as_str()) {
        format!(" (names become kebab-case: `{meant}`)")
    } else {
        String::new()
    }
}
