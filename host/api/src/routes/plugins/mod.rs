//! Plugins: uploaded, compared, set up, put in force, and taken away again.

mod activate;
mod canary;
mod data;
mod enable;
mod install;
mod list;
mod logs;
mod recordings;
mod remove;
mod secrets;
mod shadow;
mod versions;

use openhub_store::{Installation, Scope};

use crate::app::App;
use crate::parameters::name_in_path;
use crate::problem::Problem;
use crate::views::PluginView;
use crate::writes::tenant;

pub(crate) use activate::*;
pub(crate) use canary::*;
pub(crate) use data::*;
pub(crate) use enable::*;
pub(crate) use install::*;
pub(crate) use list::*;
pub(crate) use logs::*;
pub(crate) use recordings::*;
pub(crate) use remove::*;
pub(crate) use secrets::*;
pub(crate) use shadow::*;
pub(crate) use versions::*;

async fn view(app: &App, scope: &Scope, installation: Installation) -> Result<PluginView, Problem> {
    Ok(PluginView::of(installation, &tenant(app, scope).await?.name))
}

pub(crate) async fn find(app: &App, scope: &Scope, name: &str) -> Result<Installation, Problem> {
    let found = app.store.plugin(scope, name_in_path(name)?).await?;
    found.ok_or_else(|| Problem::not_found("plugin"))
}
