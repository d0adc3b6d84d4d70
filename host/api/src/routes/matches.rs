//! Matches that rules proposed.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use openhub_model::identity::{self, Authority, Part, Side};
use openhub_model::{EventKind, Fault, Id, Identity, NewEvent, PartId, Timestamp};
use openhub_store::{Match, MatchStatus, Op, Scope};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

use crate::app::App;
use crate::auth::{Authorized, CustomersRead, CustomersWrite};
use crate::body::JsonBody;
use crate::change::Change;
use crate::cursor;
use crate::openapi::Problems;
use crate::parameters::Query;
use crate::problem::{INVALID_BODY, Problem};
use crate::views::{IdentityView, PendingView};
use crate::writes::{Progress, accepted, write};

const LIST: &str = "matches";

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Parameters {
    /// `open`, `accepted` or `rejected`.
    #[param(value_type = Option<String>)]
    status: Option<MatchStatus>,
    /// The `next` of the page before.
    after: Option<String>,
    /// Page size, 1 to 1000 (default 50).
    limit: Option<usize>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct MatchList {
    matches: Vec<MatchView>,
    /// Cursor of the next page.
    next: Option<String>,
}

/// Two identities that a rule believes to be one customer.
#[derive(Serialize, ToSchema)]
#[schema(as = Match)]
pub(crate) struct MatchView {
    #[schema(value_type = String, format = "uuid")]
    id: Id,
    /// The customer for whom it was proposed, under the id of the part.
    #[schema(value_type = String, format = "uuid")]
    customer: PartId,
    #[schema(value_type = IdentityView)]
    identity: Identity,
    /// From 0 to 1.
    score: f64,
    reason: String,
    /// The `message_id` of the event that proposed it.
    source: String,
    /// `open`, `accepted` or `rejected`.
    #[schema(value_type = String)]
    status: MatchStatus,
    #[schema(value_type = String, format = DateTime)]
    proposed_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    decided_at: Option<Timestamp>,
}

impl From<Match> for MatchView {
    fn from(Match { proposal, status, decided_at }: Match) -> Self {
        MatchView {
            id: proposal.id,
            customer: proposal.part,
            identity: proposal.identity,
            score: proposal.score,
            reason: proposal.reason,
            source: proposal.source,
            status,
            proposed_at: proposal.proposed_at,
            decided_at,
        }
    }
}

/// Proposed matches, by id.
#[utoipa::path(get, path = "/api/v1/matches", tag = "identities", params(Parameters),
    security(("api_key" = ["customers:read"])),
    responses((status = 200, body = MatchList), Problems))]
pub(crate) async fn list_matches(
    State(app): State<Arc<App>>,
    access: Authorized<CustomersRead>,
    Query(parameters): Query<Parameters>,
) -> Result<Json<MatchList>, Problem> {
    let limit = cursor::limit(parameters.limit)?;
    let after = cursor::read(LIST, "after", parameters.after.as_deref())?;
    let matches = app.store.matches(&access.scope, parameters.status, after, limit + 1).await?;
    let (matches, next) = cursor::page(LIST, matches, limit, |found| found.proposal.id);
    Ok(Json(MatchList { matches: matches.into_iter().map(Into::into).collect(), next }))
}

/// Proposals of one call at most.
const MOST: usize = 1_000;

#[derive(Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = MatchVerdict)]
pub(crate) enum Verdict {
    Accept,
    Reject,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = MatchDecision)]
pub(crate) struct Asked {
    decision: Verdict,
    /// The matches to decide (default: all that are open, up to 1000).
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>)]
    ids: Option<Vec<Id>>,
    /// Only proposals with at least this score.
    #[serde(default)]
    score_from: f64,
    /// `true`: only count, change nothing.
    #[serde(default)]
    dry_run: bool,
}

/// What a decision does, or would do.
#[derive(Serialize, ToSchema)]
#[schema(as = MatchesDecided)]
pub(crate) struct Decided {
    matches: usize,
    /// Customers that are joined to others, each counted once.
    customers: usize,
    /// Proposals that the tenant's identity kinds refuse, each checked alone.
    refused: usize,
    dry_run: bool,
}

/// Accepts or rejects open proposals.
#[utoipa::path(post, path = "/api/v1/matches", tag = "identities", request_body = Asked,
    security(("api_key" = ["customers:write"])),
    responses((status = 200, body = Decided), (status = 202, body = PendingView), Problems))]
pub(crate) async fn decide_matches(
    State(app): State<Arc<App>>,
    change: Change<CustomersWrite>,
    JsonBody(asked): JsonBody<Asked>,
) -> Result<Response, Problem> {
    let scope = &change.scope;
    let chosen = chosen(&app, scope, &asked).await?;
    let mut decided = Decided { matches: chosen.len(), customers: 0, refused: 0, dry_run: asked.dry_run };
    let parts = parts(&app, scope, &chosen).await?;
    if asked.decision == Verdict::Accept {
        (decided.customers, decided.refused) = count(&app, scope, &chosen, &parts).await?;
    }
    if asked.dry_run || chosen.is_empty() {
        return Ok(Json(decided).into_response());
    }
    let at = change.now().await?;
    let ops = chosen.iter().filter_map(|found| {
        let proposal = &found.proposal;
        let subject = &parts.get(&proposal.part)?.identity;
        let joins = asked.decision == Verdict::Accept;
        let identities: Vec<&Identity> = joins.then_some(&proposal.identity).into_iter().collect();
        let body = json!({
            "identity": subject, "identities": identities, "match": { "id": proposal.id, "accepted": joins },
        });
        let event = change.event(EventKind::Update, Some(proposal.part), at, body);
        Some(Op::Append(NewEvent { authority: Authority::Operator, ..event }))
    });
    match write(&app, scope, ops.collect()).await? {
        Progress::Done => Ok(Json(decided).into_response()),
        Progress::Pending(position) => Ok(accepted(position)),
    }
}

async fn chosen(app: &App, scope: &Scope, asked: &Asked) -> Result<Vec<Match>, Problem> {
    let mut chosen = match &asked.ids {
        None => app.store.matches(scope, Some(MatchStatus::Open), None, MOST).await?,
        Some(ids) if ids.len() > MOST => {
            let fault = Fault::new("/ids", "too-many", format!("There are too many ids: at most {MOST}."));
            return Err(Problem::fault(INVALID_BODY, fault));
        }
        Some(ids) => {
            let mut found = Vec::with_capacity(ids.len());
            for (index, id) in ids.iter().enumerate() {
                let open = app.store.identity_match(scope, *id).await?;
                let open = open.filter(|found| found.status == MatchStatus::Open).ok_or_else(|| {
                    let fault = Fault::new(format!("/ids/{index}"), "not-open", "There is no open match with this id.");
                    Problem::fault(INVALID_BODY, fault)
                })?;
                found.push(open);
            }
            found
        }
    };
    chosen.retain(|found| found.proposal.score >= asked.score_from);
    Ok(chosen)
}

/// The parts of all customers that the proposals are about.
async fn parts(app: &App, scope: &Scope, chosen: &[Match]) -> Result<HashMap<PartId, Part>, Problem> {
    let named = chosen.iter().flat_map(|found| [found.proposal.part, found.proposal.identity.part(scope.tenant())]);
    let named: Vec<PartId> = named.collect::<BTreeSet<_>>().into_iter().collect();
    let parts = app.store.parts_around(scope, &named).await?;
    Ok(parts.into_iter().map(|part| (part.id(), part)).collect())
}

/// How many customers would be joined, and how many proposals refused.
async fn count(
    app: &App,
    scope: &Scope,
    chosen: &[Match],
    parts: &HashMap<PartId, Part>,
) -> Result<(usize, usize), Problem> {
    let policies = app.store.identity_policies(scope).await?;
    let mut kinds: HashMap<PartId, Vec<(String, u32)>> = HashMap::new();
    for part in parts.values() {
        let kinds = kinds.entry(part.customer).or_default();
        match kinds.iter_mut().find(|(kind, _)| *kind == part.identity.kind) {
            Some((_, count)) => *count += 1,
            None => kinds.push((part.identity.kind.clone(), 1)),
        }
    }
    let (mut touched, mut refused) = (BTreeSet::new(), 0);
    for proposal in chosen.iter().map(|found| &found.proposal) {
        let Some(subject) = parts.get(&proposal.part) else { continue };
        let other = parts.get(&proposal.identity.part(scope.tenant()));
        if other.is_some_and(|other| other.customer == subject.customer) {
            continue;
        }
        let claim = identity::Claim {
            position: i64::MAX,
            subject: subject.identity.clone(),
            identity: proposal.identity.clone(),
            authority: Authority::Operator,
        };
        let fresh = vec![(proposal.identity.kind.clone(), 1)];
        let theirs = other.and_then(|other| kinds.get(&other.customer)).unwrap_or(&fresh);
        let mine = kinds.get(&subject.customer).map_or(&[][..], Vec::as_slice);
        match policies.latest().judge(&claim, &Side { kinds: mine }, &Side { kinds: theirs }) {
            Ok(()) => touched.extend([Some(subject.customer), other.map(|other| other.customer)].into_iter().flatten()),
            Err(_) => refused += 1,
        }
    }
    Ok((touched.len(), refused))
}
