//! Values that are not written.

use openhub_model::Cause;
use openhub_model::attribute::AttributeType;

/// A value that was not written. The value itself stands in the event, if it came by one.
pub struct Refused {
    pub attribute: String,
    pub why: Why,
    pub cause: Cause,
}

pub enum Why {
    Type {
        declared: AttributeType,
        found: Option<AttributeType>,
    },
    Authority,
    /// The customer has as many as may be: of what, and how many.
    TooMany(&'static str, usize),
    TooLong,
}
