//! Objects.

use openhub_model::object::Object;
use openhub_model::{PartId, Timestamp};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// A record of a custom type.
#[derive(Serialize, ToSchema)]
#[schema(as = Object)]
pub(crate) struct ObjectView {
    kind: String,
    key: String,
    #[schema(value_type = Option<String>, format = "uuid")]
    customer: Option<PartId>,
    /// For `If-Match`.
    version: i64,
    #[schema(value_type = Object)]
    fields: Value,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct ObjectList {
    pub objects: Vec<ObjectView>,
    /// Cursor of the next page.
    pub next: Option<String>,
}

impl From<Object> for ObjectView {
    fn from(object: Object) -> Self {
        ObjectView {
            kind: object.kind,
            key: object.key,
            customer: object.part,
            version: object.version,
            fields: object.fields,
            created_at: object.created_at,
            updated_at: object.updated_at,
        }
    }
}
