//! A running hub as the commands see it: its public HTTP API and nothing else.

use anyhow::{Context, Result, bail};
use clap::Args;
use openhub_model::Id;
use reqwest::redirect::Policy;
use reqwest::{Client, Method, StatusCode};
use serde_json::Value;
use std::time::{Duration, Instant};

/// Which hub, and as whom.
#[derive(Clone, Debug, Args)]
pub struct HubFlags {
    /// The address of the hub.
    #[arg(long, value_name = "URL", env = "OPENHUB_URL", default_value = "http://127.0.0.1:7300")]
    pub hub: String,
    /// An API key of the tenant (`oh_…`).
    #[arg(long, value_name = "KEY", env = "OPENHUB_KEY", hide_env_values = true)]
    pub key: String,
}

impl HubFlags {
    /// Which hub and which tenant, as far as the flags say it, without the key itself.
    pub fn target(&self) -> String {
        let hub = self.hub.trim_end_matches('/');
        Id::named(&[b"target", hub.as_bytes(), b"\0", self.key.as_bytes()]).to_string()
    }
}

/// How often it is told that the hub takes nothing.
const TELL: Duration = Duration::from_secs(30);
const LONGEST_DOWNLOAD: Duration = Duration::from_secs(24 * 3600);

/// How a call shows its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credential {
    /// As the Segment calls take it.
    Basic,
    Bearer,
}

pub struct Hub {
    client: Client,
    base: String,
    key: String,
}

impl Hub {
    pub fn new(flags: &HubFlags) -> Result<Hub> {
        let client = {
            let client = Client::builder().timeout(Duration::from_secs(120)).no_proxy();
            // What answers elsewhere is another hub, or a page for signing in.
            client.redirect(Policy::none()).build()?
        };
        Ok(Hub { client, base: flags.hub.trim_end_matches('/').to_owned(), key: flags.key.clone() })
    }

    /// Its address.
    pub fn url(&self) -> &str {
        &self.base
    }

    /// A call with a JSON body.
    pub async fn call(&self, method: Method, path: &str, body: &Value) -> Result<Value> {
        let request = self.client.request(method, format!("{}{path}", self.base)).bearer_auth(&self.key).json(body);
        self.answer(request, path).await
    }

    pub async fn get(&self, path: &str) -> Result<Value> {
        self.answer(self.client.get(format!("{}{path}", self.base)).bearer_auth(&self.key), path).await
    }

    /// All items of a list, page by page: `items` is the member that has them.
    pub async fn all(&self, path: &str, items: &str) -> Result<Vec<Value>> {
        let (mut all, mut after) = (Vec::new(), String::new());
        loop {
            let mut page = self.get(&format!("{path}?limit=1000{after}")).await?;
            match page[items].take() {
                Value::Array(items) => all.extend(items),
                _ => bail!("the hub's answer to {path} has no `{items}`"),
            }
            match page["next"].as_str() {
                Some(next) => after = format!("&after={next}"),
                None => return Ok(all),
            }
        }
    }

    /// Uploads a component.
    pub async fn upload(&self, path: &str, component: Vec<u8>) -> Result<Value> {
        let request = self.client.post(format!("{}{path}", self.base)).bearer_auth(&self.key);
        self.answer(request.header("content-type", "application/wasm").body(component), path).await
    }

    /// Sends a JSON text, again while the hub asks for patience.
    pub async fn post_patiently(&self, path: &str, credential: Credential, body: String) -> Result<Value> {
        let mut told = None;
        loop {
            let request = self.client.post(format!("{}{path}", self.base));
            let request = match credential {
                Credential::Basic => request.basic_auth(&self.key, Some("")),
                Credential::Bearer => request.bearer_auth(&self.key),
            };
            let request = request.header("content-type", "application/json").body(body.clone());
            let answer = request.send().await.map_err(|error| self.unanswered(error))?;
            match answer.status() {
                StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                    let wait = retry_after(&answer);
                    if told.is_none_or(|told: Instant| told.elapsed() >= TELL) {
                        told = Some(Instant::now());
                        let why = refusal(answer, path).await?;
                        eprintln!("the hub accepts nothing at the moment ({why}): the import waits and tries again");
                    }
                    tokio::time::sleep(wait).await;
                }
                _ => return read(answer, path).await,
            }
        }
    }

    /// An answer that is read piece by piece, however long it takes.
    pub async fn download(&self, path: &str, query: &[(&str, &str)]) -> Result<reqwest::Response> {
        let request = self.client.get(format!("{}{path}", self.base)).bearer_auth(&self.key).query(query);
        let answer = request.timeout(LONGEST_DOWNLOAD).send().await;
        let answer = answer.map_err(|error| self.unanswered(error))?;
        match answer.status().is_success() {
            true if is_rows(&answer) => Ok(answer),
            true => bail!("what answered {path} is no hub: it sent no rows. {ADDRESS}"),
            false => bail!(refusal(answer, path).await?),
        }
    }

    async fn answer(&self, request: reqwest::RequestBuilder, path: &str) -> Result<Value> {
        let answer = request.send().await.map_err(|error| self.unanswered(error))?;
        read(answer, path).await
    }

    /// Why there is no answer, and what to look at.
    fn unanswered(&self, error: reqwest::Error) -> anyhow::Error {
        let error = anyhow::Error::new(error);
        let is_certificate = format!("{error:#}").contains("certificate");
        let what = match is_certificate {
            true => "answers with a certificate that this machine does not trust: install the authority that signed it",
            false => "does not answer: check that the hub runs and that `--hub` is right",
        };
        error.context(format!("{} {what}", self.base))
    }
}

const ADDRESS: &str = "Check that `--hub` is the hub's own address, with no page for signing in before it";

/// Whether an answer is what the hub exports.
fn is_rows(answer: &reqwest::Response) -> bool {
    let of = answer.headers().get("content-type").and_then(|of| of.to_str().ok()).unwrap_or_default();
    ["text/csv", "application/x-ndjson"].iter().any(|rows| of.starts_with(rows))
}

fn retry_after(answer: &reqwest::Response) -> Duration {
    let seconds = answer.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
    Duration::from_secs(seconds.unwrap_or(1).min(60))
}

/// The JSON of a success; a problem becomes an error in its own words.
async fn read(answer: reqwest::Response, path: &str) -> Result<Value> {
    if !answer.status().is_success() {
        bail!(refusal(answer, path).await?);
    }
    let status = answer.status();
    let text = answer.text().await.with_context(|| format!("the answer to {path} broke off"))?;
    if status == StatusCode::NO_CONTENT {
        return Ok(Value::Null);
    }
    match serde_json::from_str(&text) {
        Ok(answer @ (Value::Object(_) | Value::Array(_))) => Ok(answer),
        _ => bail!("what answered {path} is no hub: it said {status}, and no JSON. {ADDRESS}"),
    }
}

async fn refusal(answer: reqwest::Response, path: &str) -> Result<String> {
    let status = answer.status();
    if status.is_redirection() {
        let to = answer.headers().get("location").and_then(|to| to.to_str().ok()).unwrap_or_default();
        return Ok(format!("what answered {path} sends its callers on to `{to}`, which the hub never does. {ADDRESS}"));
    }
    let text = answer.text().await.with_context(|| format!("the answer to {path} broke off"))?;
    let body: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
    let said = |key: &str| body.get(key).and_then(Value::as_str);
    let reason = said("detail").or_else(|| said("title")).unwrap_or(text.trim());
    let faults: Vec<String> = body["faults"].as_array().into_iter().flatten().map(fault_line).collect();
    Ok(format!("the hub answered {status} to {path}: {reason}{}", faults.concat()))
}

fn fault_line(fault: &Value) -> String {
    let word = |key: &str| fault[key].as_str().unwrap_or_default();
    format!("\n  {} {} {}", word("pointer"), word("code"), word("message"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    /// A server that answers everything alike, and a client of it.
    async fn answering(answer: &'static str) -> Hub {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let hub = format!("http://{}", listener.local_addr().expect("an address"));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut asked = [0; 4096];
                let _ = stream.read(&mut asked).await;
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        Hub::new(&HubFlags { hub, key: "oh_test".to_owned() }).expect("a client")
    }

    #[tokio::test]
    async fn breaker14_what_is_no_hub_has_taken_nothing() {
        let page = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 13\r\nconnection: close\r\n\r\n<html></html>";
        let empty = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        let number = "HTTP/1.1 202 Accepted\r\ncontent-length: 1\r\nconnection: close\r\n\r\n7";
        let elsewhere = "HTTP/1.1 302 Found\r\nlocation: https://sso.example.com/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        for (answer, told) in
            [(page, "is no hub"), (empty, "is no hub"), (number, "is no hub"), (elsewhere, "https://sso.example.com/")]
        {
            let hub = answering(answer).await;
            let refused = |answer: Result<Value>| answer.expect_err("it is no hub").to_string();
            let said = [
                refused(hub.post_patiently("/v1/import", Credential::Basic, "{}".to_owned()).await),
                refused(hub.get("/api/v1/attributes").await),
                hub.download("/api/v1/export/events", &[]).await.expect_err("no rows").to_string(),
            ];
            for said in said {
                assert!(said.contains(told) && said.contains("`--hub`"), "{said}");
            }
        }
    }
}
