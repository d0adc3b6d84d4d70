//! From columns to rows: what `#[derive(Reads)]` generates against.
//!
//! Each field walks its own column, in step with the others. Numbers are copied, texts are slices up to their U+0000;
//! nothing is allocated unless a field owns its text.

use std::slice::Iter;

use crate::bindings::rule::exports::openhub::rule::rule::Batch;
use crate::bindings::rule::openhub::types::columns::{Column, Table, Values};
use crate::decimal::Decimal;
use crate::field::CustomerRef;
use crate::reason::Reason;
use crate::time::Timestamp;

/// A struct that is one row of a rule's declared reads, or one element of a list. `'c` is the batch that its texts may borrow from.
pub trait Reads<'c>: Sized {
    type Cursors;

    /// Columns come in the order of the fields; each list takes the next table, those of single reads first.
    fn open(columns: &'c [Column], tables: &mut Tables<'c>) -> Result<Self::Cursors, Reason>;
    /// The next row. A fault leaves the cursors at the row after it.
    fn next(cursors: &mut Self::Cursors) -> Result<Self, Reason>;
}

/// A field's type: a value, or an `Option` of one.
pub trait Readable<'c>: Sized {
    type Cursor;

    fn open(column: &'c Column) -> Option<Self::Cursor>;
    /// None if the row has no value where one is needed, or none of this type.
    fn next(cursor: &mut Self::Cursor) -> Option<Self>;
}

/// What a column's values come out as, one after the other.
pub trait Source<'c>: Sized {
    type Item;

    fn open(values: &'c Values) -> Option<Self>;
    fn next(&mut self) -> Option<Self::Item>;
}

/// A value that is read from one kind of column.
pub trait Scalar<'c>: Sized {
    type Source: Source<'c>;

    fn of(item: <Self::Source as Source<'c>>::Item) -> Option<Self>;
}

/// A walk along one column.
pub struct Cursor<'c, S> {
    source: S,
    absent: &'c [u32],
    row: u32,
}

impl<'c, S: Source<'c>> Cursor<'c, S> {
    fn open(column: &'c Column) -> Option<Self> {
        Some(Cursor { source: S::open(&column.values)?, absent: &column.absent, row: 0 })
    }

    /// The outer option: whether the column goes on; the inner: whether this row has a value.
    #[inline]
    fn next(&mut self) -> Option<Option<S::Item>> {
        let item = self.source.next()?;
        let row = self.row;
        self.row += 1;
        match self.absent.split_first() {
            Some((first, rest)) if *first == row => {
                self.absent = rest;
                Some(None)
            }
            _ => Some(Some(item)),
        }
    }
}

impl<'c, T: Scalar<'c>> Readable<'c> for T {
    type Cursor = Cursor<'c, T::Source>;

    fn open(column: &'c Column) -> Option<Self::Cursor> {
        Cursor::open(column)
    }

    #[inline]
    fn next(cursor: &mut Self::Cursor) -> Option<Self> {
        cursor.next()?.and_then(T::of)
    }
}

impl<'c, T: Scalar<'c>> Readable<'c> for Option<T> {
    type Cursor = Cursor<'c, T::Source>;

    fn open(column: &'c Column) -> Option<Self::Cursor> {
        Cursor::open(column)
    }

    #[inline]
    fn next(cursor: &mut Self::Cursor) -> Option<Self> {
        match cursor.next()? {
            Some(item) => T::of(item).map(Some),
            None => Some(None),
        }
    }
}

macro_rules! numbers {
    ($($name:ident: $variant:ident, $raw:ty;)+) => {$(
        pub struct $name<'c>(Iter<'c, $raw>);

        impl<'c> Source<'c> for $name<'c> {
            type Item = $raw;

            fn open(values: &'c Values) -> Option<Self> {
                match values {
                    Values::$variant(values) => Some($name(values.iter())),
                    _ => None,
                }
            }

            #[inline]
            fn next(&mut self) -> Option<$raw> {
                self.0.next().copied()
            }
        }
    )+};
}

numbers! {
    Booleans: Booleans, u8;
    Integers: Integers, i64;
    Numbers: Numbers, f64;
}

pub struct Texts<'c>(&'c str);

impl<'c> Source<'c> for Texts<'c> {
    type Item = &'c str;

    fn open(values: &'c Values) -> Option<Self> {
        match values {
            Values::Texts(texts) => Some(Texts(texts)),
            _ => None,
        }
    }

    #[inline]
    fn next(&mut self) -> Option<&'c str> {
        let end = self.0.as_bytes().iter().position(|byte| *byte == 0)?;
        let (text, rest) = self.0.split_at(end);
        self.0 = &rest[1..];
        Some(text)
    }
}

macro_rules! scalars {
    ($($type:ty, $source:ident, |$item:ident| $value:expr;)+) => {$(
        impl<'c> Scalar<'c> for $type {
            type Source = $source<'c>;

            #[inline]
            fn of($item: <$source<'c> as Source<'c>>::Item) -> Option<Self> {
                Some($value)
            }
        }
    )+};
}

scalars! {
    bool, Booleans, |item| item != 0;
    i64, Integers, |item| item;
    f64, Numbers, |item| item;
    Timestamp, Integers, |item| Timestamp::from_micros(item);
    String, Texts, |item| item.to_owned();
    CustomerRef, Texts, |item| CustomerRef(item.to_owned());
    &'c str, Texts, |item| item;
}

impl<'c, const SCALE: u32> Scalar<'c> for Decimal<SCALE> {
    type Source = Integers<'c>;

    #[inline]
    fn of(units: i64) -> Option<Self> {
        Some(Decimal::from_units(units))
    }
}

/// The tables of a batch, in the order in which the fields of a row open them.
pub struct Tables<'c> {
    rest: Iter<'c, Table>,
}

impl<'c> Tables<'c> {
    pub fn of(batch: &'c Batch) -> Self {
        Tables { rest: batch.tables.iter() }
    }

    fn next(&mut self, name: &str) -> Result<&'c Table, Reason> {
        self.rest.next().ok_or_else(|| malformed(name))
    }
}

/// A walk along a list of single values, entry by entry.
pub struct Elements<'c, C> {
    ends: Iter<'c, u32>,
    at: u32,
    cursor: C,
}

impl<C> Elements<'_, C> {
    /// The elements of the next entry. None if one of them is no value of its type.
    pub fn next<'c, T: Readable<'c, Cursor = C>>(&mut self) -> Option<Vec<T>> {
        let count = step(&mut self.ends, &mut self.at)?;
        let mut elements = Vec::with_capacity(count as usize);
        // All of them are stepped over, so that a fault stays in its row.
        elements.extend((0..count).filter_map(|_| T::next(&mut self.cursor)));
        (elements.len() == count as usize).then_some(elements)
    }
}

/// A walk along a list of structs, entry by entry.
pub struct Structs<'c, T: Reads<'c>> {
    ends: Iter<'c, u32>,
    at: u32,
    cursors: T::Cursors,
}

impl<'c, T: Reads<'c>> Structs<'c, T> {
    /// The elements of the next entry. None if one of them lacks what it must have.
    pub fn entry(&mut self) -> Option<Vec<T>> {
        let count = step(&mut self.ends, &mut self.at)?;
        let mut elements = Vec::with_capacity(count as usize);
        elements.extend((0..count).filter_map(|_| T::next(&mut self.cursors).ok()));
        (elements.len() == count as usize).then_some(elements)
    }
}

/// How many elements the next entry has.
fn step(ends: &mut Iter<'_, u32>, at: &mut u32) -> Option<u32> {
    let end = *ends.next()?;
    end.checked_sub(std::mem::replace(at, end))
}

/// The column at a field's place, for generated code.
pub fn open<'c, T: Readable<'c>>(columns: &'c [Column], index: usize, name: &str) -> Result<T::Cursor, Reason> {
    let column = columns.get(index).ok_or_else(|| malformed(name))?;
    T::open(column).ok_or_else(|| malformed(name))
}

/// The next table as a list of single values, for generated code.
pub fn open_elements<'c, T: Readable<'c>>(
    tables: &mut Tables<'c>,
    name: &str,
) -> Result<Elements<'c, T::Cursor>, Reason> {
    let table = tables.next(name)?;
    let cursor = table.columns.first().and_then(T::open).ok_or_else(|| malformed(name))?;
    Ok(Elements { ends: table.ends.iter(), at: 0, cursor })
}

/// The next table as a list of structs, for generated code.
pub fn open_structs<'c, T: Reads<'c>>(tables: &mut Tables<'c>, name: &str) -> Result<Structs<'c, T>, Reason> {
    let table = tables.next(name)?;
    let cursors = T::open(&table.columns, tables)?;
    Ok(Structs { ends: table.ends.iter(), at: 0, cursors })
}

fn malformed(name: &str) -> Reason {
    Reason::new("malformed-column", format!("the column of `{name}` is missing or has another type"))
}

/// A row without a value that the rule cannot do without.
#[cold]
pub fn missing(name: &str) -> Reason {
    Reason::new("malformed-read", format!("`{name}` is missing, or is not one of its declared values"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all<'c, T: Readable<'c>>(column: &'c Column, rows: usize) -> Vec<Option<T>> {
        let mut cursor = T::open(column).expect("a column of this type");
        (0..rows).map(|_| T::next(&mut cursor)).collect()
    }

    #[test]
    fn texts_end_with_nul_and_may_be_absent() {
        let column = Column { values: Values::Texts("café\0\0\0z\0".to_owned()), absent: vec![1] };
        assert_eq!(
            all::<Option<&str>>(&column, 5),
            [Some(Some("café")), Some(None), Some(Some("")), Some(Some("z")), None]
        );
        assert_eq!(all::<String>(&column, 2), [Some("café".to_owned()), None]);
    }

    #[test]
    fn a_column_of_another_type_is_refused() {
        let column = Column { values: Values::Integers(vec![1]), absent: Vec::new() };
        assert!(<f64 as Readable>::open(&column).is_none());
        assert_eq!(all::<Decimal<2>>(&column, 1), [Some(Decimal::from_units(1))]);
    }
}
