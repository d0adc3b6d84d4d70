//! `POST /api/v1/customers`: a customer by its identities, through the log.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use openhub_model::identity::{Policy, Refusal};
use openhub_model::{EventKind, Fault, Identity};
use openhub_store::Op;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use utoipa::ToSchema;

use super::get::show;
use super::update::{check_size, faults_of};
use crate::app::App;
use crate::auth::{Authorized, CustomersRead, CustomersWrite, IdentitiesWrite};
use crate::body::HalfBody;
use crate::openapi::Problems;
use crate::problem::{INVALID_BODY, Problem};
use crate::suppression::fault_of;
use crate::views::{IdentityView, PendingView, ProfileView};
use crate::writes::{Progress, accepted, event, present, write};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewCustomer)]
pub(crate) struct NewCustomer {
    /// The customer is found by its `user_id`, else its `anonymous_id`, else the first; the others are claimed.
    #[schema(value_type = Vec<IdentityView>)]
    identities: Vec<Identity>,
    #[serde(default)]
    #[schema(value_type = Object)]
    attributes: Map<String, Value>,
    /// `true` sets a tag, `false` removes it.
    #[serde(default)]
    tags: BTreeMap<String, bool>,
    /// The same form as in a change of a customer.
    #[serde(default)]
    #[schema(value_type = Object)]
    consents: Map<String, Value>,
}

/// Makes a customer, or adds to the one with these identities. To name more than one, and so to join them, the key needs
/// `identities:write`, too.
#[utoipa::path(post, path = "/api/v1/customers", tag = "customers", request_body = NewCustomer,
    security(("api_key" = ["customers:write"])),
    responses(
        (status = 201, body = ProfileView), (status = 200, description = "The customer existed.", body = ProfileView),
        (status = 202, body = PendingView),
        (status = 204, description = "Done; the key may not read customers."), Problems))]
pub(crate) async fn create_customer(
    State(app): State<Arc<App>>,
    access: Authorized<CustomersWrite>,
    body: HalfBody<NewCustomer>,
) -> Result<Response, Problem> {
    let policies = app.store.identity_policies(&access.scope).await?;
    let mut faults = Vec::new();
    if let Some(NewCustomer { identities, attributes, tags, consents }) = body.value() {
        // An event takes few of them; what is said of each would else be said of thousands.
        check_size(&app, &json!({ "identities": identities }))?;
        faults.extend(unfit(policies.latest(), identities));
        faults.extend(fault_of(&app, &access.scope, identities, "/identities").await?);
        faults.extend(faults_of(&app, &access.scope, attributes, tags, consents).await?);
    }
    let new = body.meant(faults)?;
    let subject = subject(policies.latest(), &new.identities)?;
    // Who names several joins customers.
    if new.identities.len() > 1 {
        access.must::<IdentitiesWrite>()?;
    }
    let part = subject.part(access.tenant());
    let body = access.sign(json!({
        "identity": subject, "identities": new.identities, "traits": new.attributes, "tags": new.tags,
        "consents": new.consents,
    }));
    check_size(&app, &body)?;
    let status = match app.store.customer(&access.scope, part).await? {
        Some(_) => StatusCode::OK,
        None => StatusCode::CREATED,
    };
    let at = present(&app, &access.scope).await?;
    let event = event(&app, EventKind::Update, Some(part), at, &body);
    match write(&app, &access.scope, vec![Op::Append(event)]).await? {
        Progress::Done if !access.may::<CustomersRead>() => Ok(StatusCode::NO_CONTENT.into_response()),
        Progress::Done => Ok((status, Json(show(&app, &access.scope, part).await?)).into_response()),
        Progress::Pending(position) => Ok(accepted(position)),
    }
}

/// All that is wrong with identities: each must be fit to be joined.
fn unfit(policy: &Policy, identities: &[Identity]) -> Vec<Fault> {
    let mut faults = Vec::new();
    if identities.is_empty() {
        faults.push(nobody());
    }
    let mut seen = HashSet::with_capacity(identities.len());
    for (index, identity) in identities.iter().enumerate() {
        let identity = &policy.normal(identity.clone());
        let mut refuse = |field: &str, code: &str, message: &str| {
            faults.push(Fault::new(format!("/identities/{index}{field}"), code, message));
        };
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if !(1..=64).contains(&identity.kind.len()) || !identity.kind.bytes().all(plain) {
            refuse("/kind", "unknown-kind", "A kind must have 1 to 64 lowercase letters, digits or underscores.");
        }
        if !seen.insert(identity.clone()) {
            refuse("", "repeated-identity", "The identity is there twice: remove one.");
        }
        match policy.check(identity) {
            Ok(()) => {}
            Err(Refusal::Blocked) => {
                refuse(
                    "/value",
                    "blocked-identity",
                    "The value is on the block list of its kind. Send the real value.",
                );
            }
            Err(_) => {
                let message = "The value is empty, too long, or not in the format of its kind.";
                refuse("/value", "invalid-identity", message);
            }
        }
    }
    faults
}

fn nobody() -> Fault {
    Fault::new("/identities", "missing-identity", "The customer has no identity: name at least one.")
}

/// The identity that leads to the customer.
fn subject(policy: &Policy, identities: &[Identity]) -> Result<Identity, Problem> {
    let of_kind = |kind: &str| identities.iter().find(|identity| identity.kind == kind);
    let first = of_kind(Identity::USER_ID).or_else(|| of_kind(Identity::ANONYMOUS_ID)).or(identities.first());
    let first = first.ok_or_else(|| Problem::fault(INVALID_BODY, nobody()))?;
    Ok(policy.normal(first.clone()))
}
