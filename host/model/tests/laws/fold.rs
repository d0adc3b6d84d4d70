//! The fold of parts: by each attribute's strategy, without regard to order, and exact when a part is taken away.

use openhub_model::customer::{Consent, Merge, Merges, Names, fold};
use openhub_model::{Cause, Customer, Identity, TenantId, Timestamp, limits};
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

/// What the parts of one customer are told, and in which order they are joined to the first.
#[derive(Clone, Debug)]
enum Step {
    Write(usize, i64, Write, Who),
    Join(usize),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Who {
    Server,
    Page,
}

const PARTS: usize = 5;

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let number = prop_oneof![any::<i8>().prop_map(i64::from), Just(i64::MAX), Just(i64::MIN)];
    let n = number.prop_map(|n| Write::Set("n".into(), json!(n)));
    let write = prop_oneof![4 => write(), 1 => n, 1 => Just(Write::Set("n".into(), json!("no number")))];
    let who = prop_oneof![Just(Who::Server), Just(Who::Page)];
    let writes = (0..PARTS, 1i64..30, write, who).prop_map(|(part, at, write, who)| Step::Write(part, at, write, who));
    let step = prop_oneof![5 => writes, 1 => (1..PARTS).prop_map(Step::Join)];
    prop::collection::vec(step, 0..60)
}

/// Writes as the engine does, and names what is written.
fn tell(part: &mut Customer, number: usize, at: i64, write: &Write, who: Who, joined: Option<&Customer>) -> Names {
    // An event tells one part.
    let cause = Cause { event: format!("event-{number}-{at}").into(), ..cause(at) };
    let cause = if who == Who::Page { cause.by_page() } else { cause };
    let mut names = Names::default();
    match write {
        Write::Set(name, value) => {
            part.set(name, value.clone(), cause);
            names.attributes.push(name.clone());
        }
        Write::Add(amount) => {
            part.add("n", *amount, cause);
            names.attributes.push("n".into());
        }
        Write::Tag(present) => {
            part.set_tag("vip", (*present).into(), cause);
            names.tags.push("vip".into());
        }
        Write::Consent(granted) => {
            let state = if *granted { "granted" } else { "denied" };
            let joined = joined.and_then(|joined| joined.consents.get("marketing"));
            part.set_consent("marketing", json!({ "state": state }), cause, joined);
            names.consents.push("marketing".into());
        }
    }
    names
}

proptest! {
    #[test]
    fn a_customer_that_grows_by_steps_is_the_fold_of_its_parts(steps in steps()) {
        let merges = merges();
        let mut parts: Vec<Customer> = (0..PARTS).map(|number| part(&number.to_string())).collect();
        let mut groups: Vec<Vec<usize>> = (0..PARTS).map(|number| vec![number]).collect();
        let mut folded = parts.clone();
        for step in &steps {
            let home = |groups: &[Vec<usize>], part: usize| groups.iter().position(|of| of.contains(&part)).unwrap();
            match step {
                Step::Write(number, at, write, who) => {
                    let home = home(&groups, *number);
                    let names = tell(&mut parts[*number], *number, *at, write, *who, Some(&folded[home]));
                    folded[home].refold(&names, groups[home].iter().map(|part| &parts[*part]), &merges);
                }
                Step::Join(number) => {
                    let (first, second) = (home(&groups, 0), home(&groups, *number));
                    if first == second {
                        continue;
                    }
                    let theirs = (groups.remove(second), folded.remove(second));
                    let first = home(&groups, 0);
                    groups[first].extend(theirs.0);
                    folded[first].join(&theirs.1, groups[first].iter().map(|part| &parts[*part]), &merges);
                }
            }
        }
        for (of, folded) in groups.iter().zip(&folded) {
            let states: Vec<&Customer> = of.iter().map(|part| &parts[*part]).collect();
            prop_assert_eq!(folded, &fold(states.iter().copied(), &merges).unwrap());
            prop_assert_eq!(folded, &{
                let mut other = fold(states.iter().rev().copied(), &merges).unwrap();
                (other.part, other.customer, other.identity) = (folded.part, folded.customer, folded.identity.clone());
                other
            });
        }
    }
}

/// However many parts a customer has, and whatever each of them has.
#[test]
fn a_joined_customer_has_a_bound() {
    let parts: Vec<Customer> = (0..40)
        .map(|number| {
            let mut part = part(&number.to_string());
            for value in 0..150 {
                let said = Cause { event: format!("{number}").into(), ..cause(value) };
                let said = if number % 2 == 0 { said.by_page() } else { said };
                part.set(&format!("v{value}_{number}"), json!(value), said.clone());
                part.set_tag(&format!("t{value}_{number}"), json!(true), said.clone());
                part.set_consent(&format!("p{value}_{number}"), json!({"state": "denied"}), said, None);
            }
            part.set_consent("agreed", json!({"state": "granted"}), cause(number), None);
            part.set_consent("agreed/sms", json!({"state": "denied"}), cause(number).by_page(), None);
            part
        })
        .collect();
    let all = fold(&parts, &Merges::new()).unwrap();
    let of_pages = |customer: &Customer| customer.attributes.values().filter(|held| held.cause.is_page()).count();
    assert_eq!((all.attributes.len(), of_pages(&all)), (limits::VALUES, 0), "servers go before pages");
    assert_eq!((all.tags.len(), all.consents.len()), (limits::VALUES, limits::VALUES));
    let paged = all.consents.iter().filter(|(_, held)| held.cause.is_page()).map(|(key, _)| key.as_str());
    assert_eq!(paged.collect::<Vec<_>>(), ["agreed/sms"], "here too, but for what keeps something from being sent");
    assert_eq!(all.consent("agreed", Some("email")), Consent::Granted, "what lets something be sent stays");
    assert_eq!(all.consent("agreed", Some("sms")), Consent::Denied, "and what keeps it from being sent");
    let pages = fold(parts.iter().step_by(2), &Merges::new()).unwrap();
    assert_eq!((pages.attributes.len(), of_pages(&pages)), (limits::PAGE_VALUES, limits::PAGE_VALUES));
    assert_eq!(pages.consents.len(), limits::PAGE_CONSENTS);
    assert_eq!(pages.consent("agreed", Some("sms")), Consent::Denied);
    // And in whatever order they come, by steps.
    for order in [(0..40).collect::<Vec<usize>>(), (0..40).rev().collect(), (0..40).map(|part| part * 7 % 40).collect()]
    {
        let mut joined = parts[order[0]].clone();
        for (place, part) in order.iter().enumerate().skip(1) {
            let states = order[..=place].iter().map(|part| &parts[*part]);
            joined.join(&parts[*part], states, &Merges::new());
        }
        (joined.part, joined.customer, joined.identity) = (all.part, all.customer, all.identity.clone());
        assert_eq!(joined, all);
    }
}
