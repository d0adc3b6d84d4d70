//! A request of the hub's own to an address that a tenant names: under the same check as those of plugins, and with less in it.

use std::time::Duration;

use reqwest::Method;
use reqwest::header::{ACCEPT_ENCODING, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};

use super::Egress;
use super::request::{Target, open_target};
use super::send::{explained, is_denied};

/// What is sent.
#[derive(Debug)]
pub struct Post<'a> {
    pub url: &'a str,
    /// Names in small letters.
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
    pub timeout: Duration,
    /// Bytes of the answer that are read; the rest is not waited for.
    pub at_most: usize,
}

/// What was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posted {
    pub status: u16,
    pub retry_after: Option<String>,
    /// The beginning of the body.
    pub body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unposted {
    /// It may not be sent there.
    #[error("{0}")]
    Denied(String),
    /// It did not go through, or was not answered in time.
    #[error("{0}")]
    Failed(String),
}

impl Egress {
    /// Why nothing may be posted to a URL, as far as the URL tells: which addresses its name has is seen when it is posted to.
    pub fn check(&self, url: &str) -> Result<(), String> {
        open_target(url, self).map(drop)
    }

    pub async fn post(&self, post: Post<'_>) -> Result<Posted, Unposted> {
        self.ask(Method::POST, post).await
    }

    /// The document at a URL: nothing is sent there.
    pub async fn get(&self, url: &str, timeout: Duration, at_most: usize) -> Result<Posted, Unposted> {
        let headers = vec![("accept", "application/json".to_owned())];
        self.ask(Method::GET, Post { url, headers, body: Vec::new(), timeout, at_most }).await
    }

    async fn ask(&self, method: Method, post: Post<'_>) -> Result<Posted, Unposted> {
        let Target { url, port, .. } = open_target(post.url, self).map_err(Unposted::Denied)?;
        let mut headers = HeaderMap::new();
        for (name, value) in post.headers {
            let value = HeaderValue::from_str(&value).map_err(|error| Unposted::Denied(error.to_string()))?;
            headers.insert(HeaderName::from_static(name), value);
        }
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let mut request = reqwest::Request::new(method, url);
        *request.headers_mut() = headers;
        *request.timeout_mut() = Some(post.timeout);
        *request.body_mut() = (!post.body.is_empty()).then(|| post.body.into());
        let mut answer = self.client(port).execute(request).await.map_err(|error| {
            let denied = is_denied(&error);
            let message = explained(error);
            if denied { Unposted::Denied(message) } else { Unposted::Failed(message) }
        })?;
        let retry_after = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let mut body = Vec::new();
        // The status has been told: what comes of the body changes nothing.
        while body.len() < post.at_most
            && let Ok(Some(chunk)) = answer.chunk().await
        {
            body.extend_from_slice(&chunk[..chunk.len().min(post.at_most - body.len())]);
        }
        Ok(Posted { status: answer.status().as_u16(), retry_after, body })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    fn post(url: &str) -> Post<'_> {
        let headers = vec![("content-type", "application/json".to_owned())];
        Post { url, headers, body: b"{}".to_vec(), timeout: Duration::from_secs(30), at_most: 4 }
    }

    #[tokio::test]
    async fn an_answer_is_read_as_far_as_it_is_wanted_and_no_redirect_is_followed() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let answered = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 4096];
            let read = stream.read(&mut request).await.unwrap();
            let answer = b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\nretry-after: 7\r\ncontent-length: 9\r\n\r\nendlessly";
            stream.write_all(answer).await.unwrap();
            String::from_utf8_lossy(&request[..read]).into_owned()
        });
        let egress = Egress::new(&[address.to_string().parse().unwrap()], &[]).unwrap();
        let posted = egress.post(post(&format!("http://{address}/in"))).await.unwrap();
        assert_eq!(posted, Posted { status: 302, retry_after: Some("7".to_owned()), body: b"endl".to_vec() });
        let request = answered.await.unwrap();
        assert!(request.starts_with("POST /in HTTP/1.1\r\n") && request.ends_with("\r\n\r\n{}"), "{request}");
    }

    #[tokio::test]
    async fn a_document_is_asked_for_without_a_body() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let answered = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 4096];
            let read = stream.read(&mut request).await.unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await.unwrap();
            String::from_utf8_lossy(&request[..read]).into_owned()
        });
        let egress = Egress::new(&[address.to_string().parse().unwrap()], &[]).unwrap();
        let got = egress.get(&format!("http://{address}/keys"), Duration::from_secs(30), 100).await.unwrap();
        assert_eq!((got.status, got.body), (200, b"{}".to_vec()));
        let request = answered.await.unwrap();
        assert!(request.starts_with("GET /keys HTTP/1.1\r\n") && !request.contains("content-length"), "{request}");
        assert!(matches!(egress.get("https://10.0.0.1/", Duration::from_secs(1), 1).await, Err(Unposted::Denied(_))));
    }

    #[tokio::test]
    async fn private_addresses_and_plain_http_are_denied() {
        let egress = Egress::new(&[], &[]).unwrap();
        for url in ["https://127.0.0.1/", "https://localhost:1/", "http://example.com/", "https://a:b@example.com/"] {
            let denied = egress.post(post(url)).await.unwrap_err();
            assert!(matches!(denied, Unposted::Denied(_)), "{url}: {denied:?}");
        }
        assert!(egress.check("https://example.com:8443/in?a=b").is_ok());
        assert!(egress.check("https://10.0.0.1/").is_err() && egress.check("no url").is_err());
    }
}
