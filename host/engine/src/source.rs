//! Requests from outside that a plugin's source answers. Nothing is written here: what a source yields is the door's to take.

use std::sync::Arc;
use std::time::Duration;

use openhub_runtime::{HttpRequest, Received, Unanswered};
use openhub_store::{Called, Scope};

use crate::catalog::Enabled;
use crate::delivery::call;
use crate::engine::Engine;
use crate::error::EngineError;
use crate::tracked::Caller;

/// How often it is looked whether a plugin that answers is still enabled, whichever node has disabled it.
const LOOK: Duration = Duration::from_secs(1);

/// How long a request waits for its turn.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// What became of a request.
#[derive(Debug)]
pub enum Asked<T> {
    /// No enabled plugin answers such a request.
    Nobody,
    /// The tenant has as many calls under way as it may have.
    Busy,
    Answered(Box<Result<T, Unanswered>>),
}

impl Engine {
    /// Hands a request to the source of an enabled plugin. A plugin that is disabled meanwhile answers nothing.
    pub async fn receive(
        &self,
        scope: &Scope,
        (plugin, source): (&str, &str),
        request: HttpRequest,
    ) -> Result<Asked<Received>, EngineError> {
        let catalog = self.in_force(scope).await?;
        let enabled = catalog.plugins.get(plugin).filter(|enabled| has(enabled, source));
        let Some(enabled) = enabled.filter(|enabled| !self.is_to_end(scope, enabled)).cloned() else {
            return Ok(Asked::Nobody);
        };
        drop(catalog);
        let waited = self.shared.source_places.take_within(scope.tenant(), PATIENCE).await;
        let Some(_place) = waited else { return Ok(Asked::Busy) };
        let caller = Caller::Source(source.to_owned());
        let context = call::context(&self.shared, scope.tenant(), &enabled, caller)?;
        let ended = self.ended(scope, &enabled);
        let (answered, receipt) = enabled.plugin.receive(context, source, request, ended).await;
        let of = (&enabled.installation, Called::Source, source);
        self.shared.meters.call(scope.tenant(), of, 1, answered.is_err(), &receipt);
        Ok(Asked::Answered(Box::new(answered)))
    }

    /// Over once the plugin is gone or disabled, or lacks a secret that it was given. Another version lets the call end: nobody has
    /// to make it twice.
    pub(crate) async fn ended(&self, scope: &Scope, enabled: &Arc<Enabled>) {
        loop {
            tokio::time::sleep(LOOK).await;
            let old = &enabled.installation;
            let stays = match self.in_force(scope).await {
                Ok(catalog) => catalog.plugins.get(&old.name).is_some_and(|now| {
                    let new = &now.installation;
                    old.secrets.keys().all(|secret| new.secrets.contains_key(secret))
                }),
                // Nobody knows; the call has a time of its own.
                Err(_) => true,
            };
            if !stays || self.is_to_end(scope, enabled) {
                return;
            }
        }
    }

    /// Whether its end is asked for, and the engine has yet to come to it.
    pub(crate) fn is_to_end(&self, scope: &Scope, enabled: &Enabled) -> bool {
        let position = || enabled.installation.position;
        self.shared.halts.hold(scope.tenant(), &enabled.installation.name, position)
    }
}

fn has(enabled: &Enabled, source: &str) -> bool {
    enabled.installation.manifest.sources.iter().any(|shape| shape.name == source)
}
