//! Calls of rules: columns in, effects out, in a fresh instance each time.

use openhub_model::columns::{Column, RecordBatch, Values};
use openhub_model::manifest::RuleShape;

use crate::answer::{CallContext, Evaluated};
use crate::bindings::rule::exports::openhub::rule::rule as rules;
use crate::bindings::rule::openhub::types::columns;
use crate::config::Defaults;
use crate::fault::{CallFault, FaultKind};
use crate::outcome;
use crate::plugin::Plugin;
use crate::reason;

impl Plugin {
    /// Runs a rule over a batch. Blocks the thread.
    pub fn evaluate(&self, call: &CallContext, rule: &str, batch: &RecordBatch) -> Result<Evaluated, CallFault> {
        let shape = self.manifest().rules.iter().find(|shape| shape.name == rule);
        let (Some(shape), Some(extension)) = (shape, &self.rule) else {
            let rules = self.manifest().rules.iter().map(|shape| shape.name.as_str());
            let rules: Vec<&str> = rules.collect();
            let message = format!("the plugin has no rule `{rule}`; there are, in kebab-case: {}", rules.join(", "));
            return Err(CallFault::new(FaultKind::Host, message));
        };
        check(shape, batch, &self.machine.limits)?;
        let columns: Vec<_> = batch.columns.iter().map(borrow).collect();
        let params: Vec<_> = batch.params.iter().map(borrow).collect();
        let elements: Vec<Vec<_>> =
            batch.tables.iter().map(|table| table.columns.iter().map(borrow).collect()).collect();
        let tables = batch.tables.iter().zip(&elements);
        let tables = tables.map(|(table, columns)| columns::Table { parent: table.parent, ends: &table.ends, columns });
        let tables: Vec<_> = tables.collect();
        let input = rules::Batch { rows: batch.rows, params: &params, columns: &columns, tables: &tables };
        let (answer, receipt) = self.pure(call, batch.rows as usize, |store| {
            let instance = extension.instantiate(&mut *store)?;
            instance.openhub_rule_rule().call_evaluate(store, rule, input)
        })?;
        let answer = answer.map_err(reason::refused).map_err(|fault| fault.after(receipt))?;
        let outcome = outcome::check(self.manifest(), shape, batch, answer);
        let outcome = outcome.map_err(|message| CallFault::malformed(message).after(receipt))?;
        Ok(Evaluated { outcome, receipt })
    }
}

/// What the hub sends is its own doing: a mismatch here is no fault of the plugin.
fn check(shape: &RuleShape, batch: &RecordBatch, limits: &Defaults) -> Result<(), CallFault> {
    let host = |message: String| Err(CallFault::new(FaultKind::Host, message));
    let tables = shape.tables(&|_| None);
    let counts = [
        ("columns", batch.columns.len(), shape.scalars().count()),
        ("parameters", batch.params.len(), shape.params.len()),
        ("tables", batch.tables.len(), tables.len()),
    ];
    for (what, found, declared) in counts {
        if found != declared {
            return host(format!("the call has {found} {what}, but `{}` declares {declared}", shape.name));
        }
    }
    if batch.rows > limits.rows_per_call {
        return host(format!("the call has {} rows: at most {}", batch.rows, limits.rows_per_call));
    }
    let size: usize = batch.columns.iter().chain(batch.tables.iter().flat_map(|table| &table.columns)).map(bytes).sum();
    if size as u64 > limits.call_bytes {
        return host(format!("the call has {size} bytes: at most {}", limits.call_bytes));
    }
    Ok(())
}

fn bytes(column: &Column) -> usize {
    let values = match &column.values {
        Values::Booleans(values) => values.len(),
        Values::Integers(values) => values.len() * 8,
        Values::Numbers(values) => values.len() * 8,
        Values::Texts(values) => values.len(),
    };
    values + column.absent.len() * 4
}

/// As the bindings want it: borrowed, so that values are copied once, into the guest.
fn borrow(column: &Column) -> columns::ColumnParam<'_> {
    let values = match &column.values {
        Values::Booleans(values) => columns::ValuesParam::Booleans(values),
        Values::Integers(values) => columns::ValuesParam::Integers(values),
        Values::Numbers(values) => columns::ValuesParam::Numbers(values),
        Values::Texts(values) => columns::ValuesParam::Texts(values),
    };
    columns::ColumnParam { values, absent: &column.absent }
}
