//! How much of a scenario's own size is run.

use anyhow::{Result, ensure};
use std::str::FromStr;

/// A share of the default size, or `full`: all of it, and what is left out by default because it takes long.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    share: f64,
    pub full: bool,
}

impl Scale {
    /// At least one of so many.
    pub fn of(self, size: usize) -> usize {
        ((size as f64 * self.share).round() as usize).max(1)
    }
}

impl FromStr for Scale {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Scale> {
        if text == "full" {
            return Ok(Scale { share: 1.0, full: true });
        }
        let share: f64 = text.parse()?;
        ensure!(share > 0.0 && share <= 1_000.0, "a scale is `full`, or a number above 0");
        Ok(Scale { share, full: false })
    }
}
