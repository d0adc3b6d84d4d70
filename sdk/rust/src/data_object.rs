//! Object types: a record, its key, and the check that every change of one passes.

use crate::bindings::data_object::exports::openhub::data_object::data_object as raw;
use crate::event::Event;
use crate::reason::Fault;
use crate::record::Record;
use crate::time::Timestamp;
use crate::writes::Columnar;

pub use raw::{Change as RawChange, Guest};

/// One answer a change, in order.
pub type Answers = Vec<Result<raw::Accepted, Vec<Fault>>>;

/// Made by `#[derive(DataObject)]`; the name is the type's in kebab-case, or `#[object(name)]`.
pub trait DataObject: Record + Columnar {
    const NAME: &'static str;
    const VERSION: u32;
    /// Some of its fields: `CouponPatch` of a `Coupon`.
    type Patch: Columnar<Columns = <Self as Columnar>::Columns>;

    fn to_json(&self) -> String {
        serde_json::Value::Object(self.to_fields()).to_string()
    }
}

/// Checks and completes changes. Pure: `at` is the only time, `seed` the only randomness.
pub trait Check: DataObject {
    fn check(change: Change<Self>) -> Result<Accepted<Self>, Vec<Fault>>;
}

/// A change that someone asks for.
#[derive(Clone, Debug)]
pub struct Change<T> {
    /// None while a new record has none.
    pub key: Option<String>,
    /// Whose the object is or shall be, by id.
    pub customer: Option<String>,
    pub at: Timestamp,
    /// Another one when it is asked again after a key or unique value was taken.
    pub seed: u64,
    pub operation: Operation<T>,
}

#[derive(Clone, Debug)]
pub enum Operation<T> {
    Create(T),
    Update { old: T, new: T },
    Delete(T),
}

/// A record as it shall be stored, its key, and what it causes.
#[derive(Clone, Debug)]
pub struct Accepted<T> {
    pub key: String,
    pub record: T,
    events: Vec<(&'static str, String)>,
}

impl<T: DataObject> Accepted<T> {
    pub fn new(key: impl Into<String>, record: T) -> Self {
        Accepted { key: key.into(), record, events: Vec::new() }
    }

    /// An event that happens with the change.
    #[must_use]
    pub fn causing<E: Event>(mut self, event: &E) -> Self {
        self.events.push((E::NAME, event.to_json()));
        self
    }

    /// Names of the events that happen with the change.
    pub fn causes(&self) -> impl Iterator<Item = &'static str> {
        self.events.iter().map(|(name, _)| *name)
    }
}

/// What a rule does to an object of the row's customer.
pub enum ObjectEffect<T: DataObject> {
    Create(T),
    /// The fields that are present replace those of the object of that key.
    Merge(String, T),
    /// The same, of an object that has required fields which stay.
    Patch(String, T::Patch),
    Delete(String),
}

impl<T: DataObject + std::fmt::Debug> std::fmt::Debug for ObjectEffect<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ObjectEffect::Create(record) => f.debug_tuple("Create").field(record).finish(),
            ObjectEffect::Merge(key, record) => f.debug_tuple("Merge").field(key).field(record).finish(),
            ObjectEffect::Patch(key, _) => f.debug_tuple("Patch").field(key).finish_non_exhaustive(),
            ObjectEffect::Delete(key) => f.debug_tuple("Delete").field(key).finish(),
        }
    }
}

/// Checks changes of one type; one that cannot be read is refused, the others stand.
pub fn run<T: Check>(changes: Vec<raw::Change>) -> Answers {
    changes.into_iter().map(|change| typed(change).and_then(T::check).map(raw_accepted)).collect()
}

fn typed<T: DataObject>(change: raw::Change) -> Result<Change<T>, Vec<Fault>> {
    let operation = match &change.operation {
        raw::Operation::Create(new) => Operation::Create(T::parse(new)?),
        raw::Operation::Update((old, new)) => Operation::Update { old: T::parse(old)?, new: T::parse(new)? },
        raw::Operation::Delete(old) => Operation::Delete(T::parse(old)?),
    };
    let at = Timestamp::from_micros(change.at);
    Ok(Change { key: change.key, customer: change.customer, at, seed: change.seed, operation })
}

fn raw_accepted<T: DataObject>(accepted: Accepted<T>) -> raw::Accepted {
    let fields = accepted.record.to_json();
    let cause = |(name, properties): (&str, String)| raw::CausedEvent { name: name.to_owned(), properties };
    raw::Accepted { key: accepted.key, fields, events: accepted.events.into_iter().map(cause).collect() }
}
