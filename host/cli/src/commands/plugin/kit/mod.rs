//! What `openhub-sdk-testing` speaks to: a plugin in this binary's own runtime, with a small fake hub around it.
//!
//! One JSON object a line on standard input, one on standard output: `{"ok": …}`, or `{"error": "…"}` for what can be no outcome
//! of a test (an unknown name, a value of a wrong type). So a plugin's tests compile no runtime, and run in the one that will
//! serve the plugin.

mod backing;
mod calls;
mod columns;
mod nodes;
mod privacy;
mod provider;
mod records;

use anyhow::{Context, Result, bail};
use openhub_runtime::{Config, HostPort, Runtime};
use serde::Deserialize;
use serde_json::{Value, json};
use std::io::{BufRead, Write};
use std::path::PathBuf;
use std::sync::Arc;

use calls::Installed;
pub use calls::{answered, by_row, evaluated};
pub use nodes::{onwards, results};
pub use openhub_runtime::Receipt;
use provider::{Answer, Provider};
use records::Records;

/// What a test may ask.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum Request {
    Open(Open),
    Secret(calls::SecretText),
    Rule(calls::RuleCall),
    Object(calls::ObjectCall),
    Channel(calls::ChannelCall),
    Source(calls::SourceCall),
    Endpoint(calls::EndpointCall),
    Job(calls::JobCall),
    Step(nodes::StepCall),
    Function(nodes::FunctionCall),
    Privacy(privacy::PrivacyCall),
    Kv(calls::KvCall),
    Record(calls::RecordCall),
    Customer(records::Told),
    /// Adds an answer to the provider's script.
    Answer(Answer),
    /// The requests that the provider got since this was asked last.
    Requests {},
}

/// Builds the plugin of a folder, or takes a component, and installs it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Open {
    dir: Option<PathBuf>,
    component: Option<PathBuf>,
    /// Where compiled code is kept.
    cache: Option<PathBuf>,
}

pub async fn run() -> Result<()> {
    let mut kit = Kit::default();
    let (lines, mut asked) = tokio::sync::mpsc::channel(1);
    // Reading blocks, and ends with the test that holds the other end.
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if lines.blocking_send(line).is_err() {
                break;
            }
        }
    });
    while let Some(line) = asked.recv().await {
        let answer = match kit.answer(&line).await {
            Ok(answer) => json!({"ok": kit.explained(answer)}),
            Err(error) => json!({"error": kit.explained(Value::String(format!("{error:#}")))}),
        };
        let mut out = std::io::stdout().lock();
        writeln!(out, "{answer}")?;
        out.flush()?;
    }
    Ok(())
}

#[derive(Default)]
struct Kit {
    open: Option<(Installed, Provider)>,
    /// Tells the lines at which a call broke off.
    map: Option<Vec<u8>>,
}

impl Kit {
    async fn answer(&mut self, line: &str) -> Result<Value> {
        let request: Request = serde_json::from_str(line).context("the test kit is of another version than openhub")?;
        if let Request::Open(open) = request {
            return self.open(open).await;
        }
        let (installed, provider) = self.open.as_ref().context("nothing is open")?;
        match request {
            Request::Open(_) => bail!("it is open already"),
            Request::Secret(secret) => installed.check_secret(&secret).map(|_| Value::Null),
            Request::Rule(call) => tokio::task::block_in_place(|| installed.rule(&call)),
            Request::Object(call) => tokio::task::block_in_place(|| installed.object(call)),
            Request::Channel(call) => installed.channel(call).await,
            Request::Source(call) => installed.source(call).await,
            Request::Endpoint(call) => installed.endpoint(call).await,
            Request::Job(call) => installed.job(call).await,
            Request::Step(call) => tokio::task::block_in_place(|| nodes::step(&installed.plugin, call)),
            Request::Function(call) => tokio::task::block_in_place(|| nodes::function(&installed.plugin, &call)),
            Request::Privacy(call) => installed.privacy(call).await,
            Request::Kv(call) => Ok(installed.kv(call)),
            Request::Record(call) => Ok(installed.record(call)),
            Request::Customer(told) => {
                installed.records.know(told);
                Ok(Value::Null)
            }
            Request::Answer(answer) => {
                provider.answer(answer);
                Ok(Value::Null)
            }
            Request::Requests {} => Ok(json!(provider.take_requests())),
        }
    }

    /// The answer with lines of the source in place of addresses.
    fn explained(&self, answer: Value) -> Value {
        let Some(map) = &self.map else { return answer };
        let within = |value: Value| self.explained(value);
        match answer {
            Value::String(text) => Value::String(openhub_sdk_build::explain(map, &text)),
            Value::Array(values) => values.into_iter().map(within).collect(),
            Value::Object(fields) => fields.into_iter().map(|(name, value)| (name, within(value))).collect(),
            other => other,
        }
    }

    async fn open(&mut self, open: Open) -> Result<Value> {
        let (bytes, component) = match (open.dir, open.component) {
            (Some(dir), _) => {
                let built = tokio::task::spawn_blocking(move || openhub_sdk_build::assemble(&dir)).await??;
                let folder = open.cache.clone().unwrap_or_else(std::env::temp_dir);
                let component = folder.join(format!("{}-{}.wasm", built.manifest.name, std::process::id()));
                std::fs::write(&component, &built.bytes).with_context(|| component.display().to_string())?;
                if let Some(map) = &built.map {
                    // Other tests take the component from there.
                    std::fs::write(component.with_extension(openhub_sdk_build::MAP), map)?;
                }
                self.map = built.map;
                (built.bytes, component)
            }
            (None, Some(component)) => {
                self.map = std::fs::read(component.with_extension(openhub_sdk_build::MAP)).ok();
                (std::fs::read(&component).with_context(|| component.display().to_string())?, component)
            }
            (None, None) => bail!("neither a folder nor a component is named"),
        };
        let provider = Provider::start().await?;
        let host: HostPort = provider.address().parse()?;
        let config = Config { cache: open.cache, allow_private: vec![host], instances: 4, ..Config::default() };
        let plugin = Runtime::new(config)?.prepare(&bytes).await;
        let plugin = plugin.map_err(|refusal| anyhow::anyhow!("the hub refuses this component: {refusal}"))?;
        let opened = json!({"manifest": plugin.manifest(), "provider": provider.address(), "component": component});
        let records = Arc::new(Records::of(Arc::clone(&plugin)));
        self.open = Some((Installed { plugin, kept: Arc::default(), captured: Arc::default(), records }, provider));
        Ok(opened)
    }
}
