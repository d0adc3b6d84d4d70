//! Statements and their lines.

use openhub_model::Timestamp;
use openhub_model::block::Unbilled;
use openhub_model::price::{Meter, PricePlan};
use openhub_model::statement::{Earlier, Line, LineKind, State, Statement};
use openhub_store::{Stands, StatementRow};
use serde::Serialize;
use utoipa::ToSchema;

#[derive(Serialize, ToSchema)]
pub(crate) struct StatementList {
    /// The latest period first.
    pub statements: Vec<StatementRowView>,
    /// The `after` of the next page; `null` on the last.
    pub next: Option<String>,
}

/// A statement without its lines.
#[derive(Serialize, ToSchema)]
#[schema(as = StatementSummary)]
pub(crate) struct StatementRowView {
    id: String,
    subscription: String,
    /// The tenants, by id.
    partner: String,
    provider: String,
    #[schema(value_type = String, format = DateTime)]
    from: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    to: Timestamp,
    time_zone: String,
    /// `draft`, `frozen`, or `refused`: it could not be computed.
    #[schema(value_type = String)]
    state: State,
    currency: String,
    /// A decimal. None of a draft.
    total: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    freezes_at: Timestamp,
    /// Why it could not be computed.
    fault: Option<String>,
}

impl From<StatementRow> for StatementRowView {
    fn from(row: StatementRow) -> StatementRowView {
        StatementRowView {
            id: row.id.to_string(),
            subscription: row.subscription,
            partner: row.partner.0.to_string(),
            provider: row.provider.0.to_string(),
            from: row.from,
            to: row.to,
            time_zone: row.time_zone,
            state: match row.stands {
                Stands::Draft | Stands::Closing => State::Draft,
                Stands::Frozen => State::Frozen,
                Stands::Refused => State::Refused,
            },
            currency: row.plan.currency.to_string(),
            total: row.total,
            freezes_at: row.freezes_at,
            fault: row.fault,
        }
    }
}

/// The bill of one subscription for one period.
#[derive(Serialize, ToSchema)]
#[schema(as = Statement)]
pub(crate) struct StatementView {
    id: String,
    subscription: String,
    /// The tenant who pays, by name.
    partner: String,
    /// The tenant who is paid, by name.
    provider: String,
    #[schema(value_type = String, format = DateTime)]
    from: Timestamp,
    /// What was counted before this counts.
    #[schema(value_type = String, format = DateTime)]
    to: Timestamp,
    /// Whose month it is.
    time_zone: String,
    /// The subscription ended, and the period with it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    ends: bool,
    /// `draft`, `frozen`, or `refused`: it could not be computed.
    #[schema(value_type = String)]
    state: State,
    /// The last cut of the usage that counts.
    cut: i64,
    /// Where the partner's log stood then.
    position: i64,
    /// The cut of the statement before: usage behind it that belongs to earlier periods is corrected here.
    #[serde(skip_serializing_if = "Option::is_none")]
    corrects_behind: Option<i64>,
    /// The price plan.
    #[schema(value_type = Object)]
    plan: PricePlan,
    /// The digest of the plan.
    price: String,
    /// The parts of the period in which a block on billing was in force: `{"from": …, "to": …}`. What was used then is not charged.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Object>)]
    unbilled: Vec<Unbilled>,
    /// The statements that lines may correct.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    earlier: Vec<EarlierView>,
    lines: Vec<LineView>,
    /// The sum of the lines: a decimal.
    total: String,
    /// When a draft is frozen, or a frozen one was.
    #[schema(value_type = String, format = DateTime)]
    freezes_at: Timestamp,
    /// Why it could not be computed.
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<String>,
}

/// A statement of before.
#[derive(Serialize, ToSchema)]
#[schema(as = EarlierStatement)]
struct EarlierView {
    statement: String,
    #[schema(value_type = String, format = DateTime)]
    from: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    to: Timestamp,
    #[schema(value_type = Object)]
    plan: PricePlan,
    price: String,
    /// As of the statement.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Object>)]
    unbilled: Vec<Unbilled>,
}

/// What one part of a quantity costs.
#[derive(Serialize, ToSchema)]
#[schema(as = StatementLine)]
struct LineView {
    /// From 1.
    line: u32,
    /// `fee`, `included`, `usage`, `unbilled`: what was used under a block on billing, or `correction`: what came late for a period of
    /// before.
    #[schema(value_type = String)]
    kind: LineKind,
    /// The statement that a correction is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    corrects: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    meter: Option<Meter>,
    /// The channel, plugin or object type.
    #[serde(skip_serializing_if = "Option::is_none")]
    of: Option<String>,
    /// What was counted from here, and before `to`, up to the cut and the position.
    #[schema(value_type = String, format = DateTime)]
    from: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    to: Timestamp,
    cut: i64,
    position: i64,
    /// The digest of the price plan.
    price_plan: String,
    quantity: i64,
    /// How much the price is for.
    per: i64,
    /// A decimal. A correction has none, nor has what is not charged.
    #[serde(skip_serializing_if = "Option::is_none")]
    price: Option<String>,
    /// A decimal.
    amount: String,
}

impl From<Statement> for StatementView {
    fn from(of: Statement) -> StatementView {
        StatementView {
            id: of.id,
            subscription: of.subscription,
            partner: of.partner,
            provider: of.provider,
            from: of.from,
            to: of.to,
            time_zone: of.time_zone,
            ends: of.ends,
            state: of.state,
            cut: of.cut,
            position: of.position,
            corrects_behind: of.corrects_behind,
            plan: of.plan,
            price: of.price,
            unbilled: of.unbilled,
            earlier: of.earlier.into_iter().map(EarlierView::from).collect(),
            lines: of.lines.into_iter().map(LineView::from).collect(),
            total: of.total,
            freezes_at: of.freezes_at,
            fault: of.fault,
        }
    }
}

impl From<Earlier> for EarlierView {
    fn from(of: Earlier) -> EarlierView {
        EarlierView {
            statement: of.statement,
            from: of.from,
            to: of.to,
            plan: of.plan,
            price: of.price,
            unbilled: of.unbilled,
        }
    }
}

impl From<Line> for LineView {
    fn from(of: Line) -> LineView {
        LineView {
            line: of.line,
            kind: of.kind,
            corrects: of.corrects,
            meter: of.meter,
            of: of.of,
            from: of.from,
            to: of.to,
            cut: of.cut,
            position: of.position,
            price_plan: of.price_plan,
            quantity: of.quantity,
            per: of.per,
            price: of.price,
            amount: of.amount,
        }
    }
}
