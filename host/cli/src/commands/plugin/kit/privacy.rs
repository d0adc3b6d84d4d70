//! Calls about a customer who is given their data, or was erased.

use anyhow::{Context, Result};
use openhub_model::Identity;
use openhub_runtime::{Erased, Person};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::sync::Arc;

use super::backing::{Appended, Unnamed};
use super::calls::{Installed, SecretText, unanswered};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrivacyCall {
    what: What,
    settings: Map<String, Value>,
    secrets: Vec<SecretText>,
    at: i64,
    request: String,
    customers: Vec<String>,
    identities: Vec<(String, String)>,
    after: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum What {
    Erase,
    Export,
}

impl Installed {
    pub async fn privacy(&self, call: PrivacyCall) -> Result<Value> {
        let shape = self.plugin.manifest().privacy.as_ref();
        let shape = shape.context("the plugin keeps nothing of customers elsewhere: it has no #[privacy]")?;
        let tracked = Arc::new(Appended::new(Unnamed::Refused));
        let context = self.io(&call.settings, &call.secrets, call.at, &tracked)?;
        let PrivacyCall { what, request, customers, identities, after, .. } = call;
        let identities = identities.into_iter().filter(|(kind, _)| shape.identities.contains(kind));
        let identities = identities.map(|(kind, value)| Identity::new(kind, value)).collect();
        let who = Person { customers, identities };
        let forever = std::future::pending();
        Ok(match what {
            What::Erase => match self.plugin.erase(context, &request, who, forever).await.0 {
                Ok(Erased::Done(receipt)) => json!({"done": receipt}),
                Ok(Erased::Later(seconds)) => json!({"later": seconds}),
                Ok(Erased::Nothing) => json!({}),
                Err(why) => unanswered(&why),
            },
            What::Export => match self.plugin.export(context, &request, (who, after), forever).await.0 {
                Ok(page) => json!({"items": page.items, "next": page.next}),
                Err(why) => unanswered(&why),
            },
        })
    }
}
