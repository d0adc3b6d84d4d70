//! From effects to columns: what `#[derive(Writes)]` generates against.

use crate::bindings::rule::exports::openhub::rule::rule::{Action, Change, Emit, Outcome, Write};
use crate::bindings::rule::openhub::types::columns::{Column, Values};
use crate::data_object::{DataObject, ObjectEffect};
use crate::decimal::Decimal;
use crate::event::Event;
use crate::field::CustomerRef;
use crate::time::Timestamp;

/// What happens to a value: it stays, becomes another, or is taken away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Set<T> {
    #[default]
    Keep,
    To(T),
    Unset,
}

pub use Set::{Keep, To, Unset};

/// What is added to a counter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Add(pub i64);

/// A struct that is what a rule does to one row.
pub trait Writes: Sized {
    type Sinks;

    /// Nothing yet. No `Default`: the tuples of the generated code have it up to twelve only.
    fn sinks() -> Self::Sinks;
    fn collect(self, row: u32, sinks: &mut Self::Sinks);
    /// Targets are the fields' numbers, in order.
    fn finish(sinks: Self::Sinks, outcome: &mut Outcome);
}

/// A field's type: `Set` or `Add`.
pub trait Writable {
    type Sink: Default;

    fn put(self, row: u32, sink: &mut Self::Sink);
    fn finish(sink: Self::Sink, target: u32, outcome: &mut Outcome);
}

/// A value that fills one kind of column.
pub trait Storable {
    type Column: Default;

    fn push(self, column: &mut Self::Column);
    /// Holds the place of a value that is not there.
    fn skip(column: &mut Self::Column);
    fn values(column: Self::Column) -> Values;
}

/// A value, or an `Option` of one, that fills one kind of column.
pub trait Cell {
    type Cells: Default;

    fn put(self, cells: &mut Self::Cells);
    fn column(cells: Self::Cells) -> Column;
}

/// A column that is being filled, some of whose values may not be there.
#[derive(Default)]
pub struct Cells<C> {
    column: C,
    absent: Vec<u32>,
    count: u32,
}

impl<T: Storable> Cell for T {
    type Cells = Cells<T::Column>;

    #[inline]
    fn put(self, cells: &mut Self::Cells) {
        self.push(&mut cells.column);
        cells.count += 1;
    }

    fn column(cells: Self::Cells) -> Column {
        Column { values: T::values(cells.column), absent: cells.absent }
    }
}

impl<T: Storable> Cell for Option<T> {
    type Cells = Cells<T::Column>;

    #[inline]
    fn put(self, cells: &mut Self::Cells) {
        match self {
            Some(value) => value.push(&mut cells.column),
            None => {
                T::skip(&mut cells.column);
                cells.absent.push(cells.count);
            }
        }
        cells.count += 1;
    }

    fn column(cells: Self::Cells) -> Column {
        <T as Cell>::column(cells)
    }
}

/// A list of an object stays as it is: what a rule does to objects crosses as columns, and those have one value an entry.
impl<T: Storable> Cell for Vec<T> {
    type Cells = Cells<T::Column>;

    fn put(self, cells: &mut Self::Cells) {
        assert!(self.is_empty(), "a rule cannot write a list of an object: leave it empty");
        <Option<T> as Cell>::put(None, cells);
    }

    fn column(cells: Self::Cells) -> Column {
        <T as Cell>::column(cells)
    }
}

/// The rows that one write touches, so far.
pub struct Sink<C> {
    rows: Vec<u32>,
    column: C,
    unset: Vec<u32>,
}

impl<C: Default> Default for Sink<C> {
    fn default() -> Self {
        Sink { rows: Vec::new(), column: C::default(), unset: Vec::new() }
    }
}

impl<T: Storable> Writable for Set<T> {
    type Sink = Sink<T::Column>;

    #[inline]
    fn put(self, row: u32, sink: &mut Self::Sink) {
        match self {
            Keep => {}
            To(value) => {
                sink.rows.push(row);
                value.push(&mut sink.column);
            }
            Unset => sink.unset.push(row),
        }
    }

    fn finish(sink: Self::Sink, target: u32, outcome: &mut Outcome) {
        let Sink { rows, column, unset } = sink;
        if !(rows.is_empty() && unset.is_empty()) {
            outcome.writes.push(Write { target, rows, ends: Vec::new(), values: T::values(column), unset });
        }
    }
}

/// The rows that one write of a list touches, so far.
pub struct ListSink<C> {
    rows: Vec<u32>,
    ends: Vec<u32>,
    column: C,
    unset: Vec<u32>,
}

impl<C: Default> Default for ListSink<C> {
    fn default() -> Self {
        ListSink { rows: Vec::new(), ends: Vec::new(), column: C::default(), unset: Vec::new() }
    }
}

impl<T: Storable> Writable for Set<Vec<T>> {
    type Sink = ListSink<T::Column>;

    #[inline]
    fn put(self, row: u32, sink: &mut Self::Sink) {
        match self {
            Keep => {}
            To(values) => {
                sink.rows.push(row);
                sink.ends.push(sink.ends.last().copied().unwrap_or(0) + values.len() as u32);
                values.into_iter().for_each(|value| value.push(&mut sink.column));
            }
            Unset => sink.unset.push(row),
        }
    }

    fn finish(sink: Self::Sink, target: u32, outcome: &mut Outcome) {
        let ListSink { rows, ends, column, unset } = sink;
        if !(rows.is_empty() && unset.is_empty()) {
            outcome.writes.push(Write { target, rows, ends, values: T::values(column), unset });
        }
    }
}

impl Writable for Add {
    type Sink = Sink<Vec<i64>>;

    #[inline]
    fn put(self, row: u32, sink: &mut Self::Sink) {
        if self.0 != 0 {
            sink.rows.push(row);
            sink.column.push(self.0);
        }
    }

    fn finish(sink: Self::Sink, target: u32, outcome: &mut Outcome) {
        <Set<i64> as Writable>::finish(sink, target, outcome);
    }
}

macro_rules! numbers {
    ($($type:ty, $raw:ty, $variant:ident, |$value:ident| $number:expr;)+) => {$(
        impl Storable for $type {
            type Column = Vec<$raw>;

            #[inline]
            fn push(self, column: &mut Vec<$raw>) {
                let $value = self;
                column.push($number);
            }

            fn skip(column: &mut Vec<$raw>) {
                column.push(<$raw>::default());
            }

            fn values(column: Vec<$raw>) -> Values {
                Values::$variant(column)
            }
        }
    )+};
}

numbers! {
    bool, u8, Booleans, |value| u8::from(value);
    i64, i64, Integers, |value| value;
    f64, f64, Numbers, |value| value;
    Timestamp, i64, Integers, |value| value.micros();
}

impl<const SCALE: u32> Storable for Decimal<SCALE> {
    type Column = Vec<i64>;

    #[inline]
    fn push(self, column: &mut Vec<i64>) {
        column.push(self.units());
    }

    fn skip(column: &mut Vec<i64>) {
        column.push(0);
    }

    fn values(column: Vec<i64>) -> Values {
        Values::Integers(column)
    }
}

/// Adds a text and its end.
#[inline]
pub fn push_text(column: &mut String, text: &str) {
    column.push_str(text);
    column.push('\0');
}

macro_rules! texts {
    ($($type:ty, |$value:ident| $text:expr;)+) => {$(
        impl Storable for $type {
            type Column = String;

            #[inline]
            fn push(self, column: &mut String) {
                let $value = &self;
                push_text(column, $text);
            }

            fn skip(column: &mut String) {
                push_text(column, "");
            }

            fn values(column: String) -> Values {
                Values::Texts(column)
            }
        }
    )+};
}

texts! {
    String, |value| value;
    &'static str, |value| value;
    CustomerRef, |value| &value.0;
}

/// A record that crosses the boundary as a column a field.
pub trait Columnar {
    /// One for each field, in order.
    type Columns;

    /// Of no record.
    fn empty() -> Self::Columns;
    fn put(self, columns: &mut Self::Columns);
    fn columns(columns: Self::Columns) -> Vec<Column>;
}

/// The events of one kind that a rule causes, so far.
pub struct Events<E: Event> {
    rows: Vec<u32>,
    columns: E::Columns,
}

impl<E: Event> Default for Events<E> {
    fn default() -> Self {
        Events { rows: Vec::new(), columns: E::empty() }
    }
}

impl<E: Event> Events<E> {
    /// An event of the row's customer.
    #[inline]
    pub fn put(&mut self, row: u32, event: E) {
        self.rows.push(row);
        event.put(&mut self.columns);
    }

    pub fn finish(self, event: u32, outcome: &mut Outcome) {
        if !self.rows.is_empty() {
            outcome.events.push(Emit { event, rows: self.rows, to: Vec::new(), columns: E::columns(self.columns) });
        }
    }
}

/// What a rule does to objects of one kind, so far.
pub struct Objects<T: Columnar> {
    created: Changes<T>,
    merged: Changes<T>,
    deleted: Changes<T>,
}

struct Changes<T: Columnar> {
    rows: Vec<u32>,
    keys: String,
    columns: T::Columns,
}

impl<T: Columnar> Default for Changes<T> {
    fn default() -> Self {
        Changes { rows: Vec::new(), keys: String::new(), columns: T::empty() }
    }
}

impl<T: Columnar> Default for Objects<T> {
    fn default() -> Self {
        Objects { created: Changes::default(), merged: Changes::default(), deleted: Changes::default() }
    }
}

impl<T: Columnar> Changes<T> {
    fn begin(&mut self, row: u32, key: &str) {
        self.rows.push(row);
        push_text(&mut self.keys, key);
    }

    fn put(&mut self, row: u32, key: &str, record: Option<T>) {
        self.begin(row, key);
        if let Some(record) = record {
            record.put(&mut self.columns);
        }
    }
}

impl<T: DataObject> Objects<T> {
    /// An object of the row's customer.
    #[inline]
    pub fn put(&mut self, row: u32, effect: ObjectEffect<T>) {
        match effect {
            ObjectEffect::Create(record) => self.created.put(row, "", Some(record)),
            ObjectEffect::Merge(key, record) => self.merged.put(row, &key, Some(record)),
            ObjectEffect::Patch(key, patch) => {
                self.merged.begin(row, &key);
                patch.put(&mut self.merged.columns);
            }
            ObjectEffect::Delete(key) => self.deleted.put(row, &key, None),
        }
    }

    pub fn finish(self, kind: u32, outcome: &mut Outcome) {
        let all = [(Action::Create, self.created), (Action::Merge, self.merged), (Action::Delete, self.deleted)];
        for (action, Changes { rows, keys, columns }) in all {
            if !rows.is_empty() {
                let columns = if action == Action::Delete { Vec::new() } else { T::columns(columns) };
                outcome.objects.push(Change { kind, action, rows, keys, columns });
            }
        }
    }
}
