//! Brakes: what ends the work of one place in the log, from behind that place.
//!
//! A change takes effect at its place in the log. But a clock that moves over years, with a journey that goes round
//! each second, keeps one place busy for weeks, and whoever stops that journey stands behind it. So a place that takes
//! long looks behind itself between two attempts: a journey that was stopped or paused there is stopped or paused at
//! once, and a clock that was stopped stays where it has come to. At their own place they then do nothing (decision 74).

use std::collections::BTreeMap;

use openhub_model::event::{CLOCK_ADVANCED, CLOCK_STOPPED};
use openhub_model::{ClockKind, Event, EventKind};
use openhub_store::{CatalogChange, Changes, Room};

use crate::control::catalog_change;
use crate::error::EngineError;
use crate::judge;
use crate::lane::Lane;

/// After so many items of one place it looks behind itself: more than a batch of the usual size has.
const LONG: u64 = 10_000;
/// An attempt counts as so many items at least: few of them may take long, too.
const LEAST: u64 = 500;
const BRAKES: [&str; 3] = [CLOCK_STOPPED, "journey.paused", "journey.stopped"];

impl Lane {
    /// Another attempt was committed: it handled so many items, and the checkpoint moved or not.
    pub(crate) fn stood(&mut self, items: u64, is_on: bool) {
        self.stood = if is_on { 0 } else { self.stood.saturating_add(items.max(LEAST)) };
    }

    /// Whether the lane has been at one place for long.
    pub(crate) const fn stands_long(&self) -> bool {
        self.stood >= LONG
    }

    /// Puts in force what stands behind and brakes. Answers whether there was anything.
    pub(crate) async fn brake(&mut self) -> Result<bool, EngineError> {
        self.stood = 0;
        let behind = self.shared.store.controls(&self.scope, self.lease.checkpoint, &BRAKES).await?;
        let stops_clock = behind.iter().any(|event| event.name == CLOCK_STOPPED);
        // Of each journey the last: what stands before it is overtaken.
        let mut last = BTreeMap::new();
        for event in behind {
            if let Some(change @ CatalogChange::Journey { .. }) = catalog_change(&event) {
                last.insert(name(&change).to_owned(), (event, change));
            }
        }
        let mut braked = stops_clock && self.stop_clock().await?;
        for (event, change) in last.into_values() {
            braked |= self.overtake(&event, change).await?;
        }
        Ok(braked)
    }

    /// What a control event still has to do at its place, if another of its journey that stands behind it has overtaken it:
    /// the version that it publishes is the one to be resumed, and no more.
    pub(crate) async fn left_of(&self, change: Option<CatalogChange>) -> Result<Option<CatalogChange>, EngineError> {
        let Some(CatalogChange::Journey { name, version, position, .. }) = &change else { return Ok(change) };
        match self.shared.store.journey(&self.scope, name).await? {
            Some(journey) if journey.position >= *position => Ok(version.map(|version| CatalogChange::Journey {
                name: journey.name,
                status: journey.status,
                version: Some(version),
                position: journey.position,
            })),
            _ => Ok(change),
        }
    }

    /// An advance of the clock that is under way ends where it is.
    async fn stop_clock(&mut self) -> Result<bool, EngineError> {
        if self.lease.clock_kind != ClockKind::Replay {
            return Ok(false);
        }
        let next = self.shared.store.next_events(&self.scope, self.lease.checkpoint, 1, &Room::endless()).await?;
        let is_advance = |event: &&Event| event.kind == EventKind::Control && event.name == CLOCK_ADVANCED;
        let Some(advance) = next.first().filter(is_advance) else { return Ok(false) };
        let changes = Changes { checkpoint: advance.position, clock_stopped: true, ..self.nothing() };
        self.lease = self.shared.store.commit(&self.scope, &self.lease, &changes).await?;
        self.forget();
        self.shared.positions.reach(self.lease.tenant, self.lease.checkpoint);
        tracing::info!(
            tenant.id = self.lease.tenant.0,
            position = advance.position,
            "The clock was stopped on its way."
        );
        Ok(true)
    }

    async fn overtake(&mut self, event: &Event, change: CatalogChange) -> Result<bool, EngineError> {
        let journey = self.shared.store.journey(&self.scope, name(&change)).await?;
        if journey.is_none_or(|journey| journey.position >= event.position) {
            return Ok(false);
        }
        // It says why at its place.
        if judge::refusal(&self.shared.store, &self.scope, &self.catalog, &change).await?.is_some() {
            return Ok(false);
        }
        let arrivals = self.asked_anew(event, Some(&change)).await?;
        let changes = Changes { catalog: vec![change], arrivals, ..self.nothing() };
        self.lease = self.shared.store.commit(&self.scope, &self.lease, &changes).await?;
        tracing::info!(tenant.id = self.lease.tenant.0, event.name, position = event.position, "A journey was braked.");
        self.reload().await?;
        Ok(true)
    }

    /// A commit that leaves the tenant where it stands.
    fn nothing(&self) -> Changes {
        Changes {
            checkpoint: self.lease.checkpoint,
            clock: self.lease.clock,
            wall: (self.shared.clock)(),
            ..Changes::default()
        }
    }
}

/// Of a change of a journey.
fn name(change: &CatalogChange) -> &str {
    match change {
        CatalogChange::Journey { name, .. } => name,
        _ => "",
    }
}
