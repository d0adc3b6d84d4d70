//! A plugin that is ready to be called: compiled, linked once for each lane, its exports bound.

use openhub_model::manifest::Manifest;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;
use wasmtime::component::types::{ComponentInstance, ComponentItem};
use wasmtime::component::{Component, InstancePre, Linker};
use wasmtime::{Engine, Store};

use crate::answer::{CallContext, Receipt};
use crate::bindings::channel::{ChannelPluginIndices, ChannelPluginPre};
use crate::bindings::content::{ContentPluginIndices, ContentPluginPre};
use crate::bindings::endpoint::{EndpointPluginIndices, EndpointPluginPre};
use crate::bindings::job::{JobPluginIndices, JobPluginPre};
use crate::bindings::migration::{MigrationPluginIndices, MigrationPluginPre};
use crate::bindings::object::{DataObjectPluginIndices, DataObjectPluginPre};
use crate::bindings::privacy::{PrivacyPluginIndices, PrivacyPluginPre};
use crate::bindings::rule::{RulePluginIndices, RulePluginPre};
use crate::bindings::source::{SourcePluginIndices, SourcePluginPre};
use crate::bindings::step::{StepPluginIndices, StepPluginPre};
use crate::capabilities::{self, Lane};
use crate::egress::Egress;
use crate::engine::{MEMORY_CEILING, Machine};
use crate::error::Refusal;
use crate::fault::{CallFault, FaultKind, Raised};
use crate::host::Host;
use crate::inspect::{Inspected, MIGRATION, without_version};

/// The safety net by the clock lies this many times above the budget.
const NET: u64 = 10;

/// What a plugin gets of the interfaces that it imports.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Imports {
    /// All that its manifest asks for.
    #[default]
    Whole,
    /// These, without their versions.
    Only(BTreeSet<String>),
    /// All but these.
    AllBut(BTreeSet<String>),
}

impl Imports {
    fn has(&self, interface: &str) -> bool {
        match self {
            Imports::Whole => true,
            Imports::Only(granted) => granted.contains(interface),
            Imports::AllBut(withheld) => !withheld.contains(interface),
        }
    }

    /// Less what an operator withholds.
    pub(crate) fn without(self, withheld: &[String]) -> Imports {
        match self {
            whole if withheld.is_empty() => whole,
            Imports::Whole => Imports::AllBut(withheld.iter().cloned().collect()),
            Imports::Only(mut granted) => {
                granted.retain(|interface| !withheld.contains(interface));
                Imports::Only(granted)
            }
            Imports::AllBut(mut others) => {
                others.extend(withheld.iter().cloned());
                Imports::AllBut(others)
            }
        }
    }
}

pub struct Plugin {
    pub(crate) machine: Arc<Machine>,
    pub(crate) egress: Arc<Egress>,
    pub(crate) digest: Arc<str>,
    /// The key of the publisher who signed it.
    pub(crate) signer: Option<String>,
    pub(crate) manifest: Arc<Manifest>,
    pub(crate) rule: Option<RulePluginPre<Host>>,
    pub(crate) objects: Option<DataObjectPluginPre<Host>>,
    pub(crate) steps: Option<StepPluginPre<Host>>,
    pub(crate) functions: Option<ContentPluginPre<Host>>,
    pub(crate) migration: Option<MigrationPluginPre<Host>>,
    pub(crate) channel: Option<ChannelPluginPre<Host>>,
    pub(crate) source: Option<SourcePluginPre<Host>>,
    pub(crate) endpoint: Option<EndpointPluginPre<Host>>,
    pub(crate) privacy: Option<PrivacyPluginPre<Host>>,
    pub(crate) job: Option<JobPluginPre<Host>>,
}

impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plugin")
            .field("name", &self.manifest.name)
            .field("digest", &self.digest)
            .finish_non_exhaustive()
    }
}

impl Plugin {
    /// Lowercase hexadecimal SHA-256 of the component.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Links a compiled component and tries its exports once, in a sandbox of the pure lane.
    pub(crate) fn link(
        machine: Arc<Machine>,
        egress: Arc<Egress>,
        inspected: Inspected,
        component: &Component,
        granted: &Imports,
    ) -> Result<Plugin, Refusal> {
        let pure = linked(&machine.engine, component, Lane::Pure, granted)?;
        let manifest = Arc::new(inspected.manifest);
        let mut plugin = Plugin {
            machine,
            egress,
            digest: inspected.digest.into(),
            signer: inspected.signer,
            rule: None,
            objects: None,
            migration: None,
            steps: None,
            functions: None,
            channel: None,
            source: None,
            endpoint: None,
            privacy: None,
            job: None,
            manifest,
        };
        let bad = |error| Refusal::new(Refusal::BAD_EXPORT, format!("{error:#}"));
        let migrates = inspected.exports.iter().any(|export| export == MIGRATION);
        plugin.try_exports(&pure, migrates)?;
        if migrates {
            plugin.migration = Some(MigrationPluginPre::new(pure.clone()).map_err(bad)?);
        }
        if !plugin.manifest.rules.is_empty() {
            plugin.rule = Some(RulePluginPre::new(pure.clone()).map_err(bad)?);
        }
        if !plugin.manifest.objects.is_empty() {
            plugin.objects = Some(DataObjectPluginPre::new(pure.clone()).map_err(bad)?);
        }
        if !plugin.manifest.steps.is_empty() {
            plugin.steps = Some(StepPluginPre::new(pure.clone()).map_err(bad)?);
        }
        if !plugin.manifest.functions.is_empty() {
            plugin.functions = Some(ContentPluginPre::new(pure).map_err(bad)?);
        }
        let Manifest { channels, sources, endpoints, jobs, privacy, .. } = &*plugin.manifest;
        let answers = !sources.is_empty() || !endpoints.is_empty() || privacy.is_some();
        if !channels.is_empty() || answers || !jobs.is_empty() {
            let io = linked(&plugin.machine.engine, component, Lane::Io, granted)?;
            let job = (!jobs.is_empty()).then(|| JobPluginPre::new(io.clone()));
            let privacy = privacy.is_some().then(|| PrivacyPluginPre::new(io.clone()));
            let endpoint = (!endpoints.is_empty()).then(|| EndpointPluginPre::new(io.clone()));
            let source = (!sources.is_empty()).then(|| SourcePluginPre::new(io.clone()));
            let channel = (!channels.is_empty()).then(|| ChannelPluginPre::new(io));
            plugin.channel = channel.transpose().map_err(bad)?;
            plugin.source = source.transpose().map_err(bad)?;
            plugin.endpoint = endpoint.transpose().map_err(bad)?;
            plugin.privacy = privacy.transpose().map_err(bad)?;
            plugin.job = job.transpose().map_err(bad)?;
        }
        Ok(plugin)
    }

    /// Types are compared when an export is bound to an instance; so one instance is made here, and a component that
    /// cannot even start, or whose exports have other types, is refused at install.
    fn try_exports(&self, pure: &InstancePre<Host>, migrates: bool) -> Result<(), Refusal> {
        let call = CallContext::new("{}");
        let bound = self.pure(&call, 1, |store| {
            let instance = pure.instantiate(&mut *store)?;
            let manifest = &self.manifest;
            if !manifest.rules.is_empty() {
                RulePluginIndices::new(pure)?.load(&mut *store, &instance)?;
            }
            if !manifest.objects.is_empty() {
                DataObjectPluginIndices::new(pure)?.load(&mut *store, &instance)?;
            }
            if !manifest.steps.is_empty() {
                StepPluginIndices::new(pure)?.load(&mut *store, &instance)?;
            }
            if !manifest.functions.is_empty() {
                ContentPluginIndices::new(pure)?.load(&mut *store, &instance)?;
            }
            if migrates {
                MigrationPluginIndices::new(pure)?.load(&mut *store, &instance)?;
            }
            if !manifest.channels.is_empty() {
                ChannelPluginIndices::new(pure)?.load(&mut *store, &instance)?;
            }
            if !manifest.sources.is_empty() {
                SourcePluginIndices::new(pure)?.load(&mut *store, &instance)?;
            }
            if !manifest.endpoints.is_empty() {
                EndpointPluginIndices::new(pure)?.load(&mut *store, &instance)?;
            }
            if manifest.privacy.is_some() {
                PrivacyPluginIndices::new(pure)?.load(&mut *store, &instance)?;
            }
            if !manifest.jobs.is_empty() {
                JobPluginIndices::new(pure)?.load(&mut *store, &instance)?;
            }
            Ok(())
        });
        bound.map(drop).map_err(|fault| {
            Refusal::new(
                Refusal::BAD_EXPORT,
                format!("the component does not export what its manifest declares: {fault}"),
            )
        })
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        let (asked, at_most) = (self.manifest.limits.memory_mib, self.machine.limits.memory_mib);
        (asked.map_or(at_most, |asked| asked.min(at_most)) as usize * 1024 * 1024).min(MEMORY_CEILING)
    }

    /// One call of the pure lane, in an instance that nothing was done with before.
    pub(crate) fn pure<T>(
        &self,
        call: &CallContext,
        items: usize,
        run: impl FnOnce(&mut Store<Host>) -> wasmtime::Result<T>,
    ) -> Result<(T, Receipt), CallFault> {
        let limits = &self.machine.limits;
        let millis = self.manifest.limits.pure_ms.map_or(limits.pure_ms, |asked| asked.min(limits.pure_ms));
        let fuel = u64::from(millis) * limits.fuel_per_ms;
        let _slot = self.machine.pure_slot_blocking();
        let host = Host::new(self, call, fuel, items);
        let mut store = self.machine.store(host, fuel).map_err(|error| CallFault::host(&error))?;
        store.set_epoch_deadline(u64::from(millis) * NET);
        let began = Instant::now();
        let answer = run(&mut store);
        call.observed.called(began.elapsed());
        let used = fuel.saturating_sub(store.get_fuel().unwrap_or_default());
        let receipt = store.data().receipt(used);
        match answer {
            Ok(answer) => Ok((answer, receipt)),
            Err(error) => Err(store.data_mut().log.broken_off(&error).after(receipt)),
        }
    }
}

/// Gives a component what its lane offers and it was granted. All else that it imports is there, and breaks the call
/// off.
fn linked(engine: &Engine, component: &Component, lane: Lane, granted: &Imports) -> Result<InstancePre<Host>, Refusal> {
    let unsupported = |error: wasmtime::Error| Refusal::new(Refusal::UNSUPPORTED_IMPORT, format!("{error:#}"));
    let mut linker = Linker::new(engine);
    for (name, import) in component.component_type().imports(engine) {
        let ComponentItem::ComponentInstance(interface) = import.ty else {
            continue;
        };
        let interface_name = without_version(name);
        match capabilities::find(interface_name) {
            Some(_) if !granted.has(interface_name) => {
                deny(&mut linker, engine, name, &interface, "was not granted").map_err(unsupported)?;
            }
            Some(capability) if capability.is_in(lane) => (capability.link)(&mut linker).map_err(unsupported)?,
            Some(_) => deny(
                &mut linker,
                engine,
                name,
                &interface,
                "cannot be called by a rule, an object check, a step or a function",
            )
            .map_err(unsupported)?,
            // Types alone; functions were refused by the inspection, and would not link.
            None => {}
        }
    }
    linker.instantiate_pre(component).map_err(unsupported)
}

fn deny(
    linker: &mut Linker<Host>,
    engine: &Engine,
    name: &str,
    interface: &ComponentInstance,
    reason: &str,
) -> wasmtime::Result<()> {
    let mut denied = linker.instance(name)?;
    for (function, export) in interface.exports(engine) {
        if matches!(export.ty, ComponentItem::ComponentFunc(_)) {
            let message = format!("`{name}` {reason}");
            denied.func_new(function, move |_, _, _, _| Err(Raised::error(FaultKind::NotGranted, message.clone())))?;
        }
    }
    Ok(())
}
