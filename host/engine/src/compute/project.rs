//! The declared reads of a rule as columns, for the rows that have what it requires.

use openhub_model::columns::{Batch, Table};
use openhub_model::{Customer, Seed, TenantId};
use serde_json::Value;

use super::event::Happening;
use super::values::{ColumnBuilder, fits};
use crate::catalog::{ReadPath, Reading, Rule};

/// One row: the event and the state of its customer before it.
pub struct Row<'a> {
    pub event: &'a Happening,
    pub customer: &'a Customer,
}

impl Row<'_> {
    /// A row that lacks a required read is not sent.
    pub fn is_complete(&self, rule: &Rule) -> bool {
        rule.reads.iter().filter(|read| read.required).all(|read| match &read.path {
            ReadPath::Property(steps) => fits(&read.of, at(&self.event.properties, steps)),
            ReadPath::Attribute(name) => fits(&read.of, self.customer.attribute(name)),
            ReadPath::Element { list, .. } => at(&self.event.properties, list).is_some_and(Value::is_array),
            ReadPath::Tag(_) | ReadPath::EventName | ReadPath::At | ReadPath::Seed | ReadPath::Customer => true,
        })
    }
}

/// Columns in the order of the reads; reads below `[]` become one table a list, in order of first mention.
pub fn project(tenant: TenantId, rule: &Rule, rows: &[Row<'_>]) -> Batch {
    let mut batch = Batch { rows: rows.len() as u32, ..Batch::default() };
    let mut lists: Vec<&[String]> = Vec::new();
    for read in &rule.reads {
        match &read.path {
            ReadPath::Element { list, field } => {
                let table = lists.iter().position(|known| *known == list.as_slice()).unwrap_or_else(|| {
                    lists.push(list);
                    batch.lists.push(Table { ends: ends(rows, list), columns: Vec::new() });
                    lists.len() - 1
                });
                batch.lists[table].columns.push(elements(read, rows, list, field));
            }
            _ => batch.columns.push(column(tenant, rule, read, rows)),
        }
    }
    batch
}

fn column(tenant: TenantId, rule: &Rule, read: &Reading, rows: &[Row<'_>]) -> openhub_model::columns::Column {
    let mut column = ColumnBuilder::new(&read.of, rows.len());
    for row in rows {
        match &read.path {
            ReadPath::Property(steps) => column.push(at(&row.event.properties, steps)),
            ReadPath::Attribute(name) => column.push(row.customer.attribute(name)),
            ReadPath::Tag(name) => column.push(Some(&Value::Bool(row.customer.has_tag(name)))),
            ReadPath::EventName => column.push_text(&row.event.name),
            ReadPath::At => column.push_integer(row.event.at.micros()),
            ReadPath::Seed => column.push_integer(seed(tenant, rule, row.event).0 as i64),
            ReadPath::Customer => column.push_text(&row.customer.customer.to_string()),
            ReadPath::Element { .. } => {}
        }
    }
    column.build()
}

fn seed(tenant: TenantId, rule: &Rule, event: &Happening) -> Seed {
    let plugin = rule.owner.installation.name.as_bytes();
    let tenant = tenant.0.to_le_bytes();
    Seed::of(&[&tenant, event.message_id.as_bytes(), plugin, rule.name.as_bytes()], 0, 0)
}

fn ends(rows: &[Row<'_>], list: &[String]) -> Vec<u32> {
    let mut end = 0;
    let ends = rows.iter().map(|row| {
        end += items(row, list).len() as u32;
        end
    });
    ends.collect()
}

fn elements(read: &Reading, rows: &[Row<'_>], list: &[String], field: &[String]) -> openhub_model::columns::Column {
    let mut column = ColumnBuilder::new(&read.of, rows.len());
    for row in rows {
        for item in items(row, list) {
            column.push(at(item, field));
        }
    }
    column.build()
}

fn items<'a>(row: &Row<'a>, list: &[String]) -> &'a [Value] {
    at(&row.event.properties, list).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn at<'a>(value: &'a Value, steps: &[String]) -> Option<&'a Value> {
    steps.iter().try_fold(value, |value, step| value.get(step))
}
