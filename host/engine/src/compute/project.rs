//! The declared reads of a rule as columns, for the rows that have what it requires.

use openhub_model::columns::{Column, ColumnBuilder, RecordBatch, Table, fits};
use openhub_model::identity::Marker;
use openhub_model::{Customer, Seed, TenantId};
use serde_json::Value;

use super::event::Happening;
use crate::catalog::{ListFrom, ListPath, Listing, ReadPath, Reading, Rule};

/// One row: the event and the state of its customer before it.
pub struct Row<'a> {
    pub event: &'a Happening,
    pub customer: &'a Customer,
    pub seen: Seen,
}

/// What a rule reads of objects, at the numbers of its reads; empty if it reads none.
#[derive(Clone, Debug, Default)]
pub struct Seen(pub Vec<Option<Value>>);

impl Seen {
    pub fn value(&self, read: usize) -> Option<&Value> {
        self.0.get(read)?.as_ref()
    }
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

impl<'a> Row<'a> {
    /// The path of the first required read that the row lacks: then it is not sent.
    pub fn lacks(&self, rule: &Rule) -> Option<(String, Lack)> {
        let mut required = rule.reads.iter().enumerate().filter(|(_, read)| read.required);
        let lacking = required.find_map(|(number, read)| Some((read.path.to_string(), self.lack(number, read)?)));
        lacking.or_else(|| self.lacks_element(rule))
    }

    fn lack(&self, number: usize, read: &Reading) -> Option<Lack> {
        let value = match &read.path {
            ReadPath::Property(steps) => at(&self.event.properties, steps),
            ReadPath::Attribute(name) => self.customer.attribute(name),
            ReadPath::Object(_) => self.seen.value(number),
            _ => return None,
        };
        lack_of(fits(&read.of, value), value)
    }

    /// What some element of a list lacks. Who has no list has no elements.
    fn lacks_element(&self, rule: &Rule) -> Option<(String, Lack)> {
        let mut tables: Vec<Vec<&'a Value>> = Vec::with_capacity(rule.tables.len());
        for (index, table) in rule.tables.iter().enumerate() {
            let mut elements = Vec::new();
            for list in self.lists(table, &tables) {
                match list {
                    Some(Value::Array(items)) => elements.extend(items),
                    Some(value) if !value.is_null() && table.columns.iter().any(|column| column.required) => {
                        return Some((full_path(rule, index, &[]), Lack::OtherType));
                    }
                    _ => {}
                }
            }
            for column in table.columns.iter().filter(|column| column.required) {
                let lacking = elements.iter().find_map(|element| {
                    let value = at(element, &column.steps);
                    lack_of(fits(&column.of, value), value)
                });
                if let Some(lack) = lacking {
                    return Some((full_path(rule, index, &column.steps), lack));
                }
            }
            tables.push(elements);
        }
        None
    }

    /// The lists of one row that are in a table: one, or one for each element of the table that they lie in.
    fn lists(&self, table: &Listing, tables: &[Vec<&'a Value>]) -> Vec<Option<&'a Value>> {
        match &table.from {
            ListFrom::Row(path) => vec![self.list(path)],
            ListFrom::Element { table, steps } => tables[*table].iter().map(|element| at(element, steps)).collect(),
        }
    }

    fn list(&self, path: &ListPath) -> Option<&'a Value> {
        match path {
            ListPath::Property(steps) => at(&self.event.properties, steps),
            ListPath::Attribute(name) => self.customer.attribute(name),
        }
    }
}

fn lack_of(is_fit: bool, value: Option<&Value>) -> Option<Lack> {
    match value {
        _ if is_fit => None,
        None | Some(Value::Null) => Some(Lack::Absent),
        Some(_) => Some(Lack::OtherType),
    }
}

/// A path below a table as it is declared: `event.properties.items[].codes[].value`.
fn full_path(rule: &Rule, table: usize, field: &[String]) -> String {
    let listing = &rule.tables[table];
    let list = match &listing.from {
        ListFrom::Row(path) => path.to_string(),
        ListFrom::Element { table, steps } => full_path(rule, *table, steps),
    };
    if field.is_empty() { format!("{list}[]") } else { format!("{list}[].{}", field.join(".")) }
}

/// Columns in the order of the reads, and one table a declared list.
pub fn project(tenant: TenantId, marker: &Marker, rule: &Rule, rows: &[Row<'_>]) -> RecordBatch {
    let reads = rule.reads.iter().enumerate();
    let columns = reads.map(|read| column(tenant, marker, rule, read, rows)).collect();
    let tables = if rule.tables.is_empty() { Vec::new() } else { tables(rule, rows) };
    RecordBatch { rows: rows.len() as u32, params: rule.params.clone(), columns, tables }
}

/// What is no list counts as an empty one.
fn tables(rule: &Rule, rows: &[Row<'_>]) -> Vec<Table> {
    let mut elements: Vec<Vec<&Value>> = Vec::with_capacity(rule.tables.len());
    let tables = rule.tables.iter().map(|table| {
        let mut all: Vec<&Value> = Vec::new();
        let mut ends = Vec::new();
        let lists: Vec<Option<&Value>> = match &table.from {
            ListFrom::Row(path) => rows.iter().map(|row| row.list(path)).collect(),
            ListFrom::Element { table, steps } => elements[*table].iter().map(|element| at(element, steps)).collect(),
        };
        for list in lists {
            all.extend(list.and_then(Value::as_array).into_iter().flatten());
            ends.push(all.len() as u32);
        }
        let columns = table.columns.iter().map(|column| {
            let mut built = ColumnBuilder::new(&column.of, all.len());
            all.iter().for_each(|element| built.push(at(element, &column.steps)));
            built.build()
        });
        let parent = match &table.from {
            ListFrom::Row(_) => None,
            ListFrom::Element { table, .. } => Some(*table as u32),
        };
        let table = Table { parent, ends, columns: columns.collect() };
        elements.push(all);
        table
    });
    tables.collect()
}

fn column(
    tenant: TenantId,
    marker: &Marker,
    rule: &Rule,
    (number, read): (usize, &Reading),
    rows: &[Row<'_>],
) -> Column {
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
            ReadPath::Object(_) => column.push(row.seen.value(number)),
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

pub fn at<'a>(value: &'a Value, steps: &[String]) -> Option<&'a Value> {
    steps.iter().try_fold(value, |value, step| value.get(step))
}
