//! Checks what a rule answered against what its manifest declares.
//!
//! An answer whose structure is wrong (an undeclared target, a row that does not exist, columns of the wrong length)
//! is malformed as a whole. A value that is wrong (not finite, no JSON, outside of its enum, too many effects) is a
//! fault of its row: that row's effects are dropped, the others stand.

use openhub_model::Timestamp;
use openhub_model::columns::{RecordBatch, Values};
use openhub_model::limits;
use openhub_model::manifest::{Manifest, RuleShape, Type, Write};
use std::collections::BTreeMap;

use crate::answer::{Outcome, Reason, RowFault, RuleWrite};
use crate::bindings::rule::exports::openhub::rule::rule as answered;
use crate::bindings::rule::openhub::types::columns::ValuesResult;
use crate::changes;
use crate::emits;

/// The outcome, or why it is malformed.
pub fn check(
    manifest: &Manifest,
    shape: &RuleShape,
    batch: &RecordBatch,
    answer: answered::Outcome,
) -> Result<Outcome, String> {
    let rows = batch.rows;
    let mut faults: BTreeMap<u32, Reason> = BTreeMap::new();
    for answered::RowFault { row, reason } in answer.faults {
        within(row, rows)?;
        faults.entry(row).or_insert_with(|| reason.into());
    }
    let mut targets = vec![false; shape.writes.len()];
    let mut writes = Vec::with_capacity(answer.writes.len());
    for write in answer.writes {
        let target = write.target as usize;
        let declared = shape
            .writes
            .get(target)
            .ok_or_else(|| format!("the rule wrote to the target {target}, which it does not declare"))?;
        if std::mem::replace(&mut targets[target], true) {
            return Err(format!("the rule wrote to the target {target} twice"));
        }
        writes.push(check_write(declared, rows, write, &mut faults)?);
    }
    let events = emits::check(manifest, shape, batch, answer.events, &mut faults)?;
    let objects = changes::check(manifest, shape, rows, answer.objects, &mut faults)?;
    let mut outcome = Outcome { writes, events, objects, faults: Vec::new() };
    if !faults.is_empty() {
        drop_rows(&mut outcome, &faults);
        outcome.faults = faults.into_iter().map(|(row, reason)| RowFault { row, reason }).collect();
    }
    Ok(outcome)
}

fn within(row: u32, rows: u32) -> Result<(), String> {
    if row < rows {
        Ok(())
    } else {
        Err(format!("the plugin answered for row {row}, but there are only {rows} rows, counted from 0"))
    }
}

/// Rows that each may be named several times, in order.
pub(crate) fn in_order(listed: &[u32], rows: u32) -> Result<(), String> {
    if let Some(last) = listed.last() {
        within(*last, rows)?;
    }
    if listed.is_sorted() {
        Ok(())
    } else {
        Err("the plugin answered with rows that are not in ascending order".to_owned())
    }
}

fn ascending(listed: &[u32], rows: u32) -> Result<(), String> {
    if let Some(last) = listed.last() {
        within(*last, rows)?;
    }
    if listed.is_sorted_by(|a, b| a < b) {
        Ok(())
    } else {
        Err("the plugin answered with rows that are not in ascending order".to_owned())
    }
}

pub(crate) type Faults = BTreeMap<u32, Reason>;

/// Entries that a call may name of events, and of objects: what a row has too many of is its own fault, and is not written.
const ENTRIES: usize = 1 << 20;

/// Holds each row to so many entries of `listed`: those of one with more are a fault of that row, whoever was called with it.
pub(crate) fn at_most<'a>(
    (most, rows): (u32, u32),
    listed: impl Iterator<Item = &'a Vec<u32>>,
    faults: &mut Faults,
    (code, what): (&str, &str),
) -> Result<(), String> {
    let (mut counts, mut all) = (vec![0u32; rows as usize], 0);
    for listed in listed {
        in_order(listed, rows)?;
        all += listed.len();
        listed.iter().for_each(|row| counts[*row as usize] += 1);
    }
    if all > ENTRIES {
        return Err(format!("the rule wrote {all} {what} in a call: at most {ENTRIES}"));
    }
    for (row, _) in (0..).zip(counts).filter(|(_, count)| *count > most) {
        fault(faults, row, code, || format!("the rule wrote too many {what} for one row: at most {most}"));
    }
    Ok(())
}

/// The first fault of a row is kept; only for that one is a message made.
pub(crate) fn fault(faults: &mut Faults, row: u32, code: &str, message: impl FnOnce() -> String) {
    faults.entry(row).or_insert_with(|| Reason { code: code.to_owned(), message: message(), args: Vec::new() });
}

/// A value, and those that there are, as far as a message needs them.
fn not_in(text: &str, allowed: &[String]) -> String {
    let text: String = text.chars().take(60).collect();
    let few: Vec<&str> = allowed.iter().take(20).map(String::as_str).collect();
    let more = allowed.len().saturating_sub(few.len());
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("the plugin wrote {text:?}, which is not one of the declared values: {}{more}", few.join(", "))
}

/// Values of a declared type, one for each of `rows`; those at the places `absent` hold nothing.
pub(crate) fn checked_values(
    of: &Type,
    rows: &[u32],
    absent: &[u32],
    values: ValuesResult,
    faults: &mut Faults,
) -> Result<Values, String> {
    ascending(absent, u32::try_from(rows.len()).unwrap_or(u32::MAX))?;
    let values = match values {
        ValuesResult::Booleans(values) => Values::Booleans(values),
        ValuesResult::Integers(values) => Values::Integers(values),
        ValuesResult::Numbers(values) => Values::Numbers(values),
        ValuesResult::Texts(values) => Values::Texts(values),
    };
    let is_there = |at: usize| absent.binary_search(&(at as u32)).is_err();
    let length = match (of, &values) {
        (Type::Boolean, Values::Booleans(values)) => {
            if values.iter().any(|value| *value > 1) {
                return Err("the plugin wrote a boolean that is neither 0 nor 1".to_owned());
            }
            values.len()
        }
        (Type::Timestamp, Values::Integers(values)) => {
            for (at, (row, value)) in rows.iter().zip(values).enumerate() {
                if !Timestamp::from_micros(*value).is_writable() && is_there(at) {
                    let message = || "the plugin wrote a time outside the years 1 to 9999".to_owned();
                    fault(faults, *row, "bad-timestamp", message);
                }
            }
            values.len()
        }
        (Type::Integer | Type::Decimal(_), Values::Integers(values)) => values.len(),
        (Type::Number, Values::Numbers(values)) => {
            for (at, (row, value)) in rows.iter().zip(values).enumerate() {
                if !value.is_finite() && is_there(at) {
                    fault(faults, *row, "not-finite", || "the plugin wrote a number that is not finite".to_owned());
                }
            }
            values.len()
        }
        (Type::Text | Type::Enum(_) | Type::Customer | Type::Object(_), Values::Texts(texts)) => {
            if !texts.is_empty() && !texts.ends_with('\0') {
                return Err("the plugin wrote a text without its end".to_owned());
            }
            if let Type::Enum(allowed) = of {
                for (at, (row, text)) in rows.iter().zip(texts.split_terminator('\0')).enumerate() {
                    if is_there(at) && !allowed.iter().any(|value| value == text) {
                        fault(faults, *row, "not-in-enum", || not_in(text, allowed));
                    }
                }
            }
            texts.bytes().filter(|byte| *byte == 0).count()
        }
        _ => return Err(format!("the plugin wrote values that are not of the declared type {of:?}")),
    };
    if length != rows.len() {
        return Err(format!("the plugin wrote {length} values for {} rows", rows.len()));
    }
    Ok(values)
}

fn check_write(declared: &Write, rows: u32, write: answered::Write, faults: &mut Faults) -> Result<RuleWrite, String> {
    ascending(&write.rows, rows)?;
    ascending(&write.unset, rows)?;
    if write.unset.iter().any(|row| write.rows.binary_search(row).is_ok()) {
        return Err("the rule both wrote and unset a row".to_owned());
    }
    let answered::Write { target, rows, ends, values, unset } = write;
    if !declared.list {
        if !ends.is_empty() {
            return Err(format!("the rule wrote lists to the target {target}, which is not declared as a list"));
        }
        let values = checked_values(&declared.of, &rows, &[], values, faults)?;
        return Ok(RuleWrite { target, rows, ends, values, unset });
    }
    if ends.len() != rows.len() || !ends.is_sorted() {
        return Err(format!(
            "the rule wrote lists to the target {target} without an end for each row, in ascending order"
        ));
    }
    // Each value belongs to a row, whose fault it is if it is none.
    let lengths = ends.iter().scan(0, |at, end| Some(end - std::mem::replace(at, *end)));
    let total = ends.last().copied().unwrap_or(0);
    if total > LIST_VALUES {
        return Err(format!("the rule wrote {total} values in lists: at most {LIST_VALUES} in a call"));
    }
    let owners: Vec<u32> =
        rows.iter().zip(lengths).flat_map(|(row, length)| std::iter::repeat_n(*row, length as usize)).collect();
    let values = checked_values(&declared.of, &owners, &[], values, faults)?;
    Ok(RuleWrite { target, rows, ends, values, unset })
}

/// Values that the lists of one write may have in a call. An attribute's size is bounded where it is written.
const LIST_VALUES: u32 = 100_000;

/// Whether a text is one JSON object without U+0000 and not too deep, which the hub refuses everywhere.
pub fn is_object(text: &str) -> bool {
    let starts = text.trim_start().starts_with('{');
    starts
        && !holds_nul(text)
        && limits::is_shallow(text)
        && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

/// `\u0000` as an escape; after an odd number of backslashes it is none.
fn holds_nul(json: &str) -> bool {
    json.match_indices("\\u0000").any(|(at, _)| {
        let before = json[..at].bytes().rev().take_while(|byte| *byte == b'\\').count();
        before % 2 == 0
    })
}

fn drop_rows(outcome: &mut Outcome, faults: &Faults) {
    outcome.events.retain(|event| !faults.contains_key(&event.row));
    outcome.objects.retain(|object| !faults.contains_key(&object.row));
    for write in &mut outcome.writes {
        write.unset.retain(|row| !faults.contains_key(row));
        let mut kept_values = Vec::with_capacity(write.rows.len());
        let (mut at, mut kept_to) = (0, 0);
        let mut ends = Vec::with_capacity(write.ends.len());
        for (index, row) in write.rows.iter().enumerate() {
            let is_kept = !faults.contains_key(row);
            let count = write.ends.get(index).map_or(1, |end| end - std::mem::replace(&mut at, *end));
            kept_values.extend(std::iter::repeat_n(is_kept, count as usize));
            if is_kept && !write.ends.is_empty() {
                kept_to += count;
                ends.push(kept_to);
            }
        }
        write.ends = ends;
        let mut keep = kept_values.into_iter();
        let mut kept = || keep.next().unwrap_or(false);
        match &mut write.values {
            Values::Booleans(values) => values.retain(|_| kept()),
            Values::Integers(values) => values.retain(|_| kept()),
            Values::Numbers(values) => values.retain(|_| kept()),
            Values::Texts(texts) => *texts = texts.split_inclusive('\0').filter(|_| kept()).collect(),
        }
        write.rows.retain(|row| !faults.contains_key(row));
    }
}
