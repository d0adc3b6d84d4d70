//! Who uses what a plugin gives, or an object type that an admin declares: journeys channels and object types, segments the fields
//! of objects, plugins' rules object types. Asked before it is taken away or replaced.

use std::collections::{BTreeMap, BTreeSet};

use openhub_journey::{Journey, Surroundings};
use openhub_model::Fault;
use openhub_model::access::Access;
use openhub_model::condition::Declarations;
use openhub_model::manifest::{Field, Manifest, Type};
use openhub_model::object_type::Declaration;
use openhub_store::{
    DeclaredType, Installation, JourneyRow, JourneyStatus, JourneyVersion, PluginStatus, Scope, Segment, Store,
};

use crate::catalog::surroundings::surroundings;
use crate::error::EngineError;

/// What becomes of the plugin.
#[derive(Clone, Copy, Debug)]
pub enum Fate<'a> {
    /// Another version takes its place.
    Becomes(&'a Manifest),
    /// It stops, and its shapes stay known: runs under way keep their meaning, and messages wait.
    Stops,
    /// Nothing remains of it.
    Goes,
}

/// Who would miss something of the plugin: one fault a user, whose pointer names it as the API does.
pub async fn users(store: &Store, scope: &Scope, name: &str, fate: Fate<'_>) -> Result<Vec<Fault>, EngineError> {
    let installed = store.plugins(scope).await?;
    if !installed.iter().any(|plugin| plugin.name == name) {
        return Ok(Vec::new());
    }
    // What still runs in a version that starts nobody needs the shapes, and waits while they stand still.
    let versions = versions(store, scope, !matches!(fate, Fate::Stops)).await?;
    let types = store.object_types(scope).await?;
    let (others, before) = (installed.iter().filter(|plugin| plugin.name != name), Known::of(&installed, &types));
    let mut after = Known { manifests: others.clone().map(|plugin| &plugin.manifest).collect(), ..before.clone() };
    if let Fate::Becomes(manifest) = fate {
        after.manifests.push(manifest);
    }
    let mut users = missing(&before, &after, &versions, &store.segments(scope).await?, others);
    users.extend(declared_leading(&before, &after));
    Ok(users)
}

/// The same of an object type that an admin declares: what `becomes` of it, or none if it goes.
pub async fn users_of_type(
    store: &Store,
    scope: &Scope,
    name: &str,
    becomes: Option<&Declaration>,
) -> Result<Vec<Fault>, EngineError> {
    let (installed, types) = (store.plugins(scope).await?, store.object_types(scope).await?);
    let Some(declared) = types.iter().find(|declared| declared.name == name) else { return Ok(Vec::new()) };
    let becomes = becomes.map(|declaration| DeclaredType { declaration: declaration.clone(), ..declared.clone() });
    let versions = versions(store, scope, true).await?;
    let before = Known::of(&installed, &types);
    let mut after = before.clone();
    after.types.retain(|declared| declared.name != name);
    after.types.extend(&becomes);
    Ok(missing(&before, &after, &versions, &store.segments(scope).await?, installed.iter()))
}

/// What is published and counts: it starts runs, or runs wait in it.
async fn versions(store: &Store, scope: &Scope, waiting: bool) -> Result<Vec<JourneyVersion>, EngineError> {
    let journeys = store.journeys(scope).await?;
    let mut versions = Vec::new();
    for version in store.published_versions(scope).await? {
        let starts = journeys.iter().any(|journey| starts(journey, &version));
        if starts || (waiting && waits(store, scope, &version).await?) {
            versions.push(version);
        }
    }
    Ok(versions)
}

/// Who declares what.
#[derive(Clone)]
struct Known<'a> {
    manifests: Vec<&'a Manifest>,
    types: Vec<&'a DeclaredType>,
}

impl<'a> Known<'a> {
    fn of(installed: &'a [Installation], types: &'a [DeclaredType]) -> Known<'a> {
        let manifests = installed.iter().map(|plugin| &plugin.manifest).collect();
        Known { manifests, types: types.iter().collect() }
    }

    fn surroundings(&self) -> Surroundings {
        surroundings(self.manifests.iter().copied(), self.types.iter().copied())
    }
}

/// Whether the engine starts runs of this version.
pub(crate) fn starts(journey: &JourneyRow, version: &JourneyVersion) -> bool {
    journey.name == version.journey
        && journey.status == JourneyStatus::Published
        && journey.version == Some(version.version)
}

async fn waits(store: &Store, scope: &Scope, version: &JourneyVersion) -> Result<bool, EngineError> {
    let counts = store.node_counts(scope, &version.journey).await?;
    Ok(counts.iter().any(|count| count.version == version.version && count.waiting > 0))
}

fn missing<'a>(
    before: &Known<'_>,
    after: &Known<'_>,
    versions: &[JourneyVersion],
    segments: &[Segment],
    others: impl Iterator<Item = &'a Installation>,
) -> Vec<Fault> {
    let mut users = Vec::new();
    let (had, has) = (before.surroundings(), after.surroundings());
    for version in versions {
        let was = broken(version, &had);
        if let Some(fault) = broken(version, &has).into_iter().find(|fault| is_new(fault, &was)) {
            let user = format!("Version {} of the journey `{}`", version.version, version.journey);
            let pointer = format!("/journeys/{}/versions/{}", version.journey, version.version);
            users.push(in_use(pointer, &user, &fault));
        }
    }
    let (had, has) = (fields(had), fields(has));
    for segment in segments {
        let Some(condition) = segment.condition.as_ref().filter(|_| segment.version.is_some()) else { continue };
        let faults = |objects| {
            condition.faults_against("/condition", &Declarations { objects: Some(objects), ..Declarations::default() })
        };
        let was = faults(&had);
        if let Some(fault) = faults(&has).into_iter().find(|fault| is_new(fault, &was)) {
            users.push(in_use(
                format!("/segments/{}", segment.name),
                &format!("The segment `{}`", segment.name),
                &fault,
            ));
        }
    }
    let gone: BTreeSet<&String> = had.keys().filter(|kind| !has.contains_key(*kind)).collect();
    for other in others.filter(|plugin| plugin.status == PluginStatus::Enabled) {
        let rules = other.manifest.rules.iter();
        for (rule, kind) in rules.flat_map(|rule| rule.objects.iter().map(move |kind| (rule, kind))) {
            if gone.contains(kind) {
                let why = format!("Its rule `{}` writes objects of the type `{kind}`.", rule.name);
                users.push(lacking(&format!("/plugins/{}", other.name), &format!("The plugin `{}`", other.name), why));
            }
        }
        users.extend(leading(other, &gone));
    }
    users
}

/// Which types that an admin declares have fields that lead to objects of types that are gone.
fn declared_leading(before: &Known<'_>, after: &Known<'_>) -> Vec<Fault> {
    let (had, has) = (fields(before.surroundings()), fields(after.surroundings()));
    let is_gone = |kind: &String| had.contains_key(kind) && !has.contains_key(kind);
    let mut users = Vec::new();
    for declared in &after.types {
        for field in &declared.declaration.fields {
            if let Type::Object(kind) = &field.of
                && is_gone(kind)
            {
                let name = &declared.name;
                let why = format!("Its field `{}` leads to objects of the type `{kind}`.", field.name);
                users.push(lacking(&format!("/object-types/{name}"), &format!("The object type `{name}`"), why));
            }
        }
    }
    users
}

/// What of another plugin leads to objects of types that are gone: its own objects, and what it does by itself.
fn leading(other: &Installation, gone: &BTreeSet<&String>) -> Vec<Fault> {
    let (pointer, user) = (format!("/plugins/{}", other.name), format!("The plugin `{}`", other.name));
    let shapes = other.manifest.objects.iter();
    let fields = shapes.flat_map(|shape| shape.fields.iter().map(move |field| (shape, field)));
    let mut users: Vec<Fault> = fields
        .filter_map(|(shape, field)| match &field.of {
            Type::Object(kind) if gone.contains(kind) => {
                let (name, field) = (&shape.name, &field.name);
                let why = format!("The field `{field}` of its objects `{name}` leads to objects of the type `{kind}`.");
                Some(lacking(&pointer, &user, why))
            }
            _ => None,
        })
        .collect();
    users.extend(other.manifest.access.iter().filter_map(|access| match Access::parse(access)? {
        Access::Objects(kind) | Access::ObjectWrites(kind) if gone.iter().any(|gone| *gone == kind) => {
            Some(lacking(&pointer, &user, format!("It asks for objects of the type `{kind}`.")))
        }
        _ => None,
    }));
    users
}

fn lacking(pointer: &str, user: &str, why: String) -> Fault {
    in_use(pointer.to_owned(), user, &Fault::new("", "unknown-object-type", why))
}

/// Whether it was not wrong there before, in whatever words.
fn is_new(fault: &Fault, before: &[Fault]) -> bool {
    before.iter().all(|was| (&was.pointer, &was.code) != (&fault.pointer, &fault.code))
}

fn in_use(pointer: String, user: &str, fault: &Fault) -> Fault {
    let place = if fault.pointer.is_empty() { String::new() } else { format!(" at {}", fault.pointer) };
    Fault::new(pointer, "in-use", format!("{user} needs it{place}. Without it: {}", fault.message))
}

fn broken(version: &JourneyVersion, surroundings: &Surroundings) -> Vec<Fault> {
    let compiled = openhub_journey::parse(&version.definition)
        .and_then(|definition| Journey::compile(&version.journey, version.version, &definition, surroundings));
    compiled.err().unwrap_or_default()
}

fn fields(surroundings: Surroundings) -> BTreeMap<String, Vec<Field>> {
    surroundings.objects.into_iter().map(|(kind, shape)| (kind, shape.fields)).collect()
}
