//! `/api/v1/statements`: what subscriptions cost, for the partner who pays and the provider who is paid.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use openhub_engine::statements::{Unmade, told, usage_of};
use openhub_model::{Id, Timestamp};
use openhub_store::{Scope, StatementFilter, StatementRow};
use serde::Deserialize;
use serde_json::json;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use utoipa::IntoParams;

use crate::app::{App, Exports};
use crate::auth::{Authorized, UsageRead};
use crate::cursor;
use crate::export::{Page, Style, Table, respond};
use crate::openapi::Problems;
use crate::parameters::{Path, Query};
use crate::problem::Problem;
use crate::views::{StatementList, StatementRowView, StatementView};

const LIST: &str = "statements";

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Parameters {
    /// Only of this subscription.
    subscription: Option<String>,
    /// The `next` of the page before.
    after: Option<String>,
    /// Page size, 1 to 1000 (default 50).
    limit: Option<usize>,
}

/// Your statements, and those of the subscriptions to your offerings, the latest period first.
#[utoipa::path(get, path = "/api/v1/statements", tag = "statements", params(Parameters),
    security(("api_key" = ["usage:read"])),
    responses((status = 200, body = StatementList), Problems))]
pub(crate) async fn list_statements(
    State(app): State<Arc<App>>,
    access: Authorized<UsageRead>,
    Query(parameters): Query<Parameters>,
) -> Result<Json<StatementList>, Problem> {
    let limit = cursor::limit(parameters.limit)?;
    let after: Option<Behind> = cursor::read(LIST, "after", parameters.after.as_deref())?;
    let after = after.map(|Behind(at, id)| (at, id));
    let filter = StatementFilter { subscription: parameters.subscription, after, limit: limit + 1 };
    let statements = app.store.statements(&access.scope, &filter).await?;
    let (statements, next) = cursor::page(LIST, statements, limit, |row| Behind(row.to, row.id));
    Ok(Json(StatementList { statements: statements.into_iter().map(StatementRowView::from).collect(), next }))
}

/// A statement with its lines. One that is a draft is shown as it would be now.
///
/// `openhub statement verify` computes it again from this answer and from `…/usage`.
#[utoipa::path(get, path = "/api/v1/statements/{id}", tag = "statements",
    params(("id" = String, Path, description = "The statement's id.")),
    security(("api_key" = ["usage:read"])),
    responses((status = 200, body = StatementView), Problems))]
pub(crate) async fn get_statement(
    State(app): State<Arc<App>>,
    access: Authorized<UsageRead>,
    Path(id): Path<String>,
) -> Result<Json<StatementView>, Problem> {
    let row = find(&app, &access.scope, &id).await?;
    match told(&app.store, row).await {
        Ok(statement) => Ok(Json(statement.into())),
        Err(Unmade::Store(error)) => Err(error.into()),
        Err(Unmade::Computed(error)) => Err(Problem::internal(&error)),
    }
}

/// All that a statement was computed from, as JSON Lines: counts, and nothing of a person.
#[utoipa::path(get, path = "/api/v1/statements/{id}/usage", tag = "statements",
    params(("id" = String, Path, description = "The statement's id.")),
    security(("api_key" = ["usage:read"])),
    responses((status = 200, description = "The rows, as a stream.", content((String = "application/x-ndjson"))), Problems))]
pub(crate) async fn statement_usage(
    State(app): State<Arc<App>>,
    State(exports): State<Exports>,
    access: Authorized<UsageRead>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let place = exports.begin(access.tenant())?;
    let row = find(&app, &access.scope, &id).await?;
    respond(Table { style: Style::LINES, columns: None }, "usage", place, move |_: Option<i64>| {
        let (app, row) = (Arc::clone(&app), row.clone());
        async move {
            let usage = usage_of(&app.store, &row).await?;
            Ok(Page { rows: usage.into_iter().map(|row| json!(row)).collect(), next: None })
        }
    })
    .await
}

async fn find(app: &App, scope: &Scope, id: &str) -> Result<StatementRow, Problem> {
    let absent = || Problem::not_found("statement");
    let id = id.parse::<Id>().map_err(|_| absent())?;
    app.store.statement(scope, id).await?.ok_or_else(absent)
}

/// Where a page begins, as a cursor writes it.
struct Behind(Timestamp, Id);

impl fmt::Display for Behind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.0.micros(), self.1)
    }
}

impl FromStr for Behind {
    type Err = ();

    fn from_str(text: &str) -> Result<Behind, ()> {
        let (at, id) = text.split_once(':').ok_or(())?;
        Ok(Behind(Timestamp::from_micros(at.parse().map_err(|_| ())?), id.parse().map_err(|_| ())?))
    }
}
