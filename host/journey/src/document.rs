//! Values of a JSON document, and the pointers that lead to them.

use openhub_model::Fault;
use openhub_model::fault::form;
use openhub_model::misfits::{self, Misfit, quoted};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Where a node lies in the document.
pub(crate) fn node_pointer(id: &str) -> String {
    format!("/nodes/{}", escape(id))
}

/// A name as one token of a JSON pointer (RFC 6901).
pub(crate) fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// Reads one value at `pointer`; each fault points at a field that is unknown, missing or malformed.
pub(crate) fn read<T: DeserializeOwned>(pointer: &str, value: &Value) -> Result<T, Vec<Fault>> {
    let read = read_leniently(pointer, value);
    match read.value.filter(|_| read.faults.is_empty()) {
        Some(value) => Ok(value),
        None => Err(read.faults),
    }
}

/// What could be read of a value, and its faults.
pub(crate) struct Lenient<T> {
    /// With stand-ins where there are faults; none if none fits.
    pub(crate) value: Option<T>,
    pub(crate) faults: Vec<Fault>,
}

/// Reads as much of a value as has its form.
pub(crate) fn read_leniently<T: DeserializeOwned>(pointer: &str, value: &Value) -> Lenient<T> {
    let misfits::Read { value, misfits, .. } = misfits::read(value);
    let faults = misfits.into_iter().map(|misfit| fault(pointer, &misfit)).collect();
    Lenient { value, faults }
}

fn fault(pointer: &str, misfit: &Misfit) -> Fault {
    let (at, message) = (format!("{pointer}{}", misfit.place), form(&misfit.said));
    let code = if quoted(&misfit.said, "missing field `").is_some() {
        "missing-field"
    } else if quoted(&misfit.said, "unknown field `").is_some() {
        "unknown-field"
    } else if misfit.said.contains("is not a time span") {
        "bad-span"
    } else {
        "malformed"
    };
    Fault::new(at, code, message)
}
