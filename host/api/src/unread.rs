//! The rest of a body that nobody read. A connection whose request is not read to its end is closed, and a client that is not told
//! so sends its next request into it. So the little that was on its way is read and thrown away, and of all else the answer
//! says that the connection ends with it.

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::{HeaderValue, Version, header};
use axum::middleware::Next;
use axum::response::Response;
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

/// What is thrown away at most, in bytes, and how long it is waited for.
const MOST: u64 = 64 * 1024;
const LONGEST: Duration = Duration::from_millis(50);

/// A body that is given back when its reader is through with it.
#[derive(Clone)]
struct Lent(Arc<Mutex<Option<Body>>>);

impl Lent {
    fn take(&self) -> Option<Body> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl HttpBody for Lent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let mut body = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match body.as_mut() {
            Some(body) => Pin::new(body).poll_frame(context),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let body = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        body.as_ref().map(HttpBody::size_hint).unwrap_or_default()
    }
}

pub(crate) async fn close_what_is_unread(request: Request, next: Next) -> Response {
    if request.version() > Version::HTTP_11 || request.body().is_end_stream() {
        return next.run(request).await;
    }
    // Whoever asks before it sends has not sent it.
    let waits = request.headers().contains_key(header::EXPECT);
    let (head, body) = request.into_parts();
    let lent = Lent(Arc::new(Mutex::new(Some(body))));
    let mut response = next.run(Request::from_parts(head, Body::new(lent.clone()))).await;
    if let Some(rest) = lent.take().filter(|rest| !rest.is_end_stream())
        && (waits || !ends_soon(rest).await)
    {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

async fn ends_soon(mut rest: Body) -> bool {
    let drain = async {
        let mut seen = 0;
        while rest.size_hint().lower() <= MOST && seen <= MOST {
            match rest.frame().await {
                Some(Ok(frame)) => seen += frame.data_ref().map_or(0, |data| data.len() as u64),
                Some(Err(_)) => return false,
                None => return true,
            }
        }
        false
    };
    tokio::time::timeout(LONGEST, drain).await.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Router;
    use axum::middleware::from_fn;
    use axum::routing::post;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    /// What comes back for a head, and for what is sent behind it when a moment has passed, until the connection is closed or
    /// has answered twice.
    async fn said(head: &str, behind: &str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let routes = Router::new()
            .route("/pause", post(async || "paused"))
            .route("/read", post(async |body: Bytes| body.len().to_string()))
            .layer(from_fn(close_what_is_unread));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(5)).await;
        stream.write_all(behind.as_bytes()).await.unwrap();
        let (mut text, mut buffer) = (Vec::new(), [0; 1024]);
        let mut answers = 0;
        while answers < 2 {
            match stream.read(&mut buffer).await {
                Ok(0) | Err(_) => break,
                Ok(taken) => text.extend_from_slice(&buffer[..taken]),
            }
            let so_far = String::from_utf8_lossy(&text).into_owned();
            if so_far.matches("HTTP/1.1").count() > answers {
                answers = so_far.matches("HTTP/1.1").count();
                let _ = stream.write_all(b"POST /read HTTP/1.1\r\nhost: hub\r\ncontent-length: 3\r\n\r\nabc").await;
            }
        }
        String::from_utf8(text).unwrap()
    }

    fn head(path: &str, length: usize) -> String {
        format!("POST {path} HTTP/1.1\r\nhost: hub\r\ncontent-length: {length}\r\n\r\n")
    }

    #[tokio::test]
    async fn breaker14_7_a_connection_goes_on_or_says_that_it_ends() {
        for path in ["/pause", "/nowhere", "/read"] {
            let text = said(&head(path, 2), "{}").await;
            assert!(text.matches("HTTP/1.1").count() == 2 && text.ends_with('3'), "{path}: {text}");
            assert!(!text.contains("connection: close"), "{path}: {text}");
        }
        // What does not come, and what is too much.
        for (length, behind) in [(2, String::new()), (1 << 20, "x".repeat(1 << 10))] {
            let text = said(&head("/pause", length), &behind).await;
            assert!(text.matches("HTTP/1.1").count() == 1 && text.contains("connection: close"), "{length}: {text}");
        }
        let expects = head("/pause", 2).replace("\r\n\r\n", "\r\nexpect: 100-continue\r\n\r\n");
        let text = said(&expects, "").await;
        assert!(text.starts_with("HTTP/1.1 200") && text.contains("connection: close"), "nobody asked for it: {text}");
    }
}
