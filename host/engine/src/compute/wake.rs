//! The timer that wakes a customer for their segments.

use openhub_model::run::Timer;
use openhub_model::{Id, PartId, Timestamp};

/// The timer of a customer's segments.
pub fn wake_timer(customer: PartId, due: Timestamp) -> Timer {
    Timer { due, id: Id::named(&[b"wake", customer.as_bytes()]), part: customer }
}
