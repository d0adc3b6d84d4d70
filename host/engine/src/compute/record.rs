//! Recordings of calls that a plugin broke off on: as many of an attempt as are worth their room.

use openhub_runtime::{CallFault, Recorded, Recording};

use crate::catalog::Enabled;

/// Of one attempt. A plugin that breaks off on every row does so for the same reason, most likely.
const MOST: usize = 100;

pub struct Recorder {
    left: usize,
}

impl Default for Recorder {
    fn default() -> Recorder {
        Recorder { left: MOST }
    }
}

impl Recorder {
    /// The call as it is kept with its fault; none if there are enough.
    pub fn record(&mut self, of: &Enabled, fault: &CallFault, recorded: impl FnOnce() -> Recorded) -> Option<String> {
        self.left = self.left.checked_sub(1)?;
        let call = of.context();
        Some(Recording::of(&of.plugin, &call, recorded(), fault).to_text())
    }
}
