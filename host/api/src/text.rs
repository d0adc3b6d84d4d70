//! U+0000 is refused at every door: PostgreSQL cannot store it and columns between host and guests end with it.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

pub(crate) use openhub_model::limits::step;

use crate::problem::{INVALID_PATH, INVALID_QUERY, Problem};

/// Refuses `%00` in the path and in the query, whatever the route.
pub(crate) async fn refuse_nul_in_target(request: Request, next: Next) -> Response {
    if request.uri().path().contains("%00") {
        return Problem::new(INVALID_PATH, "The path contains the character U+0000: remove it.").into_response();
    }
    if request.uri().query().is_some_and(|query| query.contains("%00")) {
        return Problem::new(INVALID_QUERY, "The query contains the character U+0000: remove it.").into_response();
    }
    next.run(request).await
}
