//! Object types, whoever declares them.

use openhub_engine::catalog::{ObjectType, TypeOwner};
use openhub_engine::object_types::fit::{Fit, Misfit};
use openhub_model::Fault;
use openhub_model::manifest::{Field, ObjectShape};
use openhub_store::DeclaredType;
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

use super::input::FaultView;

/// A type of objects.
#[derive(Serialize, ToSchema)]
#[schema(as = ObjectType)]
pub(crate) struct ObjectTypeView {
    pub name: String,
    /// Who declares it.
    declared_by: DeclaredBy,
    /// The plugin that declares it, if one does.
    #[serde(skip_serializing_if = "Option::is_none")]
    plugin: Option<String>,
    /// For `If-Match`. Of a plugin's type, the one that its manifest says.
    pub version: i64,
    /// Whether its objects are on their way to the next version: none of them can be written until then.
    migrating: bool,
    /// By language: `en`, `zh`.
    title: BTreeMap<String, String>,
    description: BTreeMap<String, String>,
    #[schema(value_type = Vec<Object>)]
    fields: Vec<Field>,
    /// The field that tells whose an object is.
    owner: Option<String>,
    /// The field whose value is an object's key.
    key: Option<String>,
}

#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum DeclaredBy {
    Admin,
    Plugin,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct ObjectTypeList {
    pub object_types: Vec<ObjectTypeView>,
    /// Cursor of the next page.
    pub next: Option<String>,
}

/// What a declaration has come to.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum Declared {
    Type(Box<ObjectTypeView>),
    /// Of a dry run.
    Trial(ObjectTypeTrial),
}

/// What a version would do to the objects that there are.
#[derive(Serialize, ToSchema)]
pub(crate) struct ObjectTypeTrial {
    objects: u64,
    /// Those that would be written anew.
    changed: u64,
    /// In how many ways objects would not fit.
    misfits: Vec<MisfitView>,
    /// What objects may not fit, so that the call would be refused while there are objects, unless `migrate` says what becomes of
    /// them.
    #[schema(value_type = Vec<FaultView>)]
    narrows: Vec<Fault>,
}

/// Objects that do not fit in the same way.
#[derive(Serialize, ToSchema)]
#[schema(as = Misfit)]
pub(crate) struct MisfitView {
    /// Into the fields of an object.
    pointer: String,
    code: String,
    message: String,
    objects: u64,
    /// Keys of some of them.
    samples: Vec<String>,
}

impl ObjectTypeTrial {
    pub fn new(Fit { objects, changed, misfits }: Fit, narrows: Vec<Fault>) -> ObjectTypeTrial {
        let misfit = |Misfit { pointer, code, message, objects, samples }| MisfitView {
            pointer,
            code,
            message,
            objects,
            samples,
        };
        ObjectTypeTrial { objects, changed, misfits: misfits.into_iter().map(misfit).collect(), narrows }
    }
}

impl From<DeclaredType> for ObjectTypeView {
    fn from(DeclaredType { name, version, declaration, migrating, .. }: DeclaredType) -> Self {
        ObjectTypeView {
            name,
            declared_by: DeclaredBy::Admin,
            plugin: None,
            version,
            migrating: migrating.is_some(),
            title: declaration.title,
            description: declaration.description,
            fields: declaration.fields,
            owner: declaration.owner,
            key: declaration.key,
        }
    }
}

impl ObjectTypeView {
    /// What people are shown: in English, else in any language.
    pub fn shown_title(&self) -> Option<String> {
        self.title.get("en").or(self.title.values().next()).cloned()
    }

    /// Of a plugin; what an admin declares is stored as it was declared.
    pub fn of_plugin(object: &ObjectType) -> Option<ObjectTypeView> {
        let TypeOwner::Plugin(enabled) = &object.owner else { return None };
        let ObjectShape { name, version, fields, owner } = object.shape.clone();
        Some(ObjectTypeView {
            name,
            declared_by: DeclaredBy::Plugin,
            plugin: Some(enabled.installation.name.clone()),
            version: i64::from(version),
            migrating: false,
            title: BTreeMap::new(),
            description: BTreeMap::new(),
            fields,
            owner,
            key: None,
        })
    }
}
