//! A rule as its author writes it, run over columns as the host sends them.

use openhub_sdk::prelude::*;
use openhub_sdk::rule::{self, Batch, Column, Table, Values};

#[derive(Reads)]
struct Order<'a> {
    #[read("event.properties.total", bind)]
    total: Decimal<2>,
    #[read("event.properties.coupon")]
    coupon: Option<&'a str>,
    #[read("customer.attributes.tier")]
    tier: Option<Tier>,
    #[list("event.properties.items")]
    items: Vec<Item<'a>>,
    #[read("customer.attributes.places[]")]
    places: Vec<&'a str>,
}

#[derive(Reads)]
struct Item<'a> {
    #[read("sku")]
    sku: &'a str,
    #[read("labels[]")]
    labels: Vec<&'a str>,
    #[read("count")]
    count: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Enum)]
enum Tier {
    Bronze,
    SolidGold,
}

#[derive(Event)]
struct TierChanged {
    from: Option<Tier>,
    saved: Decimal<2>,
}

#[derive(DataObject)]
#[object(name = "note")]
struct Note {
    text: String,
}

#[derive(Default, Writes)]
struct Effects {
    #[write("customer.counters.items")]
    items: Add,
    #[write("customer.attributes.tier")]
    tier: Set<Tier>,
    #[write("customer.tags.saver")]
    saver: Set<bool>,
    #[write("customer.attributes.labels")]
    labels: Set<Vec<String>>,
    events: Vec<TierChanged>,
    #[object]
    notes: Vec<ObjectEffect<Note>>,
}

#[derive(Params)]
struct Params {
    #[field(default = 100)]
    gold: i64,
    refuse: Option<String>,
}

#[rule(on = ["Order Completed", "Order Updated"])]
fn order_tier(order: Order<'_>, params: &Params) -> Result<Effects, Reason> {
    if params.refuse.as_deref().is_some_and(|sku| order.items.iter().any(|item| item.sku == sku)) {
        return Err(Reason::new("refused", "this is not sold"));
    }
    let gold = order.total.whole() >= params.gold;
    let labels = order.places.iter().chain(order.items.iter().flat_map(|item| &item.labels));
    let labels: Vec<String> = labels.map(|label| (*label).to_owned()).collect();
    let text = order.coupon.unwrap_or("none").to_owned();
    Ok(Effects {
        items: Add(order.items.iter().map(|item| item.count).sum()),
        tier: if gold { To(Tier::SolidGold) } else { Unset },
        saver: if order.coupon.is_some() { To(true) } else { Keep },
        labels: if labels.is_empty() { Unset } else { To(labels) },
        events: gold.then_some(TierChanged { from: order.tier, saved: order.total }).into_iter().collect(),
        notes: vec![ObjectEffect::Create(Note { text })],
    })
}

openhub_sdk::plugin! { rules: [order_tier] }

fn texts(texts: &[&str], absent: &[u32]) -> Column {
    Column { values: Values::Texts(texts.iter().map(|text| format!("{text}\0")).collect()), absent: absent.to_vec() }
}

fn integers(values: &[i64]) -> Column {
    Column { values: Values::Integers(values.to_vec()), absent: Vec::new() }
}

fn none() -> Column {
    Column { values: Values::Integers(vec![0]), absent: vec![0] }
}

/// Four orders: gold with a coupon, small, one whose tier is none we know, and one of an article.
fn batch() -> Batch {
    Batch {
        rows: 4,
        params: vec![none(), texts(&[""], &[0])],
        columns: vec![
            integers(&[12_345, 999, 10_000, 50]),
            texts(&["spring", "", "", "été"], &[1, 2]),
            texts(&["bronze", "", "iron", ""], &[1, 3]),
        ],
        tables: vec![
            Table { parent: None, ends: vec![1, 1, 1, 2], columns: vec![texts(&["web", "till"], &[])] },
            Table {
                parent: None,
                ends: vec![2, 2, 3, 4],
                columns: vec![texts(&["a", "b", "c", "bomb"], &[]), integers(&[1, 2, 4, 8])],
            },
            Table { parent: Some(1), ends: vec![1, 3, 3, 3], columns: vec![texts(&["x", "y", "x"], &[])] },
        ],
    }
}

#[test]
fn rows_become_effects_and_effects_columns() {
    let outcome = rule::run::<order_tier>(&batch()).expect("an outcome");
    let told: Vec<String> = outcome.writes.iter().map(|write| format!("{write:?}")).collect();
    assert_eq!(
        told,
        [
            "Write { target: 0, rows: [0, 3], ends: [], values: Values::Integers([3, 8]), unset: [] }",
            "Write { target: 1, rows: [0], ends: [], values: Values::Texts(\"solid-gold\\0\"), unset: [1, 3] }",
            "Write { target: 2, rows: [0, 3], ends: [], values: Values::Booleans([1, 1]), unset: [] }",
            "Write { target: 3, rows: [0, 3], ends: [4, 5], values: Values::Texts(\"web\\0x\\0y\\0x\\0till\\0\"), unset: [1] }",
        ]
    );
    let [event] = outcome.events.as_slice() else { panic!("one event, not {:?}", outcome.events) };
    assert_eq!((event.event, event.rows.as_slice()), (0, &[0][..]));
    let told: Vec<String> = event.columns.iter().map(|column| format!("{column:?}")).collect();
    assert_eq!(
        told,
        [
            "Column { values: Values::Texts(\"bronze\\0\"), absent: [] }",
            "Column { values: Values::Integers([12345]), absent: [] }",
        ]
    );
    let [notes] = outcome.objects.as_slice() else { panic!("one list of changes, not {:?}", outcome.objects) };
    assert_eq!((notes.kind, notes.rows.as_slice(), notes.keys.as_str()), (0, &[0, 1, 3][..], "\0\0\0"));
    let told: Vec<String> = notes.columns.iter().map(|column| format!("{column:?}")).collect();
    assert_eq!(told, ["Column { values: Values::Texts(\"spring\\0none\\0été\\0\"), absent: [] }"]);
}

#[test]
fn a_row_that_fails_fails_alone() {
    let faults = |refuse: &[&str]| {
        let params = vec![none(), texts(refuse, if refuse == [""] { &[0] } else { &[] })];
        let outcome = rule::run::<order_tier>(&Batch { params, ..batch() }).expect("an outcome");
        outcome.faults.into_iter().map(|fault| (fault.row, fault.reason.code)).collect::<Vec<_>>()
    };
    assert_eq!(faults(&[""]), [(2, "malformed-read".to_owned())]);
    assert_eq!(faults(&["bomb"]), [(2, "malformed-read".to_owned()), (3, "refused".to_owned())]);
}

#[test]
fn parameters_and_columns_are_checked() {
    let refused = |batch: &Batch| rule::run::<order_tier>(batch).expect_err("a refusal").code;
    assert_eq!(
        refused(&Batch { params: vec![texts(&["much"], &[]), texts(&[""], &[0])], ..batch() }),
        "malformed-params"
    );
    assert_eq!(refused(&Batch { params: vec![], ..batch() }), "malformed-params");
    assert_eq!(refused(&Batch { columns: vec![texts(&[""], &[])], ..batch() }), "malformed-column");
    assert_eq!(refused(&Batch { tables: Vec::new(), ..batch() }), "malformed-column");
}

#[test]
fn a_rule_is_named_like_its_function() {
    assert_eq!(<order_tier as rule::Rule>::NAME, "order-tier");
}
