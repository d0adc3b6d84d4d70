//! Stamps: an object type whose objects of the version before are made to fit. It writes what it is given as the title's code, and
//! refuses what has no motif.

use openhub_sdk::migration::{Map, Value};
use openhub_sdk::prelude::*;

#[derive(Clone, Debug, PartialEq, DataObject)]
#[object(name = "stamp", version = 2)]
pub struct Stamp {
    #[field(unique)]
    pub title: String,
}

impl Check for Stamp {
    fn check(change: Change<Stamp>) -> Result<Accepted<Stamp>, Vec<Fault>> {
        match change.operation {
            Operation::Create(new) | Operation::Update { new, .. } | Operation::Delete(new) => {
                Ok(Accepted::new(new.title.to_lowercase(), new))
            }
        }
    }
}

impl Migrate for Stamp {
    fn migrate(_: u32, fields: Map<String, Value>) -> Result<Stamp, Vec<Fault>> {
        match fields.get("motif").and_then(|motif| motif.as_str()) {
            Some(motif) if !motif.is_empty() => Ok(Stamp { title: motif.to_uppercase() }),
            _ => Err(vec![Fault::new("/motif", "no-motif", "a stamp needs a motif to get its title from")]),
        }
    }

    fn back(self, _: u32) -> Result<Map<String, Value>, Vec<Fault>> {
        Ok(Map::from_iter([("motif".to_owned(), Value::String(self.title.to_lowercase()))]))
    }
}

openhub_sdk::plugin! { objects: [Stamp], migrations: [Stamp] }
