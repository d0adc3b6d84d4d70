//! Records of custom types, checked against their declared fields and by the plugin that declares them, if one does.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use openhub_engine::objects::{self, Fate, Importing, NewObject, Trial};
use openhub_model::Fault;
use openhub_model::limits::OBJECT_KEY;
use openhub_store::ObjectFilter;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

use crate::app::App;
use crate::auth::{Authorized, ObjectsRead, ObjectsWrite};
use crate::body::JsonBody;
use crate::cursor;
use crate::ingest::{RESERVED, Refused};
use crate::objects::{Fields, etag, expect_type, expected_version, write_context};
use crate::once::idempotency_key;
use crate::openapi::{Changed, PluginFailed, Problems, Unfit};
use crate::parameters::{Path, Query, id_in_query};
use crate::problem::{Problem, TOO_LARGE};
use crate::views::{ObjectList, ObjectView};

const LIST: &str = "objects";

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Parameters {
    /// Only objects of this customer, by id.
    customer: Option<String>,
    /// The `next` of the page before.
    after: Option<String>,
    /// Page size, 1 to 1000 (default 50).
    limit: Option<usize>,
}

/// Objects of a type, by key. A type that nobody declares, and of which nothing is stored, is not found.
#[utoipa::path(get, path = "/api/v1/objects/{kind}", tag = "objects",
    params(("kind" = String, Path, description = "The object type."), Parameters),
    security(("api_key" = ["objects:read"])),
    responses((status = 200, body = ObjectList), Problems))]
pub(crate) async fn list_objects(
    State(app): State<Arc<App>>,
    access: Authorized<ObjectsRead>,
    Path(kind): Path<String>,
    Query(parameters): Query<Parameters>,
) -> Result<Json<ObjectList>, Problem> {
    let limit = cursor::limit(parameters.limit)?;
    expect_type(&app, &access.scope, &kind).await?;
    let filter = ObjectFilter {
        kind,
        part: id_in_query("customer", parameters.customer.as_deref())?,
        after: cursor::read(LIST, "after", parameters.after.as_deref())?,
        limit: limit + 1,
    };
    let objects = app.store.objects(&access.scope, &filter).await?;
    let (objects, next) = cursor::page(LIST, objects, limit, |object| object.key.clone());
    Ok(Json(ObjectList { objects: objects.into_iter().map(Into::into).collect(), next }))
}

/// Creates an object. What is left out and has a default has it. The plugin that declares the type checks it, completes it and
/// gives it its key; a type that an admin declares says which field is the key, or the hub makes one. With an
/// `Idempotency-Key` it is made once: the same request again answers what is there, and one of other fields is refused.
#[utoipa::path(post, path = "/api/v1/objects/{kind}", tag = "objects", request_body = Fields,
    params(("kind" = String, Path, description = "The object type."),
        ("Idempotency-Key" = Option<String>, Header,
            description = "Your own name for this write, 1 to 255 characters. A second write with the same name creates nothing.")),
    security(("api_key" = ["objects:write"])),
    responses((status = 201, body = ObjectView), Problems, Unfit, PluginFailed))]
pub(crate) async fn create_object(
    State(app): State<Arc<App>>,
    access: Authorized<ObjectsWrite>,
    Path(kind): Path<String>,
    headers: HeaderMap,
    JsonBody(fields): JsonBody<Fields>,
) -> Result<Response, Problem> {
    let fields = fields.bounded(&app)?;
    let mut context = write_context(&app, &access).await?;
    if let Some(name) = idempotency_key(&headers)? {
        context = context.once(&access.scope, &kind, name);
    }
    let (object, _) = objects::create(&app.engine, &access.scope, &kind, fields, context).await?;
    let tag = [(header::ETAG, etag(object.version))];
    Ok((StatusCode::CREATED, tag, Json(ObjectView::from(object))).into_response())
}

/// One object.
#[utoipa::path(get, path = "/api/v1/objects/{kind}/{key}", tag = "objects",
    params(("kind" = String, Path, description = "The object type."), ("key" = String, Path, description = "The object's key.")),
    security(("api_key" = ["objects:read"])),
    responses((status = 200, body = ObjectView), Problems))]
pub(crate) async fn get_object(
    State(app): State<Arc<App>>,
    access: Authorized<ObjectsRead>,
    Path((kind, key)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let object = app.store.object(&access.scope, &kind, &key).await?.ok_or_else(|| Problem::not_found("object"))?;
    Ok(([(header::ETAG, etag(object.version))], Json(ObjectView::from(object))).into_response())
}

/// Changes an object's fields; `null` takes a field away. With `If-Match: "<version>"`, only that version.
#[utoipa::path(patch, path = "/api/v1/objects/{kind}/{key}", tag = "objects", request_body = Fields,
    params(
        ("kind" = String, Path, description = "The object type."), ("key" = String, Path, description = "The object's key."),
        ("If-Match" = Option<String>, Header, description = "The version that you read, like `\"3\"`.")),
    security(("api_key" = ["objects:write"])),
    responses((status = 200, body = ObjectView), Problems, Changed, Unfit, PluginFailed))]
pub(crate) async fn update_object(
    State(app): State<Arc<App>>,
    access: Authorized<ObjectsWrite>,
    Path((kind, key)): Path<(String, String)>,
    headers: HeaderMap,
    JsonBody(fields): JsonBody<Fields>,
) -> Result<Response, Problem> {
    let expected = expected_version(&headers)?;
    let patch = fields.bounded(&app)?;
    let context = write_context(&app, &access).await?;
    let (object, _) = objects::update(&app.engine, &access.scope, &kind, &key, &patch, expected, context).await?;
    Ok(([(header::ETAG, etag(object.version))], Json(ObjectView::from(object))).into_response())
}

/// Deletes an object, if its plugin lets it go and no other object leads to it. Those whose field says `"on_delete": "clear"`
/// lead there no more. With `If-Match: "<version>"`, only that version.
#[utoipa::path(delete, path = "/api/v1/objects/{kind}/{key}", tag = "objects",
    params(
        ("kind" = String, Path, description = "The object type."), ("key" = String, Path, description = "The object's key."),
        ("If-Match" = Option<String>, Header, description = "The version that you read, like `\"3\"`.")),
    security(("api_key" = ["objects:write"])),
    responses((status = 204, description = "The object was deleted."), Problems, Changed, Unfit, PluginFailed))]
pub(crate) async fn remove_object(
    State(app): State<Arc<App>>,
    access: Authorized<ObjectsWrite>,
    Path((kind, key)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let expected = expected_version(&headers)?;
    let context = write_context(&app, &access).await?;
    objects::delete(&app.engine, &access.scope, &kind, &key, expected, context).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ImportParameters {
    /// `false`: the objects trigger journeys, as if they were created now.
    historical: Option<bool>,
    /// `true`: check everything, also against what is stored, and store nothing.
    dry_run: Option<bool>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ObjectRows {
    /// At most 10,000.
    rows: Vec<ObjectRow>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ObjectRow {
    /// The `messageId` of the event that creates the object: a row sent twice creates one object.
    id: String,
    /// The key that the object has had, as an export has it; without one, its type gives it a key. A row whose key an object has
    /// already is passed over if their fields are the same, and refused if not.
    key: Option<String>,
    /// Typed by the object type. A customer is an id, or an identity: `{"kind": "user_id", "value": "42"}`,
    /// or as an export writes it, `user_id:42`.
    #[schema(value_type = Object)]
    fields: Map<String, Value>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ObjectReceipt {
    /// Objects that were created.
    accepted: usize,
    /// Rows that were imported before, and rows whose object is there as they say.
    duplicates: usize,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    refused: Vec<Refused>,
}

const ID_TAKEN: &str = "An event that creates no object has this id: give the row another one.";

/// Makes many objects of a type. A row that is refused does not sink the others.
#[utoipa::path(post, path = "/api/v1/import/objects/{kind}", tag = "objects", request_body = ObjectRows,
    params(("kind" = String, Path, description = "The object type."), ImportParameters),
    security(("api_key" = ["objects:write"])),
    responses((status = 200, body = ObjectReceipt), Problems, PluginFailed))]
pub(crate) async fn import_objects(
    State(app): State<Arc<App>>,
    access: Authorized<ObjectsWrite>,
    Path(kind): Path<String>,
    Query(parameters): Query<ImportParameters>,
    JsonBody(ObjectRows { rows }): JsonBody<ObjectRows>,
) -> Result<Json<ObjectReceipt>, Problem> {
    let limits = &app.limits;
    if rows.len() > limits.batch_events {
        return Err(Problem::new(TOO_LARGE, format!("The import has too many rows: at most {}.", limits.batch_events)));
    }
    let mut refused = Vec::new();
    let (mut numbers, mut sound) = (Vec::with_capacity(rows.len()), Vec::with_capacity(rows.len()));
    for (index, ObjectRow { id, key, fields }) in rows.into_iter().enumerate() {
        match fault(&id, key.as_deref(), &fields, limits.event_bytes) {
            Some(fault) => refused.push(told(index, fault)),
            None => {
                numbers.push(index);
                sound.push(NewObject { id, key, fields });
            }
        }
    }
    let how = Importing {
        context: write_context(&app, &access).await?,
        trial: if parameters.dry_run == Some(true) { Trial::DryRun } else { Trial::Commit },
        historical: parameters.historical != Some(false),
    };
    let fates = objects::import(&app.engine, &access.scope, &kind, &sound, how).await?;
    let mut receipt = ObjectReceipt { accepted: 0, duplicates: 0, refused };
    for (index, fate) in numbers.into_iter().zip(fates) {
        match fate {
            Fate::Made => receipt.accepted += 1,
            Fate::Known => receipt.duplicates += 1,
            Fate::Taken => receipt.refused.push(told(index, Fault::new("/id", "id-taken", ID_TAKEN))),
            Fate::Refused(faults) => {
                let below = |fault: Fault| Fault { pointer: format!("/fields{}", fault.pointer), ..fault };
                receipt.refused.extend(Refused::all(index, "rows", faults.into_iter().map(below).collect()));
            }
            Fate::RefusedKey(fault) => {
                receipt.refused.push(told(index, Fault { pointer: "/key".to_owned(), ..fault }));
            }
        }
    }
    receipt.refused.sort_by_key(|refused| refused.index);
    Ok(Json(receipt))
}

fn told(index: usize, Fault { pointer, code, message }: Fault) -> Refused {
    Refused { index, code, pointer: format!("/rows/{index}{pointer}"), message, more: Vec::new() }
}

fn fault(id: &str, key: Option<&str>, fields: &Map<String, Value>, most: usize) -> Option<Fault> {
    if !(1..=255).contains(&id.len()) || id.starts_with(RESERVED) {
        let message = format!("An id must have 1 to 255 bytes and not begin with `{RESERVED}`.");
        return Some(Fault::new("/id", "invalid-id", message));
    }
    if key.is_some_and(|key| !(1..=OBJECT_KEY).contains(&key.len()) || key.contains('\0')) {
        let message = format!("A key must have 1 to {OBJECT_KEY} bytes, and no U+0000.");
        return Some(Fault::new("/key", "invalid-key", message));
    }
    let size = serde_json::to_vec(fields).map_or(0, |json| json.len());
    (size > most)
        .then(|| Fault::new("/fields", "too-large", format!("The fields are too large: at most {most} bytes.")))
}
