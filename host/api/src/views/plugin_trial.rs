//! A version that is tried beside the active one.

use openhub_store::{Canary, Shadow, ShadowCount, ShadowRow};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// The candidate serves a part of the customers.
#[derive(Serialize, ToSchema)]
#[schema(as = PluginCanary)]
pub(crate) struct CanaryView {
    /// Of the candidate.
    digest: String,
    /// How many of a hundred customers it serves.
    percent: u8,
    /// Where in the log it began to serve so many.
    position: i64,
}

impl From<Canary> for CanaryView {
    fn from(canary: Canary) -> CanaryView {
        let Canary { digest, percent, position, .. } = canary;
        CanaryView { digest, percent, position }
    }
}

/// The candidate is called beside the active version, and changes nothing.
#[derive(Serialize, ToSchema)]
#[schema(as = PluginShadow)]
pub(crate) struct ShadowView {
    /// Of the candidate.
    digest: String,
    /// Where in the log it began.
    position: i64,
}

impl From<Shadow> for ShadowView {
    fn from(shadow: Shadow) -> ShadowView {
        let Shadow { digest, position } = shadow;
        ShadowView { digest, position }
    }
}

/// What a version answered beside the active one.
#[derive(Serialize, ToSchema)]
pub(crate) struct ShadowReport {
    /// The shadow that runs. Absent: it was stopped.
    #[serde(skip_serializing_if = "Option::is_none")]
    shadow: Option<ShadowView>,
    rules: Vec<ShadowCountView>,
    /// The first rows that differ, in the order of the log.
    rows: Vec<ShadowRowView>,
}

/// What came of a rule.
#[derive(Serialize, ToSchema)]
#[schema(as = ShadowCount)]
pub(crate) struct ShadowCountView {
    rule: String,
    /// Rows that both versions answered for.
    compared: i64,
    /// Rows for which they answered differently.
    differing: i64,
    /// Rows for which the version answered otherwise when it was asked about them alone: it looks at other rows, which no rule may. Ten
    /// rows of a call that differ are asked about so.
    neighbours: i64,
    /// Rows that the version was not asked about, since it had burnt too much.
    skipped: i64,
    /// Rows that it broke off on.
    faults: i64,
    /// What the active version burnt for them, and what the version burnt.
    fuel: i64,
    shadow_fuel: i64,
}

/// A row for which they answered differently.
#[derive(Serialize, ToSchema)]
#[schema(as = ShadowRow)]
pub(crate) struct ShadowRowView {
    rule: String,
    /// Of the event in the log, or of the one that it goes back to.
    position: i64,
    /// What differs: paths of writes, `events`, `objects`, `refused` or `broke_off`.
    paths: Vec<String>,
    /// Whether the version answers otherwise when it is asked about this row alone.
    neighbours: bool,
    /// Of the event. With `customers:read`.
    #[serde(skip_serializing_if = "Option::is_none")]
    message_id: Option<String>,
    /// What the active version answered, unless that is long. With `customers:read`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    active: Option<Value>,
    /// What the version answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    shadow: Option<Value>,
}

impl ShadowReport {
    pub fn of(shadow: Option<Shadow>, counts: Vec<ShadowCount>, rows: Vec<ShadowRow>) -> ShadowReport {
        let rules = counts.into_iter().map(|count| {
            let ShadowCount { rule, compared, differing, neighbours, skipped, faults, fuel, shadow_fuel, .. } = count;
            ShadowCountView { rule, compared, differing, neighbours, skipped, faults, fuel, shadow_fuel }
        });
        let rows = rows.into_iter().map(|row| {
            let ShadowRow { rule, position, message_id, differs, .. } = row;
            let mut differs: Value = serde_json::from_str(&differs).unwrap_or_default();
            let paths = serde_json::from_value(differs["paths"].take()).unwrap_or_default();
            let mut answer = |of: &str| differs.get_mut(of).map(Value::take);
            let (active, shadow) = (answer("active"), answer("shadow"));
            let neighbours = differs["neighbours"] == true;
            ShadowRowView { rule, position, paths, neighbours, message_id: Some(message_id), active, shadow }
        });
        ShadowReport { shadow: shadow.map(ShadowView::from), rules: rules.collect(), rows: rows.collect() }
    }

    /// Without what is about customers, unless the key may see it whole.
    pub fn shown(mut self, whole: bool) -> ShadowReport {
        for row in self.rows.iter_mut().filter(|_| !whole) {
            (row.message_id, row.active, row.shadow) = (None, None, None);
        }
        self
    }
}

/// What a version answers beside the active one over a stretch of the log.
#[derive(Serialize, ToSchema)]
pub(crate) struct OverReport {
    /// Events behind this position were asked about, up to `to`.
    pub after: i64,
    pub to: i64,
    /// The `after` of the next part. Absent: this was all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<i64>,
    pub report: ShadowReport,
}
