//! HTTP to the hub and the receiver, as a stranger speaks it: JSON, keyset pages, patience where it is asked for.

use anyhow::{Context, Result, ensure};
use reqwest::{Client, Method, StatusCode};
use serde_json::Value;
use std::time::Duration;

/// Rows a page.
const PAGE: usize = 1000;

pub struct Api {
    client: Client,
    base: String,
    key: String,
}

impl Api {
    pub fn new(base: &str, key: &str) -> Result<Api> {
        let client = Client::builder().no_proxy().timeout(Duration::from_secs(120)).build()?;
        Ok(Api { client, base: base.to_owned(), key: key.to_owned() })
    }

    pub async fn get(&self, path: &str) -> Result<Value> {
        self.call(Method::GET, path, None).await
    }

    pub async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value> {
        let mut request = self.client.request(method, format!("{}{path}", self.base)).bearer_auth(&self.key);
        if let Some(body) = body {
            request = request.json(body);
        }
        read(request.send().await.with_context(|| format!("no answer to {path}"))?, path).await
    }

    pub async fn upload(&self, path: &str, component: Vec<u8>) -> Result<Value> {
        let request = self.client.post(format!("{}{path}", self.base)).bearer_auth(&self.key);
        let request = request.header("content-type", "application/wasm").body(component);
        read(request.send().await.with_context(|| format!("no answer to {path}"))?, path).await
    }

    /// A Segment call: the key as the user of Basic auth; again as long as the hub asks for patience.
    pub async fn ingest(&self, path: &str, body: String) -> Result<Value> {
        loop {
            let request = self.client.post(format!("{}{path}", self.base)).basic_auth(&self.key, Some(""));
            let request = request.header("content-type", "application/json").body(body.clone());
            let answer = request.send().await.with_context(|| format!("no answer to {path}"))?;
            if !matches!(answer.status(), StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
                return read(answer, path).await;
            }
            let seconds = answer.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
            tokio::time::sleep(Duration::from_secs(seconds.unwrap_or(1))).await;
        }
    }

    /// Every row of a list, page by page. `path` ends with `?` or with a parameter.
    pub async fn each(&self, path: &str, rows: &str, mut see: impl FnMut(&Value) -> Result<()>) -> Result<()> {
        let mut after = String::new();
        loop {
            let page = self.get(&format!("{path}&limit={PAGE}{after}").replace("?&", "?")).await?;
            for row in page[rows].as_array().with_context(|| format!("the answer to {path} has no `{rows}`"))? {
                see(row)?;
            }
            after = match &page["next"] {
                Value::Null => return Ok(()),
                Value::String(cursor) => format!("&after={cursor}"),
                cursor => format!("&after={cursor}"),
            };
        }
    }

    pub async fn count(&self, path: &str, rows: &str) -> Result<u64> {
        let mut count = 0;
        self.each(path, rows, |_| {
            count += 1;
            Ok(())
        })
        .await?;
        Ok(count)
    }
}

async fn read(answer: reqwest::Response, path: &str) -> Result<Value> {
    let status = answer.status();
    let text = answer.text().await?;
    ensure!(status.is_success(), "{path} was answered {status}: {text}");
    if text.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_str(&text).with_context(|| format!("the answer to {path} is not JSON"))
}
