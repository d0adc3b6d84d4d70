//! Reads and writes the tenant's objects, of the types that `access` in `plugin.toml` names and an admin granted.
//!
//! What is written passes the check of the plugin that declares the type, and has its event in the log, like a write of the API.

use serde_json::{Value, json};

use crate::bindings::io::openhub::objects::objects;
use crate::data_object::DataObject;
use crate::reason::{Failure, Reason};
use crate::record::Record;

pub use crate::bindings::io::openhub::objects::objects::{Conflict, Object, Operation, Page};

/// A test of one field, as a condition writes it: `test("status", "eq", "issued")`. What it compares with is one of `eq`, `ne`, `lt`,
/// `le`, `gt`, `ge`, `in`, `prefix`, `contains`; `exists` and `missing` compare with nothing, `null`.
pub fn test(field: &str, is: &str, value: impl Into<Value>) -> Value {
    match value.into() {
        Value::Null => json!({"field": field, "is": is}),
        value => json!({"field": field, "is": is, "value": value}),
    }
}

/// At most 100; one that is not there is none.
pub fn get(kind: &str, keys: &[String]) -> Result<Vec<Option<Object>>, Failure> {
    objects::get(kind, keys)
}

/// The objects that pass all tests, by key, behind `after`: at most `limit`, 1 to 100. A page may have fewer, and none: [`Page::next`]
/// goes on as long as it is there.
pub fn find(kind: &str, tests: &[Value], after: Option<&str>, limit: u32) -> Result<Page, Failure> {
    objects::find(kind, &Value::from(tests.to_vec()).to_string(), after, limit)
}

/// All of these, at most 100, or none of them.
pub fn commit(operations: &[Operation]) -> Result<Result<(), Conflict>, Failure> {
    objects::commit(operations)
}

/// A new object. The plugin that declares its type gives it its key.
pub fn create<T: DataObject>(record: &T) -> Operation {
    let (kind, fields) = (T::NAME.to_owned(), record.to_json());
    Operation::Create(Object { kind, key: String::new(), customer: None, version: 0, fields })
}

impl Object {
    /// The fields as a record; what does not fit is rejected.
    pub fn read<T: Record>(&self) -> Result<T, Failure> {
        T::parse(&self.fields).map_err(|faults| {
            let why = faults.into_iter().next().map(|fault| format!("{}: {}", fault.pointer, fault.reason.message));
            Failure::Rejected(Reason::new("unreadable-object", why.unwrap_or_default()))
        })
    }

    /// This object with other fields, if nobody has changed it since it was read.
    pub fn replace<T: DataObject>(self, record: &T) -> Operation {
        Operation::Replace(Object { fields: record.to_json(), ..self })
    }

    /// Deletes it, if nobody has changed it since it was read.
    pub fn delete(self) -> Operation {
        Operation::Delete((self.kind, self.key, self.version))
    }
}
