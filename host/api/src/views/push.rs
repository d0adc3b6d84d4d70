//! Pushes, as their provider sees them.

use openhub_model::push::{PushState, TargetState, Wave};
use openhub_model::{Id, Principal, Timestamp};
use openhub_store::{Push, Target};
use serde::Serialize;
use utoipa::ToSchema;

#[derive(Serialize, ToSchema)]
#[schema(as = Push)]
pub(crate) struct PushView {
    #[schema(value_type = String, format = "uuid")]
    id: Id,
    /// 1 for the offering's first.
    number: i64,
    offering: String,
    from: i64,
    to: i64,
    /// `running`, `paused`, `stopped` or `done`.
    #[schema(value_type = String)]
    state: PushState,
    /// Why it stopped by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    stop_at_percent: i64,
    /// The wave that is under way, from 1.
    wave: i64,
    waves: Vec<WaveView>,
    #[schema(value_type = Object)]
    made_by: Principal,
    #[schema(value_type = String, format = DateTime)]
    made_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    settled_at: Option<Timestamp>,
}

/// Who belongs to a wave, and how many of them stand how.
#[derive(Serialize, ToSchema)]
#[schema(as = PushWave)]
struct WaveView {
    /// `{"percent": 10}`, or `{"subscribers": ["…"]}`.
    #[schema(value_type = Object)]
    of: Wave,
    waiting: i64,
    running: i64,
    upgraded: i64,
    awaits_partner: i64,
    failed: i64,
    skipped: i64,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct PushList {
    pub pushes: Vec<PushView>,
    /// Cursor of the next page.
    pub next: Option<String>,
}

impl PushView {
    pub fn of(push: Push, counts: &[(i64, TargetState, i64)]) -> PushView {
        let wave = |(number, of): (i64, Wave)| {
            let count = |state: TargetState| {
                let its = counts.iter().filter(|(wave, stands, _)| (*wave, *stands) == (number, state));
                its.map(|(.., count)| count).sum()
            };
            WaveView {
                of,
                waiting: count(TargetState::Waiting),
                running: count(TargetState::Running),
                upgraded: count(TargetState::Upgraded),
                awaits_partner: count(TargetState::AwaitsPartner),
                failed: count(TargetState::Failed),
                skipped: count(TargetState::Skipped),
            }
        };
        PushView {
            id: push.id,
            number: push.number,
            offering: push.offering,
            from: push.from,
            to: push.to,
            state: push.state,
            reason: push.reason,
            stop_at_percent: push.stop_at,
            wave: push.wave + 1,
            waves: (0..).zip(push.waves).map(wave).collect(),
            made_by: push.made_by,
            made_at: push.made_at,
            settled_at: push.settled_at,
        }
    }
}

/// A subscriber in a push.
#[derive(Serialize, ToSchema)]
#[schema(as = PushTarget)]
pub(crate) struct PushTargetView {
    #[schema(value_type = String, format = "uuid")]
    subscription: Id,
    /// The partner's id.
    partner: i64,
    /// From 1.
    wave: i64,
    /// `waiting`, `running`, `upgraded`, `awaits-partner`, `failed` or `skipped`.
    #[schema(value_type = String)]
    state: TargetState,
    /// Why it waits, failed, or was skipped.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// The number of the operation that takes it there.
    #[serde(skip_serializing_if = "Option::is_none")]
    operation: Option<i64>,
    /// The version that it is on now.
    version: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    settled_at: Option<Timestamp>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct PushTargetList {
    pub targets: Vec<PushTargetView>,
    /// Cursor of the next page.
    pub next: Option<String>,
}

impl PushTargetView {
    /// A partner that was waited for, and has gone over by itself since, is upgraded.
    pub fn of(target: Target, version: Option<i64>, to: i64) -> PushTargetView {
        let has_agreed = target.state == TargetState::AwaitsPartner && version == Some(to);
        PushTargetView {
            subscription: target.subscription,
            partner: target.partner.0,
            wave: target.wave + 1,
            state: if has_agreed { TargetState::Upgraded } else { target.state },
            reason: target.reason.filter(|_| !has_agreed),
            operation: target.operation,
            version,
            settled_at: target.settled_at,
        }
    }
}
