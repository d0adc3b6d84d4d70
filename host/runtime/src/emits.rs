//! Events that a rule causes: columns of declared fields become one JSON object an event.

use std::fmt::Write as _;

use openhub_model::columns::{Column, RecordBatch, Values};
use openhub_model::manifest::{Field, Manifest, RuleShape, Type};
use openhub_model::{Timestamp, decimal};

use crate::answer::CausedEvent;
use crate::bindings::rule::exports::openhub::rule::rule as answered;
use crate::bindings::rule::openhub::types::columns::ColumnResult;
use crate::bindings::types::types::Identity;
use crate::outcome::{Faults, at_most, checked_values, fault};

const EVENTS_A_ROW: u32 = 16;
/// The kind of an identity that is the id of a customer.
const CUSTOMER: &str = "customer";
/// Bytes that the events of a call may come to, and the objects: a name in the manifest is written for each of them.
pub const ANSWER: usize = 16 << 20;

/// By row, and within a row by the declared kind.
pub fn check(
    manifest: &Manifest,
    shape: &RuleShape,
    batch: &RecordBatch,
    emits: Vec<answered::Emit>,
    faults: &mut Faults,
) -> Result<Vec<CausedEvent>, String> {
    let mut caused = Vec::new();
    let mut seen = vec![false; shape.events.len()];
    let listed = emits.iter().map(|emit| &emit.rows);
    at_most((EVENTS_A_ROW, batch.rows), listed, faults, ("too-many-events", "events"))?;
    let mut room = ANSWER;
    for answered::Emit { event, rows: of, to, columns } in emits {
        let number = event as usize;
        let name = shape
            .events
            .get(number)
            .ok_or_else(|| format!("the rule caused an event of the kind {number}, which it does not declare"))?;
        if std::mem::replace(&mut seen[number], true) {
            return Err(format!("the rule wrote the event {name:?} twice"));
        }
        let fields = &declared(manifest, name)?.fields;
        if !to.is_empty() && to.len() != of.len() {
            return Err(format!("the rule named {} customers for {} events", to.len(), of.len()));
        }
        hold_to_relation((shape, number), batch, (&of, &to), faults);
        let texts = objects_of((fields, &of), columns, &mut room, faults, |field, row, faults| {
            fault(faults, row, "required", || format!("the event {name:?} needs `{field}`"));
        })?;
        let written = of.into_iter().zip(texts).filter(|(_, text)| !text.is_empty());
        caused.extend(written.map(|(row, properties)| CausedEvent { row, event, name: name.clone(), properties }));
    }
    // Stable: what a row causes of one kind keeps its order.
    caused.sort_by_key(|event| event.row);
    Ok(caused)
}

/// Whom a guest names must be the customer whom that row was given by the read that the manifest names for this event: an admin has
/// agreed to no other. A guest need not name them: the engine goes by the manifest.
fn hold_to_relation(
    (shape, event): (&RuleShape, usize),
    batch: &RecordBatch,
    (rows, to): (&[u32], &[Option<Identity>]),
    faults: &mut Faults,
) {
    if to.iter().all(Option::is_none) {
        return;
    }
    let read = shape.recipient(event).map(|read| &read.name);
    let column = read.and_then(|name| shape.scalars().position(|read| read.name == *name));
    let column = column.and_then(|column| batch.columns.get(column));
    let given: Vec<&str> = match column.map(|column| &column.values) {
        Some(Values::Texts(texts)) => texts.split_terminator('\0').collect(),
        _ => Vec::new(),
    };
    for (row, to) in rows.iter().zip(to) {
        let Some(to) = to else { continue };
        let customer = given.get(*row as usize).filter(|customer| !customer.is_empty());
        if to.kind != CUSTOMER || customer.is_none_or(|customer| *customer != to.value) {
            let message =
                || "the rule caused an event for a customer whom no declared relation of the row names".to_owned();
            fault(faults, *row, "undeclared-recipient", message);
        }
    }
}

/// One JSON object for each of `rows`, out of a column a field; `lacking` says what to do where a required one is not there. A row that
/// has a fault already gets no text.
pub fn objects_of(
    (fields, rows): (&[Field], &[u32]),
    columns: Vec<ColumnResult>,
    room: &mut usize,
    faults: &mut Faults,
    lacking: impl Fn(&str, u32, &mut Faults),
) -> Result<Vec<String>, String> {
    if columns.len() != fields.len() {
        return Err(format!("the rule wrote {} columns for the {} fields of a record", columns.len(), fields.len()));
    }
    let begun = |row: &u32| if faults.contains_key(row) { String::new() } else { "{".to_owned() };
    let mut texts: Vec<String> = rows.iter().map(begun).collect();
    for (field, column) in fields.iter().zip(columns) {
        let values = checked_values(&field.of, rows, &column.absent, column.values, faults)?;
        let column = Column { values, absent: column.absent };
        if field.required {
            column.absent.iter().for_each(|at| lacking(&field.name, rows[*at as usize], faults));
        }
        write(&mut texts, field, &column, room);
        if *room == 0 {
            return Err(format!("the events or objects that the rule wrote are more than {ANSWER} bytes"));
        }
    }
    texts.iter_mut().filter(|text| !text.is_empty()).for_each(|text| text.push('}'));
    Ok(texts)
}

fn declared<'m>(manifest: &'m Manifest, name: &str) -> Result<&'m openhub_model::manifest::EventShape, String> {
    manifest
        .events
        .iter()
        .find(|event| event.name == name)
        .ok_or_else(|| format!("the manifest does not declare the event {name:?}"))
}

/// Appends a field to each event that has it. Times are texts; decimals are numbers, which conditions add up and compare.
fn write(texts: &mut [String], field: &Field, column: &Column, room: &mut usize) {
    let key = format!("{}:", serde_json::Value::from(field.name.as_str()));
    let mut absent = column.absent.iter().peekable();
    let mut each = |write: &mut dyn FnMut(usize, &mut String)| {
        for (at, text) in texts.iter_mut().enumerate() {
            if absent.next_if(|absent| **absent as usize == at).is_some() {
                continue;
            }
            if *room == 0 {
                return;
            }
            if text.is_empty() {
                continue;
            }
            let before = text.len();
            if text.len() > 1 {
                text.push(',');
            }
            text.push_str(&key);
            write(at, text);
            *room = room.saturating_sub(text.len() - before);
        }
    };
    match &column.values {
        Values::Booleans(values) => {
            each(&mut |at, text| text.push_str(if values[at] == 1 { "true" } else { "false" }));
        }
        Values::Integers(values) => match field.of {
            Type::Timestamp => each(&mut |at, text| {
                let _infallible = write!(text, "\"{}\"", Timestamp::from_micros(values[at]));
            }),
            Type::Decimal(scale) => each(&mut |at, text| {
                text.push_str(&decimal::to_json(values[at], scale).to_string());
            }),
            _ => each(&mut |at, text| {
                let _infallible = write!(text, "{}", values[at]);
            }),
        },
        // Of one that is not finite the row has a fault.
        Values::Numbers(values) => {
            each(&mut |at, text| text.push_str(&serde_json::Value::from(values[at]).to_string()))
        }
        Values::Texts(all) => {
            let values: Vec<&str> = all.split_terminator('\0').collect();
            each(&mut |at, text| text.push_str(&serde_json::Value::from(values[at]).to_string()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::Reason;
    use crate::bindings::rule::openhub::types::columns::ValuesResult;
    use openhub_model::manifest::{EventShape, Read, Recipient};
    use std::collections::BTreeMap;

    fn declared() -> (Manifest, RuleShape) {
        let field = |name: &str, of: Type, required| Field { required, ..Field::new(name, of) };
        let fields = vec![
            field("from", Type::Enum(vec!["gold".into(), "silver".into()]), false),
            field("saved", Type::Decimal(2), true),
            field("at", Type::Timestamp, false),
            field("ratio", Type::Number, false),
            field("big", Type::Boolean, false),
        ];
        let left = EventShape { name: "Left".into(), fields: Vec::new() };
        let manifest =
            Manifest { events: vec![left, EventShape { name: "Tier Changed".into(), fields }], ..Manifest::default() };
        let rule = RuleShape {
            name: "r".into(),
            on: Vec::new(),
            reads: Vec::new(),
            lists: vec![],
            writes: Vec::new(),
            events: vec!["Tier Changed".into(), "Left".into()],
            to: Vec::new(),
            objects: Vec::new(),
            params: Vec::new(),
        };
        (manifest, rule)
    }

    fn column(values: ValuesResult, absent: &[u32]) -> ColumnResult {
        ColumnResult { values, absent: absent.to_vec() }
    }

    fn emit(rows: &[u32], columns: Vec<ColumnResult>) -> answered::Emit {
        answered::Emit { event: 0, rows: rows.to_vec(), to: Vec::new(), columns }
    }

    fn changed(rows: &[u32], from: &str, absent: &[u32], ratio: f64) -> answered::Emit {
        let count = rows.len();
        let saved = (0..count as i64).map(|at| 1_234 + at).collect();
        emit(
            rows,
            vec![
                column(ValuesResult::Texts(from.into()), absent),
                column(ValuesResult::Integers(saved), &[]),
                column(ValuesResult::Integers(vec![0; count]), absent),
                column(ValuesResult::Numbers(vec![ratio; count]), &[]),
                column(ValuesResult::Booleans(vec![1; count]), absent),
            ],
        )
    }

    fn check_all(emits: Vec<answered::Emit>) -> Result<(Vec<CausedEvent>, BTreeMap<u32, Reason>), String> {
        let (manifest, rule) = declared();
        let mut faults = Faults::new();
        let batch = RecordBatch { rows: 3, ..RecordBatch::default() };
        let caused = check(&manifest, &rule, &batch, emits, &mut faults)?;
        Ok((caused, faults))
    }

    /// The fault of each row, if these rows cause an event for those customers; the rows were given "ada", nobody and "bob" by a read.
    fn named(declared_to: bool, to: &[Option<(&str, &str)>]) -> Vec<(u32, String)> {
        let (mut manifest, mut rule) = declared();
        let read = |name: &str, of| Read { name: name.into(), path: String::new(), of, required: false, bind: false };
        rule.reads = vec![read("total", Type::Integer), read("owner", Type::Customer)];
        if declared_to {
            rule.to = vec![Recipient { event: 1, read: "owner".into() }];
        }
        manifest.rules = vec![rule.clone()];
        let total = Column { values: Values::Integers(vec![1, 2, 3]), absent: Vec::new() };
        let owner = Column { values: Values::Texts("ada\0\0bob\0".into()), absent: vec![1] };
        let batch = RecordBatch { rows: 3, columns: vec![total, owner], ..RecordBatch::default() };
        let to =
            to.iter().map(|to| to.map(|(kind, value)| Identity { kind: kind.into(), value: value.into() })).collect();
        let left = answered::Emit { event: 1, rows: vec![0, 1, 2], to, columns: Vec::new() };
        let mut faults = Faults::new();
        check(&manifest, &rule, &batch, vec![left], &mut faults).expect("events");
        faults.into_iter().map(|(row, reason)| (row, reason.code)).collect()
    }

    #[test]
    fn f2_an_event_is_of_the_rows_customer_or_of_whom_a_declared_relation_names() {
        let wrong = |rows: &[u32]| rows.iter().map(|row| (*row, "undeclared-recipient".to_owned())).collect::<Vec<_>>();
        let customer = |id: &'static str| Some(("customer", id));
        assert_eq!(named(true, &[customer("ada"), None, customer("bob")]), []);
        // Another row's, one where the relation names nobody, and an identity that is no customer's id.
        assert_eq!(named(true, &[customer("bob"), customer(""), Some(("user_id", "bob"))]), wrong(&[0, 1, 2]));
        // Without a relation in the manifest, nobody.
        assert_eq!(named(false, &[customer("ada"), None, Some(("email", "new@example.com"))]), wrong(&[0, 2]));
    }

    #[test]
    fn f6_a_row_with_too_many_events_has_the_same_fault_alone_and_among_others() {
        let (manifest, rule) = declared();
        for rows in [1, 20] {
            let mut faults = Faults::new();
            let batch = RecordBatch { rows, ..RecordBatch::default() };
            let left = |rows| answered::Emit { event: 1, rows, to: Vec::new(), columns: Vec::new() };
            let mut of = vec![0; 17];
            of.extend(1..rows);
            let caused = check(&manifest, &rule, &batch, vec![left(of)], &mut faults).expect("events");
            let codes: Vec<_> = faults.iter().map(|(row, why)| (*row, why.code.as_str())).collect();
            assert_eq!(codes, [(0, "too-many-events")], "{rows}");
            assert_eq!(caused.len() as u32, rows - 1, "the others stand");
        }
        let many = answered::Emit { event: 1, rows: vec![0; (1 << 20) + 1], to: Vec::new(), columns: Vec::new() };
        assert!(check_all(vec![many]).expect_err("it is malformed").contains("1048577 events in a call"));
    }

    #[test]
    fn columns_become_one_object_an_event() {
        let left = answered::Emit { event: 1, rows: vec![0], to: Vec::new(), columns: Vec::new() };
        let (caused, faults) = check_all(vec![changed(&[0, 2], "gold\0\0", &[1], 0.5), left]).expect("events");
        let told: Vec<_> = caused.iter().map(|it| (it.row, it.name.as_str(), it.properties.as_str())).collect();
        assert_eq!(
            told,
            [
                (
                    0,
                    "Tier Changed",
                    r#"{"from":"gold","saved":12.34,"at":"1970-01-01T00:00:00Z","ratio":0.5,"big":true}"#
                ),
                (0, "Left", "{}"),
                (2, "Tier Changed", r#"{"saved":12.35,"ratio":0.5}"#),
            ]
        );
        assert!(faults.is_empty(), "{faults:?}");
    }

    #[test]
    fn a_wrong_value_is_a_fault_of_its_row() {
        let of = |emit| check_all(vec![emit]).expect("events").1.into_iter().map(|(row, why)| (row, why.code));
        let codes = |emit| of(emit).collect::<Vec<_>>();
        assert_eq!(codes(changed(&[0, 1], "gold\0iron\0", &[], 0.5)), [(1, "not-in-enum".into())]);
        assert_eq!(codes(changed(&[2], "gold\0", &[], f64::NAN)), [(2, "not-finite".into())]);
        assert_eq!(codes(changed(&[1; 17], &"gold\0".repeat(17), &[], 0.5)), [(1, "too-many-events".into())]);
        let mut never = changed(&[0], "gold\0", &[], 0.5);
        never.columns[2].values = ValuesResult::Integers(vec![i64::MAX]);
        assert_eq!(codes(never), [(0, "bad-timestamp".into())]);
        let mut lacking = changed(&[1], "gold\0", &[], 0.5);
        lacking.columns[1].absent = vec![0];
        assert_eq!(codes(lacking), [(1, "required".into())]);
    }

    #[test]
    fn a_wrong_structure_is_malformed() {
        let good = || changed(&[0, 2], "gold\0\0", &[1], 0.5);
        let told = |emits| check_all(emits).expect_err("it is malformed");
        let with = |change: &dyn Fn(&mut answered::Emit)| {
            let mut emit = good();
            change(&mut emit);
            told(vec![emit])
        };
        assert!(with(&|emit| emit.event = 2).contains("does not declare"));
        assert!(with(&|emit| emit.rows = vec![2, 0]).contains("ascending"));
        assert!(with(&|emit| emit.rows = vec![0, 3]).contains("row 3"));
        assert!(with(&|emit| drop(emit.columns.pop())).contains("4 columns for the 5 fields"));
        assert!(with(&|emit| emit.columns[0].absent = vec![2]).contains("row 2"));
        assert!(with(&|emit| emit.columns.swap(0, 1)).contains("not of the declared type"));
        assert!(with(&|emit| emit.columns[4].values = ValuesResult::Booleans(vec![1])).contains("1 values for 2 rows"));
        assert!(with(&|emit| emit.to = vec![None]).contains("1 customers for 2 events"));
        let long = |emit: &mut answered::Emit| {
            let text = format!("{}\0", "\u{1}".repeat(3 << 20));
            emit.columns[0].values = ValuesResult::Texts(format!("{text}{text}"));
        };
        // Not in the enum, which is a fault; and six times as long once it is JSON.
        assert!(
            with(&|emit| {
                long(emit);
                emit.columns[0].absent = Vec::new();
            })
            .contains("more than")
        );
        assert!(told(vec![good(), good()]).contains("twice"));
    }
}
