//! `GET /api/v1/segments/{name}/export`: all members, as a stream that is read a page at a time.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::stream;
use openhub_model::PartId;
use openhub_store::Scope;
use serde::Deserialize;
use std::collections::HashMap;
use std::sync::Arc;
use utoipa::IntoParams;

use crate::app::App;
use crate::auth::{Authorized, CustomersRead};
use crate::columns::{Column, Format};
use crate::openapi::Problems;
use crate::parameters::{Path, Query};
use crate::people::people;
use crate::problem::Problem;
use crate::segments::find;

/// Members that are read at once.
const PAGE: usize = 500;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Parameters {
    /// `csv` with a line of names first, or `jsonl`: a JSON object a line. `csv` unless told.
    #[serde(default)]
    #[param(value_type = Option<String>)]
    format: Format,
    /// `id`, `since`, `first_seen_at`, `last_seen_at`, `tags`, `attributes.<name>`, `consents.<purpose>`, or an identity
    /// kind such as `email`; separated by commas. `id,since` unless told.
    fields: Option<String>,
}

/// A segment's members with chosen fields, by id, streamed.
///
/// A row is as of the moment that it is read. A failure on the way breaks the connection off, so that no short file is
/// taken for a whole one.
#[utoipa::path(get, path = "/api/v1/segments/{name}/export", tag = "segments",
    params(("name" = String, Path, description = "The segment's name."), Parameters),
    responses((status = 200, description = "`text/csv` or `application/jsonl`", body = String, content_type = "text/csv"), Problems))]
pub(crate) async fn export_segment(
    State(app): State<Arc<App>>,
    access: Authorized<CustomersRead>,
    Path(name): Path<String>,
    Query(parameters): Query<Parameters>,
) -> Result<Response, Problem> {
    let segment = find(&app, &access.scope, &name).await?.name;
    let columns = Column::parse_all(parameters.fields.as_deref().unwrap_or("id,since"))?;
    let format = parameters.format;
    let disposition = format!("attachment; filename=\"{segment}.{}\"", format.extension());
    let export = Export { app, scope: access.scope, segment, columns, format, next: Next::Head };
    let body = Body::from_stream(stream::try_unfold(export, |mut export| async move {
        let piece = export.piece().await.map_err(|problem| std::io::Error::other(format!("{problem:?}")))?;
        Ok::<_, std::io::Error>(piece.map(|piece| (piece, export)))
    }));
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(format.media_type()));
    if let Ok(disposition) = HeaderValue::from_str(&disposition) {
        headers.insert(header::CONTENT_DISPOSITION, disposition);
    }
    Ok(response)
}

struct Export {
    app: Arc<App>,
    scope: Scope,
    segment: String,
    columns: Vec<Column>,
    format: Format,
    next: Next,
}

enum Next {
    Head,
    Members { after: Option<PartId> },
    End,
}

impl Export {
    async fn piece(&mut self) -> Result<Option<Bytes>, Problem> {
        match self.next {
            Next::Head => {
                self.next = Next::Members { after: None };
                Ok(Some(self.format.head(&self.columns)))
            }
            Next::Members { after } => self.members(after).await,
            Next::End => Ok(None),
        }
    }

    async fn members(&mut self, after: Option<PartId>) -> Result<Option<Bytes>, Problem> {
        let members = self.app.store.members(&self.scope, &self.segment, after, PAGE).await?;
        self.next = match members.last() {
            Some((last, _)) if members.len() == PAGE => Next::Members { after: Some(*last) },
            _ => Next::End,
        };
        let ids: Vec<PartId> = members.iter().map(|(customer, _)| *customer).collect();
        let since: HashMap<PartId, _> = members.into_iter().collect();
        let people = people(&self.app, &self.scope, &ids).await?;
        let rows = people.iter().map(|person| (person, since.get(&person.customer.customer).copied()));
        Ok(Some(self.format.rows(&self.columns, rows)))
    }
}
