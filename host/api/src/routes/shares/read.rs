//! What the recipient of a share has of it: counts, or members under their pseudonyms. Each read asks whether the share is in force, and each
//! customer's consent.

use axum::Json;
use axum::extract::State;
use openhub_engine::shares::PairKey;
use openhub_model::Fault;
use openhub_model::share::FEWEST;
use openhub_store::{Granted, Scope, SharedMember};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use utoipa::IntoParams;

use super::find;
use crate::app::{App, Previews};
use crate::auth::{Authorized, SharesRead};
use crate::cursor;
use crate::openapi::{NotInForce, Problems};
use crate::parameters::{Path, Query};
use crate::problem::{CONFLICT, INVALID_QUERY, NOT_ACTIVE, Problem};
use crate::views::{JourneyShareCount, SegmentShareCount, ShareCounts, ShareMemberList, ShareMemberView};

const LIST: &str = "share-members";
/// Members that are looked at in one go.
const AT_ONCE: usize = 1_000;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Parameters {
    /// Which segment of the share (default: its first).
    segment: Option<String>,
    /// The `next` of the page before.
    after: Option<String>,
    /// Page size, 1 to 1000 (default 50).
    limit: Option<usize>,
}

/// How many are in the segments of a share that you have, and how many entered each node of its journeys. A count below 20 is `null`.
#[utoipa::path(get, path = "/api/v1/shares/{id}/counts", tag = "partners",
    params(("id" = String, Path, description = "The share's id.")),
    security(("api_key" = ["shares:read"])),
    responses((status = 200, body = ShareCounts), Problems, NotInForce))]
pub(crate) async fn share_counts(
    State(app): State<Arc<App>>,
    access: Authorized<SharesRead>,
    Path(id): Path<String>,
) -> Result<Json<ShareCounts>, Problem> {
    let granted = granted(&app, &access.scope, &id).await?;
    let told = |count: i64| Some(count).filter(|count| *count >= FEWEST);
    let segments = app.store.shared_segments(&granted).await?.into_iter();
    let journeys = app.store.shared_journeys(&granted).await?.into_iter();
    let segment = |(segment, count)| SegmentShareCount { segment, count: told(count) };
    let journey = |(journey, node, entered)| JourneyShareCount { journey, node, entered: told(entered) };
    Ok(Json(ShareCounts {
        fewest: FEWEST,
        segments: segments.map(segment).collect(),
        journeys: journeys.map(journey).collect(),
    }))
}

/// Who is in a segment of a share that you have, and consents to it: under names that nobody but you has, in the order of these names.
///
/// With `fields`, each has the attributes that were agreed on, as they are now. Who withdraws the consent, or leaves the segment, is not there
/// any more at the next read: read it anew before you use it, at least once a minute.
#[utoipa::path(get, path = "/api/v1/shares/{id}/members", tag = "partners",
    params(("id" = String, Path, description = "The share's id."), Parameters),
    security(("api_key" = ["shares:read"])),
    responses((status = 200, body = ShareMemberList), Problems, NotInForce))]
pub(crate) async fn share_members(
    State(app): State<Arc<App>>,
    State(previews): State<Previews>,
    access: Authorized<SharesRead>,
    Path(id): Path<String>,
    Query(parameters): Query<Parameters>,
) -> Result<Json<ShareMemberList>, Problem> {
    let limit = cursor::limit(parameters.limit)?;
    let after: Option<String> = cursor::read(LIST, "after", parameters.after.as_deref())?;
    let granted = granted(&app, &access.scope, &id).await?;
    let share = granted.share();
    if !share.terms.leads_to_people() {
        return Err(Problem::new(CONFLICT, "This share has counts, and no members: read its `counts`."));
    }
    let segment = match &parameters.segment {
        Some(name) => share.terms.segments.iter().find(|segment| *segment == name),
        None => share.terms.segments.first(),
    };
    let Some(segment) = segment.cloned() else {
        let message = "The share has no such segment.";
        return Err(Problem::fault(INVALID_QUERY, Fault::new("/segment", "unknown-segment", message)));
    };
    let giver = Scope::of(share.giver);
    let sealed = app.store.share_key(&giver, share.recipient).await?;
    let sealed = sealed.ok_or_else(|| Problem::new(NOT_ACTIVE, "The share has no key yet."))?;
    let key = PairKey::open(&app.sealer, (share.giver, share.recipient), &sealed)
        .map_err(|error| Problem::internal(&error))?;
    let _turn = previews.turn(access.tenant(), app.limits.condition_time).await?;
    // By the order of the giver's own ids, two recipients could tell who is the same.
    let mut page: BTreeMap<String, SharedMember> = BTreeMap::new();
    let mut behind = None;
    loop {
        let asked = (segment.as_str(), behind);
        let (members, more) = app.store.shared_members(&access.scope, &granted, asked, AT_ONCE).await?;
        for member in members {
            let name = key.pseudonym(member.customer);
            if after.as_ref().is_none_or(|after| name > *after) {
                page.insert(name, member);
            }
            if page.len() > limit + 1 {
                page.pop_last();
            }
        }
        match more {
            Some(last) => behind = Some(last),
            None => break,
        }
    }
    let view = |(pseudonym, member): (String, SharedMember)| ShareMemberView { pseudonym, fields: member.fields };
    let members: Vec<ShareMemberView> = page.into_iter().map(view).collect();
    let (members, next) = cursor::page(LIST, members, limit, |member| member.pseudonym.clone());
    Ok(Json(ShareMemberList { members, next }))
}

/// It is in force, and theirs to read.
async fn granted(app: &App, scope: &Scope, id: &str) -> Result<Granted, Problem> {
    let share = find(app, scope, id).await?;
    if share.recipient != scope.tenant() {
        return Err(Problem::new(CONFLICT, "You give this share: its recipient reads it."));
    }
    let granted = app.store.granted(scope, share.id).await?;
    granted.ok_or_else(|| Problem::new(NOT_ACTIVE, format!("The share is {}: nothing flows.", share.state)))
}
