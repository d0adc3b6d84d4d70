//! What a rule does to objects: columns of a type's fields become one JSON object an operation.

use openhub_model::limits;
use openhub_model::manifest::{Manifest, RuleShape};

use crate::answer::{Action, CausedObject};
use crate::bindings::rule::exports::openhub::rule::rule as answered;
use crate::emits::{ANSWER, objects_of};
use crate::outcome::{Faults, at_most, fault};

const OBJECTS_A_ROW: u32 = 4;

/// By row; within a row creations, merges and deletions, each by the declared type.
pub fn check(
    manifest: &Manifest,
    shape: &RuleShape,
    rows: u32,
    changes: Vec<answered::Change>,
    faults: &mut Faults,
) -> Result<Vec<CausedObject>, String> {
    let listed = changes.iter().map(|change| &change.rows);
    at_most((OBJECTS_A_ROW, rows), listed, faults, ("too-many-objects", "objects"))?;
    let (mut checked, mut room) = (Vec::<(u32, CausedObject)>::new(), ANSWER);
    for answered::Change { kind: number, action, rows: of, keys, columns } in changes {
        let unknown = || format!("the rule wrote an object of the type {number}, which it does not declare");
        let kind = shape.objects.get(number as usize).ok_or_else(unknown)?;
        let object = manifest.objects.iter().find(|object| object.name == *kind).ok_or_else(unknown)?;
        if !keys.is_empty() && !keys.ends_with('\0') {
            return Err("the rule wrote a key without its end".to_owned());
        }
        let keys: Vec<&str> = keys.split_terminator('\0').collect();
        if keys.len() != of.len() {
            return Err(format!("the rule wrote {} keys for {} objects", keys.len(), of.len()));
        }
        let action = match action {
            answered::Action::Create => Action::Create,
            answered::Action::Merge => Action::Merge,
            answered::Action::Delete => Action::Delete,
        };
        let texts = match action {
            Action::Delete if columns.is_empty() => vec!["{}".to_owned(); of.len()],
            // What the fields must be is for the type's check to say, which completes them.
            _ => objects_of((&object.fields, &of), columns, &mut room, faults, |_, _, _| {})?,
        };
        for ((row, key), fields) in of.into_iter().zip(keys).zip(texts) {
            if faults.contains_key(&row) {
                continue;
            }
            // Whoever creates may leave the key to the type's check.
            let may_lack_key = key.is_empty() && action == Action::Create;
            if !may_lack_key && !is_key(key) {
                let message = || format!("the rule wrote an object of the type {kind:?} with a key that is not valid");
                fault(faults, row, "bad-key", message);
            }
            checked.push((number, CausedObject { row, action, kind: kind.clone(), key: key.to_owned(), fields }));
        }
    }
    let rank = |action: Action| match action {
        Action::Create => 0,
        Action::Merge => 1,
        Action::Delete => 2,
    };
    checked.sort_by_key(|(number, object)| (object.row, rank(object.action), *number));
    Ok(checked.into_iter().map(|(_, object)| object).collect())
}

/// Whether a text can name something: not empty, not long, without U+0000.
pub fn is_key(text: &str) -> bool {
    (1..=limits::OBJECT_KEY).contains(&text.len()) && !text.contains('\0')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bindings::rule::openhub::types::columns::{ColumnResult, ValuesResult};
    use openhub_model::manifest::{Field, ObjectShape, Type};

    fn declared() -> (Manifest, RuleShape) {
        let field = |name: &str, of| Field { required: true, ..Field::new(name, of) };
        let fields = vec![field("code", Type::Text), field("percent", Type::Integer)];
        let coupon = ObjectShape { name: "coupon".into(), version: 1, fields, owner: None };
        let rule = RuleShape {
            name: "r".into(),
            on: Vec::new(),
            reads: Vec::new(),
            lists: vec![],
            writes: Vec::new(),
            events: Vec::new(),
            to: Vec::new(),
            objects: vec!["coupon".into()],
            params: Vec::new(),
        };
        (Manifest { objects: vec![coupon], ..Manifest::default() }, rule)
    }

    fn change(action: answered::Action, rows: &[u32], keys: &str, codes: &str) -> answered::Change {
        let columns = match action {
            answered::Action::Delete => Vec::new(),
            _ => vec![
                ColumnResult { values: ValuesResult::Texts(codes.into()), absent: Vec::new() },
                ColumnResult { values: ValuesResult::Integers(vec![5; rows.len()]), absent: vec![0] },
            ],
        };
        answered::Change { kind: 0, action, rows: rows.to_vec(), keys: keys.into(), columns }
    }

    /// Rows, with the codes of their faults.
    type Told = Vec<(u32, String)>;

    fn check_all(changes: Vec<answered::Change>) -> Result<(Vec<CausedObject>, Told), String> {
        let (manifest, rule) = declared();
        let mut faults = Faults::new();
        let checked = check(&manifest, &rule, 3, changes, &mut faults)?;
        Ok((checked, faults.into_iter().map(|(row, reason)| (row, reason.code)).collect()))
    }

    #[test]
    fn columns_become_operations_in_a_fixed_order() {
        use answered::Action::{Create, Delete, Merge};
        let changes = vec![
            change(Delete, &[0, 2], "d\0e\0", ""),
            change(Merge, &[0], "m\0", "x\0"),
            change(Create, &[0, 1], "\0n\0", "y\0z\0"),
        ];
        let (checked, faults) = check_all(changes).expect("operations");
        let told: Vec<_> = checked.iter().map(|it| (it.row, it.action, it.key.as_str(), it.fields.as_str())).collect();
        assert_eq!(
            told,
            [
                (0, Action::Create, "", r#"{"code":"y"}"#),
                (0, Action::Merge, "m", r#"{"code":"x"}"#),
                (0, Action::Delete, "d", "{}"),
                (1, Action::Create, "n", r#"{"code":"z","percent":5}"#),
                (2, Action::Delete, "e", "{}"),
            ]
        );
        assert_eq!(faults, []);
    }

    #[test]
    fn a_wrong_operation_is_a_fault_of_its_row() {
        use answered::Action::{Create, Delete, Merge};
        let codes = |change| check_all(vec![change]).expect("operations").1;
        assert_eq!(codes(change(Merge, &[1], "\0", "x\0")), [(1, "bad-key".into())]);
        assert_eq!(codes(change(Delete, &[0, 2], "k\0\0", "")), [(2, "bad-key".into())]);
        assert_eq!(codes(change(Create, &[1; 5], &"\0".repeat(5), &"x\0".repeat(5))), [(1, "too-many-objects".into())]);
        // Also where it has more than all rows of the call may have together.
        let thirteen = change(Create, &[1; 13], &"\0".repeat(13), &"x\0".repeat(13));
        assert_eq!(codes(thirteen), [(1, "too-many-objects".into())]);
    }

    #[test]
    fn a_wrong_structure_is_malformed() {
        use answered::Action::Create;
        let good = || change(Create, &[0, 2], "\0k\0", "x\0y\0");
        let with = |change: &dyn Fn(&mut answered::Change)| {
            let mut wrong = good();
            change(&mut wrong);
            check_all(vec![wrong]).expect_err("it is malformed")
        };
        let many = (1 << 20) + 1;
        let many = change(answered::Action::Delete, &vec![0; many], &"k\0".repeat(many), "");
        assert!(check_all(vec![many]).expect_err("it is malformed").contains("1048577 objects in a call"));
        assert!(with(&|it| it.kind = 1).contains("does not declare"));
        assert!(with(&|it| it.rows = vec![2, 0]).contains("ascending"));
        assert!(with(&|it| it.rows = vec![0, 3]).contains("row 3"));
        assert!(with(&|it| it.keys = "k".into()).contains("without its end"));
        assert!(with(&|it| it.keys = "k\0".into()).contains("1 keys for 2 objects"));
        assert!(with(&|it| drop(it.columns.pop())).contains("1 columns for the 2 fields"));
        assert!(with(&|it| it.columns[0].values = ValuesResult::Texts("x\0".into())).contains("1 values for 2 rows"));
    }
}
