//! Statements: what a subscription costs in a period, line by line, and how anyone computes the same.
//!
//! A line is a function of what was counted before a time, up to a cut of the log, and of a price plan; it names all three. So a statement
//! can be checked without a hub, from the statement and the usage that it was made of: see [`verify`](verify()).
//!
//! Collecting the money is somebody else's work.

mod lines;
mod period;
mod verify;

pub use lines::{Billed, LINES_A_DAY, StatementError, lines};
pub use period::{GRACE, period_end, zone};
pub use verify::{Finding, total, verify};

use serde::{Deserialize, Serialize};

use crate::block::Unbilled;
use crate::price::{Meter, PricePlan};
use crate::{Quarter, Timestamp};

/// The bill of one subscription for one period.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    pub id: String,
    pub subscription: String,
    /// The tenants who pay and who are paid, by name.
    pub partner: String,
    pub provider: String,
    pub from: Timestamp,
    /// What was counted before this counts.
    pub to: Timestamp,
    /// In which the period ends at the beginning of a month.
    pub time_zone: String,
    /// The subscription ended, and the period with it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ends: bool,
    pub state: State,
    /// The last cut of the usage that counts, and the position of the partner's log at it.
    pub cut: i64,
    pub position: i64,
    /// The cut of the statement before: usage behind it that belongs to earlier periods is corrected here. None: it is the first one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub corrects_behind: Option<i64>,
    pub plan: PricePlan,
    /// The digest of the plan.
    pub price: String,
    /// What was used in these parts of the period is not charged: a block on billing was in force.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unbilled: Vec<Unbilled>,
    /// The statements that lines correct.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<Earlier>,
    pub lines: Vec<Line>,
    /// The sum of the lines.
    pub total: String,
    /// When a draft is frozen, or a frozen one was.
    pub freezes_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Its figures still move.
    Draft,
    Frozen,
    /// It cannot be computed: `fault` says why.
    Refused,
}

/// A statement of before, as far as a correction needs it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Earlier {
    pub statement: String,
    pub from: Timestamp,
    pub to: Timestamp,
    pub plan: PricePlan,
    pub price: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unbilled: Vec<Unbilled>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// From 1.
    pub line: u32,
    pub kind: LineKind,
    /// The statement that a correction is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub corrects: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meter: Option<Meter>,
    /// The channel, plugin or object type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
    /// What was counted from here, and before `to`, up to the cut and the position.
    pub from: Timestamp,
    pub to: Timestamp,
    pub cut: i64,
    pub position: i64,
    /// The digest of the price plan.
    pub price_plan: String,
    /// Of a correction: how much more there is now.
    pub quantity: i64,
    /// How much the price is for.
    pub per: i64,
    /// A correction has none: it is a difference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<String>,
    pub amount: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LineKind {
    Fee,
    Included,
    Usage,
    Correction,
    /// What was used while a block on billing was in force: it costs nothing.
    Unbilled,
}

/// A row of what was counted, as a statement's usage is exported: one a line, as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UsageRow {
    pub quarter: Quarter,
    pub meter: Meter,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
    /// For which subscription it was reported; none: it counts for each that has a price for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subscription: Option<String>,
    pub cut: i64,
    pub quantity: i64,
}
