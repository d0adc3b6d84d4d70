//! Many rows at once, column by column: how batches cross the plugin boundary.

/// The values of one column. Logical types (timestamp, decimal with scale, enum) travel as integers or texts.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// 0 or 1.
    Booleans(Vec<u8>),
    Integers(Vec<i64>),
    Numbers(Vec<f64>),
    /// Each text ends with U+0000.
    Texts(String),
}

/// One value a row; `absent` lists the rows without one, ascending, and `values` holds 0 or an empty text in their place.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    pub values: Values,
    pub absent: Vec<u32>,
}

/// A list per row: row `i` has the elements from `ends[i - 1]` (0 for the first) to `ends[i]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    pub ends: Vec<u32>,
    pub columns: Vec<Column>,
}

/// What a rule is called with: its declared reads, in order; `lists` for reads below `[]`, one table a list.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RecordBatch {
    pub rows: u32,
    pub columns: Vec<Column>,
    pub lists: Vec<Table>,
}
