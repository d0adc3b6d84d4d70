//! Checks a statement against the usage that it was made of: all that is computed is computed again.

use std::fmt::Display;

use super::{Billed, Line, Statement, StatementError, UsageRow, lines, period_end, zone};
use crate::price::Currency;

/// Something that a statement says, and that does not follow from the usage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// None: of the statement as a whole.
    pub line: Option<u32>,
    pub message: String,
}

/// Everything in which a statement differs from what its usage comes to; nothing: it is right to the cent.
///
/// # Errors
///
/// Where the statement cannot be computed: its plan has faults, or a number is too great.
pub fn verify(statement: &Statement, usage: &[UsageRow]) -> Result<Vec<Finding>, StatementError> {
    let mut findings = Vec::new();
    let mut whole = |message: String| findings.push(Finding { line: None, message });
    if statement.plan.digest() != statement.price {
        whole(format!("The plan's digest is {}, not {}.", statement.plan.digest(), statement.price));
    }
    for earlier in statement.earlier.iter().filter(|earlier| earlier.plan.digest() != earlier.price) {
        let digest = earlier.plan.digest();
        whole(format!("The digest of the plan of statement {} is {digest}, not {}.", earlier.statement, earlier.price));
    }
    match zone(&statement.time_zone).and_then(|zone| period_end(statement.from, &zone)) {
        Some(end) if end != statement.to && !(statement.ends && statement.to < end) => {
            whole(format!("The period ends at {end} in {}, not at {}.", statement.time_zone, statement.to));
        }
        Some(_) => {}
        None => whole(format!("There is no time zone `{:.64}`.", statement.time_zone)),
    }
    let billed = Billed {
        statement: &statement.id,
        from: statement.from,
        to: statement.to,
        plan: &statement.plan,
        unbilled: &statement.unbilled,
    };
    let earlier: Vec<Billed<'_>> = statement
        .earlier
        .iter()
        .map(|of| Billed { statement: &of.statement, from: of.from, to: of.to, plan: &of.plan, unbilled: &of.unbilled })
        .collect();
    let cuts = (statement.corrects_behind, statement.cut, statement.position);
    let computed = lines(&billed, &earlier, cuts, &statement.subscription, usage)?;
    if computed.len() != statement.lines.len() {
        whole(format!("It has {} lines, and the usage comes to {}.", statement.lines.len(), computed.len()));
    }
    let total = total(statement.plan.currency, &computed)?;
    if total != statement.total {
        whole(format!("The total is {}, and the usage comes to {total}.", statement.total));
    }
    for (said, computed) in statement.lines.iter().zip(&computed) {
        compare(said, computed, &mut findings);
    }
    Ok(findings)
}

/// The sum of some lines, as an amount.
pub fn total(currency: Currency, lines: &[Line]) -> Result<String, StatementError> {
    let units = lines.iter().map(|line| currency.parse(&line.amount));
    let sum = units.into_iter().try_fold(0_i64, |sum, units| sum.checked_add(units?));
    sum.map(|sum| currency.format(sum)).ok_or(StatementError::Sum)
}

/// Tells each field that differs.
fn compare(said: &Line, computed: &Line, findings: &mut Vec<Finding>) {
    let line = Some(computed.line);
    let mut field = |name: &str, said: &dyn Display, computed: &dyn Display| {
        let (said, computed) = (said.to_string(), computed.to_string());
        if said != computed {
            let message = format!("`{name}` is {said}, and the usage comes to {computed}.");
            findings.push(Finding { line, message });
        }
    };
    let maybe = |text: Option<String>| text.unwrap_or_else(|| "nothing".to_owned());
    field("line", &said.line, &computed.line);
    field("kind", &format!("{:?}", said.kind), &format!("{:?}", computed.kind));
    field("corrects", &maybe(said.corrects.clone()), &maybe(computed.corrects.clone()));
    let meter = |line: &Line| maybe(line.meter.as_ref().map(ToString::to_string));
    field("meter", &meter(said), &meter(computed));
    field("of", &maybe(said.of.clone()), &maybe(computed.of.clone()));
    field("from", &said.from, &computed.from);
    field("to", &said.to, &computed.to);
    field("cut", &said.cut, &computed.cut);
    field("position", &said.position, &computed.position);
    field("price_plan", &said.price_plan, &computed.price_plan);
    field("quantity", &said.quantity, &computed.quantity);
    field("per", &said.per, &computed.per);
    field("price", &maybe(said.price.clone()), &maybe(computed.price.clone()));
    field("amount", &said.amount, &computed.amount);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Quarter;
    use crate::block::Unbilled;
    use crate::price::{Meter, PricePlan};
    use crate::statement::{Earlier, State};
    use serde_json::{Value, json};

    fn plan() -> PricePlan {
        serde_json::from_value(json!({"currency": "EUR", "fee": "49", "prices": [
            {"meter": "events", "per": 1000, "included": 1000, "tiers": [{"up_to": 10000, "price": "0.4"}, {"price": "0.3"}]},
            {"meter": "messages", "of": "sms", "tiers": [{"price": "0.075"}]},
            {"meter": "reported:seats", "tiers": [{"price": "5"}]},
        ]}))
        .unwrap()
    }

    fn row(at: &str, meter: Meter, of: Option<&str>, cut: i64, quantity: i64) -> UsageRow {
        let quarter = Quarter::of(at.parse().unwrap());
        UsageRow { quarter, meter, of: of.map(str::to_owned), subscription: None, cut, quantity }
    }

    /// Two months in Berlin: the second corrects the first, of which a row came late.
    fn usage() -> Vec<UsageRow> {
        let seats = |subscription: &str, quantity| UsageRow {
            subscription: Some(subscription.to_owned()),
            ..row("2026-11-10T00:00:00Z", Meter::Reported("seats".to_owned()), None, 1, quantity)
        };
        vec![
            row("2026-10-05T00:00:00Z", Meter::Events, None, 0, 9_000),
            row("2026-10-31T22:45:00Z", Meter::Events, None, 1, 4_321),
            row("2026-10-31T23:00:00Z", Meter::Events, None, 1, 12_345),
            row("2026-11-02T08:15:00Z", Meter::Messages, Some("sms"), 1, 7),
            row("2026-11-02T08:15:00Z", Meter::Messages, Some("mail"), 1, 900),
            row("2026-11-30T22:45:00Z", Meter::Events, None, 2, 5),
            seats("sub-1", 3),
            seats("sub-2", 99),
        ]
    }

    fn statement() -> Statement {
        let (plan, at) = (plan(), |text: &str| text.parse().unwrap());
        let mut statement = Statement {
            id: "st-2".to_owned(),
            subscription: "sub-1".to_owned(),
            partner: "branch".to_owned(),
            provider: "enterprise".to_owned(),
            from: at("2026-10-31T23:00:00Z"),
            to: at("2026-11-30T23:00:00Z"),
            time_zone: "Europe/Berlin".to_owned(),
            ends: false,
            state: State::Frozen,
            fault: None,
            cut: 1,
            position: 77,
            corrects_behind: Some(0),
            price: plan.digest(),
            earlier: vec![Earlier {
                statement: "st-1".to_owned(),
                from: at("2026-09-30T22:00:00Z"),
                to: at("2026-10-31T23:00:00Z"),
                price: plan.digest(),
                plan: plan.clone(),
                unbilled: Vec::new(),
            }],
            plan,
            unbilled: Vec::new(),
            lines: Vec::new(),
            total: String::new(),
            freezes_at: at("2026-12-03T23:00:00Z"),
        };
        let (of, before) = (&statement, &statement.earlier[0]);
        let billed = Billed { statement: &of.id, from: of.from, to: of.to, plan: &of.plan, unbilled: &of.unbilled };
        let earlier = Billed {
            statement: &before.statement,
            from: before.from,
            to: before.to,
            plan: &before.plan,
            unbilled: &before.unbilled,
        };
        let computed = lines(&billed, &[earlier], (Some(0), 1, 77), "sub-1", &usage()).unwrap();
        (statement.total, statement.lines) = (total(statement.plan.currency, &computed).unwrap(), computed);
        statement
    }

    #[test]
    fn a_statement_follows_from_its_usage_to_the_cent() {
        let statement = statement();
        let told: Vec<_> = statement.lines.iter().map(|line| (line.kind, line.quantity, &*line.amount)).collect();
        use super::super::LineKind::{Correction, Fee, Included, Usage};
        assert_eq!(
            told,
            [
                (Fee, 1, "49.00"),
                (Included, 1_000, "0.00"),
                (Usage, 10_000, "4.00"),
                (Usage, 1_345, "0.40"),
                // Half a cent goes to the even one.
                (Usage, 7, "0.52"),
                (Usage, 3, "15.00"),
                // 9,000 events were 3.20. There were 13,321: 4.00 for ten thousand, and 0.6963 for the rest.
                (Correction, 4_321, "1.50"),
            ]
        );
        assert_eq!(statement.total, "70.42");
        assert_eq!(verify(&statement, &usage()), Ok(Vec::new()));
    }

    /// All figures, one by one.
    fn places(value: &Value, pointer: String, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                fields.iter().for_each(|(name, value)| places(value, format!("{pointer}/{name}"), found));
            }
            Value::Array(items) => {
                items.iter().enumerate().for_each(|(at, value)| places(value, format!("{pointer}/{at}"), found));
            }
            Value::Number(_) => found.push(pointer),
            Value::String(text) if text.bytes().any(|byte| byte.is_ascii_digit()) => found.push(pointer),
            _ => {}
        }
    }

    fn changed(value: &Value) -> Value {
        match value {
            Value::Number(number) => json!(number.as_i64().unwrap() + 1),
            other => {
                let text = other.as_str().unwrap();
                let last = text.rfind(|c: char| c.is_ascii_digit()).unwrap();
                let digit = if &text[last..=last] == "7" { "8" } else { "7" };
                json!(format!("{}{digit}{}", &text[..last], &text[last + 1..]))
            }
        }
    }

    #[test]
    fn one_changed_figure_of_a_line_is_found_at_its_line() {
        let whole = serde_json::to_value(statement()).unwrap();
        let mut found = Vec::new();
        places(&whole["lines"], String::new(), &mut found);
        assert!(found.len() > 50, "{found:?}");
        for place in found {
            let mut forged = whole.clone();
            let figure = forged["lines"].pointer_mut(&place).unwrap();
            *figure = changed(figure);
            let Ok(forged) = serde_json::from_value::<Statement>(forged) else { continue };
            let line = place[1..].split('/').next().unwrap().parse::<u32>().unwrap() + 1;
            let findings = verify(&forged, &usage()).unwrap();
            assert!(findings.iter().any(|finding| finding.line == Some(line)), "{place}: {findings:?}");
            assert!(findings.iter().all(|finding| finding.line == Some(line)), "{place}: {findings:?}");
        }
    }

    #[test]
    fn one_changed_figure_beside_the_lines_is_found() {
        let whole = serde_json::to_value(statement()).unwrap();
        for place in [
            "/total",
            "/from",
            "/to",
            "/price",
            "/plan/fee",
            "/plan/prices/0/tiers/0/price",
            "/cut",
            "/earlier/0/price",
            "/earlier/0/from",
            "/subscription",
            "/earlier/0/plan/prices/0/included",
            "/corrects_behind",
            "/position",
        ] {
            let mut forged = whole.clone();
            let figure = forged.pointer_mut(place).unwrap();
            *figure = changed(figure);
            let forged: Statement = serde_json::from_value(forged).unwrap();
            assert_ne!(verify(&forged, &usage()), Ok(Vec::new()), "{place}");
        }
    }

    #[test]
    fn one_changed_row_of_the_usage_is_found_if_it_has_a_price() {
        for at in [1, 2, 3, 6] {
            let mut usage = usage();
            usage[at].quantity += 1;
            assert_ne!(verify(&statement(), &usage), Ok(Vec::new()), "{at}");
        }
        for (at, why) in [
            (0, "the statement before has it"),
            (4, "mail has no price"),
            (5, "it is behind the cut"),
            (7, "it is another subscription's"),
        ] {
            let mut usage = usage();
            usage[at].quantity += 1;
            assert_eq!(verify(&statement(), &usage), Ok(Vec::new()), "{why}");
        }
    }

    #[test]
    fn what_is_used_under_a_block_on_billing_is_told_and_costs_nothing() {
        use super::super::LineKind::{Fee, Included, Unbilled as Free, Usage};
        let at = |text: &str| text.parse().unwrap();
        let free = Unbilled { from: at("2026-10-31T23:00:00Z"), to: at("2026-11-02T08:30:00Z") };
        let mut blocked = Statement { unbilled: vec![free], earlier: Vec::new(), corrects_behind: None, ..statement() };
        let billed = Billed {
            statement: "st-2",
            from: blocked.from,
            to: blocked.to,
            plan: &blocked.plan,
            unbilled: &blocked.unbilled,
        };
        let lines = lines(&billed, &[], (None, 1, 77), "sub-1", &usage()).unwrap();
        let told: Vec<_> = lines.iter().map(|line| (line.kind, line.quantity, &*line.amount)).collect();
        assert_eq!(
            told,
            [(Fee, 1, "49.00"), (Usage, 3, "15.00"), (Free, 12_345, "0.00"), (Free, 7, "0.00"),],
            "what is included counts for what is charged alone"
        );
        assert_eq!(told.iter().filter(|line| line.0 == Included).count(), 0);
        (blocked.total, blocked.lines) = (total(blocked.plan.currency, &lines).unwrap(), lines);
        assert_eq!(verify(&blocked, &usage()), Ok(Vec::new()));
        let charged = Statement { unbilled: Vec::new(), ..blocked.clone() };
        assert_ne!(verify(&charged, &usage()), Ok(Vec::new()), "without the block it would be charged");
        let mut longer = blocked;
        longer.unbilled[0].to = at("2026-11-10T00:15:00Z");
        assert_ne!(verify(&longer, &usage()), Ok(Vec::new()), "the block says what is free");
    }

    #[test]
    fn more_lines_than_a_bill_has_are_a_fault() {
        let prices: Vec<Value> = (0..100)
            .map(|at| json!({"meter": "messages", "of": format!("c{at}"), "tiers": [{"up_to": 1, "price": "1"}, {"price": "1"}]}))
            .collect();
        let plan: PricePlan = serde_json::from_value(json!({"currency": "EUR", "prices": prices})).unwrap();
        let usage: Vec<UsageRow> =
            (0..100).map(|at| row("2026-11-02T00:00:00Z", Meter::Messages, Some(&format!("c{at}")), 0, 2)).collect();
        let of = |to: &str| {
            let (from, to) = ("2026-11-02T00:00:00Z".parse().unwrap(), to.parse().unwrap());
            lines(&Billed { statement: "s", from, to, plan: &plan, unbilled: &[] }, &[], (None, 0, 0), "sub", &usage)
        };
        assert_eq!(of("2026-11-02T23:00:00Z"), Err(StatementError::TooManyLines(200, 1)));
        assert_eq!(of("2026-11-03T23:00:00Z").map(|lines| lines.len()), Ok(200));
    }
}
