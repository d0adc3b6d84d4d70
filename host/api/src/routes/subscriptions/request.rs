//! `POST /api/v1/subscriptions`: a tenant asks for an offering of one above it.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use openhub_model::offering::{Approval, Document, Item, digest};
use openhub_model::subscription::{self, Answer, Contract, Known, OperationState, id_of};
use openhub_model::{Fault, TenantId, Timestamp};
use openhub_store::{Agreement, OfferingVersion, Scope, StoreError, Subscription, act};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;
use utoipa::ToSchema;

use super::limit::{is_amount, no_amount};
use crate::app::{App, Checks};
use crate::auth::{JourneysWrite, Permission, PluginsWrite, SegmentsWrite, SettingsWrite, SubscriptionsWrite};
use crate::body::{Meaning, MeantBody};
use crate::change::Change;
use crate::contracts::{must_be_active, said, shown_one, told};
use crate::openapi::{Absent, Problems, Unfit};
use crate::problem::{
    ALREADY_EXISTS, BEYOND_CEILING, INVALID_SUBSCRIPTION, KEY_REUSED, MISSING_PARAMETER, NOT_AGREED, Problem,
};
use crate::provisioning::fit;
use crate::provisioning::operation::provision;
use crate::routes::catalog::grants;
use crate::views::SubscriptionView;

/// How long a provider has to answer: 30 days.
const ANSWER_MICROS: i64 = 30 * 86_400_000_000;

/// What you subscribe to.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewSubscription)]
pub(crate) struct NewSubscription {
    /// Your own name for this request, 1 to 255 printable ASCII characters: sent again, it is the same request.
    key: String,
    /// The offering's name in the catalog.
    offering: String,
    /// Whose it is, by id (default: the nearest tenant above yours that has one of this name).
    provider: Option<i64>,
    /// Which of its active versions (default: the newest).
    version: Option<i64>,
    /// The values of its parameters.
    #[serde(default)]
    #[schema(value_type = Object)]
    parameters: Map<String, Value>,
    /// What you agree to: the `digest` of each grant, by plugin.
    #[serde(default)]
    agree: BTreeMap<String, String>,
    /// In which your periods begin and end, by its IANA name (default: that of your tenant's settings, else UTC).
    time_zone: Option<String>,
    /// What you pay in a period at most: a decimal in the currency of the price (default: no cap).
    cap: Option<String>,
}

impl Meaning for NewSubscription {
    fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if !(1..=255).contains(&self.key.len()) || !self.key.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ')
        {
            faults.push(Fault::new("/key", "invalid-key", "`key` must have 1 to 255 printable ASCII characters."));
        }
        if self.time_zone.as_deref().is_some_and(|zone| jiff::tz::TimeZone::get(zone).is_err()) {
            let message = "There is no such time zone. Write it like `Asia/Shanghai`.";
            faults.push(Fault::new("/time_zone", "unknown-time-zone", message));
        }
        if self.cap.as_deref().is_some_and(|cap| !is_amount(cap)) {
            faults.push(no_amount("/cap"));
        }
        faults
    }
}

/// Asks for an offering. With approval by the provider, it is `requested` until somebody there answers, 30 days at most.
///
/// What its plugins may do in your tenant is told in the catalog (`grants`), and agreed to by naming the digest of each in `agree`; it
/// needs the scopes under which you would make the same by hand (`plugins:write`, `journeys:write`, `segments:write`,
/// `settings:write`). The same request again is answered 202 while it is under way and 200 afterwards; another one under the same
/// `key` is refused (409 `key-reused`).
#[utoipa::path(post, path = "/api/v1/subscriptions", tag = "partners", request_body = NewSubscription,
    security(("api_key" = ["subscriptions:write"])),
    responses((status = 202, description = "It is requested, or under way.", body = SubscriptionView),
        (status = 200, description = "The same request came before, and is settled.", body = SubscriptionView), Problems, Unfit, Absent))]
pub(crate) async fn request_subscription(
    State(app): State<Arc<App>>,
    change: Change<SubscriptionsWrite>,
    State(checks): State<Checks>,
    MeantBody(wanted): MeantBody<NewSubscription>,
) -> Result<(StatusCode, Json<SubscriptionView>), Problem> {
    let _alone = change.alone().await?;
    let request = digest(&wanted);
    if let Some(known) = app.store.subscription_by_key(&change.scope, &wanted.key).await? {
        let same =
            Known { key: known.key.clone(), digest: known.request.clone(), running: is_under_way(&app, &known).await? };
        let status = match subscription::answer(Some(&same), None, &request) {
            Answer::UnderWay => StatusCode::ACCEPTED,
            Answer::Settled => StatusCode::OK,
            Answer::OtherContent | Answer::Begins | Answer::Busy => {
                return Err(Problem::new(KEY_REUSED, "Another request has this `key`. Take a new one."));
            }
        };
        // That it was asked again is on record, too.
        app.store.agree(&change.scope, Vec::new(), Vec::new()).await?;
        return Ok((status, Json(shown_one(&app, &change.scope, known).await?)));
    }
    let (provider, version) = sought(&app, &change.scope, &wanted).await?;
    must_be_active(&version, app.now())?;
    let parameters = version.document.values(&wanted.parameters, "/parameters").map_err(unfit)?;
    let of = (&change.scope, &Scope::of(provider));
    let faults = fit::faults(&app, &checks, of, &version.document, &parameters).await?;
    if !faults.is_empty() {
        return Err(unfit(faults));
    }
    may_make(&change, &version.document)?;
    let agreed = agreed(&app, &Scope::of(provider), &version, &wanted.agree).await?;
    let home = app.store.settings(&change.scope).await?.home.time_zone;
    let now = app.now();
    let active_at = (version.document.approval == Approval::Automatic).then_some(now);
    let new = Subscription {
        id: id_of(change.tenant().0, &wanted.key),
        partner: change.tenant(),
        provider,
        offering: version.offering.clone(),
        version: version.version,
        digest: version.digest.clone(),
        key: wanted.key,
        request,
        contract: if active_at.is_some() { Contract::Active } else { Contract::Requested },
        parameters,
        agreed,
        time_zone: wanted.time_zone.unwrap_or(home),
        cap: wanted.cap,
        reason: None,
        requested_at: now,
        expires_at: Timestamp::from_micros(now.micros() + ANSWER_MICROS),
        active_at,
        ended_at: None,
        export_until: None,
        removed_at: None,
        offered: None,
    };
    let body = said(&new);
    act::note_subject(new.id.to_string());
    act::note_after(&body);
    let mut events = told(&app, &change, &new, "subscription.requested", &body).await?;
    if active_at.is_some() {
        events.extend(told(&app, &change, &new, "subscription.approved", &body).await?);
    }
    let mut agreements = vec![Agreement::Request(Box::new(new.clone()))];
    match active_at {
        Some(_) => agreements.extend(provision(&new, &version.document, now)),
        None => agreements.push(Agreement::LookAt { partner: new.partner, at: None }),
    }
    match app.store.agree(&change.scope, agreements, events).await {
        Err(StoreError::AlreadyExists(offering)) => {
            let detail = format!("You have a subscription to `{offering}` already, or have asked for one.");
            return Err(Problem::new(ALREADY_EXISTS, detail));
        }
        made => made?,
    };
    Ok((StatusCode::ACCEPTED, Json(shown_one(&app, &change.scope, new).await?)))
}

/// Whether something is still to come without anybody's doing but the provider's.
async fn is_under_way(app: &App, known: &Subscription) -> Result<bool, Problem> {
    let newest = app.store.operations(&Scope::of(known.partner), known.id).await?.into_iter().next();
    let is_running = newest.is_some_and(|newest| newest.state == OperationState::Running);
    Ok(known.contract == Contract::Requested || is_running)
}

/// The version that is asked for, and whose it is. What a tenant has not published is not there.
async fn sought(app: &App, scope: &Scope, wanted: &NewSubscription) -> Result<(TenantId, OfferingVersion), Problem> {
    for (provider, _) in app.store.tenants_above(scope).await? {
        if wanted.provider.is_some_and(|id| id != provider.0) {
            continue;
        }
        let of = Scope::of(provider);
        let version = match wanted.version {
            Some(number) => app.store.offering_version(&of, &wanted.offering, number).await?,
            None => {
                let (versions, now) = (app.store.offering_versions(&of, &wanted.offering).await?, app.now());
                let published = |version: &&OfferingVersion| version.active_at.is_some_and(|at| at <= now);
                let newest =
                    versions.iter().filter(published).find(|version| version.archived_at.is_none_or(|at| at > now));
                newest.or_else(|| versions.iter().find(published)).cloned()
            }
        };
        if let Some(version) = version {
            return Ok((provider, version));
        }
    }
    Err(Problem::not_found("offering"))
}

pub(super) fn unfit(faults: Vec<Fault>) -> Problem {
    let is_missing = faults.iter().any(|fault| fault.code == "missing-parameter");
    Problem::faults(if is_missing { MISSING_PARAMETER } else { INVALID_SUBSCRIPTION }, faults)
}

/// Who subscribes could make the same by hand, and so could every key of the tenant, as far as its ceiling goes.
pub(super) fn may_make(change: &Change<SubscriptionsWrite>, document: &Document) -> Result<(), Problem> {
    for item in &document.items {
        match item {
            Item::ObjectType(_) => may::<SettingsWrite>(change, item)?,
            Item::Plugin(_) => may::<PluginsWrite>(change, item)?,
            Item::Segment(_) => may::<SegmentsWrite>(change, item)?,
            Item::Journey(_) => may::<JourneysWrite>(change, item)?,
            Item::Quota(_) | Item::Price(_) => {}
        }
    }
    Ok(())
}

fn may<P: Permission>(change: &Change<SubscriptionsWrite>, item: &Item) -> Result<(), Problem> {
    let ceiling = &change.access.caller().line().ceiling;
    if !ceiling.allows(P::SCOPE) {
        let detail = format!(
            "`{}` needs the scope `{}`, which is beyond your tenant's ceiling. Ask who owns the tenants above.",
            item.id(),
            P::SCOPE
        );
        return Err(Problem::new(BEYOND_CEILING, detail));
    }
    change.access.must::<P>()
}

/// What the partner's admin agreed to, by plugin: all of it, and no other component.
async fn agreed(
    app: &App,
    provider: &Scope,
    version: &OfferingVersion,
    agree: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, Problem> {
    let mut agreed = BTreeMap::new();
    let mut faults = Vec::new();
    let asked = grants(app, provider, &version.document).await?;
    for plugin in agree.keys().filter(|plugin| asked.iter().all(|(_, manifest)| manifest.name != **plugin)) {
        faults.push(Fault::new(format!("/agree/{plugin}"), "unknown-plugin", "The offering has no such plugin."));
    }
    for (digest, manifest) in asked {
        if agree.get(&manifest.name) == Some(&digest) {
            agreed.insert(manifest.name, digest);
            continue;
        }
        let pointer = format!("/agree/{}", manifest.name);
        for ask in openhub_model::asks::all(&manifest) {
            faults.push(Fault::new(&pointer, "asks", format!("{} ({})", ask.en, ask.zh)));
        }
        let agree = format!("Agree to it with {{\"agree\": {{\"{}\": \"{digest}\"}}}}.", manifest.name);
        faults.push(Fault::new(&pointer, "not-agreed", agree));
    }
    if faults.is_empty() {
        return Ok(agreed);
    }
    let detail = "The offering's plugins ask for what `faults` says, in plain words. Agree to it, or leave it. Nothing was changed.";
    Err(Problem::new(NOT_AGREED, detail).with_faults(faults))
}
