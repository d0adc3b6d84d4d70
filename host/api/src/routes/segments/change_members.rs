//! `POST /api/v1/segments/{name}/members`: a static segment is kept by hand.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use openhub_model::{Fault, Identity, PartId};
use serde::Deserialize;
use serde_json::json;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use utoipa::ToSchema;

use crate::app::App;
use crate::auth::SegmentsWrite;
use crate::body::JsonBody;
use crate::change::Change;
use crate::openapi::Problems;
use crate::parameters::Path;
use crate::problem::{CONFLICT, INVALID_BODY, Problem};
use crate::segments::find;
use crate::views::MembersChangedView;
use crate::writes::Progress;

/// At most 10,000 identities in both lists together.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = MembersChange)]
pub(crate) struct MembersChange {
    #[serde(default)]
    add: Vec<MemberIdentity>,
    /// Who is in both lists is removed.
    #[serde(default)]
    remove: Vec<MemberIdentity>,
}

/// An identity of a customer.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MemberIdentity {
    /// `user_id`, `email`, …
    kind: String,
    value: String,
}

/// Adds customers to a static segment and takes others from it, by their identities.
#[utoipa::path(post, path = "/api/v1/segments/{name}/members", tag = "segments", request_body = MembersChange,
    params(("name" = String, Path, description = "The segment's name.")),
    security(("api_key" = ["segments:write"])),
    responses(
        (status = 200, body = MembersChangedView),
        (status = 202, description = "Stored; the engine has not reached it yet.", body = MembersChangedView),
        Problems))]
pub(crate) async fn change_segment_members(
    State(app): State<Arc<App>>,
    change: Change<SegmentsWrite>,
    Path(name): Path<String>,
    JsonBody(asked): JsonBody<MembersChange>,
) -> Result<Response, Problem> {
    let most = app.limits.segment_members;
    if asked.add.len() + asked.remove.len() > most {
        let fault = Fault::new("", "too-many", format!("The call has too many identities: at most {most}."));
        return Err(Problem::fault(INVALID_BODY, fault));
    }
    let _changes = change.alone().await?;
    let scope = &change.scope;
    let segment = find(&app, scope, &name).await?;
    let versions = app.store.segment_versions(scope, &segment.name).await?;
    if versions.last().is_none_or(|version| version.condition.is_some()) {
        return Err(Problem::new(CONFLICT, "This segment has a condition, so its members cannot be set by hand."));
    }
    let policies = app.store.identity_policies(scope).await?;
    let part = |each: &MemberIdentity| {
        let identity = Identity::new(each.kind.as_str(), each.value.as_str());
        policies.latest().normal(identity).part(change.tenant())
    };
    let parts: Vec<PartId> = asked.add.iter().chain(&asked.remove).map(part).collect();
    let owners = app.store.owners(scope, &parts).await?;
    let mut unknown = Vec::new();
    let mut split = |identities: Vec<MemberIdentity>| known(identities, part, &owners, &mut unknown);
    let (add, remove) = (split(asked.add), split(asked.remove));
    let add: BTreeSet<PartId> = add.difference(&remove).copied().collect();
    let mut changed =
        MembersChangedView { added: add.len(), removed: remove.len(), unknown: Vec::new(), position: None };
    changed.unknown = unknown.into_iter().map(|each| Identity::new(each.kind, each.value).into()).collect();
    if add.is_empty() && remove.is_empty() {
        return Ok(Json(changed).into_response());
    }
    let body = json!({"segment": segment.name, "add": add, "remove": remove});
    match change.commit("segment.members", body).await? {
        Progress::Done => Ok(Json(changed).into_response()),
        Progress::Pending(position) => {
            changed.position = Some(position);
            Ok((StatusCode::ACCEPTED, Json(changed)).into_response())
        }
    }
}

/// The parts that customers have; the identities that nobody has go to `unknown`.
fn known(
    identities: Vec<MemberIdentity>,
    part: impl Fn(&MemberIdentity) -> PartId,
    owners: &HashMap<PartId, PartId>,
    unknown: &mut Vec<MemberIdentity>,
) -> BTreeSet<PartId> {
    let mut parts = BTreeSet::new();
    for identity in identities {
        match owners.get(&part(&identity)) {
            Some(owner) => {
                parts.insert(*owner);
            }
            None => unknown.push(identity),
        }
    }
    parts
}
