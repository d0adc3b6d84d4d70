//! Objects of another version of a type become objects of this one.

use crate::bindings::migration::exports::openhub::data_object::migration as raw;
use crate::data_object::DataObject;
use crate::reason::Fault;

pub use raw::Guest;
pub use serde_json::{Map, Value};

/// One answer a record, in order.
pub type Answers = Vec<Result<String, Vec<Fault>>>;

/// Of a type whose objects of other versions do not fit as they are. Pure.
pub trait Migrate: DataObject {
    /// `from` is the version that the fields have: an older one, or a newer one that cannot be asked itself for the way back.
    fn migrate(from: u32, fields: Map<String, Value>) -> Result<Self, Vec<Fault>>;

    /// The way back: the fields as version `to` had them, which is older. Without it they stay as they are.
    fn back(self, to: u32) -> Result<Map<String, Value>, Vec<Fault>> {
        let _ = to;
        Ok(self.to_fields())
    }
}

/// Makes records fit; one that cannot be read is refused, the others stand.
pub fn run<T: Migrate>(from: u32, to: u32, records: &[String]) -> Answers {
    let read = |record: &String| {
        let fields = serde_json::from_str::<Map<String, Value>>(record);
        fields.map_err(|error| vec![Fault::new("", "not-an-object", error.to_string())])
    };
    let migrated = |record: &String| {
        let fields = read(record)?;
        if to == T::VERSION {
            return T::migrate(from, fields).map(|made| made.to_json());
        }
        let older = T::from_fields(&fields)?.back(to)?;
        Ok(Value::Object(older).to_string())
    };
    records.iter().map(migrated).collect()
}
