//! Whether a declaration of an object type may come into force, or go: asked at the door, and again at its place in the log.

pub mod fit;

use openhub_model::fault::instead_of;
use openhub_model::object_type::{Declaration, Migration, TYPES};
use openhub_model::{Event, Fault};
use openhub_store::{DeclaredType, Presumes, Scope, Store};
use serde_json::Value;
use std::collections::BTreeSet;

use crate::error::EngineError;
use crate::uses;

/// The control event that declares an object type.
pub(crate) const DECLARED: &str = "object-type.declared";

/// How the objects of a type become of the version that an event declares, if it says so.
pub(crate) fn migration_of(event: &Event) -> Option<Migration> {
    if event.name != DECLARED {
        return None;
    }
    let body: Value = serde_json::from_str(&event.body).ok()?;
    serde_json::from_value(body["migrate"].clone()).ok()
}

/// What an admin wants of a type.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    pub name: &'a str,
    /// None: that nobody declares it any more.
    pub declaration: Option<&'a Declaration>,
    /// The version that they have seen, 0 if there was none. None: whichever there is.
    pub expected: Option<i64>,
    /// Whether objects are made to fit, or have to as they are.
    pub migrates: bool,
}

/// Why not.
#[derive(Debug, thiserror::Error)]
pub enum Hindrance {
    #[error("nobody declares the object type")]
    NotThere,
    #[error("the object type is at version {0} by now: read it again")]
    OtherVersion(i64),
    /// A version was expected, and there is none.
    #[error(
        "nobody declares the object type, so `If-Match` names a version of nothing: leave the header out to declare the type"
    )]
    NoVersion,
    #[error("the plugin `{0}` declares this object type: take another name, or remove that plugin first")]
    OfPlugin(String),
    #[error("there are {TYPES} declared object types already, the most that there may be: delete one first")]
    TooMany,
    /// It leads to types that nobody declares.
    #[error("the declaration leads to object types that nobody declares")]
    LeadsNowhere(Vec<Fault>),
    /// Objects of the version before may not fit.
    #[error("there are objects, which may not fit the new version")]
    Narrows(Vec<Fault>),
    #[error("there are objects of the type: delete them first")]
    HasObjects,
    /// Segments, journeys, plugins and other types would miss something.
    #[error("the object type is in use")]
    InUse(Vec<Fault>),
}

impl Hindrance {
    /// What is told one by one.
    pub fn faults(&self) -> &[Fault] {
        match self {
            Hindrance::LeadsNowhere(faults) | Hindrance::Narrows(faults) | Hindrance::InUse(faults) => faults,
            _ => &[],
        }
    }
}

/// What a change presumes of the objects that there are: of one that only widens, nothing.
pub fn presumes(before: Option<&Declaration>, after: Option<&Declaration>) -> Presumes {
    match (before, after) {
        (Some(before), Some(after)) if after.narrows(before).is_empty() => Presumes::Nothing,
        _ => Presumes::NoObjects,
    }
}

/// Whether a type is in force as it is declared here: who sends the same again, with the same migration or with none, changes
/// nothing.
pub async fn is_in_force(
    store: &Store,
    scope: &Scope,
    stored: &DeclaredType,
    declaration: &Declaration,
    migration: Option<&Migration>,
) -> Result<bool, EngineError> {
    if stored.declaration != *declaration || stored.migrating.is_some() {
        return Ok(false);
    }
    let Some(migration) = migration else { return Ok(true) };
    let events = store.load_events(scope, stored.position - 1, 1).await?;
    let declared = events.first().filter(|event| event.position == stored.position);
    Ok(declared.and_then(migration_of).is_some_and(|before| before == *migration))
}

/// A fault at each field of a declaration that leads to a type which nobody declares.
pub async fn leads_nowhere(
    store: &Store,
    scope: &Scope,
    name: &str,
    declaration: &Declaration,
) -> Result<Vec<Fault>, EngineError> {
    let mut known: BTreeSet<String> = store.object_types(scope).await?.into_iter().map(|each| each.name).collect();
    let plugins = store.plugins(scope).await?;
    known.extend(plugins.into_iter().flat_map(|plugin| plugin.manifest.objects).map(|shape| shape.name));
    known.insert(name.to_owned());
    Ok(lost(declaration, &known))
}

/// Whether it may come into force now; none: it may.
pub async fn hindrance(store: &Store, scope: &Scope, wanted: Wanted<'_>) -> Result<Option<Hindrance>, EngineError> {
    let Wanted { name, declaration, expected, migrates } = wanted;
    let types = store.object_types(scope).await?;
    let stored = types.iter().find(|declared| declared.name == name);
    let version = stored.map_or(0, |stored| stored.version);
    if declaration.is_none() && stored.is_none() {
        return Ok(Some(Hindrance::NotThere));
    }
    if expected.is_some_and(|expected| expected != version) {
        return Ok(Some(if version == 0 { Hindrance::NoVersion } else { Hindrance::OtherVersion(version) }));
    }
    let Some(declaration) = declaration else { return end(store, scope, name, &types).await };
    let plugins = store.plugins(scope).await?;
    let has = |kind: &str| plugins.iter().find(|plugin| plugin.manifest.objects.iter().any(|shape| shape.name == kind));
    if let Some(plugin) = has(name) {
        return Ok(Some(Hindrance::OfPlugin(plugin.name.clone())));
    }
    if stored.is_none() && types.len() >= TYPES {
        return Ok(Some(Hindrance::TooMany));
    }
    let lost = leads_nowhere(store, scope, name, declaration).await?;
    if !lost.is_empty() {
        return Ok(Some(Hindrance::LeadsNowhere(lost)));
    }
    let before = stored.map(|stored| &stored.declaration);
    if presumes(before, Some(declaration)) == Presumes::NoObjects && store.has_objects(scope, name).await? {
        let narrows = |before: &Declaration| declaration.narrows(before).into_iter().map(|narrowing| narrowing.fault);
        match before {
            None => return Ok(Some(Hindrance::HasObjects)),
            Some(before) => {
                // An object keeps the key that it has.
                let narrows = narrows(before).filter(|fault| !migrates || fault.pointer == "/key");
                let narrows: Vec<Fault> = narrows.collect();
                if !narrows.is_empty() {
                    return Ok(Some(Hindrance::Narrows(narrows)));
                }
            }
        }
    }
    let users = uses::users_of_type(store, scope, name, Some(declaration)).await?;
    Ok((!users.is_empty()).then_some(Hindrance::InUse(users)))
}

async fn end(
    store: &Store,
    scope: &Scope,
    name: &str,
    types: &[DeclaredType],
) -> Result<Option<Hindrance>, EngineError> {
    let mut users = uses::users_of_type(store, scope, name, None).await?;
    for other in types.iter().filter(|other| other.name != name) {
        if other.declaration.relations().any(|kind| kind == name) {
            let message = format!("The object type `{}` has a field that leads to it.", other.name);
            users.push(Fault::new(format!("/object-types/{}", other.name), "in-use", message));
        }
    }
    if !users.is_empty() {
        return Ok(Some(Hindrance::InUse(users)));
    }
    Ok(store.has_objects(scope, name).await?.then_some(Hindrance::HasObjects))
}

fn lost(declaration: &Declaration, known: &BTreeSet<String>) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (index, field) in declaration.fields.iter().enumerate() {
        if let Some(kind) = field.relation().filter(|kind| !known.contains(*kind)) {
            let message = format!("There is no object type `{kind}`. {}", instead_of(kind, known));
            faults.push(Fault::new(format!("/fields/{index}/type/object"), "unknown-object", message));
        }
    }
    faults
}
