//! Parameters of a rule: columns with one value each, in the order of their fields.

use crate::bindings::rule::openhub::types::columns::Column;
use crate::reads::Readable;
use crate::reason::Reason;

/// Parameters of a rule; made by `#[derive(Params)]`.
pub trait Params: Sized {
    fn open(columns: &[Column]) -> Result<Self, Reason>;
}

/// A rule without parameters.
impl Params for () {
    fn open(_: &[Column]) -> Result<Self, Reason> {
        Ok(())
    }
}

/// One parameter, for generated code. `otherwise` is its value if an admin has set none.
pub fn take<'c, T: Readable<'c>>(
    columns: &'c [Column],
    index: usize,
    name: &str,
    otherwise: Option<fn() -> T>,
) -> Result<T, Reason> {
    let malformed =
        || Reason::new("malformed-params", format!("the parameter `{name}` is missing, or has another type"));
    let column = columns.get(index).ok_or_else(malformed)?;
    match otherwise {
        Some(otherwise) if !column.absent.is_empty() => Ok(otherwise()),
        _ => T::open(column).and_then(|mut cursor| T::next(&mut cursor)).ok_or_else(malformed),
    }
}
