//! Reads a component without executing or compiling it: its manifest, what it imports and what it exports.

use openhub_model::access::{ACCESS, Access};
use openhub_model::decimal::MAX_SCALE;
use openhub_model::endpoint;
use openhub_model::limits;
use openhub_model::manifest::{FunctionShape, ListShape, MANIFEST_SECTION, Manifest, StepShape, Type};
use openhub_model::release;
use openhub_model::schedule::Schedule;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use wasmparser::component_types::ComponentEntityType;
use wasmparser::types::TypesRef;
use wasmparser::{Encoding, Parser, Payload, Validator, WasmFeatures};

use crate::capabilities;
use crate::contract;
use crate::error::Refusal;
use crate::{policy, signature};

/// The manifest format that this hub reads.
const FORMAT: u32 = 1;

/// What a component says of itself, and what it truly imports and exports.
#[derive(Clone, Debug, PartialEq)]
pub struct Inspected {
    /// Lowercase hexadecimal SHA-256 of the bytes.
    pub digest: String,
    pub manifest: Manifest,
    /// The public key of who signed it, in lowercase hex.
    pub signer: Option<String>,
    /// Interfaces with functions, without versions, sorted: `openhub:log/log`.
    pub imports: Vec<String>,
    pub exports: Vec<String>,
}

pub fn inspect(bytes: &[u8], at_most: u64) -> Result<Inspected, Refusal> {
    if bytes.len() as u64 > at_most {
        let message = format!("the component is too large: {} bytes, at most {at_most}", bytes.len());
        return Err(Refusal::new(Refusal::TOO_LARGE, message));
    }
    let section = manifest_section(bytes)?;
    let types = Validator::new_with_features(WasmFeatures::default()).validate_all(bytes);
    let types = types
        .map_err(|error| Refusal::new(Refusal::NOT_A_COMPONENT, format!("the component is not valid: {error}")))?;
    let names = names(bytes)?;
    names.imports.iter().chain(&names.exports).try_for_each(|name| contract::check(name))?;
    let imports = with_functions(types.as_ref(), names.imports, |types, name| {
        types.component_item_for_import(name).map(|item| item.ty)
    });
    let exports = with_functions(types.as_ref(), names.exports, |types, name| {
        types.component_item_for_export(name).map(|item| item.ty)
    });
    let section = section.ok_or_else(|| {
        Refusal::new(Refusal::NO_MANIFEST, format!("the component has no manifest (custom section `{MANIFEST_SECTION}`): build it with `openhub plugin build`"))
    })?;
    let manifest = manifest(section)?;
    check_imports(&manifest, &imports)?;
    check_exports(&manifest, &exports)?;
    let signer = signature::signer(bytes)?;
    Ok(Inspected { digest: hex::encode(Sha256::digest(bytes)), manifest, signer, imports, exports })
}

fn unreadable(error: wasmparser::BinaryReaderError) -> Refusal {
    if error.message().starts_with("unexpected end") {
        let message = format!("the component ends in the middle (at byte {}): upload the whole file", error.offset());
        return Refusal::new(Refusal::INCOMPLETE, message);
    }
    let message = error.message().lines().next().unwrap_or_default().trim_end_matches(" - expected=[").to_owned();
    Refusal::new(
        Refusal::NOT_A_COMPONENT,
        format!("this is not a WebAssembly component: {message} (at byte {})", error.offset()),
    )
}

/// The outermost component's payloads; what is nested within it is skipped.
fn outer(bytes: &[u8]) -> impl Iterator<Item = Result<Payload<'_>, Refusal>> {
    let mut depth = 0u32;
    Parser::new(0).parse_all(bytes).filter_map(move |payload| {
        let payload = payload.map_err(unreadable);
        match &payload {
            Ok(Payload::ModuleSection { .. } | Payload::ComponentSection { .. }) => depth += 1,
            Ok(Payload::End(_)) => depth = depth.saturating_sub(1),
            Ok(_) if depth > 0 => {}
            _ => return Some(payload),
        }
        None
    })
}

fn manifest_section(bytes: &[u8]) -> Result<Option<&[u8]>, Refusal> {
    let mut found = None;
    for payload in outer(bytes) {
        match payload? {
            Payload::Version { encoding: Encoding::Module, .. } => {
                return Err(Refusal::new(
                    Refusal::NOT_A_COMPONENT,
                    "this is a core module, not a component: build it with `openhub plugin build`",
                ));
            }
            Payload::CustomSection(section)
                if section.name() == MANIFEST_SECTION && found.replace(section.data()).is_some() =>
            {
                return Err(Refusal::new(Refusal::BAD_MANIFEST, "the component has two manifests: it must have one"));
            }
            _ => {}
        }
    }
    Ok(found)
}

struct Names<'a> {
    imports: Vec<&'a str>,
    exports: Vec<&'a str>,
}

fn names(bytes: &[u8]) -> Result<Names<'_>, Refusal> {
    let mut names = Names { imports: Vec::new(), exports: Vec::new() };
    for payload in outer(bytes) {
        match payload? {
            Payload::ComponentImportSection(section) => {
                for import in section {
                    names.imports.push(import.map_err(unreadable)?.name.name);
                }
            }
            Payload::ComponentExportSection(section) => {
                for export in section {
                    names.exports.push(export.map_err(unreadable)?.name.name);
                }
            }
            _ => {}
        }
    }
    Ok(names)
}

/// An instance of types alone grants nothing; whatever else is imported counts.
fn with_functions(
    types: TypesRef<'_>,
    names: Vec<&str>,
    entity: impl Fn(TypesRef<'_>, &str) -> Option<ComponentEntityType>,
) -> Vec<String> {
    let counts = |name: &&str| match entity(types, name) {
        Some(ComponentEntityType::Instance(instance)) => {
            types[instance].exports.values().any(|item| !matches!(item.ty, ComponentEntityType::Type { .. }))
        }
        Some(ComponentEntityType::Type { .. }) => false,
        _ => true,
    };
    let interfaces: BTreeSet<&str> = names.into_iter().filter(counts).map(without_version).collect();
    interfaces.into_iter().map(str::to_owned).collect()
}

/// `openhub:log/log` of `openhub:log/log@1.0.0`.
pub fn without_version(name: &str) -> &str {
    name.split_once('@').map_or(name, |(interface, _)| interface)
}

/// What every format of a manifest says.
#[derive(serde::Deserialize)]
struct Format {
    format: u32,
}

fn manifest(section: &[u8]) -> Result<Manifest, Refusal> {
    let bad = |message: String| Refusal::new(Refusal::BAD_MANIFEST, message);
    if section.len() > MANIFEST {
        return Err(bad(format!("the manifest has {} bytes: at most {MANIFEST}", section.len())));
    }
    let unreadable = |error: serde_json::Error| bad(format!("the manifest cannot be read: {error}"));
    // A newer one may have members that mean nothing here.
    let Format { format } = serde_json::from_slice(section).map_err(unreadable)?;
    if format > FORMAT {
        let message =
            format!("the manifest has format {format}, but this hub reads format {FORMAT}: it needs a newer hub");
        return Err(Refusal::new(Refusal::NEWER_MANIFEST, message));
    }
    let value: Value = serde_json::from_slice(section).map_err(unreadable)?;
    policy::readable(&value, "").map_err(bad)?;
    if value.get("limits").is_some_and(|limits| !limits.is_object()) {
        return Err(bad("`limits` must be an object, like {\"rows\": 500}".to_owned()));
    }
    // From the text: it knows of members that are there twice.
    let manifest: Manifest = serde_json::from_slice(section).map_err(unreadable)?;
    if format != FORMAT {
        return Err(bad(format!(
            "the manifest has format {format}, but this hub reads format {FORMAT}: build it again"
        )));
    }
    if let Some(why) = release::misfit(&manifest.version) {
        let version = &manifest.version;
        return Err(bad(format!("the version {version:?} is not a semantic version like 1.2.0: {why}")));
    }
    let kebab = |name: &str| {
        let words = name.split('-').all(|word| {
            !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        });
        words && name.len() <= 64 && name.starts_with(|first: char| first.is_ascii_lowercase())
    };
    if !kebab(&manifest.name) {
        return Err(bad(format!(
            "the plugin's name {:?} is not valid: use kebab-case, at most 64 characters",
            manifest.name
        )));
    }
    bounded(&manifest).map_err(bad)?;
    policy::check(&manifest).map_err(bad)?;
    unique("rule", manifest.rules.iter().map(|rule| &rule.name))?;
    unique("object", manifest.objects.iter().map(|object| &object.name))?;
    unique("channel", manifest.channels.iter().map(|channel| &channel.name))?;
    unique("source", manifest.sources.iter().map(|source| &source.name))?;
    unique("endpoint", manifest.endpoints.iter().map(|endpoint| &endpoint.name))?;
    unique("job", manifest.jobs.iter().map(|job| &job.name))?;
    unique("step", manifest.steps.iter().map(|step| &step.name))?;
    unique("function", manifest.functions.iter().map(|function| &function.name))?;
    // They stand in addresses, and in the names of consents (`marketing/email`).
    let channels = manifest.channels.iter().map(|channel| ("channel", &channel.name));
    let named = channels.chain(manifest.sources.iter().map(|source| ("source", &source.name)));
    let named = named.chain(manifest.endpoints.iter().map(|endpoint| ("endpoint", &endpoint.name)));
    let named = named.chain(manifest.jobs.iter().map(|job| ("job", &job.name)));
    // These stand in journeys.
    let named = named.chain(manifest.steps.iter().map(|step| ("step", &step.name)));
    let named = named.chain(manifest.functions.iter().map(|function| ("function", &function.name)));
    if let Some((what, name)) = named.into_iter().find(|(_, name)| !kebab(name)) {
        return Err(bad(format!("the {what}'s name {name:?} is not valid: use kebab-case, at most 64 characters")));
    }
    if manifest.endpoints.len() > ENDPOINTS {
        return Err(bad(format!("the manifest has {} endpoints: at most {ENDPOINTS}", manifest.endpoints.len())));
    }
    endpoint::check(&manifest.endpoints).map_err(bad)?;
    let kinds = manifest.privacy.iter().flat_map(|privacy| &privacy.identities);
    if let Some(kind) = kinds.clone().find(|kind| !(1..=limits::NAME).contains(&kind.len()) || kind.contains('\0')) {
        return Err(bad(format!("the kind of identity {kind:.60?} must have 1 to {} bytes", limits::NAME)));
    }
    if kinds.count() > KINDS {
        return Err(bad(format!("the manifest asks for too many kinds of identities: at most {KINDS}")));
    }
    if manifest.jobs.len() > JOBS {
        return Err(bad(format!("the manifest has {} jobs: at most {JOBS}", manifest.jobs.len())));
    }
    manifest.steps.iter().try_for_each(check_step).map_err(bad)?;
    manifest.functions.iter().try_for_each(check_function).map_err(bad)?;
    for job in &manifest.jobs {
        Schedule::check(job).map_err(|why| bad(format!("the job `{}`: {why}", job.name)))?;
    }
    if manifest.access.len() > FIELDS {
        return Err(bad(format!("the manifest asks for {} kinds of access: at most {FIELDS}", manifest.access.len())));
    }
    if let Some(access) = manifest.access.iter().find(|access| Access::parse(access).is_none()) {
        return Err(bad(format!("`{access:.100}` is not valid in `access`: there are {ACCESS}")));
    }
    unique("secret", manifest.secrets.iter().map(|secret| &secret.name))?;
    Ok(manifest)
}

fn check_step(step: &StepShape) -> Result<(), String> {
    let name = &step.name;
    if step.outlets.is_empty() || step.outlets.len() > OUTLETS {
        return Err(format!("the step `{name}` has {} outlets: it needs 1 to {OUTLETS}", step.outlets.len()));
    }
    if step.events.len() > OUTLETS {
        return Err(format!("the step `{name}` waits for {} events: at most {OUTLETS}", step.events.len()));
    }
    for (what, names) in [("outlet", &step.outlets), ("event", &step.events)] {
        let mut seen = BTreeSet::new();
        if let Some(twice) = names.iter().find(|name| !seen.insert(*name)) {
            return Err(format!("the step `{name}` declares the {what} `{twice:.60}` twice: remove one"));
        }
    }
    Ok(())
}

fn check_function(function: &FunctionShape) -> Result<(), String> {
    let name = &function.name;
    if function.arguments.len() > ARGUMENTS {
        return Err(format!("the function `{name}` has {} arguments: at most {ARGUMENTS}", function.arguments.len()));
    }
    match function.arguments.is_sorted_by_key(|argument| !argument.required) {
        true => Ok(()),
        false => Err(format!("the function `{name}` has a required argument behind one that may be left out")),
    }
}

/// Outlets of a step, and events that it may wait for.
const OUTLETS: usize = 50;
/// Of a function.
const ARGUMENTS: usize = 10;
/// Bytes of a manifest: what it names is written for each row, in messages and in records.
const MANIFEST: usize = 256 * 1024;
/// Fields of a record, and values of an enum.
const FIELDS: usize = 200;
const VALUES: usize = 1_000;
/// What comes back is searched for each in all its forms.
const SECRETS: usize = 32;
/// Lists that a rule reads, and how deep they may lie in each other.
const LISTS: usize = 50;
const LIST_DEPTH: usize = 4;
/// Kinds of identities that a plugin is told.
const KINDS: usize = 32;
/// Each is looked at for each request.
const ENDPOINTS: usize = 64;
/// Each is a row that is looked at whenever one of its tenant has ended.
const JOBS: usize = 32;

fn bounded(manifest: &Manifest) -> Result<(), String> {
    if manifest.secrets.len() > SECRETS {
        return Err(format!("the manifest has {} secrets: at most {SECRETS}", manifest.secrets.len()));
    }
    let rules = || manifest.rules.iter();
    let records = (rules().map(|rule| (&rule.name, &rule.params)))
        .chain(manifest.objects.iter().map(|object| (&object.name, &object.fields)))
        .chain(manifest.channels.iter().map(|channel| (&channel.name, &channel.content)))
        .chain(manifest.steps.iter().map(|step| (&step.name, &step.input)))
        .chain(manifest.functions.iter().map(|function| (&function.name, &function.arguments)))
        .chain(manifest.events.iter().map(|event| (&event.name, &event.fields)))
        .chain([(&manifest.name, &manifest.settings)]);
    let mut named: Vec<(&String, Option<&Type>)> = Vec::new();
    for (name, fields) in records {
        if fields.len() > FIELDS {
            return Err(format!("`{name:.60}` has {} fields: at most {FIELDS}", fields.len()));
        }
        named.push((name, None));
        named.extend(fields.iter().map(|field| (&field.name, Some(&field.of))));
    }
    named.extend(
        manifest.steps.iter().flat_map(|step| step.outlets.iter().chain(&step.events)).map(|name| (name, None)),
    );
    named.extend(manifest.functions.iter().map(|function| (&function.name, Some(&function.returns))));
    named.extend(rules().flat_map(|rule| rule.reads.iter().map(|read| (&read.name, Some(&read.of)))));
    for rule in rules() {
        let mut lists: Vec<(&ListShape, usize)> = rule.lists.iter().map(|list| (list, 1)).collect();
        let mut count = 0;
        while let Some((list, depth)) = lists.pop() {
            count += 1;
            if count > LISTS || depth > LIST_DEPTH {
                let name = &rule.name;
                return Err(format!(
                    "`{name:.60}` reads too many lists: at most {LISTS}, {LIST_DEPTH} within each other"
                ));
            }
            named.push((&list.name, None));
            named.extend(list.reads.iter().map(|read| (&read.name, Some(&read.of))));
            lists.extend(list.lists.iter().map(|list| (list, depth + 1)));
        }
    }
    named.extend(rules().flat_map(|rule| rule.writes.iter().map(|write| (&write.name, Some(&write.of)))));
    named.extend(
        rules().flat_map(|rule| rule.objects.iter().chain(&rule.events).chain(&rule.on)).map(|name| (name, None)),
    );
    for (name, of) in named {
        if !(1..=limits::NAME).contains(&name.len()) {
            return Err(format!("the name `{name:.60}` must have 1 to {} bytes", limits::NAME));
        }
        match of {
            Some(Type::Decimal(scale)) if *scale > MAX_SCALE => {
                return Err(format!("`{name}` has {scale} digits after the point: at most {MAX_SCALE}"));
            }
            Some(Type::Enum(values))
                if values.is_empty() || values.iter().collect::<BTreeSet<_>>().len() < values.len() =>
            {
                return Err(format!("`{name}` has no value, or one twice: an enum needs values that differ"));
            }
            Some(Type::Enum(values))
                if values.len() > VALUES || values.iter().any(|value| value.len() > limits::NAME) =>
            {
                return Err(format!(
                    "`{name}` has too many values, or too long ones: at most {VALUES} of {} bytes",
                    limits::NAME
                ));
            }
            _ => {}
        }
    }
    Ok(())
}

fn unique<'a>(what: &str, names: impl Iterator<Item = &'a String>) -> Result<(), Refusal> {
    let mut seen = BTreeSet::new();
    for name in names {
        if !seen.insert(name) {
            return Err(Refusal::new(
                Refusal::BAD_MANIFEST,
                format!("the {what} `{name}` is declared twice: remove or rename one"),
            ));
        }
    }
    Ok(())
}

fn check_imports(manifest: &Manifest, imports: &[String]) -> Result<(), Refusal> {
    for import in imports {
        if !manifest.imports.iter().any(|declared| without_version(declared) == import) {
            let message =
                format!("the component imports `{import}`, but its manifest does not declare it: build it again");
            return Err(Refusal::new(Refusal::UNDECLARED_IMPORT, message));
        }
        let Some(capability) = capabilities::find(import) else {
            let message = format!("the component imports `{import}`, but this hub does not offer it");
            return Err(Refusal::new(Refusal::UNSUPPORTED_IMPORT, message));
        };
        (capability.check)(manifest)?;
    }
    Ok(())
}

pub const RULE: &str = "openhub:rule/rule";
pub const OBJECTS: &str = "openhub:data-object/data-object";
/// Beside object types, for those whose objects of other versions do not fit as they are.
pub const MIGRATION: &str = "openhub:data-object/migration";
pub const CHANNEL: &str = "openhub:channel/channel";
pub const SOURCE: &str = "openhub:source/source";
pub const ENDPOINT: &str = "openhub:endpoint/endpoint";
pub const PRIVACY: &str = "openhub:privacy/privacy";
pub const JOB: &str = "openhub:job/job";
pub const STEP: &str = "openhub:step/step";
pub const CONTENT: &str = "openhub:content/content";

fn check_exports(manifest: &Manifest, exports: &[String]) -> Result<(), Refusal> {
    let declared = [
        ("rules", !manifest.rules.is_empty(), RULE),
        ("objects", !manifest.objects.is_empty(), OBJECTS),
        ("channels", !manifest.channels.is_empty(), CHANNEL),
        ("sources", !manifest.sources.is_empty(), SOURCE),
        ("endpoints", !manifest.endpoints.is_empty(), ENDPOINT),
        ("privacy", manifest.privacy.is_some(), PRIVACY),
        ("jobs", !manifest.jobs.is_empty(), JOB),
        ("steps", !manifest.steps.is_empty(), STEP),
        ("functions", !manifest.functions.is_empty(), CONTENT),
    ];
    for (what, is_declared, interface) in declared {
        if is_declared && !exports.iter().any(|export| export == interface) {
            let message = format!("the manifest declares {what}, but the component does not export `{interface}`");
            return Err(Refusal::new(Refusal::MISSING_EXPORT, message));
        }
    }
    // What nobody was told of is never called; it is a mistake, or hides something.
    let told =
        |export: &&String| declared.iter().any(|(_, is_declared, interface)| *is_declared && export == interface);
    let migrates = |export: &&String| *export == MIGRATION && !manifest.objects.is_empty();
    match exports.iter().find(|export| !told(export) && !migrates(export)) {
        None => Ok(()),
        Some(export) => {
            let message = format!("the component exports `{export}`, but the manifest declares nothing that it serves");
            Err(Refusal::new(Refusal::UNDECLARED_EXPORT, message))
        }
    }
}
