//! A tenant's plugins and its journey, through the public API, as an admin and a marketer would.

use anyhow::{Context, Result};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::Path;

use super::api::Api;

/// The key that the webhook plugin signs with; the receiver knows it too.
pub const SIGNING_SECRET: &str = "whsec_b3Blbmh1YiBkZW1vOiBvbmx5IGZvciB0aGlzIG1hY2hpbmUu";
pub const TWO_ORDERS: &str = "two-orders-in-30-days";
pub const QUIET: &str = "no-order-for-180-days";
pub const SPENT: &str = "spent-at-least-200";

/// As `openhub tenant create --json` answers.
#[derive(Clone, Deserialize)]
pub struct Tenant {
    pub name: String,
    pub write_key: String,
    pub api_key: String,
}

pub async fn install(
    hub: &str,
    tenant: &Tenant,
    components: &[(String, Vec<u8>)],
    receiver: &str,
    root: &Path,
) -> Result<()> {
    let api = Api::new(hub, &tenant.api_key)?;
    for (name, component) in components {
        enable(&api, name, component.clone(), receiver).await.with_context(|| format!("the plugin {name}"))?;
    }
    publish(&api, "win-back", root).await?;
    let orders = |within: &str, at_least: i64| json!({"event": {"name": "Order Completed", "within": within, "is": "ge", "value": at_least}});
    for (name, condition) in [
        (TWO_ORDERS, orders("30d", 2)),
        (QUIET, json!({"not": orders("180d", 1)})),
        (SPENT, json!({"attribute": {"name": "spent_cents", "is": "ge", "value": 20_000}})),
    ] {
        let body = json!({"condition": condition});
        let put = api.call(Method::PUT, &format!("/api/v1/segments/{name}"), Some(&body)).await;
        put.with_context(|| format!("the segment {name}"))?;
    }
    Ok(())
}

async fn enable(api: &Api, name: &str, component: Vec<u8>, receiver: &str) -> Result<()> {
    let installed = api.upload("/api/v1/plugins", component).await?;
    let mut settings = json!({});
    if name == "webhook" {
        settings = json!({"url": format!("{receiver}/messages")});
        let secret = json!({"value": SIGNING_SECRET});
        api.call(Method::PUT, "/api/v1/plugins/webhook/secrets/signing", Some(&secret)).await?;
    }
    let body = json!({"accept": installed["digest"], "settings": settings});
    api.call(Method::POST, &format!("/api/v1/plugins/{name}/enable"), Some(&body)).await?;
    Ok(())
}

/// Something to see at once, for who tries the tenant of the present.
pub async fn welcome(hub: &str, tenant: &Tenant, root: &Path) -> Result<()> {
    publish(&Api::new(hub, &tenant.api_key)?, "welcome", root).await
}

async fn publish(api: &Api, journey: &str, root: &Path) -> Result<()> {
    let file = root.join(format!("examples/cdnow/{journey}.journey.json"));
    let text = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    let definition: Value = serde_json::from_str(&text)?;
    let put = api.call(Method::PUT, &format!("/api/v1/journeys/{journey}"), Some(&definition)).await;
    put.with_context(|| format!("the journey {journey}"))?;
    let published = api.call(Method::POST, &format!("/api/v1/journeys/{journey}/publish"), None).await;
    published.map(drop).with_context(|| format!("the journey {journey}"))
}
