//! Calls of functions that templates use: arguments in as columns, one value a row out, in a fresh instance each time.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use openhub_model::columns::{Column, Values};
use openhub_model::manifest::FunctionShape;

use crate::answer::{CallContext, Reason, Receipt};
use crate::bindings::content::exports::openhub::content::content as bound;
use crate::bindings::content::openhub::types::columns;
use crate::bindings::rule::openhub::types::columns::ValuesResult;
use crate::fault::{CallFault, FaultKind};
use crate::outcome::checked_values;
use crate::plugin::Plugin;
use crate::reason;

/// Bytes of all texts that one call may answer with.
const ANSWER: usize = 4 * 1024 * 1024;

/// Calls of one function, a row each.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FunctionCalls {
    pub rows: u32,
    /// Of each row's receiver.
    pub locales: Vec<String>,
    pub time_zones: Vec<String>,
    /// One column for each declared argument.
    pub arguments: Vec<Column>,
}

/// What a function answered: a value of its declared type for each row that has no fault.
#[derive(Clone, Debug, PartialEq)]
pub struct Applied {
    pub values: Values,
    pub faults: BTreeMap<u32, Reason>,
    pub receipt: Receipt,
}

impl Plugin {
    /// Asks a function for its values. Blocks the thread.
    pub fn apply(&self, call: &CallContext, function: &str, calls: &FunctionCalls) -> Result<Applied, CallFault> {
        let shape = self.manifest().functions.iter().find(|shape| shape.name == function);
        let (Some(shape), Some(extension)) = (shape, &self.functions) else {
            let message = format!("the plugin has no function `{function}`");
            return Err(CallFault::new(FaultKind::Host, message));
        };
        if calls.arguments.len() != shape.arguments.len() {
            let (found, declared) = (calls.arguments.len(), shape.arguments.len());
            let message = format!("the call has {found} arguments, but `{function}` declares {declared}");
            return Err(CallFault::new(FaultKind::Host, message));
        }
        let input = bound::Calls {
            rows: calls.rows,
            locales: texts(&calls.locales),
            time_zones: texts(&calls.time_zones),
            arguments: calls.arguments.iter().map(column).collect(),
        };
        let (answer, receipt) = self.pure(call, calls.rows as usize, |store| {
            let instance = extension.instantiate(&mut *store)?;
            instance.openhub_content_content().call_apply(store, function, &input)
        })?;
        let answer = answer.map_err(reason::refused).map_err(|fault| fault.after(receipt))?;
        let (values, faults) =
            check(shape, calls.rows, answer).map_err(|message| CallFault::malformed(message).after(receipt))?;
        Ok(Applied { values, faults, receipt })
    }
}

/// As one text, in which each ends with U+0000.
fn texts(texts: &[String]) -> String {
    texts.iter().flat_map(|text| [text.as_str(), "\0"]).collect()
}

/// The values and faults, or why they are malformed.
fn check(shape: &FunctionShape, rows: u32, answer: bound::Results) -> Result<(Values, BTreeMap<u32, Reason>), String> {
    let name = &shape.name;
    let mut faults = BTreeMap::new();
    for bound::RowFault { row, reason } in answer.faults {
        if row >= rows {
            return Err(format!("the function `{name}` answered for row {row}, but there are only {rows}"));
        }
        faults.entry(row).or_insert_with(|| reason.into());
    }
    let columns::Column { values, absent } = answer.values;
    if let columns::Values::Texts(texts) = &values
        && texts.len() > ANSWER
    {
        return Err(format!("the function `{name}` answered with {} bytes: at most {ANSWER}", texts.len()));
    }
    if let Some(row) = absent.iter().find(|row| !faults.contains_key(*row)) {
        return Err(format!("the function `{name}` gave neither a value nor a fault for row {row}"));
    }
    let values = match values {
        columns::Values::Booleans(values) => ValuesResult::Booleans(values),
        columns::Values::Integers(values) => ValuesResult::Integers(values),
        columns::Values::Numbers(values) => ValuesResult::Numbers(values),
        columns::Values::Texts(values) => ValuesResult::Texts(values),
    };
    let all: Vec<u32> = (0..rows).collect();
    let mut wrong = BTreeMap::new();
    let values = checked_values(&shape.returns, &all, &absent, values, &mut wrong)?;
    for (row, reason) in wrong {
        faults.entry(row).or_insert(reason);
    }
    Ok((values, faults))
}

/// As the bindings want it.
fn column(column: &Column) -> columns::Column {
    let values = match &column.values {
        Values::Booleans(values) => columns::Values::Booleans(values.clone()),
        Values::Integers(values) => columns::Values::Integers(values.clone()),
        Values::Numbers(values) => columns::Values::Numbers(values.clone()),
        Values::Texts(values) => columns::Values::Texts(values.clone()),
    };
    columns::Column { values, absent: column.absent.clone() }
}
