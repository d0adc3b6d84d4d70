//! Drafts of journeys, checked as publishing would.

use openhub_journey::{Journey, Named, Surroundings};
use openhub_model::Fault;
use openhub_store::{JourneyVersion, PluginStatus, Scope};
use serde_json::Value;

use crate::app::{App, Checks};
use crate::problem::Problem;

/// What stands in the way of publishing a definition.
pub(crate) async fn faults(
    app: &App,
    checks: &Checks,
    scope: &Scope,
    name: &str,
    definition: &Value,
) -> Result<Vec<Fault>, Problem> {
    let mut surroundings = surroundings(app, scope).await?;
    let segments = app.store.latest_segment_versions(scope).await?.into_iter().map(|version| version.segment);
    let journeys = app.store.journeys(scope).await?.into_iter().map(|journey| journey.name).chain([name.to_owned()]);
    let attributes = app.store.declared_attributes(scope).await?.into_iter();
    let attributes = attributes.filter_map(|(name, declared)| Some((name, declared.of?))).collect();
    surroundings.named = Some(Named { segments: segments.collect(), journeys: journeys.collect(), attributes });
    let (name, definition) = (name.to_owned(), definition.clone());
    checks.run(scope.tenant(), app.limits.write_wait, move || check(&name, &definition, &surroundings)).await
}

/// What a published version lacks by now; it was checked against all else when it was published.
pub(crate) async fn faults_of_version(
    app: &App,
    checks: &Checks,
    scope: &Scope,
    version: JourneyVersion,
) -> Result<Vec<Fault>, Problem> {
    let surroundings = surroundings(app, scope).await?;
    let check = move || check(&version.journey, &version.definition, &surroundings);
    checks.run(scope.tenant(), app.limits.write_wait, check).await
}

pub(crate) fn check(name: &str, definition: &Value, surroundings: &Surroundings) -> Vec<Fault> {
    match openhub_journey::parse(definition) {
        Ok(definition) => Journey::compile(name, 1, &definition, surroundings).err().unwrap_or_default(),
        Err(_) => openhub_journey::faults(definition, surroundings),
    }
}

/// What a journey's nodes may use: what enabled plugins bring, and the declared types.
pub(crate) async fn surroundings(app: &App, scope: &Scope) -> Result<Surroundings, Problem> {
    let plugins = app.store.plugins(scope).await?;
    let enabled = plugins.into_iter().filter(|plugin| plugin.status == PluginStatus::Enabled);
    let mut surroundings = Surroundings::default();
    enabled.for_each(|plugin| surroundings.add(&plugin.manifest));
    for declared in app.store.object_types(scope).await? {
        let shape = declared.declaration.shape(&declared.name, declared.version);
        surroundings.objects.insert(declared.name, shape);
    }
    Ok(surroundings)
}
