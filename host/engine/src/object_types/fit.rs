//! Whether the objects that there are fit another version of their type, as they are or as a migration makes them: counted, with
//! samples.

use std::collections::{BTreeMap, HashMap};

use openhub_model::manifest::ObjectShape;
use openhub_model::object::Object;
use openhub_model::object_type::{Declaration, Migration};
use openhub_model::{Fault, Id};
use openhub_store::{DeclaredType, ObjectChange, ObjectFilter, Scope, Store, StoreError};
use serde_json::Value;

use crate::objects::shape::{belongs_to, conform, indexed, uniques};

/// Objects that are read at once.
pub const PAGE: usize = 500;
/// Keys that are shown of objects that do not fit in the same way.
const SAMPLES: usize = 5;

/// Another version of a type, and how its objects become of it.
pub struct Step<'a> {
    pub name: &'a str,
    after: &'a Declaration,
    migration: &'a Migration,
    shapes: (ObjectShape, ObjectShape),
}

impl<'a> Step<'a> {
    pub fn of(stored: &'a DeclaredType, after: &'a Declaration, migration: &'a Migration) -> Step<'a> {
        let (name, next) = (&stored.name, stored.version + 1);
        let shapes = (stored.declaration.shape(name, stored.version), after.shape(name, next));
        Step { name, after, migration, shapes }
    }

    /// An object as it is under the new version, if that is another than it is.
    pub fn change(&self, object: &Object) -> Option<Object> {
        let (before, after) = &self.shapes;
        let fields = self.migration.apply(self.after, &object.fields);
        let part = belongs_to(after, &fields, Some(object), object.part);
        let stays = fields == object.fields
            && part == object.part
            && indexed(before, &object.fields) == indexed(after, &object.fields);
        (!stays).then(|| Object { fields, part, version: object.version + 1, ..object.clone() })
    }

    /// What the store does about it.
    pub fn written(&self, stored: i64, object: Object) -> ObjectChange {
        let indexed = indexed(&self.shapes.1, &object.fields);
        ObjectChange::Replace { stored, object, indexed }
    }

    pub async fn page(&self, store: &Store, scope: &Scope, after: Option<String>) -> Result<Vec<Object>, StoreError> {
        let filter = ObjectFilter { kind: self.name.to_owned(), part: None, after, limit: PAGE };
        store.objects(scope, &filter).await
    }

    /// Looks at all objects of the type.
    pub async fn fit(&self, store: &Store, scope: &Scope) -> Result<Fit, StoreError> {
        let mut looking = Looking::default();
        let mut after = None;
        loop {
            let page = self.page(store, scope, after).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.key.clone());
            page.iter().for_each(|object| self.look(&mut looking, object));
            if page.len() < PAGE {
                break;
            }
        }
        Ok(looking.done())
    }

    fn look(&self, looking: &mut Looking, object: &Object) {
        let (before, after) = &self.shapes;
        looking.see((before, after), object, self.change(object).as_ref());
    }
}

/// What was found.
#[derive(Debug, Default)]
pub struct Fit {
    pub objects: u64,
    /// Those that are written anew.
    pub changed: u64,
    pub misfits: Vec<Misfit>,
}

/// Objects that do not fit in the same way.
#[derive(Clone, Debug)]
pub struct Misfit {
    /// Below the fields of an object.
    pub pointer: String,
    pub code: String,
    pub message: String,
    pub objects: u64,
    /// Keys of some of them.
    pub samples: Vec<String>,
}

impl Misfit {
    /// With how many there are, and which.
    pub fn fault(&self) -> Fault {
        let Misfit { pointer, code, message, objects, samples } = self;
        let told = format!("{objects} objects do not fit, like {}: {message}", samples.join(", "));
        Fault::new(format!("/objects{pointer}"), code.as_str(), told)
    }
}

/// What is found while objects are looked at.
#[derive(Default)]
pub(crate) struct Looking {
    fit: Fit,
    misfits: BTreeMap<(String, String), Misfit>,
    /// Who has a unique value before, and after.
    before: HashMap<Id, Id>,
    after: HashMap<Id, Id>,
    /// Values that objects have anew: value, key, field, and the key as it is written.
    given: Vec<(Id, Id, String, String)>,
}

impl Looking {
    /// An object, and what becomes of it if that is another one.
    pub(crate) fn see(
        &mut self,
        (before, after): (&ObjectShape, &ObjectShape),
        object: &Object,
        changed: Option<&Object>,
    ) {
        self.fit.objects += 1;
        let fields: &Value = changed.map_or(&object.fields, |changed| &changed.fields);
        self.fit.changed += u64::from(changed.is_some());
        for Fault { pointer, code, message } in conform(after, fields) {
            self.misfit(&object.key, pointer, code, message);
        }
        let key = Id::named(&[object.key.as_bytes()]);
        let mark = |(field, value): &(String, String)| Id::named(&[field.as_bytes(), b"\0", value.as_bytes()]);
        let (had, has) = (uniques(before, &object.fields), uniques(after, fields));
        self.before.extend(had.iter().map(|value| (mark(value), key)));
        for value in &has {
            if self.after.insert(mark(value), key).is_some() {
                self.not_unique(&object.key, &value.0);
            } else if !had.contains(value) {
                self.given.push((mark(value), key, value.0.clone(), object.key.clone()));
            }
        }
    }

    /// An object of which nothing can be made.
    pub(crate) fn refuse(&mut self, object: &Object, faults: Vec<Fault>) {
        self.fit.objects += 1;
        for Fault { pointer, code, message } in faults {
            self.misfit(&object.key, pointer, code, message);
        }
    }

    fn misfit(&mut self, key: &str, pointer: String, code: String, message: String) {
        let known = self.misfits.entry((pointer.clone(), code.clone()));
        let misfit = known.or_insert_with(|| Misfit { pointer, code, message, objects: 0, samples: Vec::new() });
        misfit.objects += 1;
        if misfit.samples.len() < SAMPLES {
            misfit.samples.push(key.to_owned());
        }
    }

    fn not_unique(&mut self, key: &str, field: &str) {
        let message = format!("Another object has this `{field}`.");
        self.misfit(key, format!("/{field}"), "not-unique".to_owned(), message);
    }

    pub(crate) fn done(mut self) -> Fit {
        // While one object after the other is written, nobody may have yet what another is given.
        for (value, key, field, name) in std::mem::take(&mut self.given) {
            if self.before.get(&value).is_some_and(|holder| *holder != key) {
                self.not_unique(&name, &field);
            }
        }
        Fit { misfits: self.misfits.into_values().collect(), ..self.fit }
    }
}
