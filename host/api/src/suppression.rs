//! Suppressed identities at the door: an event that names one is refused, and a customer cannot be made of one. What
//! passes here while the list changes is stopped by the engine.

use openhub_engine::{SUPPRESSED, SUPPRESSED_MESSAGE, identities_of};
use openhub_model::identity::{number, plain};
use openhub_model::{EventKind, Fault, Id, Identity, NewEvent};
use openhub_store::Scope;
use serde_json::Value;

use crate::app::App;
use crate::problem::Problem;
use crate::text::step;

/// The marks of an identity, in the form of its kind.
pub(crate) async fn marks_of(app: &App, scope: &Scope, identity: &Identity) -> Result<Vec<Id>, Problem> {
    let (tenant, marker, policies) = (scope.tenant(), app.sealer.marker(), app.engine.policies(scope).await?);
    let part = policies.latest().normal(identity.clone()).part(tenant);
    Ok(vec![marker.suppression(tenant, part)])
}

/// The faults of those of the events that name a suppressed identity, by their place.
pub(crate) async fn faults_of(app: &App, scope: &Scope, events: &[NewEvent]) -> Result<Vec<(usize, Fault)>, Problem> {
    if !app.engine.suppresses(scope).await? {
        return Ok(Vec::new());
    }
    let (tenant, policies) = (scope.tenant(), app.engine.policies(scope).await?);
    let named: Vec<Vec<Identity>> =
        events.iter().map(|event| identities_of(event.kind, &event.name, &event.body, policies.latest())).collect();
    let parts = named.iter().flatten().map(|identity| identity.part(tenant)).collect();
    let refused = app.engine.suppressed(scope, &parts).await?;
    let fault = |(index, named): (usize, Vec<Identity>)| {
        let found = named.into_iter().find(|identity| refused.contains(&identity.part(tenant)))?;
        let pointer = pointer(&found, &events[index], policies.latest().kind(&found.kind).from_trait.as_deref());
        Some((index, Fault::new(pointer, SUPPRESSED, SUPPRESSED_MESSAGE)))
    };
    Ok(named.into_iter().enumerate().filter_map(fault).collect())
}

/// The first of these identities that is suppressed, as a fault at its place below `pointer`.
pub(crate) async fn fault_of(
    app: &App,
    scope: &Scope,
    identities: &[Identity],
    pointer: &str,
) -> Result<Option<Fault>, Problem> {
    for (index, identity) in identities.iter().enumerate() {
        let marks = marks_of(app, scope, identity).await?;
        if !app.store.suppressed(scope, &marks).await?.is_empty() {
            return Ok(Some(Fault::new(format!("{pointer}/{index}/value"), SUPPRESSED, SUPPRESSED_MESSAGE)));
        }
    }
    Ok(None)
}

/// Where an event names an identity.
fn pointer(identity: &Identity, event: &NewEvent, from_trait: Option<&str>) -> String {
    let body: Value = serde_json::from_str(&event.body).unwrap_or_default();
    let is_there = |field: &str| match &body[field] {
        Value::String(text) => plain(text) == identity.value,
        Value::Number(found) => number(found) == identity.value,
        _ => false,
    };
    match (identity.kind.as_str(), from_trait) {
        (Identity::USER_ID, _) if is_there("userId") => "/userId".to_owned(),
        (Identity::ANONYMOUS_ID, _) if is_there("anonymousId") => "/anonymousId".to_owned(),
        _ if event.kind == EventKind::Alias && is_there("previousId") => "/previousId".to_owned(),
        (_, Some(name)) if !body["traits"][name].is_null() => step("/traits", name),
        _ if Identity::read(&body["identity"]).as_ref() == Some(identity) => "/identity".to_owned(),
        _ if body["identities"].is_array() => "/identities".to_owned(),
        _ => String::new(),
    }
}
