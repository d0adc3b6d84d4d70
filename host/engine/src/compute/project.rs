//! The declared reads of a rule as columns, for the rows that have what it requires.

use openhub_model::columns::{RecordBatch, Table};
use openhub_model::identity::Marker;
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

/// What is wrong with a read that a rule requires.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lack {
    Absent,
    /// It is there, and does not read as the declared type.
    OtherType,
}

impl Lack {
    pub const fn code(self) -> &'static str {
        match self {
            Lack::Absent => "absent",
            Lack::OtherType => "other-type",
        }
    }
}

impl Row<'_> {
    /// The first required read that the row lacks, by its index: then it is not sent.
    pub fn lacks(&self, rule: &Rule) -> Option<(usize, Lack)> {
        let required = rule.reads.iter().enumerate().filter(|(_, read)| read.required);
        let mut lacking = required.filter_map(|(index, read)| Some((index, self.lack(read)?)));
        lacking.next()
    }

    fn lack(&self, read: &Reading) -> Option<Lack> {
        let (value, is_fit) = match &read.path {
            ReadPath::Property(steps) => {
                let value = at(&self.event.properties, steps);
                (value, fits(&read.of, value))
            }
            ReadPath::Attribute(name) => {
                let value = self.customer.attribute(name);
                (value, fits(&read.of, value))
            }
            ReadPath::Element { list, .. } => {
                let value = at(&self.event.properties, list);
                (value, value.is_some_and(Value::is_array))
            }
            ReadPath::Tag(_) | ReadPath::EventName | ReadPath::At | ReadPath::Seed | ReadPath::Customer => return None,
        };
        match value {
            _ if is_fit => None,
            None | Some(Value::Null) => Some(Lack::Absent),
            Some(_) => Some(Lack::OtherType),
        }
    }
}

/// Columns in the order of the reads; reads below `[]` become one table a list, in order of first mention.
pub fn project(tenant: TenantId, marker: &Marker, rule: &Rule, rows: &[Row<'_>]) -> RecordBatch {
    let mut batch = RecordBatch { rows: rows.len() as u32, ..RecordBatch::default() };
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
            _ => batch.columns.push(column(tenant, marker, rule, read, rows)),
        }
    }
    batch
}

fn column(
    tenant: TenantId,
    marker: &Marker,
    rule: &Rule,
    read: &Reading,
    rows: &[Row<'_>],
) -> openhub_model::columns::Column {
    let mut column = ColumnBuilder::new(&read.of, rows.len());
    for row in rows {
        match &read.path {
            ReadPath::Property(steps) => column.push(at(&row.event.properties, steps)),
            ReadPath::Attribute(name) => column.push(row.customer.attribute(name)),
            ReadPath::Tag(name) => column.push(Some(&Value::Bool(row.customer.has_tag(name)))),
            ReadPath::EventName => column.push_text(&row.event.name),
            ReadPath::At => column.push_integer(row.event.at.micros()),
            ReadPath::Seed => column.push_integer(seed(tenant, marker, rule, row.event).0 as i64),
            ReadPath::Customer => column.push_text(&row.customer.customer.to_string()),
            ReadPath::Element { .. } => {}
        }
    }
    column.build()
}

fn seed(tenant: TenantId, marker: &Marker, rule: &Rule, event: &Happening) -> Seed {
    let plugin = rule.owner.installation.name.as_bytes();
    let tenant = tenant.0.to_le_bytes();
    marker.seed(&[&tenant, event.message_id.as_bytes(), plugin, rule.name.as_bytes()], 0, 0)
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
