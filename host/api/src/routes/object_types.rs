//! Object types: those that plugins declare, and those that an admin declares here, without code.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use openhub_engine::object_types::fit::{Fit, Misfit, Step};
use openhub_engine::object_types::{Hindrance, Wanted, hindrance};
use openhub_model::misfits;
use openhub_model::object_type::{BYTES, Declaration, Migration, is_type_name, name_fault};
use openhub_model::{Fault, limits};
use openhub_store::{Scope, StoreError};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use utoipa::IntoParams;

use crate::app::App;
use crate::auth::{Authorized, ObjectsRead, SettingsWrite};
use crate::body::{JsonBody, fault_of, from_value};
use crate::change::Change;
use crate::objects::{etag, expected_version};
use crate::openapi::{Changed, Problems, Unfit};
use crate::parameters::{Path, Query};
use crate::problem::{CONFLICT, IN_USE, INVALID_OBJECT_TYPE, INVALID_PATH, NARROWS, Problem, VERSION_MISMATCH};
use crate::views::{Declared, ObjectTypeList, ObjectTypeTrial, ObjectTypeView, PendingView};
use crate::writes::{Progress, accepted};

/// The object types by name: those of enabled plugins, and those that an admin declares.
#[utoipa::path(get, path = "/api/v1/object-types", tag = "objects",
    security(("api_key" = ["objects:read"])),
    responses((status = 200, body = ObjectTypeList), Problems))]
pub(crate) async fn list_object_types(
    State(app): State<Arc<App>>,
    access: Authorized<ObjectsRead>,
) -> Result<Json<ObjectTypeList>, Problem> {
    let catalog = app.engine.in_force(&access.scope).await?;
    let declared = app.store.object_types(&access.scope).await?.into_iter().map(ObjectTypeView::from);
    let mut object_types: Vec<_> =
        declared.chain(catalog.objects.values().filter_map(ObjectTypeView::of_plugin)).collect();
    object_types.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(Json(ObjectTypeList { object_types }))
}

/// One object type.
#[utoipa::path(get, path = "/api/v1/object-types/{name}", tag = "objects",
    params(("name" = String, Path, description = "The type's name.")),
    security(("api_key" = ["objects:read"])),
    responses((status = 200, body = ObjectTypeView), Problems))]
pub(crate) async fn get_object_type(
    State(app): State<Arc<App>>,
    access: Authorized<ObjectsRead>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    if let Some(view) = declared(&app, &access.scope, &name).await? {
        return Ok(([(header::ETAG, etag(view.version))], Json(view)).into_response());
    }
    let catalog = app.engine.in_force(&access.scope).await?;
    let of_plugin = catalog.objects.get(&name).and_then(ObjectTypeView::of_plugin);
    of_plugin.map(|view| Json(view).into_response()).ok_or_else(|| Problem::not_found("object type"))
}

/// The fields of a new object of the type as JSON Schema (2020-12).
#[utoipa::path(get, path = "/api/v1/object-types/{name}/schema", tag = "objects",
    params(("name" = String, Path, description = "The type's name.")),
    security(("api_key" = ["objects:read"])),
    responses((status = 200, body = Object), Problems))]
pub(crate) async fn object_type_schema(
    State(app): State<Arc<App>>,
    access: Authorized<ObjectsRead>,
    Path(name): Path<String>,
) -> Result<Json<Value>, Problem> {
    let catalog = app.engine.in_force(&access.scope).await?;
    let object = catalog.objects.get(&name).ok_or_else(|| Problem::not_found("object type"))?;
    Ok(Json(object.shape.schema()))
}

/// Declares an object type, or its next version: `{"title": {"en": "Store", "zh": "门店"}, "key": "code", "owner": "manager",
/// "fields": [{"name": "code", "type": "text", "required": true}, {"name": "manager", "type": "customer"}]}`.
///
/// Types of fields: `boolean`, `integer`, `number`, `text`, `timestamp`, `{"decimal": 2}`, `{"enum": ["open", "closed"]}`,
/// `customer`, and `{"object": "city"}`: the key of an object of that type, which has to be there, and is not deleted while one
/// leads to it (or, with `"on_delete": "clear"`, leaves the fields that lead to it). A field may have a `label` by language, be `required`, `unique` or a `list`, and have a `default`, bounds (`min`,
/// `max`), lengths (`min_length`, `max_length`) and `max_items`. All faults are told at once.
///
/// The version takes effect at its place in the log. One that objects may not fit (a new required field without a default, a
/// value of an enum that is gone, tighter bounds, another type) is refused while there are objects, unless `migrate` says how they
/// become objects of it: `{"status": {"map": {"closed": "shut"}}, "size": {"convert": true}, "floor": {"default": 0}, "label":
/// {"from": "title"}, "old": {"drop": true}}`. All of them are looked at first; if one does not fit, nothing is changed.
///
/// With `dry_run=true`, nothing is changed: the answer counts the objects that do not fit, with samples. With `If-Match:
/// "<version>"`, only that version is followed.
#[utoipa::path(put, path = "/api/v1/object-types/{name}", tag = "objects", request_body = Object,
    params(("name" = String, Path, description = "The type's name: at most 64 characters `a-z`, `0-9`, `-` and `_`."),
        ("If-Match" = Option<String>, Header, description = "The version that you read, like `\"3\"`."), Parameters),
    security(("api_key" = ["settings:write"])),
    responses((status = 200, body = Declared), (status = 202, body = PendingView), Problems, Changed, Unfit))]
pub(crate) async fn put_object_type(
    State(app): State<Arc<App>>,
    change: Change<SettingsWrite>,
    Path(name): Path<String>,
    Query(parameters): Query<Parameters>,
    headers: HeaderMap,
    JsonBody(mut body): JsonBody<Value>,
) -> Result<Response, Problem> {
    let expected = expected_version(&headers)?;
    let is_trial = parameters.dry_run == Some(true);
    if !is_type_name(&name) {
        return Err(Problem::new(INVALID_PATH, name_fault()));
    }
    let migrate = body.as_object_mut().and_then(|body| body.remove("migrate"));
    let declaration = read(&body)?;
    let migration = migrate.map(|migrate| from_value::<Migration>(&migrate, "/migrate")).transpose();
    let migration = migration.map_err(wrong)?;
    let fit = match migration.is_some() || is_trial {
        false => Fit::default(),
        true => fit(&app, &change.scope, &name, &declaration, migration.as_ref()).await?,
    };
    if !fit.misfits.is_empty() && !is_trial {
        let detail = "There are objects that would not fit. Nothing was changed.";
        return Err(Problem::new(NARROWS, detail).with_faults(fit.misfits.iter().map(Misfit::fault).collect()));
    }
    let _alone = change.alone().await?;
    let migrates = migration.is_some() || is_trial;
    let wanted = Wanted { name: &name, declaration: Some(&declaration), expected, migrates };
    if let Some(hindrance) = hindrance(&app.store, &change.scope, wanted).await? {
        return Err(refused(hindrance));
    }
    if is_trial {
        return Ok(Json(Declared::Trial(ObjectTypeTrial::from(fit))).into_response());
    }
    let body = json!({ "type": name, "declaration": declaration, "migrate": migration, "expected": expected });
    match change.commit("object-type.declared", body).await? {
        Progress::Done => {
            let view = declared(&app, &change.scope, &name).await?.ok_or_else(|| Problem::not_found("object type"))?;
            let tag = [(header::ETAG, etag(view.version))];
            Ok((tag, Json(Declared::Type(Box::new(view)))).into_response())
        }
        Progress::Pending(position) => Ok(accepted(position)),
    }
}

/// Takes a declaration away: refused while there are objects of the type, and while a segment, a journey, a plugin or another
/// type uses it. They are named.
#[utoipa::path(delete, path = "/api/v1/object-types/{name}", tag = "objects",
    params(("name" = String, Path, description = "The type's name."),
        ("If-Match" = Option<String>, Header, description = "The version that you read, like `\"3\"`.")),
    security(("api_key" = ["settings:write"])),
    responses((status = 204, description = "The type is not declared any more."), (status = 202, body = PendingView), Problems,
        Changed))]
pub(crate) async fn remove_object_type(
    State(app): State<Arc<App>>,
    change: Change<SettingsWrite>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let expected = expected_version(&headers)?;
    let _alone = change.alone().await?;
    let wanted = Wanted { name: &name, declaration: None, expected, migrates: false };
    match hindrance(&app.store, &change.scope, wanted).await? {
        Some(Hindrance::NotThere) => {
            let catalog = app.engine.in_force(&change.scope).await?;
            let plugin = catalog.objects.get(&name).and_then(|object| object.plugin());
            let of_plugin = |plugin: &str| refused(Hindrance::OfPlugin(plugin.to_owned()));
            return Err(match plugin {
                Some(enabled) => of_plugin(&enabled.installation.name),
                None => Problem::not_found("object type"),
            });
        }
        Some(hindrance) => return Err(refused(hindrance)),
        None => {}
    }
    let body = json!({ "type": name, "declaration": null, "expected": expected });
    match change.commit("object-type.declared", body).await? {
        Progress::Done => Ok(StatusCode::NO_CONTENT.into_response()),
        Progress::Pending(position) => Ok(accepted(position)),
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Parameters {
    /// `true`: check everything, count the objects that do not fit, and change nothing.
    dry_run: Option<bool>,
}

/// Whether the objects that there are fit a version, as they are or as a migration makes them.
async fn fit(
    app: &App,
    scope: &Scope,
    name: &str,
    declaration: &Declaration,
    migration: Option<&Migration>,
) -> Result<Fit, Problem> {
    let types = app.store.object_types(scope).await?;
    let Some(stored) = types.iter().find(|declared| declared.name == name) else { return Ok(Fit::default()) };
    if stored.migrating.is_some() {
        return Err(StoreError::Migrating(name.to_owned()).into());
    }
    let nothing = Migration::default();
    let migration = migration.unwrap_or(&nothing);
    let faults = migration.faults(&stored.declaration, declaration, "/migrate");
    if !faults.is_empty() {
        return Err(wrong(faults));
    }
    Ok(Step::of(stored, declaration, migration).fit(&app.store, scope).await?)
}

fn wrong(faults: Vec<Fault>) -> Problem {
    let detail = "Nothing was changed. `faults` says what to correct.";
    Problem::new(INVALID_OBJECT_TYPE, detail).with_faults(faults)
}

/// A declared type, as it is in force.
async fn declared(app: &App, scope: &Scope, name: &str) -> Result<Option<ObjectTypeView>, Problem> {
    let declared = app.store.object_types(scope).await?.into_iter().find(|declared| declared.name == name);
    Ok(declared.map(ObjectTypeView::from))
}

/// A declaration, or all that is wrong with it.
fn read(body: &Value) -> Result<Declaration, Problem> {
    if limits::is_longer(body, BYTES) {
        let message = format!("The declaration is too large: at most {BYTES} bytes.");
        return Err(wrong(vec![Fault::new("", "too-large", message)]));
    }
    let mut read = misfits::read::<Declaration>(body);
    let misfits = std::mem::take(&mut read.misfits);
    let mut faults: Vec<Fault> = misfits.into_iter().map(|misfit| fault_of(misfit, "")).collect();
    let meaning = read.value.as_ref().map(Declaration::faults).unwrap_or_default();
    faults.extend(meaning.into_iter().filter(|fault| read.is_as_written(&fault.pointer)));
    match read.value.filter(|_| faults.is_empty()) {
        Some(declaration) => Ok(declaration),
        None => {
            faults.truncate(TOLD);
            Err(wrong(faults))
        }
    }
}

/// Faults that are told at most.
const TOLD: usize = 100;

fn refused(hindrance: Hindrance) -> Problem {
    let kind = match hindrance {
        Hindrance::NotThere => return Problem::not_found("object type"),
        Hindrance::OtherVersion(_) => VERSION_MISMATCH,
        Hindrance::OfPlugin(_) | Hindrance::TooMany | Hindrance::HasObjects => CONFLICT,
        Hindrance::LeadsNowhere(_) => INVALID_OBJECT_TYPE,
        Hindrance::Narrows(_) => NARROWS,
        Hindrance::InUse(_) => IN_USE,
    };
    let mut detail = hindrance.to_string();
    if let Some(first) = detail.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    Problem::new(kind, format!("{detail}. Nothing was changed.")).with_faults(hindrance.faults().to_vec())
}
