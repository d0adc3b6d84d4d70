//! Blocks: a provider holds a subscription back, for a reason, and lets it go on. Nothing is deleted by one.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use openhub_engine::{BLOCKED, UNBLOCKED};
use openhub_model::block::{BlockState, By, Stops};
use openhub_model::subscription::Contract;
use openhub_model::{Fault, Id, NewEvent, TenantId};
use openhub_store::{Agreement, BLOCKS, Block, Subscription, act};
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;
use utoipa::ToSchema;

use crate::app::App;
use crate::auth::{Authorized, OfferingsRead, OfferingsWrite, SubscriptionsRead};
use crate::body::{Meaning, MeantBody};
use crate::change::Change;
use crate::contracts::{Side, find, said, told};
use crate::cursor;
use crate::openapi::Problems;
use crate::parameters::{Path, Query};
use crate::problem::{CONFLICT, NOT_ACTIVE, Problem};
use crate::views::{BlockList, BlockView};

const LIST: &str = "blocks";
/// Characters of a reason.
const REASON: usize = 500;

/// What a block stops, and why.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewSubscriptionBlock)]
pub(crate) struct NewBlock {
    /// For the partner's people, 1 to 500 characters.
    reason: String,
    /// At least one. `changes`: the partner upgrades and resumes nothing. `service`: what the subscription made does not act. `billing`: what
    /// is used is not charged.
    #[schema(value_type = Vec<String>)]
    stops: Stops,
}

impl Meaning for NewBlock {
    fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if !(1..=REASON).contains(&self.reason.chars().count()) {
            let message = format!("A reason has 1 to {REASON} characters.");
            faults.push(Fault::new("/reason", "wrong-length", message));
        }
        if self.stops.is_empty() {
            let message = "Say what the block stops: `changes`, `service`, `billing`.";
            faults.push(Fault::new("/stops", "missing", message));
        }
        faults
    }
}

/// What holds a subscription of yours back, or did, the newest block first.
#[utoipa::path(get, path = "/api/v1/subscriptions/{id}/blocks", tag = "partners",
    params(("id" = String, Path, description = "The subscription's id."), cursor::Page),
    security(("api_key" = ["subscriptions:read"])),
    responses((status = 200, body = BlockList), Problems))]
pub(crate) async fn list_blocks(
    State(app): State<Arc<App>>,
    access: Authorized<SubscriptionsRead>,
    Path(id): Path<String>,
    Query(page): Query<cursor::Page>,
) -> Result<Json<BlockList>, Problem> {
    let found = find(&app, &access.scope, &id, Side::Partner).await?;
    let blocks = app.store.blocks(&access.scope, found.id).await?;
    listed(blocks, &page, BlockView::of_partner)
}

/// What holds a subscription for an offering of yours back, or did, the newest block first.
#[utoipa::path(get, path = "/api/v1/subscribers/{id}/blocks", tag = "partners",
    params(("id" = String, Path, description = "The subscription's id."), cursor::Page),
    security(("api_key" = ["offerings:read"])),
    responses((status = 200, body = BlockList), Problems))]
pub(crate) async fn list_subscriber_blocks(
    State(app): State<Arc<App>>,
    access: Authorized<OfferingsRead>,
    Path(id): Path<String>,
    Query(page): Query<cursor::Page>,
) -> Result<Json<BlockList>, Problem> {
    let found = find(&app, &access.scope, &id, Side::Provider).await?;
    let blocks = app.store.blocks(&access.scope, found.id).await?;
    listed(blocks, &page, BlockView::of)
}

fn listed(blocks: Vec<Block>, page: &cursor::Page, view: fn(Block) -> BlockView) -> Result<Json<BlockList>, Problem> {
    // None is ever taken out: each keeps its number.
    let numbered = blocks.into_iter().rev().zip(1..).collect::<Vec<(Block, i64)>>().into_iter().rev();
    let (blocks, next) = page.of(LIST, numbered, |(_, number)| *number, |number, after| number < after)?;
    Ok(Json(BlockList { blocks: blocks.into_iter().map(|(block, _)| view(block)).collect(), next }))
}

/// Holds a subscription for an offering of yours back, until you lift the block. With several, what one of them stops stays stopped.
/// Nothing is deleted: what the subscription made stays, and goes on where it was.
#[utoipa::path(post, path = "/api/v1/subscribers/{id}/blocks", tag = "partners", request_body = NewBlock,
    params(("id" = String, Path, description = "The subscription's id.")),
    security(("api_key" = ["offerings:write"])),
    responses((status = 201, body = BlockView), Problems))]
pub(crate) async fn block_subscriber(
    State(app): State<Arc<App>>,
    change: Change<OfferingsWrite>,
    Path(id): Path<String>,
    MeantBody(NewBlock { reason, stops }): MeantBody<NewBlock>,
) -> Result<(StatusCode, Json<BlockView>), Problem> {
    let _alone = change.alone().await?;
    let found = find(&app, &change.scope, &id, Side::Provider).await?;
    if found.contract != Contract::Active {
        let detail = format!("The subscription is {}: only an active one is blocked.", found.contract);
        return Err(Problem::new(NOT_ACTIVE, detail));
    }
    let before = app.store.blocks(&change.scope, found.id).await?;
    if before.iter().filter(|block| block.lifted_at.is_none()).count() >= BLOCKS {
        return Err(Problem::new(CONFLICT, format!("A subscription has at most {BLOCKS} blocks in force. Lift one.")));
    }
    let block = Block {
        id: Id::named(&[b"block", found.id.as_bytes(), &before.len().to_le_bytes()]),
        subscription: found.id,
        partner: found.partner,
        provider: found.provider,
        reason,
        stops,
        set_by: change.principal.clone(),
        set_at: app.now(),
        lifted_by: None,
        lifted_at: None,
    };
    let events = blocked(&app, &change, &found, &block, BLOCKED).await?;
    app.store.agree(&change.scope, vec![Agreement::Block(Box::new(block.clone()))], events).await?;
    Ok((StatusCode::CREATED, Json(BlockView::of(block))))
}

/// Lifts a block that you set. What no other block stops goes on: what came due meanwhile is due now.
#[utoipa::path(post, path = "/api/v1/subscribers/{id}/blocks/{block}/lift", tag = "partners",
    params(("id" = String, Path, description = "The subscription's id."), ("block" = String, Path, description = "The block's id.")),
    security(("api_key" = ["offerings:write"])),
    responses((status = 200, body = BlockView), Problems))]
pub(crate) async fn lift_block(
    State(app): State<Arc<App>>,
    change: Change<OfferingsWrite>,
    Path((id, block)): Path<(String, String)>,
) -> Result<Json<BlockView>, Problem> {
    let _alone = change.alone().await?;
    let found = find(&app, &change.scope, &id, Side::Provider).await?;
    let absent = || Problem::not_found("block");
    let id: Id = block.parse().map_err(|_| absent())?;
    let blocks = app.store.blocks(&change.scope, found.id).await?;
    let block = blocks.into_iter().find(|block| block.id == id).ok_or_else(absent)?;
    let by = if block.provider == change.tenant() { By::WhoSetIt } else { By::SomebodyElse };
    if BlockState::of(block.lifted_at).lifted(by).is_none() {
        return Err(Problem::new(CONFLICT, "The block is lifted already."));
    }
    let lifted = Block { lifted_by: Some(change.principal.clone()), lifted_at: Some(app.now()), ..block };
    let events = blocked(&app, &change, &found, &lifted, UNBLOCKED).await?;
    // What waited for it is looked at.
    let agreements =
        vec![Agreement::Lift(Box::new(lifted.clone())), Agreement::LookAt { partner: found.partner, at: None }];
    app.store.agree(&change.scope, agreements, events).await?;
    Ok(Json(BlockView::of(lifted)))
}

async fn blocked(
    app: &App,
    change: &Change<OfferingsWrite>,
    subscription: &Subscription,
    block: &Block,
    name: &str,
) -> Result<Vec<(TenantId, NewEvent)>, Problem> {
    let mut body = said(subscription);
    body["block"] = json!({"id": block.id, "stops": block.stops, "reason": block.reason});
    act::note_after(&body);
    told(app, change, subscription, name, &body).await
}
