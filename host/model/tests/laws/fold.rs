//! The fold of parts: by each attribute's strategy, without regard to order, and exact when a part is taken away.

use openhub_model::customer::{Consent, Merge, Merges, fold};
use openhub_model::{Customer, Identity, TenantId, Timestamp};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::cause;

fn part(name: &str) -> Customer {
    let identity = Identity::new(Identity::USER_ID, name);
    Customer::new(identity.part(TenantId(1)), identity, Timestamp::from_micros(0))
}

fn merges() -> Merges {
    [("first", Merge::Oldest), ("n", Merge::Sum), ("name", Merge::NonEmpty), ("low", Merge::Min), ("high", Merge::Max)]
        .map(|(name, merge)| (name.to_owned(), merge))
        .into()
}

#[derive(Clone, Debug)]
enum Write {
    Set(String, Value),
    Add(i64),
    Tag(bool),
    Consent(bool),
}

fn write() -> impl Strategy<Value = Write> {
    let value = prop_oneof![Just(json!(null)), Just(json!("")), any::<i8>().prop_map(|n| json!(n)), Just(json!("x"))];
    prop_oneof![
        ("first|name|low|high|other", value).prop_map(|(name, value)| Write::Set(name, value)),
        (-9i64..9).prop_map(Write::Add),
        any::<bool>().prop_map(Write::Tag),
        any::<bool>().prop_map(Write::Consent),
    ]
}

fn apply(part: &mut Customer, at: i64, write: &Write) {
    let cause = cause(at);
    part.saw(cause.at);
    match write {
        Write::Set(name, value) => drop(part.set(name, value.clone(), cause)),
        Write::Add(amount) => part.add("n", *amount, cause),
        Write::Tag(present) => drop(part.set_tag("vip", (*present).into(), cause)),
        Write::Consent(granted) => {
            let state = if *granted { "granted" } else { "denied" };
            part.set_consent("marketing", json!({ "state": state }), cause, None);
        }
    }
}

proptest! {
    #[test]
    fn parts_fold_without_regard_to_order_and_come_apart_again(
        writes in prop::collection::btree_map(1i64..1000, (0usize..3, write()), 0..30)
    ) {
        let mut parts = ["a", "b", "c"].map(part);
        for (at, (to, write)) in &writes {
            apply(&mut parts[*to], *at, write);
        }
        let before = parts.clone();
        let [a, b, c] = &parts;
        let merges = merges();
        let all = fold([a, b, c], &merges).unwrap();
        let named = |mut customer: Customer| {
            (customer.part, customer.customer, customer.identity) = (a.part, a.customer, a.identity.clone());
            customer
        };
        prop_assert_eq!(&all, &named(fold([c, a, b], &merges).unwrap()));
        // Joined in two steps, and taken apart again: what is left is what was there.
        let two = fold([a, b], &merges).unwrap();
        prop_assert_eq!(&two, &fold([a, b], &merges).unwrap());
        prop_assert_eq!(&fold([c], &merges).unwrap(), &before[2]);
        let sum: i64 = parts.iter().filter_map(|part| part.attribute("n")?.as_i64()).sum();
        prop_assert_eq!(all.attribute("n").and_then(Value::as_i64).unwrap_or(0), sum);
        let states: Vec<Consent> = parts.iter().map(|part| part.consent("marketing", None)).collect();
        let expected = match states.as_slice() {
            states if states.contains(&Consent::Denied) => Consent::Denied,
            states if states.contains(&Consent::Granted) => Consent::Granted,
            _ => Consent::Unset,
        };
        prop_assert_eq!(all.consent("marketing", Some("email")), expected);
    }
}

#[test]
fn a_joined_customer_can_agree_anew() {
    let (mut a, mut b) = (part("a"), part("b"));
    a.set_consent("marketing", json!({"state": "denied"}), cause(1), None);
    b.set_consent("marketing", json!({"state": "granted"}), cause(2), None);
    let joined = fold([&a, &b], &Merges::new()).unwrap();
    assert_eq!(joined.consent("marketing", None), Consent::Denied, "the more restrictive holds");
    b.set_consent("marketing", json!({"state": "granted"}), cause(3), joined.consents.get("marketing"));
    let joined = fold([&a, &b], &Merges::new()).unwrap();
    assert_eq!(joined.consent("marketing", None), Consent::Granted);
    assert_eq!(a.consent("marketing", None), Consent::Denied, "the part keeps what was said of it");
    a.set_consent("marketing", json!({"state": "denied"}), cause(4), joined.consents.get("marketing"));
    let joined = fold([&a, &b], &Merges::new()).unwrap();
    assert_eq!(joined.consent("marketing", None), Consent::Denied, "and can withdraw it");
}

#[test]
fn a_channel_goes_before_its_purpose() {
    let mut customer = part("a");
    customer.set_consent("news", json!({"state": "granted", "source": "form", "junk": 1}), cause(1), None);
    customer.set_consent("news/sms", json!({"state": "denied"}), cause(1), None);
    assert_eq!(customer.consent("news", Some("email")), Consent::Granted);
    assert_eq!(customer.consent("news", Some("sms")), Consent::Denied);
    assert_eq!(
        customer.consents.get("news").expect("it is recorded").value,
        json!({"state": "granted", "source": "form"})
    );
    customer.set_consent("news/sms", Value::Null, cause(2), None);
    assert_eq!(customer.consent("news", Some("sms")), Consent::Granted);
    assert_eq!(customer.consent("other", None), Consent::Unset);
}
