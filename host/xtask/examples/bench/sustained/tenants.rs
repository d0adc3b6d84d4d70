//! The hub under load: a tenant with all that P2 asks for in force, and a quiet one with nothing.

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use serde::Deserialize;
use serde_json::json;
use std::net::SocketAddr;
use std::path::Path;
use tokio::process::Command;

use crate::{audiences, mix};
use xtask::demo::Api;
use xtask::process::Server;

/// As `openhub tenant create --json` answers.
#[derive(Deserialize)]
pub struct Tenant {
    pub write_key: String,
    /// A server's: the most frequent customer does more than a page may say.
    pub api_key: String,
}

pub struct Tenants {
    pub hub: Server,
    pub flood: Tenant,
    pub quiet: Tenant,
}

pub async fn start(program: &Path, components: &Path, place: &Path, receiver: SocketAddr) -> Result<Tenants> {
    let data = place.join("hub");
    let (flood, quiet) = (create(program, &data, "flood").await?, create(program, &data, "quiet").await?);
    let mut command = Command::new(program);
    command.args(["serve", "--listen", "127.0.0.1:0", "--log", "warn", "--allow-private", &receiver.to_string()]);
    command.arg("--data").arg(&data);
    let hub = Server::start(&mut command, &place.join("hub.log")).await?;
    let api = Api::new(&hub.url, &flood.api_key)?;
    for name in ["rfm", "webhook"] {
        let path = components.join(format!("{name}.wasm"));
        let component = std::fs::read(&path).with_context(|| path.display().to_string())?;
        let installed = api.upload("/api/v1/plugins", component).await?;
        let mut settings = json!({});
        if name == "webhook" {
            settings = json!({"url": format!("http://{receiver}/messages")});
            let secret = json!({"value": mix::SECRET});
            api.call(Method::PUT, "/api/v1/plugins/webhook/secrets/signing", Some(&secret)).await?;
        }
        let enable = json!({"accept": installed["digest"], "settings": settings});
        api.call(Method::POST, &format!("/api/v1/plugins/{name}/enable"), Some(&enable)).await?;
    }
    api.call(Method::PUT, "/api/v1/journeys/thanks", Some(&mix::journey())).await?;
    api.call(Method::POST, "/api/v1/journeys/thanks/publish", None).await?;
    for (name, condition) in audiences::standard() {
        let segment = json!({"condition": condition});
        api.call(Method::PUT, &format!("/api/v1/segments/{name}"), Some(&segment)).await?;
    }
    Ok(Tenants { hub, flood, quiet })
}

async fn create(program: &Path, data: &Path, name: &str) -> Result<Tenant> {
    let output = Command::new(program).args(["tenant", "create", name, "--json", "--data"]).arg(data).output().await?;
    ensure!(output.status.success(), "the tenant could not be created: {}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}
