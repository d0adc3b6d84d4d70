//! Rules: called with many rows as columns, written as a function of one.

use crate::bindings::rule::exports::openhub::rule::rule::RowFault;
use crate::params::Params;
use crate::reads::{Reads, Tables};
use crate::reason::Reason;
use crate::writes::Writes;

pub use crate::bindings::rule::exports::openhub::rule::rule::{Batch, Guest, Outcome};
pub use crate::bindings::rule::openhub::types::columns::{Column, Table, Values};

/// Made by `#[rule(on = "…")]` on a function `fn(row) -> effects` or `fn(row, &params) -> Result<effects, Reason>`.
pub trait Rule {
    const NAME: &'static str;
    type Row<'c>: Reads<'c>;
    type Effects: Writes;
    type Params: Params;

    fn apply(row: Self::Row<'_>, params: &Self::Params) -> Result<Self::Effects, Reason>;
}

/// Runs one rule over a batch. A row that fails drops its own effects, the others stand.
pub fn run<R: Rule>(batch: &Batch) -> Result<Outcome, Reason> {
    let params = R::Params::open(&batch.params)?;
    let mut cursors = R::Row::open(&batch.columns, &mut Tables::of(batch))?;
    let mut sinks = <R::Effects as Writes>::sinks();
    let mut outcome = Outcome { writes: Vec::new(), events: Vec::new(), objects: Vec::new(), faults: Vec::new() };
    for row in 0..batch.rows {
        match R::Row::next(&mut cursors).and_then(|read| R::apply(read, &params)) {
            Ok(effects) => effects.collect(row, &mut sinks),
            Err(reason) => outcome.faults.push(RowFault { row, reason }),
        }
    }
    R::Effects::finish(sinks, &mut outcome);
    Ok(outcome)
}
