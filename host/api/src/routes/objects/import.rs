//! `POST /api/v1/import/objects/{kind}`: many new objects at once.

use axum::Json;
use axum::extract::State;
use openhub_engine::objects::{self, Fate, Importing, NewObject, Trial};
use openhub_model::Fault;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

use crate::app::App;
use crate::auth::{Authorized, ObjectsWrite};
use crate::body::JsonBody;
use crate::ingest::{RESERVED, Refused};
use crate::objects::moment;
use crate::openapi::Problems;
use crate::parameters::{Path, Query};
use crate::problem::{Problem, TOO_LARGE};

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Parameters {
    /// `false`: the objects trigger journeys as if they were made now.
    historical: Option<bool>,
    /// `true`: everything is checked, against what is stored too, and nothing is kept.
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
    /// The `messageId` of the event that makes the object: a row that is sent again makes no second one.
    id: String,
    /// Typed by the plugin that declares the object type. A customer is an id, or `{"kind": …, "value": …}`.
    #[schema(value_type = Object)]
    fields: Map<String, Value>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ObjectReceipt {
    /// Objects that were made.
    accepted: usize,
    /// Rows that had been imported before.
    duplicates: usize,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    refused: Vec<Refused>,
}

/// Makes many objects of a type. A row that is refused does not sink the others.
#[utoipa::path(post, path = "/api/v1/import/objects/{kind}", tag = "objects", request_body = ObjectRows,
    params(("kind" = String, Path, description = "The object type."), Parameters),
    responses((status = 200, body = ObjectReceipt), Problems))]
pub(crate) async fn import_objects(
    State(app): State<Arc<App>>,
    access: Authorized<ObjectsWrite>,
    Path(kind): Path<String>,
    Query(parameters): Query<Parameters>,
    JsonBody(ObjectRows { rows }): JsonBody<ObjectRows>,
) -> Result<Json<ObjectReceipt>, Problem> {
    let limits = &app.limits;
    if rows.len() > limits.batch_events {
        return Err(Problem::new(TOO_LARGE, format!("An import has at most {} rows.", limits.batch_events)));
    }
    let mut refused = Vec::new();
    let (mut numbers, mut sound) = (Vec::with_capacity(rows.len()), Vec::with_capacity(rows.len()));
    for (index, ObjectRow { id, fields }) in rows.into_iter().enumerate() {
        match fault(&id, &fields, limits.event_bytes) {
            Some(fault) => refused.push(told(index, fault)),
            None => {
                numbers.push(index);
                sound.push(NewObject { id, fields });
            }
        }
    }
    let how = Importing {
        moment: moment(&app, &access).await?,
        trial: if parameters.dry_run == Some(true) { Trial::DryRun } else { Trial::Commit },
        historical: parameters.historical != Some(false),
    };
    let fates = objects::import(&app.engine, &access.scope, &kind, &sound, how).await?;
    let mut receipt = ObjectReceipt { accepted: 0, duplicates: 0, refused };
    for (index, fate) in numbers.into_iter().zip(fates) {
        match fate {
            Fate::Made => receipt.accepted += 1,
            Fate::Known => receipt.duplicates += 1,
            Fate::Refused(faults) => receipt.refused.extend(faults.into_iter().next().map(|fault| {
                let pointer = format!("/fields{}", fault.pointer);
                told(index, Fault { pointer, ..fault })
            })),
        }
    }
    receipt.refused.sort_by_key(|refused| refused.index);
    Ok(Json(receipt))
}

fn told(index: usize, Fault { pointer, code, message }: Fault) -> Refused {
    Refused { index, code, pointer: format!("/rows/{index}{pointer}"), message }
}

fn fault(id: &str, fields: &Map<String, Value>, most: usize) -> Option<Fault> {
    if !(1..=255).contains(&id.len()) || id.starts_with(RESERVED) {
        let message = format!("An id has from 1 to 255 bytes and does not begin with `{RESERVED}`.");
        return Some(Fault::new("/id", "invalid-id", message));
    }
    let size = serde_json::to_vec(fields).map_or(0, |json| json.len());
    (size > most).then(|| Fault::new("/fields", "too-large", format!("The fields have at most {most} bytes.")))
}
