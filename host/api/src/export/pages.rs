//! An answer that is read from the store while it is sent.

use axum::body::Body;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures::stream::try_unfold;
use serde_json::Value;
use std::future::Future;
use std::io;
use tokio::sync::OwnedSemaphorePermit;

use super::Table;
use crate::problem::Problem;

pub(crate) struct Page<K> {
    pub rows: Vec<Value>,
    /// Where the next page begins; none after the last.
    pub next: Option<K>,
}

/// Answers with all pages, and holds `place` until the last is sent. The first is read before the answer begins, so that what is wrong with the request is still
/// a problem. Where a later one fails, the connection is broken off: a client sees that the answer is not whole.
pub(crate) async fn respond<K, F>(
    table: Table,
    name: &str,
    place: OwnedSemaphorePermit,
    page: impl Fn(Option<K>) -> F + Send + 'static,
) -> Result<Response, Problem>
where
    K: Send + 'static,
    F: Future<Output = Result<Page<K>, Problem>> + Send,
{
    let headers = [
        (header::CONTENT_TYPE, table.style.format.media_type().to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}.{}\"", table.style.format.extension())),
    ];
    let first = page(None).await?;
    let mut text = table.head();
    text.extend(table.text(&first.rows));
    let start = Some((Some(text), first.next));
    let pages = try_unfold((start, table, page, place), |(stage, table, page, place)| async move {
        let Some((text, next)) = stage else { return Ok::<_, io::Error>(None) };
        if let Some(text) = text {
            return Ok(Some((text, (next.map(|next| (None, Some(next))), table, page, place))));
        }
        let read = page(next).await.map_err(|problem| {
            tracing::error!(?problem, "An export broke off.");
            io::Error::other("the export broke off")
        })?;
        let text = table.text(&read.rows);
        Ok(Some((text, (read.next.map(|next| (None, Some(next))), table, page, place))))
    });
    Ok((headers, Body::from_stream(pages)).into_response())
}
