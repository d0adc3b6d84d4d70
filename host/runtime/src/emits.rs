//! Events that a rule causes: columns of declared fields become one JSON object an event.

use std::fmt::Write as _;

use openhub_model::columns::{Column, Values};
use openhub_model::manifest::{Field, Manifest, RuleShape, Type};
use openhub_model::{Identity, Timestamp, decimal, limits};

use crate::answer::CausedEvent;
use crate::bindings::rule::exports::openhub::rule::rule as answered;
use crate::bindings::rule::openhub::types::columns::ColumnResult;
use crate::outcome::{Faults, checked_values, fault, in_order};

const EVENTS_A_ROW: usize = 16;
/// Bytes that the events of a call may come to, and the objects: a name in the manifest is written for each of them.
pub const ANSWER: usize = 16 << 20;

/// By row, and within a row by the declared kind.
pub fn check(
    manifest: &Manifest,
    shape: &RuleShape,
    rows: u32,
    emits: Vec<answered::Emit>,
    faults: &mut Faults,
) -> Result<Vec<CausedEvent>, String> {
    let mut caused = Vec::new();
    let mut seen = vec![false; shape.events.len()];
    let asked: usize = emits.iter().map(|emit| emit.rows.len()).sum();
    if asked > rows as usize * EVENTS_A_ROW {
        return Err(format!("the rule caused {asked} events for {rows} rows: at most {EVENTS_A_ROW} for each"));
    }
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
        in_order(&of, rows)?;
        if !to.is_empty() && to.len() != of.len() {
            return Err(format!("the rule named {} customers for {} events", to.len(), of.len()));
        }
        let mut to = to.into_iter();
        let texts = objects_of((fields, &of), columns, &mut room, faults, |field, row, faults| {
            fault(faults, row, "required", || format!("the event {name:?} needs `{field}`"));
        })?;
        caused.extend(of.into_iter().zip(texts).map(|(row, properties)| {
            let to = to.next().flatten().map(|to| Identity::new(to.kind, to.value));
            if to.as_ref().is_some_and(|to| to.value.is_empty() || !limits::is_identity(to)) {
                let message = || format!("the rule caused the event {name:?} for an identity that is not valid");
                fault(faults, row, "bad-identity", message);
            }
            CausedEvent { row, event, to, name: name.clone(), properties }
        }));
    }
    // Stable: what a row causes of one kind keeps its order.
    caused.sort_by_key(|event| event.row);
    for many in caused.chunk_by(|a, b| a.row == b.row).filter(|events| events.len() > EVENTS_A_ROW) {
        fault(faults, many[0].row, "too-many-events", || {
            format!("the rule caused too many events for one row: at most {EVENTS_A_ROW}")
        });
    }
    Ok(caused)
}

/// One JSON object for each of `rows`, out of a column a field; `lacking` says what to do where a required one is not there.
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
    let mut texts: Vec<String> = rows.iter().map(|_| "{".to_owned()).collect();
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
    texts.iter_mut().for_each(|text| text.push('}'));
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
    use openhub_model::manifest::EventShape;
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
        let caused = check(&manifest, &rule, 3, emits, &mut faults)?;
        Ok((caused, faults))
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
        let to =
            |value: &str| Some(crate::bindings::types::types::Identity { kind: "user_id".into(), value: value.into() });
        let mut told = changed(&[0, 1], "gold\0gold\0", &[], 0.5);
        told.to = vec![to("ada"), to("")];
        assert_eq!(codes(told), [(1, "bad-identity".into())]);
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
        assert!(told(vec![changed(&[0; 49], &"gold\0".repeat(49), &[], 0.5)]).contains("at most 16 for each"));
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
