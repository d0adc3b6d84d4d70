//! Each request has an id: its answer says it, and so do the audit log and each line of the hub's log that is about it.

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use openhub_model::Timestamp;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tracing::Instrument;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The id of the request that is being answered.
#[derive(Clone, Debug)]
pub(crate) struct RequestId(pub String);

/// Gives ids: when this process began, and a number. Nothing follows from knowing one.
pub(crate) struct RequestIds {
    began: Timestamp,
    next: AtomicU64,
}

impl RequestIds {
    pub fn since(began: Timestamp) -> RequestIds {
        RequestIds { began, next: AtomicU64::new(1) }
    }

    fn next(&self) -> String {
        format!("{:x}-{:x}", self.began.micros(), self.next.fetch_add(1, Ordering::Relaxed))
    }
}

pub(crate) async fn with_request_id(State(ids): State<Arc<RequestIds>>, mut request: Request, next: Next) -> Response {
    let id = ids.next();
    let value = HeaderValue::from_str(&id);
    // It is there at any level of the log that shows a line.
    let span = tracing::error_span!("request", request.id = %id);
    request.extensions_mut().insert(RequestId(id));
    let mut response = next.run(request).instrument(span).await;
    if let Ok(value) = value {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::middleware::from_fn_with_state;
    use axum::routing::get;
    use std::io::Write;
    use std::sync::{Mutex, PoisonError};
    use tower::ServiceExt;
    use tracing_subscriber::fmt::MakeWriter;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Lines {
        type Writer = Lines;

        fn make_writer(&'a self) -> Lines {
            self.clone()
        }
    }

    #[tokio::test]
    async fn a_line_of_the_log_names_the_request_that_it_is_about() {
        let lines = Lines::default();
        let subscriber = tracing_subscriber::fmt().json().with_writer(lines.clone()).finish();
        let _listening = tracing::subscriber::set_default(subscriber);
        let ids = Arc::new(RequestIds::since(Timestamp::from_micros(255)));
        let logs = get(async || tracing::warn!("It went wrong."));
        let router = Router::new().route("/", logs).layer(from_fn_with_state(ids, with_request_id));
        for expected in ["ff-1", "ff-2"] {
            let answer = router.clone().oneshot(Request::new(Body::empty())).await.expect("it is infallible");
            assert_eq!(answer.headers()[REQUEST_ID], expected);
            let said = String::from_utf8(std::mem::take(&mut *lines.0.lock().unwrap())).expect("UTF-8");
            let line: serde_json::Value = serde_json::from_str(&said).expect("one line");
            assert_eq!(
                (&line["fields"]["message"], &line["span"]["request.id"]),
                (&"It went wrong.".into(), &expected.into())
            );
        }
    }
}
