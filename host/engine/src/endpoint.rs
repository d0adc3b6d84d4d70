//! Calls of plugins' own HTTP APIs. Who calls is known by then; what the plugin says and writes stands when it answers.

use openhub_model::identity::Authority;
use openhub_runtime::{EndpointCaller, HttpRequest, HttpResponse};
use openhub_store::{Called, Scope};

use crate::catalog::Enabled;
use crate::delivery::call;
use crate::engine::Engine;
use crate::error::EngineError;
use crate::source::{Asked, PATIENCE};
use crate::tracked::{Caller, EndpointCall};

/// A request under a key.
#[derive(Clone, Debug)]
pub struct Keyed {
    pub caller: EndpointCaller,
    /// What the key's own events may claim: those of the call claim no more.
    pub authority: Authority,
    /// What the caller names the request by, so that it can send it again.
    pub once: Option<String>,
    pub request: HttpRequest,
}

impl Engine {
    /// Hands a request to an endpoint of an enabled plugin. A plugin that is disabled meanwhile answers nothing.
    pub async fn handle(
        &self,
        scope: &Scope,
        (plugin, endpoint): (&str, &str),
        keyed: Keyed,
    ) -> Result<Asked<HttpResponse>, EngineError> {
        let catalog = self.in_force(scope).await?;
        let enabled = catalog.plugins.get(plugin).filter(|enabled| has(enabled, endpoint));
        let Some(enabled) = enabled.filter(|enabled| !self.is_to_end(scope, enabled)).cloned() else {
            return Ok(Asked::Nobody);
        };
        drop(catalog);
        let waited = self.shared.endpoint_places.take_within(scope.tenant(), PATIENCE).await;
        let Some(_place) = waited else { return Ok(Asked::Busy) };
        let Keyed { caller, authority, once, request } = keyed;
        let call = EndpointCall { endpoint: endpoint.to_owned(), key: caller.key.clone(), once, authority };
        let context = call::context(&self.shared, scope.tenant(), &enabled, Caller::Endpoint(call))?;
        let ended = self.ended(scope, &enabled);
        let (handled, receipt) = enabled.plugin.handle(context, endpoint, (caller, request), ended).await;
        let of = (&enabled.installation, Called::Endpoint, endpoint);
        self.shared.meters.call(scope.tenant(), of, 1, handled.is_err(), &receipt);
        Ok(Asked::Answered(Box::new(handled)))
    }
}

fn has(enabled: &Enabled, endpoint: &str) -> bool {
    enabled.installation.manifest.endpoints.iter().any(|shape| shape.name == endpoint)
}
