//! Endpoints: the plugin's own HTTP API. Who calls is known, and told with the request.

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::answer::Receipt;
use crate::bindings::channel::openhub::types::types as shared;
use crate::bindings::endpoint::exports::openhub::endpoint::endpoint as bound;
use crate::fault::{CallFault, FaultKind};
use crate::io::{Bounds, Called, IoContext};
use crate::plugin::Plugin;
use crate::receive::{HttpRequest, HttpResponse, Unanswered, WALL_MS, answer, unanswered};

/// Whose key it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointCaller {
    /// The key's id.
    pub key: String,
    pub scopes: Vec<String>,
}

impl Plugin {
    /// Hands a request to an endpoint, until `stopped` is over; also answers what the call used. Its path begins
    /// behind the plugin's address.
    pub async fn handle(
        &self,
        context: IoContext,
        endpoint: &str,
        (caller, request): (EndpointCaller, HttpRequest),
        stopped: impl Future<Output = ()>,
    ) -> (Result<HttpResponse, Unanswered>, Receipt) {
        let declared = self.manifest().endpoints.iter().any(|shape| shape.name == endpoint);
        let (true, Some(extension)) = (declared, &self.endpoint) else {
            let message = format!("the plugin has no endpoint `{endpoint}`");
            return (Err(Unanswered::Failed(CallFault::new(FaultKind::Host, message))), Receipt::default());
        };
        let given = || json!({"caller": caller, "request": request});
        let wall_ms = self.machine.limits.io_wall_ms.min(WALL_MS);
        let bounds = Bounds { kind: "endpoint", name: endpoint, given: &given, items: 1, wall_ms };
        let EndpointCaller { key, scopes } = caller.clone();
        let by = bound::Caller { key, scopes };
        let HttpRequest { method, path, query, headers, body } = request.clone();
        let asked = shared::Request { method, path, query, headers, body };
        let Called { answer: answered, receipt, .. } = self
            .io(context, bounds, stopped, async |store| {
                let instance = extension.instantiate_async(&mut *store).await?;
                let endpoints = instance.openhub_endpoint_endpoint();
                endpoints.call_handle(&mut *store, endpoint, &by, &asked).await
            })
            .await;
        let answered = answered.map_err(Unanswered::Failed).and_then(|answered| answered.map_err(unanswered));
        (answered.and_then(|answered| Ok(answer("endpoint", answered)?)), receipt)
    }
}
