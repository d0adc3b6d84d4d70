//! From effects to columns: what `#[derive(Writes)]` generates against.

use crate::bindings::rule::exports::openhub::rule::rule::{CausedEvent, CausedObject, Outcome, Write};
use crate::bindings::rule::openhub::types::columns::Values;
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
    type Sinks: Default;

    fn collect(self, row: u32, sinks: &mut Self::Sinks, outcome: &mut Outcome);
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
    fn values(column: Self::Column) -> Values;
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
            outcome.writes.push(Write { target, rows, values: T::values(column), unset });
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

/// An event of the row's customer.
pub fn cause<E: Event>(row: u32, event: &E, outcome: &mut Outcome) {
    let properties = event.to_json();
    outcome.events.push(CausedEvent { row, to: None, name: E::NAME.to_owned(), properties });
}

/// An object of the row's customer.
pub fn write_object<T: DataObject>(row: u32, effect: ObjectEffect<T>, outcome: &mut Outcome) {
    let (action, key, fields) = effect.into_parts();
    outcome.objects.push(CausedObject { row, action, kind: T::NAME.to_owned(), key, fields });
}
