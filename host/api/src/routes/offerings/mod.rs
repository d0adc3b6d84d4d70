//! Offerings, as their provider sees them: what a tenant publishes for those below it, in versions that never change.

mod list;
mod pushes;
mod save;
mod versions;

pub(crate) use list::*;
pub(crate) use pushes::*;
pub(crate) use save::*;
pub(crate) use versions::*;

use openhub_store::{Offering, OfferingVersion, Scope};

use crate::app::App;
use crate::problem::Problem;

async fn find(app: &App, scope: &Scope, name: &str) -> Result<Offering, Problem> {
    app.store.offering(scope, name).await?.ok_or_else(|| Problem::not_found("offering"))
}

async fn find_version(app: &App, scope: &Scope, name: &str, version: &str) -> Result<OfferingVersion, Problem> {
    let absent = || Problem::not_found("version of an offering");
    let number: i64 = version.parse().map_err(|_| absent())?;
    app.store.offering_version(scope, name, number).await?.ok_or_else(absent)
}
