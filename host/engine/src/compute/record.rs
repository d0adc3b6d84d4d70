//! Recordings of calls: those that a plugin broke off on, as many of an attempt as are worth their room, and those of rows that an
//! admin has drawn.
//!
//! A row that is drawn is recorded as a call about it alone, which is made again for that, and changes nothing. So a recording is of one
//! customer, and has the fuel of what can be made again. What the plugin answered about the row among others is compared with it.

use openhub_model::{Id, PartId};
use openhub_runtime::{CallFault, FaultKind, Recorded, Recording, Replayed};
use openhub_store::NewRecording;

use crate::catalog::Enabled;

/// Of one attempt. A plugin that breaks off on every row does so for the same reason, most likely.
const MOST: usize = 100;
/// What calls that are made again may burn in an attempt: four of fifty milliseconds.
const FUEL: u64 = 400_000_000;

/// A row that is to be recorded.
#[derive(Clone, Copy, Debug)]
pub struct Drawn {
    pub id: Id,
    pub part: Option<PartId>,
}

pub struct Recorder {
    left: usize,
    fuel: u64,
    /// Of rows that were drawn.
    pub kept: Vec<NewRecording>,
}

impl Default for Recorder {
    fn default() -> Recorder {
        Recorder { left: MOST, fuel: FUEL, kept: Vec::new() }
    }
}

impl Recorder {
    /// The call as it is kept with its fault; none if there are enough.
    pub fn record(&mut self, of: &Enabled, fault: &CallFault, recorded: impl FnOnce() -> Recorded) -> Option<String> {
        self.left = self.left.checked_sub(1)?;
        let call = of.context();
        Some(Recording::of(&of.plugin, &call, recorded(), Err(fault)).to_text())
    }

    /// Keeps the call about a row that was drawn. `is_same` says whether this is what was answered about it among others.
    pub fn keep(
        &mut self,
        of: &Enabled,
        row: Drawn,
        recorded: Recorded,
        is_same: impl FnOnce(&Result<Replayed, CallFault>) -> bool,
    ) {
        if self.kept.len() >= MOST || self.fuel == 0 {
            return;
        }
        let call = of.quiet();
        let outcome = of.plugin.make(&call, &recorded);
        let receipt = outcome.as_ref().map_or_else(|fault| &fault.receipt, Replayed::receipt);
        self.fuel = self.fuel.saturating_sub(receipt.fuel);
        // The machine's doing says nothing of the row.
        if outcome.as_ref().is_err_and(|fault| matches!(fault.kind, FaultKind::Epoch | FaultKind::Host)) {
            return;
        }
        let (kind, name) = (recorded.kind().to_owned(), recorded.name().to_owned());
        let mut recording = Recording::of(&of.plugin, &call, recorded, outcome.as_ref());
        recording.depends_on_others = !is_same(&outcome);
        self.kept.push(NewRecording {
            id: row.id,
            plugin: of.installation.name.clone(),
            digest: of.installation.digest.clone(),
            kind,
            name,
            outcome: outcome.err().map_or("answered", |fault| fault.kind.as_str()).to_owned(),
            part: row.part,
            recording: recording.to_text(),
        });
    }
}
