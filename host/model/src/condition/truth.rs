//! Truth with a third value, and its connectives.

use serde::Serialize;
use std::ops::Not;

/// Kleene's three-valued truth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Truth {
    True,
    False,
    /// A comparison with something absent or of another type.
    Unknown,
}

impl Truth {
    pub const fn of(holds: bool) -> Truth {
        if holds { Truth::True } else { Truth::False }
    }

    /// Whether it is `True`: what is unknown does not hold.
    pub const fn holds(self) -> bool {
        matches!(self, Truth::True)
    }

    pub const fn and(self, other: Truth) -> Truth {
        match (self, other) {
            (Truth::False, _) | (_, Truth::False) => Truth::False,
            (Truth::True, Truth::True) => Truth::True,
            _ => Truth::Unknown,
        }
    }

    pub const fn or(self, other: Truth) -> Truth {
        match (self, other) {
            (Truth::True, _) | (_, Truth::True) => Truth::True,
            (Truth::False, Truth::False) => Truth::False,
            _ => Truth::Unknown,
        }
    }
}

impl Not for Truth {
    type Output = Truth;

    fn not(self) -> Truth {
        match self {
            Truth::True => Truth::False,
            Truth::False => Truth::True,
            Truth::Unknown => Truth::Unknown,
        }
    }
}
