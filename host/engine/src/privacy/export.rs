//! Asks a plugin for a page of what it keeps of a customer who is given their data.

use openhub_model::identity::Part;
use openhub_runtime::ExportedPage;
use openhub_store::{Called, Scope};

use super::person;
use crate::delivery::call;
use crate::engine::Engine;
use crate::error::EngineError;
use crate::source::{Asked, PATIENCE};
use crate::tracked::Caller;

/// Which page: of one answer, which `request` names, behind `after`.
#[derive(Clone, Debug)]
pub struct ExportOf<'a> {
    pub plugin: &'a str,
    pub request: &'a str,
    pub after: Option<String>,
}

impl Engine {
    /// The plugin is told who it is as far as it declares. [`Asked::Nobody`] if it is not enabled.
    pub async fn export_of(
        &self,
        scope: &Scope,
        parts: &[Part],
        of: ExportOf<'_>,
    ) -> Result<Asked<ExportedPage>, EngineError> {
        let catalog = self.in_force(scope).await?;
        let enabled = catalog.plugins.get(of.plugin).filter(|enabled| !self.is_to_end(scope, enabled)).cloned();
        drop(catalog);
        let Some(enabled) = enabled else { return Ok(Asked::Nobody) };
        let Some(shape) = enabled.installation.manifest.privacy.clone() else { return Ok(Asked::Nobody) };
        let waited = self.shared.source_places.take_within(scope.tenant(), PATIENCE).await;
        let Some(_place) = waited else { return Ok(Asked::Busy) };
        let context = call::context(&self.shared, scope.tenant(), &enabled, Caller::Privacy)?;
        let who = (person(parts, &shape), of.after);
        let ended = self.ended(scope, &enabled);
        let (page, receipt) = enabled.plugin.export(context, of.request, who, ended).await;
        let called = (&enabled.installation, Called::Privacy, "export");
        self.shared.meters.call(scope.tenant(), called, 1, page.is_err(), &receipt);
        Ok(Asked::Answered(Box::new(page)))
    }
}
