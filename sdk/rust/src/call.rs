//! What a call may know of its surroundings.

use crate::bindings::io::openhub::call::call;
use crate::reason::Reason;
use crate::record::Settings;

/// The installation's settings, without its secrets.
pub fn settings<S: Settings>() -> Result<S, Reason> {
    S::parse(&call::settings()).map_err(|faults| crate::record::reason("settings", &faults))
}
