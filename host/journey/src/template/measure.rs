//! The filters and tests of templates, and the measure of what a template reads: fuel counts instructions, and not the work
//! inside one. Whatever walks a value counts it first, and makes nothing larger than what it was given.

use minijinja::value::{Value, ValueKind};
use minijinja::{Environment, Error, State, filters, tests};
use std::borrow::Cow;
use std::cell::Cell;

use super::language::{INDEXED, WEIGHED, refused};

/// Bytes that a filter may make.
const MAX_MADE: usize = 256 * 1024;
/// Bytes that the texts of a node may read.
const MAX_READ: usize = 2 * 1024 * 1024;
/// Instructions that the texts of a node may take.
const MAX_FUEL: u64 = 200_000;
/// A value beside its text, in bytes: to look at it takes as long.
const VALUE: usize = 16;

/// Filters and tests whose work is bounded by what they are given.
pub(super) fn furnish(environment: &mut Environment<'_>) {
    environment.add_filter(WEIGHED, |value: Value| weigh(&value).map(|()| value));
    environment.add_filter(INDEXED, |value: Value| measured(&value).map(|()| value));
    environment.add_filter("abs", filters::abs);
    environment.add_filter("capitalize", |text: Cow<'_, str>| read(&text, capitalize));
    environment.add_filter("count", length);
    environment.add_filter("d", filters::default);
    environment.add_filter("default", filters::default);
    environment.add_filter("first", |value: &Value| measured(value).and_then(|()| filters::first(value)));
    environment.add_filter("float", |state: &State<'_, '_>, value: &Value| {
        measured(value).and_then(|()| filters::float(state, value))
    });
    environment.add_filter("int", |state: &State<'_, '_>, value: &Value| {
        measured(value).and_then(|()| filters::int(state, value))
    });
    environment.add_filter("join", join);
    environment.add_filter("last", |value: Value| measured(&value).and_then(|()| filters::last(value)));
    environment.add_filter("length", length);
    environment.add_filter("lower", |text: Cow<'_, str>| read(&text, str::to_lowercase));
    environment.add_filter("max", |state: &State<'_, '_>, values: Value| {
        weigh(&values).and_then(|()| filters::max(state, values))
    });
    environment.add_filter("min", |state: &State<'_, '_>, values: Value| {
        weigh(&values).and_then(|()| filters::min(state, values))
    });
    environment.add_filter("plus", |left: Value, right: Value| number(&left, &right, |left, right| left + right));
    environment.add_filter("replace", replace);
    environment.add_filter("round", filters::round);
    environment.add_filter("times", |left: Value, right: Value| number(&left, &right, |left, right| left * right));
    environment.add_filter("title", |text: Cow<'_, str>| read(&text, |text| filters::title(text.into())));
    environment.add_filter("trim", trim);
    environment.add_filter("upper", |text: Cow<'_, str>| read(&text, str::to_uppercase));
    environment.add_test("boolean", tests::is_boolean);
    environment.add_test("defined", tests::is_defined);
    environment.add_test("divisibleby", tests::is_divisibleby);
    environment.add_test("endingwith", |text: Cow<'_, str>, end: Cow<'_, str>| {
        reads(end.len()).map(|()| tests::is_endingwith(text, end))
    });
    environment.add_test("even", tests::is_even);
    environment.add_test("in", |state: &State<'_, '_>, value: &Value, values: &Value| {
        weigh(value).and_then(|()| weigh(values)).and_then(|()| tests::is_in(state, value, values))
    });
    environment.add_test("mapping", tests::is_mapping);
    environment.add_test("none", tests::is_none);
    environment.add_test("number", tests::is_number);
    environment.add_test("odd", tests::is_odd);
    environment.add_test("sequence", tests::is_sequence);
    environment.add_test("startingwith", |text: Cow<'_, str>, begin: Cow<'_, str>| {
        reads(begin.len()).map(|()| tests::is_startingwith(text, begin))
    });
    environment.add_test("string", tests::is_string);
    environment.add_test("undefined", tests::is_undefined);
}

thread_local! {
    /// What a node has read and spent since its texts began to be rendered: a loop would have the same read again and again, and
    /// so would many texts.
    static READ: Cell<usize> = const { Cell::new(0) };
    static SPENT: Cell<u64> = const { Cell::new(0) };
}

/// The texts of a node are rendered from now on.
pub(super) fn begin() {
    READ.set(0);
    SPENT.set(0);
}

/// A text took so many instructions.
pub(super) fn spends(fuel: u64) -> Result<(), Error> {
    SPENT.set(SPENT.get().saturating_add(fuel));
    if SPENT.get() > MAX_FUEL {
        Err(refused(&format!("the texts of this node take too many steps: at most {MAX_FUEL} together")))
    } else {
        Ok(())
    }
}

fn reads(bytes: usize) -> Result<(), Error> {
    READ.set(READ.get().saturating_add(bytes));
    if READ.get() > MAX_READ {
        Err(refused(&format!("the texts of this node read too much: at most {MAX_READ} bytes together")))
    } else {
        Ok(())
    }
}

/// A value with everything in it, as who compares it or looks for something in it walks it.
pub(super) fn weigh(value: &Value) -> Result<(), Error> {
    if let Some(text) = value.as_str() {
        return reads(VALUE + text.len());
    }
    reads(VALUE)?;
    match value.kind() {
        ValueKind::Seq | ValueKind::Iterable => value.try_iter()?.try_for_each(|item| weigh(&item)),
        ValueKind::Map => value.try_iter()?.try_for_each(|key| {
            weigh(&key)?;
            value.get_item(&key).and_then(|item| weigh(&item))
        }),
        _ => Ok(()),
    }
}

/// A text, or a list without what is in its values.
fn measured(value: &Value) -> Result<(), Error> {
    reads(value.as_str().map_or_else(|| value.len().unwrap_or_default(), str::len))
}

fn read(text: &str, make: impl Fn(&str) -> String) -> Result<String, Error> {
    reads(text.len())?;
    Ok(make(text))
}

fn length(value: &Value) -> Result<usize, Error> {
    measured(value)?;
    filters::length(value)
}

fn capitalize(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(char::to_uppercase).into_iter().flatten();
    first.chain(letters.flat_map(char::to_lowercase)).collect()
}

fn trim(text: Cow<'_, str>, letters: Option<Cow<'_, str>>) -> Result<String, Error> {
    read(&text, |text| match &letters {
        None => text.trim().to_owned(),
        Some(letters) => text.trim_matches(|letter| letters.contains(letter)).to_owned(),
    })
}

/// Whole numbers stay whole as long as they fit.
fn number(left: &Value, right: &Value, reckon: fn(f64, f64) -> f64) -> Result<Value, Error> {
    let both = (left.kind(), right.kind());
    if both != (ValueKind::Number, ValueKind::Number) {
        return Err(refused("both values must be numbers"));
    }
    let (a, b) = (f64::try_from(left.clone())?, f64::try_from(right.clone())?);
    let made = reckon(a, b);
    // Below this a double holds every whole number.
    let is_whole = left.is_integer() && right.is_integer() && made.abs() < 9_007_199_254_740_992.0;
    Ok(if is_whole { Value::from(made as i64) } else { Value::from(made) })
}

fn join(values: &Value, between: Option<&str>) -> Result<String, Error> {
    measured(values)?;
    let mut made = String::new();
    for (index, value) in values.try_iter()?.enumerate() {
        if index > 0 {
            made.push_str(between.unwrap_or_default());
        }
        match value.as_str() {
            Some(text) => made.push_str(text),
            None if matches!(value.kind(), ValueKind::Number | ValueKind::Bool) => made.push_str(&value.to_string()),
            None => return Err(refused("`join` takes only strings, numbers and booleans")),
        }
        fits(made.len())?;
    }
    reads(made.len())?;
    Ok(made)
}

fn replace(text: &str, old: &str, new: &str) -> Result<String, Error> {
    reads(text.len().saturating_add(old.len()))?;
    let times = text.matches(old).count();
    fits(text.len().saturating_add(times.saturating_mul(new.len())))?;
    Ok(text.replace(old, new))
}

fn fits(bytes: usize) -> Result<(), Error> {
    if bytes > MAX_MADE { Err(refused(&format!("the text is too long: at most {MAX_MADE} bytes"))) } else { Ok(()) }
}
