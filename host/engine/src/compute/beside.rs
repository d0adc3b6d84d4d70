//! A shadow: a version of a rule that is asked about the same rows as the active one, and changes nothing. What differs is told row by
//! row. It is asked in other batches than the active one, so that an answer that depends on the row's neighbours shows.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;

use openhub_model::identity::Marker;
use openhub_model::{Customer, Event, PartId, TenantId};
use openhub_runtime::{Action, CallFault, FaultKind, Outcome};
use openhub_store::{Called, SHADOW_ROWS, ShadowCount, ShadowRow};
use serde_json::{Map, Value, json};

use super::bisect::bisect;
use super::event::Happening;
use super::plan::body;
use super::project::{Row, Seen, project};
use super::values::{to_json, to_lists};
use crate::catalog::{Allowance, Rule};
use crate::meter::Meter;

/// Rows that differ are asked about alone, so many a call.
const ALONE: usize = 10;
/// Bytes of what is kept of a row that differs; of a longer one, the paths alone are.
const LONGEST: usize = 8 << 10;

/// What a version of a rule does for each row of a call, as JSON.
pub fn told(rule: &Rule, rows: usize, outcome: &Outcome) -> Vec<Value> {
    let mut all: Vec<Map<String, Value>> = vec![Map::new(); rows];
    let mut put = |row: u32, kind: &str, name: String, value: Value| {
        let Some(effects) = all.get_mut(row as usize) else { return };
        if let Some(of) = effects.entry(kind).or_insert_with(|| json!({})).as_object_mut() {
            of.insert(name, value);
        }
    };
    for write in &outcome.writes {
        let Some(target) = rule.writes.get(write.target as usize) else { continue };
        let values: Box<dyn Iterator<Item = Value>> = match target.list {
            true => Box::new(to_lists(&target.of, &write.ends, &write.values).into_iter()),
            false => to_json(&target.of, &write.values),
        };
        write.rows.iter().zip(values).for_each(|(row, value)| put(*row, "writes", target.path.to_string(), value));
        write.unset.iter().for_each(|row| put(*row, "writes", target.path.to_string(), Value::Null));
    }
    for (number, event) in outcome.events.iter().enumerate() {
        let properties: Value = serde_json::from_str(&event.properties).unwrap_or_default();
        let value = json!({"name": event.name, "properties": properties});
        put(event.row, "events", ordinal(outcome.events.iter().map(|event| event.row), number, event.row), value);
    }
    for (number, object) in outcome.objects.iter().enumerate() {
        let fields: Value = serde_json::from_str(&object.fields).unwrap_or_default();
        let action = match object.action {
            Action::Create => "create",
            Action::Merge => "merge",
            Action::Delete => "delete",
        };
        let value = json!({"action": action, "type": object.kind, "key": object.key, "fields": fields});
        put(object.row, "objects", ordinal(outcome.objects.iter().map(|object| object.row), number, object.row), value);
    }
    // A row that is refused has no effects.
    for fault in &outcome.faults {
        if let Some(effects) = all.get_mut(fault.row as usize) {
            *effects = [("refused".to_owned(), json!(fault.reason.code))].into_iter().collect();
        }
    }
    all.into_iter().map(Value::Object).collect()
}

/// The how manyth of its row this one is.
fn ordinal(rows: impl Iterator<Item = u32>, number: usize, of: u32) -> String {
    rows.take(number).filter(|row| *row == of).count().to_string()
}

/// What a version does for a row that it breaks off on.
pub fn broke_off(fault: &CallFault) -> Value {
    json!({"broke_off": fault.kind.as_str()})
}

/// With the words of a version that broke off. They are shown and not compared: where in its code it was is of each version alone.
fn explained(mut answer: Value, why: Option<String>) -> Value {
    if let Some(why) = why {
        answer["message"] = why.into();
    }
    answer
}

/// What differs between two answers: paths of writes, and what is caused.
fn paths(active: &Value, shadow: &Value) -> Vec<String> {
    let keys =
        |value: &Value| -> Vec<String> { value.as_object().map(|of| of.keys().cloned().collect()).unwrap_or_default() };
    let mut paths = Vec::new();
    for kind in ["writes", "events", "objects", "refused", "broke_off"] {
        let (a, b) = (&active[kind], &shadow[kind]);
        if a == b {
            continue;
        }
        if kind == "writes" {
            let names = keys(a).into_iter().chain(keys(b)).filter(|name| a.get(name) != b.get(name));
            paths.extend(names);
        } else {
            paths.push(kind.to_owned());
        }
    }
    paths.sort();
    paths.dedup();
    paths
}

/// Who is compared, for whom.
pub struct Pair<'a> {
    pub tenant: TenantId,
    pub marker: &'a Marker,
    pub active: &'a Rule,
    pub shadow: &'a Rule,
}

/// What came of comparing the rows of calls.
#[derive(Default)]
pub struct Comparison {
    counts: BTreeMap<(String, String), ShadowCount>,
    /// The first by the log of each plugin.
    rows: BTreeMap<(String, i64, String, String), ShadowRow>,
    pub meter: Meter,
}

impl Comparison {
    /// Asks the shadow about rows that the active version has answered for, and compares. `fuel` is what the active version burnt.
    pub fn compare(&mut self, pair: &Pair<'_>, rows: &[Row<'_>], active: &[Value], fuel: u64, allowance: &Allowance) {
        allowance.earn(fuel);
        let mut count = ShadowCount {
            plugin: pair.active.owner.installation.name.clone(),
            rule: pair.active.name.to_string(),
            fuel: i64::try_from(fuel).unwrap_or(i64::MAX),
            ..ShadowCount::default()
        };
        let mut meter = Meter::default();
        let (mut alone, mut open) = (0, cut_anew(rows.len(), pair.shadow.rows()));
        open.reverse();
        while let Some(range) = open.pop() {
            if allowance.is_spent() {
                count.skipped += range.len() as i64;
                continue;
            }
            let mut why = None;
            let answers = match ask(pair, &rows[range.clone()], allowance, &mut meter) {
                Ok(answers) => answers,
                // The machine's doing says nothing of the row.
                Err(fault) if matches!(fault.kind, FaultKind::Epoch | FaultKind::Host) => {
                    count.skipped += range.len() as i64;
                    continue;
                }
                Err(fault) if range.len() <= 1 => {
                    count.faults += 1;
                    let broke_off = broke_off(&fault);
                    why = Some(fault.message);
                    vec![broke_off]
                }
                Err(_) => {
                    let middle = range.start + range.len() / 2;
                    open.push(middle..range.end);
                    open.push(range.start..middle);
                    continue;
                }
            };
            count.compared += range.len() as i64;
            for (row, answer) in range.clone().zip(answers) {
                if answer == active[row] {
                    continue;
                }
                count.differing += 1;
                let mut depends = false;
                if range.len() > 1 && alone < ALONE && !allowance.is_spent() {
                    alone += 1;
                    let again = ask(pair, &rows[row..=row], allowance, &mut meter);
                    depends = again.is_ok_and(|again| again.first() != Some(&answer));
                }
                count.neighbours += i64::from(depends);
                self.keep(&count, &rows[row], (&active[row], &explained(answer, why.take())), depends);
            }
        }
        count.shadow_fuel = i64::try_from(meter.fuel()).unwrap_or(i64::MAX);
        self.meter.add(meter);
        let key = (count.plugin.clone(), count.rule.clone());
        self.counts.entry(key).and_modify(|known| known.add(&count)).or_insert(count);
    }

    /// Keeps the first rows of each plugin, by the log, whatever the order in which a batch comes to them.
    fn keep(&mut self, of: &ShadowCount, row: &Row<'_>, (active, shadow): (&Value, &Value), neighbours: bool) {
        let event = row.event;
        let paths = paths(active, shadow);
        let mut differs =
            json!({"paths": paths, "neighbours": neighbours, "active": active, "shadow": shadow}).to_string();
        if differs.len() > LONGEST {
            differs = json!({"paths": paths, "neighbours": neighbours}).to_string();
        }
        let (plugin, rule) = (of.plugin.clone(), of.rule.clone());
        let message_id = event.message_id.to_string();
        let key = (plugin.clone(), event.position, message_id.clone(), rule.clone());
        let kept = ShadowRow { plugin, rule, message_id, position: event.position, part: event.part, differs };
        self.rows.insert(key, kept);
        let first = (of.plugin.clone(), i64::MIN, String::new(), String::new());
        let of_plugin = self.rows.range(first..).take_while(|((plugin, ..), _)| *plugin == of.plugin);
        let of_plugin = of_plugin.map(|(key, _)| key);
        if of_plugin.clone().count() as i64 > SHADOW_ROWS
            && let Some(last) = of_plugin.last().cloned()
        {
            self.rows.remove(&last);
        }
    }

    /// The sums by rule, and the rows that are kept.
    pub fn finish(self) -> (Vec<ShadowCount>, Vec<ShadowRow>) {
        (self.counts.into_values().collect(), self.rows.into_values().collect())
    }
}

/// Asks both about stored events, with the customers as they are: those that the rule runs on and that have what it requires.
pub fn asked_over(
    pair: &Pair<'_>,
    events: &[Event],
    customers: &HashMap<PartId, Arc<Customer>>,
    comparison: &mut Comparison,
    allowance: &Allowance,
) {
    let of = events.iter().filter(|event| pair.active.on.contains(&event.name));
    let happened: Vec<(Happening, &Arc<Customer>)> = of
        .filter_map(|event| {
            let customer = customers.get(&event.part?)?;
            let at = event.occurred_at;
            let happening = Happening::of(event, body(event), at, at);
            (happening.triggers() && happening.only.is_none()).then_some((happening, customer))
        })
        .collect();
    let rows = happened.iter().map(|(event, customer)| Row { event, customer, seen: Seen::default() });
    let rows: Vec<Row<'_>> = rows.filter(|row| row.lacks(pair.active).is_none()).collect();
    rows.chunks(pair.active.rows()).for_each(|rows| compare_over(pair, rows, comparison, allowance));
}

fn compare_over(pair: &Pair<'_>, rows: &[Row<'_>], comparison: &mut Comparison, allowance: &Allowance) {
    let call = pair.active.owner.quiet();
    let mut fuel = 0;
    let pieces = bisect(rows.len(), true, |range| {
        let batch = project(pair.tenant, pair.marker, pair.active, &rows[range]);
        let answer = pair.active.owner.plugin.evaluate(&call, &pair.active.name, &batch);
        fuel += answer.as_ref().map_or_else(|fault| fault.receipt.fuel, |evaluated| evaluated.receipt.fuel);
        answer
    });
    let active = pieces.into_iter().flatten().flat_map(|(range, evaluated)| match evaluated {
        Ok(evaluated) => told(pair.active, range.len(), &evaluated.outcome),
        Err(fault) => vec![broke_off(&fault)],
    });
    let active: Vec<Value> = active.collect();
    comparison.compare(pair, rows, &active, fuel, allowance);
}

/// Other batches than the active version was asked in: two, of a third and of two, or more if the shadow takes fewer rows at once.
fn cut_anew(rows: usize, most: usize) -> Vec<Range<usize>> {
    let first = rows / 3;
    let within = |range: Range<usize>| {
        let end = range.end;
        range.step_by(most).map(move |from| from..(from + most).min(end))
    };
    [0..first, first..rows].into_iter().flat_map(within).collect()
}

fn ask(pair: &Pair<'_>, rows: &[Row<'_>], allowance: &Allowance, meter: &mut Meter) -> Result<Vec<Value>, CallFault> {
    let Pair { tenant, marker, shadow, .. } = pair;
    let call = shadow.owner.context();
    let answer = shadow.owner.plugin.evaluate(&call, &shadow.name, &project(*tenant, marker, shadow, rows));
    let mut this = Meter::default();
    this.answered((&shadow.owner.installation, Called::Shadow, &shadow.name), rows.len(), &answer);
    allowance.spend(this.fuel());
    meter.add(this);
    answer.map(|evaluated| told(shadow, rows.len(), &evaluated.outcome))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_told_by_paths() {
        let active = json!({"writes": {"customer.attributes.tier": "gold", "customer.attributes.points": 1}, "events": {"0": 1}});
        let shadow = json!({"writes": {"customer.attributes.tier": "gold", "customer.attributes.points": 2}});
        assert_eq!(paths(&active, &shadow), ["customer.attributes.points", "events"]);
        assert_eq!(paths(&active, &json!({"broke_off": "trap"})).len(), 4);
    }

    #[test]
    fn b2_a_row_that_breaks_off_has_its_message_and_differs_in_nothing_else() {
        let fault = CallFault::new(FaultKind::Trap, "unreachable; last error logged: no tier");
        let shown = explained(broke_off(&fault), Some(fault.message.clone()));
        assert_eq!(shown, json!({"broke_off": "trap", "message": "unreachable; last error logged: no tier"}));
        assert_eq!(paths(&broke_off(&fault), &shown), [""; 0]);
    }

    #[test]
    fn rows_are_asked_about_in_other_batches() {
        let cut_anew = |rows| cut_anew(rows, 1_000);
        assert_eq!(cut_anew(0), []);
        assert_eq!(cut_anew(1).into_iter().flatten().collect::<Vec<_>>(), [0]);
        assert_eq!(cut_anew(10), [0..3, 3..10]);
        assert_eq!(super::cut_anew(10, 4), [0..3, 3..7, 7..10]);
    }
}
