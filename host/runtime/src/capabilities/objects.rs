//! `openhub:objects/objects`: reads and writes objects of the types that were granted. I/O lane only.

use std::collections::BTreeSet;
use std::sync::Arc;

use openhub_model::access::Access;
use openhub_model::condition::FieldTest;
use openhub_model::limits;
use openhub_model::manifest::Manifest;
use serde_json::{Map, Value};
use wasmtime::component::Linker;

use crate::backing::{self, Declined, Found, Objects, Record, RecordChange};
use crate::bindings::objects::objects::{self, Conflict, Object, Operation, Page};
use crate::bindings::types::types::Failure;
use crate::capabilities::taped::{Tapes, taped};
use crate::error::Refusal;
use crate::fault::{FaultKind, Raised};
use crate::host::Host;

/// Keys, objects of a page, and operations of a commit.
const AT_ONCE: usize = 100;
/// Tests of one look.
const TESTS: usize = 20;

pub fn link(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    objects::add_to_linker::<Host, Tapes>(linker, taped)
}

/// Who uses objects must say of which types.
pub fn check(manifest: &Manifest) -> Result<(), Refusal> {
    let uses = |access: &String| matches!(Access::parse(access), Some(Access::Objects(_) | Access::ObjectWrites(_)));
    if !manifest.access.iter().any(uses) {
        let message =
            "the component uses openhub:objects/objects, but the manifest's `access` names no type of objects";
        return Err(Refusal::new(Refusal::BAD_MANIFEST, message));
    }
    Ok(())
}

/// What is done with objects.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    Read,
    Write,
}

fn may(access: &[String], kind: &str, to: Use) -> Result<(), Declined> {
    let grants = |access: &String| match Access::parse(access) {
        Some(Access::ObjectWrites(granted)) => granted == kind,
        Some(Access::Objects(granted)) => to == Use::Read && granted == kind,
        _ => false,
    };
    match access.iter().any(grants) {
        true => Ok(()),
        false => {
            Err(Declined::never("not-granted", format!("this use of the object type {kind:.100?} was not granted")))
        }
    }
}

fn is_key(key: &str) -> Result<(), Declined> {
    match (1..=limits::OBJECT_KEY).contains(&key.len()) && !key.contains('\0') {
        true => Ok(()),
        false => Err(Declined::never("invalid-key", format!("a key has 1 to {} bytes", limits::OBJECT_KEY))),
    }
}

fn tests(text: &str) -> Result<Vec<FieldTest>, Declined> {
    let tests: Vec<FieldTest> = serde_json::from_str(text)
        .map_err(|error| Declined::never("invalid-tests", format!("the tests cannot be read: {error}")))?;
    match tests.len() > TESTS {
        true => Err(Declined::never("too-many", format!("there are {} tests: at most {TESTS}", tests.len()))),
        false => Ok(tests),
    }
}

fn fields(text: &str) -> Result<Map<String, Value>, Declined> {
    let fields: Result<Map<String, Value>, _> = serde_json::from_str(text);
    let fields = fields.map_err(|_| Declined::never("not-an-object", "the fields are not a JSON object"))?;
    match limits::value(&Value::Object(fields.clone()), "") {
        None => Ok(fields),
        Some(fault) => Err(Declined::never(&fault.code, format!("{}: {}", fault.pointer, fault.message))),
    }
}

fn change(operation: Operation) -> Result<RecordChange, Declined> {
    match operation {
        Operation::Create(object) => Ok(RecordChange::Create { kind: object.kind, fields: fields(&object.fields)? }),
        Operation::Replace(object) => {
            let Object { kind, key, version, fields: text, .. } = object;
            is_key(&key)?;
            Ok(RecordChange::Replace { kind, key, version, fields: fields(&text)? })
        }
        Operation::Delete((kind, key, version)) => {
            is_key(&key)?;
            Ok(RecordChange::Delete { kind, key, version })
        }
    }
}

/// The changes, each of another object.
fn changes(operations: Vec<Operation>, access: &[String]) -> Result<Vec<RecordChange>, Declined> {
    if operations.len() > AT_ONCE {
        let message = format!("there are {} operations: at most {AT_ONCE} at once", operations.len());
        return Err(Declined::never("too-many", message));
    }
    let changes: Vec<RecordChange> = operations.into_iter().map(change).collect::<Result<_, _>>()?;
    let mut named = BTreeSet::new();
    for change in &changes {
        may(access, change.kind(), Use::Write)?;
        if let Some(key) = change.key()
            && !named.insert((change.kind(), key))
        {
            return Err(Declined::never("named-twice", format!("two operations name the same object: {key:.100?}")));
        }
    }
    Ok(changes)
}

fn told(record: Record) -> Object {
    let Record { kind, key, customer, version, fields } = record;
    Object { kind, key, customer, version, fields: Value::Object(fields).to_string() }
}

fn size(object: &Object) -> usize {
    object.kind.len() + object.key.len() + object.fields.len()
}

fn asked(operation: &Operation) -> usize {
    match operation {
        Operation::Create(object) | Operation::Replace(object) => size(object),
        Operation::Delete((kind, key, _)) => kind.len() + key.len(),
    }
}

impl Host {
    fn objects(&mut self) -> wasmtime::Result<Arc<dyn Objects>> {
        let objects = self.io()?.objects.clone();
        objects.ok_or_else(|| Raised::error(FaultKind::Refused, "there are no objects here"))
    }
}

impl objects::Host for Host {
    async fn get(&mut self, kind: String, keys: Vec<String>) -> wasmtime::Result<Result<Vec<Option<Object>>, Failure>> {
        self.meter.host_call(kind.len() + keys.iter().map(String::len).sum::<usize>())?;
        let objects = self.objects()?;
        let many = || Declined::never("too-many", format!("ask for at most {AT_ONCE} objects at once"));
        let good = may(&self.io()?.access, &kind, Use::Read)
            .and_then(|()| if keys.len() > AT_ONCE { Err(many()) } else { Ok(()) })
            .and_then(|()| keys.iter().try_for_each(|key| is_key(key)));
        if let Err(declined) = good {
            return Ok(Err(declined.into()));
        }
        self.reads(keys.len())?;
        match objects.get(kind, keys).await {
            Ok(found) => {
                let found: Vec<Option<Object>> = found.into_iter().map(|record| record.map(told)).collect();
                self.meter.work(found.iter().flatten().map(size).sum())?;
                Ok(Ok(found))
            }
            Err(declined) => Ok(Err(declined.into())),
        }
    }

    async fn find(
        &mut self,
        kind: String,
        tests: String,
        after: Option<String>,
        limit: u32,
    ) -> wasmtime::Result<Result<Page, Failure>> {
        self.meter.host_call(kind.len() + tests.len() + after.as_ref().map_or(0, String::len))?;
        let objects = self.objects()?;
        let limit = limit as usize;
        let range = || Declined::never("out-of-range", format!("a page has 1 to {AT_ONCE} objects"));
        let good = may(&self.io()?.access, &kind, Use::Read)
            .and_then(|()| if (1..=AT_ONCE).contains(&limit) { Ok(()) } else { Err(range()) })
            .and_then(|()| after.as_deref().map_or(Ok(()), is_key))
            .and_then(|()| self::tests(&tests));
        let tests = match good {
            Ok(tests) => tests,
            Err(declined) => return Ok(Err(declined.into())),
        };
        match objects.find(kind, tests, after, limit).await {
            Ok(Found { records, next, looked }) => {
                self.reads(looked)?;
                let objects: Vec<Object> = records.into_iter().map(told).collect();
                self.meter.work(objects.iter().map(size).sum())?;
                Ok(Ok(Page { objects, next }))
            }
            Err(declined) => Ok(Err(declined.into())),
        }
    }

    async fn commit(&mut self, operations: Vec<Operation>) -> wasmtime::Result<Result<Result<(), Conflict>, Failure>> {
        self.meter.host_call(operations.iter().map(asked).sum())?;
        let objects = self.objects()?;
        let changes = match changes(operations, &self.io()?.access) {
            Ok(changes) => changes,
            Err(declined) => return Ok(Err(declined.into())),
        };
        Ok(match objects.commit(changes).await {
            Ok(done) => Ok(done.map_err(|conflict| match conflict {
                backing::Conflict::Exists(key) => Conflict::Exists(key),
                backing::Conflict::Missing(key) => Conflict::Missing(key),
                backing::Conflict::Version(key) => Conflict::Version(key),
            })),
            Err(declined) => Err(declined.into()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_write_may_read_and_not_the_other_way_round() {
        let access = ["object.a".to_owned(), "object.b.write".to_owned()];
        assert!(may(&access, "a", Use::Read).is_ok() && may(&access, "b", Use::Read).is_ok());
        assert!(may(&access, "b", Use::Write).is_ok());
        assert!(may(&access, "a", Use::Write).is_err() && may(&access, "c", Use::Read).is_err());
    }

    #[test]
    fn an_object_is_changed_once_in_a_commit() {
        let access = ["object.a.write".to_owned()];
        let delete = |key: &str| Operation::Delete(("a".to_owned(), key.to_owned(), 1));
        assert_eq!(changes(vec![delete("x"), delete("y")], &access).unwrap().len(), 2);
        assert!(changes(vec![delete("x"), delete("x")], &access).is_err());
        assert!(changes((0..101).map(|key| delete(&key.to_string())).collect(), &access).is_err());
    }
}
