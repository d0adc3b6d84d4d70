//! Objects of more than the usual: relations, lists, many fields, and patches of them.

use openhub_sdk::data_object::DataObject;
use openhub_sdk::prelude::*;
use openhub_sdk::rule::{Outcome, Values};

#[derive(Clone, Debug, PartialEq, DataObject)]
#[object(name = "voucher", version = 1)]
pub struct Voucher {
    #[field(unique)]
    pub code: String,
    #[field(relation = "shop")]
    pub shop: String,
    #[field(relation = "shop")]
    pub also: Vec<String>,
    #[field(default = 0i64)]
    pub used: i64,
    pub a: Option<i64>,
    pub b: Option<i64>,
    pub c: Option<i64>,
    pub d: Option<i64>,
    pub e: Option<i64>,
    pub f: Option<i64>,
    pub g: Option<i64>,
    pub h: Option<i64>,
    /// The thirteenth: more than a tuple of the standard library knows.
    pub worth: Option<Decimal<2>>,
}

#[derive(Writes)]
pub struct Effects {
    #[object]
    pub vouchers: Vec<ObjectEffect<Voucher>>,
}

fn voucher(also: &[&str]) -> Voucher {
    let fields = serde_json::json!({"code": "A", "shop": "north", "also": also});
    Voucher::from_fields(fields.as_object().expect("fields")).expect("a voucher")
}

#[test]
fn a_list_is_an_array_and_none_is_absent() {
    assert_eq!(
        voucher(&["south", "west"]).to_json(),
        r#"{"code":"A","shop":"north","also":["south","west"],"used":0}"#
    );
    assert_eq!(voucher(&[]).to_json(), r#"{"code":"A","shop":"north","used":0}"#);
    let wrong = serde_json::json!({"code": "A", "shop": "north", "also": "south"});
    let faults = Voucher::from_fields(wrong.as_object().expect("fields")).expect_err("it is no list");
    assert_eq!(faults[0].pointer, "/also");
}

#[test]
fn a_patch_has_the_columns_of_its_object() {
    let mut sinks = Effects::sinks();
    let created = ObjectEffect::Create(voucher(&[]));
    let patch = VoucherPatch { used: Some(7), worth: Decimal::parse("2.50"), ..VoucherPatch::default() };
    Effects { vouchers: vec![created, ObjectEffect::Patch("B".to_owned(), patch)] }.collect(0, &mut sinks);
    let mut outcome = Outcome { writes: Vec::new(), events: Vec::new(), objects: Vec::new(), faults: Vec::new() };
    Effects::finish(sinks, &mut outcome);
    let [created, merged] = outcome.objects.as_slice() else { panic!("a creation and a merge") };
    assert_eq!((created.columns.len(), merged.columns.len()), (13, 13));
    let there: Vec<usize> = (0..13).filter(|at| merged.columns[*at].absent.is_empty()).collect();
    assert_eq!((merged.keys.as_str(), there), ("B\0", vec![3, 12]));
    assert!(matches!(&merged.columns[12].values, Values::Integers(units) if units == &[250]));
    assert_eq!(created.columns[2].absent, [0], "a list stays with the check");
}
