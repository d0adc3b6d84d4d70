//! Jobs of plugins: their schedules and last runs, and a run that somebody asks for.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use openhub_model::manifest::JobShape;
use openhub_store::{Installation, JobKey, PluginStatus, Scope};
use std::sync::Arc;

use super::plugins::find;
use crate::app::App;
use crate::auth::{Authorized, PluginsRead, PluginsWrite};
use crate::openapi::Problems;
use crate::parameters::Path;
use crate::problem::{CONFLICT, Problem};
use crate::views::{JobList, JobView};

/// Runs of a job that are listed.
const RUNS: usize = 10;

/// The jobs of a plugin: schedule, next time, cursor, and the last ten runs of each.
#[utoipa::path(get, path = "/api/v1/plugins/{name}/jobs", tag = "plugins",
    params(("name" = String, Path, description = "The plugin's name.")),
    security(("api_key" = ["plugins:read"])),
    responses((status = 200, body = JobList), Problems))]
pub(crate) async fn list_jobs(
    State(app): State<Arc<App>>,
    access: Authorized<PluginsRead>,
    Path(name): Path<String>,
) -> Result<Json<JobList>, Problem> {
    let plugin = find(&app, &access.scope, &name).await?;
    let mut jobs = Vec::with_capacity(plugin.manifest.jobs.len());
    for shape in &plugin.manifest.jobs {
        jobs.push(view(&app, &access.scope, &plugin, shape).await?);
    }
    Ok(Json(JobList { jobs }))
}

/// Runs a job as soon as there is a place for it, whatever its schedule says; of one that runs already, once more after that.
///
/// 409 if the plugin is not enabled.
#[utoipa::path(post, path = "/api/v1/plugins/{name}/jobs/{job}/run", tag = "plugins",
    params(("name" = String, Path, description = "The plugin's name."), ("job" = String, Path, description = "The job's name.")),
    security(("api_key" = ["plugins:write"])),
    responses((status = 202, description = "It will run soon.", body = JobView), Problems))]
pub(crate) async fn run_job(
    State(app): State<Arc<App>>,
    access: Authorized<PluginsWrite>,
    Path((name, job)): Path<(String, String)>,
) -> Result<(StatusCode, Json<JobView>), Problem> {
    let scope = &access.scope;
    let plugin = find(&app, scope, &name).await?;
    let shape = plugin.manifest.jobs.iter().find(|shape| shape.name == job);
    let shape = shape.ok_or_else(|| Problem::not_found("job"))?;
    if plugin.status != PluginStatus::Enabled {
        return Err(Problem::new(CONFLICT, format!("The plugin `{name}` is not enabled, so its jobs do not run.")));
    }
    app.engine.run_job(scope, JobKey { plugin: plugin.name.clone(), job }).await?;
    Ok((StatusCode::ACCEPTED, Json(view(&app, scope, &plugin, shape).await?)))
}

async fn view(app: &App, scope: &Scope, plugin: &Installation, shape: &JobShape) -> Result<JobView, Problem> {
    let key = JobKey { plugin: plugin.name.clone(), job: shape.name.clone() };
    let row = app.store.jobs(scope).await?.into_iter().find(|row| row.key == key);
    let runs = app.store.job_runs(scope, &key, RUNS).await?;
    Ok(JobView::of(shape, row, runs))
}
