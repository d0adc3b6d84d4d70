//! Object types: those that plugins declare, and those that an admin declares here, without code.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use openhub_engine::object_types::fit::{Fit, Misfit, Step};
use openhub_engine::object_types::{self, Hindrance, Wanted, hindrance, leads_nowhere};
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
use crate::cursor;
use crate::objects::{etag, expected_version};
use crate::openapi::{Changed, Problems, Unfit};
use crate::parameters::{Path, Query};
use crate::problem::{CONFLICT, IN_USE, INVALID_OBJECT_TYPE, INVALID_PATH, NARROWS, Problem, VERSION_MISMATCH};
use crate::views::{Declared, ObjectTypeList, ObjectTypeTrial, ObjectTypeView, PendingView};
use crate::writes::{Progress, accepted};

const LIST: &str = "object-types";

/// The object types by name: those of enabled plugins, and those that an admin declares.
#[utoipa::path(get, path = "/api/v1/object-types", tag = "objects", params(cursor::Page),
    security(("api_key" = ["objects:read"])),
    responses((status = 200, body = ObjectTypeList), Problems))]
pub(crate) async fn list_object_types(
    State(app): State<Arc<App>>,
    access: Authorized<ObjectsRead>,
    Query(page): Query<cursor::Page>,
) -> Result<Json<ObjectTypeList>, Problem> {
    let catalog = app.engine.in_force(&access.scope).await?;
    let declared = app.store.object_types(&access.scope).await?.into_iter().map(ObjectTypeView::from);
    let mut object_types: Vec<_> =
        declared.chain(catalog.objects.values().filter_map(ObjectTypeView::of_plugin)).collect();
    object_types.sort_by(|one, other| one.name.cmp(&other.name));
    let (object_types, next) = page.of(LIST, object_types, |each| each.name.clone(), |name, after| name > after)?;
    Ok(Json(ObjectTypeList { object_types, next }))
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
    let mut schema = object.shape.schema();
    if let Some(title) = declared(&app, &access.scope, &name).await?.and_then(|view| view.shown_title()) {
        schema["title"] = title.into();
    }
    Ok(Json(schema))
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
/// With `dry_run=true`, nothing is changed: the answer counts the objects that do not fit, with samples, and says what the call
/// would be refused for. With `If-Match: "<version>"`, only that version is followed. What is in force already, sent again, makes no
/// new version.
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
    let Sent { declaration, mut migration, is_in_force } =
        sent(&app, &change.scope, &name, &body, migrate.as_ref()).await?;
    if is_in_force {
        if let Some(version) = expected
            && let Some(view) = declared(&app, &change.scope, &name).await?.filter(|view| view.version != version)
        {
            return Err(refused(Hindrance::OtherVersion(view.version)));
        }
        if !is_trial {
            return answered(&app, &change.scope, &name).await;
        }
        migration = None;
    }
    let fit = match migration.is_some() || is_trial {
        false => Fit::default(),
        true => fit(&app, &change.scope, &name, &declaration, migration.as_ref()).await?,
    };
    let _alone = change.alone().await?;
    let wanted = Wanted { name: &name, declaration: Some(&declaration), expected, migrates: migration.is_some() };
    let hindrance = hindrance(&app.store, &change.scope, wanted).await?;
    if is_trial {
        // What objects may not fit stands beside those that do not.
        return match hindrance {
            Some(Hindrance::Narrows(faults)) => {
                Ok(Json(Declared::Trial(ObjectTypeTrial::new(fit, faults))).into_response())
            }
            Some(hindrance) => Err(refused(hindrance)),
            None => Ok(Json(Declared::Trial(ObjectTypeTrial::new(fit, Vec::new()))).into_response()),
        };
    }
    if !fit.misfits.is_empty() {
        let detail = "There are objects that would not fit. Nothing was changed.";
        let misfits = fit.misfits.iter().map(Misfit::fault);
        let faults = misfits.chain(hindrance.iter().flat_map(Hindrance::faults).cloned()).collect();
        return Err(Problem::new(NARROWS, detail).with_faults(faults));
    }
    if let Some(hindrance) = hindrance {
        return Err(refused(hindrance));
    }
    let body = json!({ "type": name, "declaration": declaration, "migrate": migration, "expected": expected });
    match change.commit("object-type.declared", body).await? {
        Progress::Done => answered(&app, &change.scope, &name).await,
        Progress::Pending(position) => Ok(accepted(position)),
    }
}

/// The type as it is in force.
async fn answered(app: &App, scope: &Scope, name: &str) -> Result<Response, Problem> {
    let view = declared(app, scope, name).await?.ok_or_else(|| Problem::not_found("object type"))?;
    let tag = [(header::ETAG, etag(view.version))];
    Ok((tag, Json(Declared::Type(Box::new(view)))).into_response())
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
    Ok(Step::of(stored, declaration, migration).fit(&app.store, scope).await?)
}

/// What somebody sends.
struct Sent {
    declaration: Declaration,
    migration: Option<Migration>,
    /// Whether it is what is in force, so that it changes nothing.
    is_in_force: bool,
}

/// A declaration and its migration, or all that is wrong with both: their form, their meaning, and what they lead to.
async fn sent(app: &App, scope: &Scope, name: &str, body: &Value, migrate: Option<&Value>) -> Result<Sent, Problem> {
    if limits::is_longer(body, BYTES) {
        let message = format!("The declaration is too large: at most {BYTES} bytes.");
        return Err(wrong(vec![Fault::new("", "too-large", message)]));
    }
    let mut read = misfits::read::<Declaration>(body);
    let misfits = std::mem::take(&mut read.misfits);
    let is_formed = misfits.is_empty();
    let mut faults: Vec<Fault> = misfits.into_iter().map(|misfit| explained(body, fault_of(misfit, ""))).collect();
    if let Some(declaration) = &read.value {
        let lost = leads_nowhere(&app.store, scope, name, declaration).await?;
        let meaning = declaration.faults();
        // What cannot be a name is told as that.
        let lost = lost.into_iter().filter(|fault| meaning.iter().all(|other| other.pointer != fault.pointer));
        let meaning: Vec<Fault> = lost.chain(meaning.iter().cloned()).collect();
        faults.extend(meaning.into_iter().filter(|fault| read.is_as_written(&fault.pointer)));
    }
    let migration = migrate.map(|migrate| from_value::<Migration>(migrate, "/migrate")).transpose();
    let migration = migration.unwrap_or_else(|wrong| {
        faults.extend(wrong);
        None
    });
    let types = app.store.object_types(scope).await?;
    let mut is_in_force = false;
    if let (Some(declaration), Some(stored)) = (&read.value, types.iter().find(|each| each.name == name))
        && is_formed
    {
        is_in_force = object_types::is_in_force(&app.store, scope, stored, declaration, migration.as_ref()).await?;
        if let Some(migration) = migration.as_ref().filter(|_| !is_in_force) {
            faults.extend(migration.faults(&stored.declaration, declaration, "/migrate"));
        }
    }
    match read.value.filter(|_| faults.is_empty()) {
        Some(declaration) => Ok(Sent { declaration, migration, is_in_force }),
        None => {
            faults.truncate(TOLD);
            Err(wrong(faults))
        }
    }
}

/// What other programs call the types of fields.
const OTHER_WORDS: [(&[&str], &str); 6] = [
    (
        &["date", "day", "birthday"],
        "There is no type of days: use `timestamp`, with the day's midnight, like `2026-01-31T00:00:00Z`.",
    ),
    (&["datetime", "time", "instant"], "Use `timestamp`, like `2026-01-31T12:00:00Z`."),
    (&["string", "str", "varchar", "uuid", "email", "url"], "Use `text`."),
    (&["int", "long", "bigint"], "Use `integer`."),
    (&["float", "double", "real"], "Use `number`."),
    (&["decimal", "money", "numeric"], "Write a decimal with its digits behind the point, like `{\"decimal\": 2}`."),
];

/// The type to use stands in the message.
fn explained(body: &Value, fault: Fault) -> Fault {
    let given = body.pointer(&fault.pointer).and_then(Value::as_str).filter(|_| fault.pointer.ends_with("/type"));
    let other =
        given.and_then(|given| OTHER_WORDS.iter().find(|(words, _)| words.contains(&given.to_lowercase().as_str())));
    match other {
        Some((_, instead)) => Fault { message: format!("{} {instead}", fault.message), ..fault },
        None => fault,
    }
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

/// Faults that are told at most.
const TOLD: usize = 100;

fn refused(hindrance: Hindrance) -> Problem {
    let kind = match hindrance {
        Hindrance::NotThere => return Problem::not_found("object type"),
        Hindrance::OtherVersion(_) | Hindrance::NoVersion => VERSION_MISMATCH,
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
