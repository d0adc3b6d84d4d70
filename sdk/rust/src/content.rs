//! Functions that templates of journeys call, asked with many rows as columns, written as a function of one.

use crate::bindings::content::exports::openhub::content::content as raw;
use crate::reason::Reason;
use crate::writes::{Cell, Storable};

pub use raw::{Calls, Guest, Results};

/// Made by `#[content]` on a function of its arguments, such as
/// `fn money(receiver: Receiver<'_>, amount: Decimal<2>, currency: &str) -> Result<String, Reason>`.
pub trait Function {
    const NAME: &'static str;

    fn apply(calls: &Calls) -> Result<Results, Reason>;
}

/// Who reads the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receiver<'c> {
    /// BCP 47: `zh-CN`.
    pub locale: &'c str,
    /// IANA: `Asia/Shanghai`.
    pub time_zone: &'c str,
}

impl<'c> Receiver<'c> {
    /// The language alone: `zh`.
    pub fn language(&self) -> &'c str {
        self.locale.split(['-', '_']).next().unwrap_or_default()
    }
}

/// One value a row, for generated code. A row that fails does not concern the others.
pub fn each<T: Storable>(calls: &Calls, mut row: impl FnMut(Receiver<'_>) -> Result<T, Reason>) -> Results {
    let mut cells = <Option<T> as Cell>::Cells::default();
    let mut faults = Vec::new();
    let receivers = calls.locales.split_terminator('\0').zip(calls.time_zones.split_terminator('\0'));
    for (number, (locale, time_zone)) in (0..calls.rows).zip(receivers) {
        let value = row(Receiver { locale, time_zone });
        <Option<T> as Cell>::put(
            value.map_err(|reason| faults.push(raw::RowFault { row: number, reason })).ok(),
            &mut cells,
        );
    }
    Results { values: <Option<T> as Cell>::column(cells), faults }
}
