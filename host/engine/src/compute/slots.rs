//! The objects that a batch touches: as stored, as they are now, and who touched them.
//!
//! What two customers touch whose items are not taken in the order of the log is noted: the batch is run again with the
//! two linked, so that each operation sees the one before.

use hashbrown::{HashMap, HashSet};
use openhub_model::PartId;
use openhub_model::manifest::ObjectShape;
use openhub_model::object::Object;
use openhub_store::{Indexed, Leads, ObjectChange, ObjectKey, Referrer, Unique};

use super::place::Place;
use super::retry::{Made, Makers, RequestKey};
use crate::catalog::Catalog;
use crate::objects::shape::{indexed, relations, uniques};

/// The type of an object, and its key.
pub type Key = (String, String);

#[derive(Default)]
struct Slot {
    stored: Option<Object>,
    current: Option<Object>,
    /// Whether LOAD looked for it.
    loaded: bool,
    /// Whom a conflict with what is stored is told.
    by: Makers,
}

/// What was written and cannot be checked against what is stored any more: COMMIT would not see it.
#[derive(Default)]
pub struct Unseen {
    /// An object that the batch made without a look at what is stored under its key, and deletes.
    pub object: Option<Key>,
    /// Unique values that the batch gave without such a look, and takes away.
    pub values: Vec<Unique>,
}

#[derive(Default)]
pub struct Objects {
    slots: HashMap<Key, Slot>,
    /// Which object has a unique value now, as far as the batch knows.
    holders: HashMap<Unique, String>,
    /// Values of which LOAD looked up who has them.
    looked_up: HashSet<Unique>,
    /// Of each object that LOAD looked up: who leads to it now.
    referrers: HashMap<Key, Vec<Referrer>>,
}

impl Objects {
    /// What LOAD found under a key.
    pub fn load(&mut self, key: Key, stored: Option<Object>, shape: Option<&ObjectShape>) {
        if let (Some(stored), Some(shape)) = (&stored, shape) {
            self.hold(shape, stored);
        }
        self.slots.insert(key, Slot { current: stored.clone(), stored, loaded: true, by: Makers::default() });
    }

    /// Which stored object has a unique value, if one has. What LOAD found of objects has been told before.
    pub fn held_by(&mut self, value: Unique, holder: Option<String>) {
        if let Some(key) = holder.filter(|key| !self.slots.contains_key(&(value.0.clone(), key.clone()))) {
            self.holders.insert(value.clone(), key);
        }
        self.looked_up.insert(value);
    }

    /// The key of the object that has a unique value now, if one has; none if that is not known.
    pub fn holder(&self, value: &Unique) -> Option<Option<&String>> {
        match self.holders.get(value) {
            Some(holder) => Some(Some(holder)),
            None => self.looked_up.contains(value).then_some(None),
        }
    }

    /// Who leads to an object, as it is stored.
    pub fn referred(&mut self, key: Key, by: Vec<Referrer>) {
        self.referrers.insert(key, by);
    }

    /// Who leads to an object now; none if LOAD did not look.
    pub fn referrers(&self, key: &Key) -> Option<&[Referrer]> {
        self.referrers.get(key).map(Vec::as_slice)
    }

    /// Whether the batch knows what is stored under a key, or has written it.
    pub fn knows(&self, key: &Key) -> bool {
        self.slots.contains_key(key)
    }

    pub fn current(&self, key: &Key) -> Option<&Object> {
        self.slots.get(key)?.current.as_ref()
    }

    /// Whether another object of the batch has one of its unique values.
    pub fn clashes(&self, shape: &ObjectShape, object: &Object) -> bool {
        let mut values = uniques(shape, &object.fields).into_iter();
        values.any(|(field, value)| {
            let holder = self.holders.get(&(shape.name.clone(), field, value));
            holder.is_some_and(|holder| *holder != object.key)
        })
    }

    /// Makes an object what a request says, or takes it away.
    pub fn put(&mut self, key: &Key, object: Option<Object>, shape: &ObjectShape, by: (Place, RequestKey)) -> Unseen {
        let slot = self.slots.entry(key.clone()).or_default();
        let before = std::mem::replace(&mut slot.current, object);
        let values =
            |object: &Option<Object>| object.as_ref().map(|object| uniques(shape, &object.fields)).unwrap_or_default();
        let (had, has, stored) = (values(&before), values(&slot.current), values(&slot.stored));
        let leads = |object: &Option<Object>| {
            object.as_ref().map(|object| relations(shape, &object.fields)).unwrap_or_default()
        };
        let (led, leads) = (leads(&before), leads(&slot.current));
        let from = ObjectKey::new(&key.0, &key.1);
        for relation in led {
            if let Some(by) = self.referrers.get_mut(&(relation.to.kind, relation.to.key)) {
                by.retain(|referrer| referrer.leads.from != from || referrer.leads.field != relation.field);
            }
        }
        for relation in leads {
            if let Some(by) = self.referrers.get_mut(&(relation.to.kind.clone(), relation.to.key.clone())) {
                let leads = Leads { from: from.clone(), field: relation.field, to: relation.to };
                by.push(Referrer { leads, clears: relation.clears });
            }
        }
        let unique = |(field, value): (String, String)| (shape.name.clone(), field, value);
        let mut unseen = Unseen::default();
        if slot.current.is_none() && !slot.loaded {
            unseen.object = Some(key.clone());
        }
        if before.is_none() {
            slot.by.key = Some(by);
        }
        slot.by.values.retain(|(given, _)| has.contains(given));
        slot.by.values.extend(has.iter().filter(|given| !had.contains(given)).map(|given| (given.clone(), by)));
        for lost in had {
            let is_lost = !has.contains(&lost) && !stored.contains(&lost);
            let lost = unique(lost);
            self.holders.remove(&lost);
            if is_lost && !self.looked_up.contains(&lost) {
                unseen.values.push(lost);
            }
        }
        for given in has {
            self.holders.insert(unique(given), key.1.clone());
        }
        unseen
    }

    fn hold(&mut self, shape: &ObjectShape, object: &Object) {
        for (field, value) in uniques(shape, &object.fields) {
            self.holders.insert((shape.name.clone(), field, value), object.key.clone());
        }
    }

    /// What COMMIT does about them, by key, and who is to blame for a conflict with what is stored.
    pub fn changes(self, catalog: &Catalog) -> (Vec<ObjectChange>, Made) {
        let mut slots: Vec<(Key, Slot)> = self.slots.into_iter().collect();
        slots.sort_by(|(a, _), (b, _)| a.cmp(b));
        let (mut changes, mut made) = (Vec::with_capacity(slots.len()), Made::new());
        for (key, mut slot) in slots {
            let shape = catalog.objects.get(&key.0).map(|object| &object.shape);
            made.insert(key, std::mem::take(&mut slot.by));
            changes.extend(change(slot, shape));
        }
        (changes, made)
    }
}

fn change(slot: Slot, shape: Option<&ObjectShape>) -> Option<ObjectChange> {
    let indexed = |object: &Object| shape.map_or_else(Indexed::default, |shape| indexed(shape, &object.fields));
    match (slot.stored, slot.current) {
        (None, Some(object)) => {
            let indexed = indexed(&object);
            Some(ObjectChange::Create(object, indexed))
        }
        (Some(stored), Some(object)) if stored != object => {
            let indexed = indexed(&object);
            Some(ObjectChange::Replace { stored: stored.version, object, indexed })
        }
        (Some(stored), None) => {
            Some(ObjectChange::Delete { kind: stored.kind, key: stored.key, version: stored.version })
        }
        _ => None,
    }
}

/// Who writes a key or a unique value, and who only looks at it: by the cluster, and a part that leads to it. Who looks is no hindrance
/// to others who look.
#[derive(Default)]
pub struct Touched(HashMap<Unique, Touch>);

#[derive(Default)]
struct Touch {
    writer: Option<(usize, Option<PartId>)>,
    readers: HashMap<usize, Option<PartId>>,
}

impl Touched {
    /// Parts of other clusters that have touched it before.
    pub fn touch(&mut self, what: Unique, cluster: usize, part: Option<PartId>) -> Vec<PartId> {
        let touch = self.0.entry(what).or_default();
        // They are linked with this one now; who looks from now on is linked with the writer.
        let readers = std::mem::take(&mut touch.readers).into_iter();
        let mut met: Vec<PartId> =
            readers.filter(|(other, _)| *other != cluster).filter_map(|(_, part)| part).collect();
        match touch.writer {
            Some((other, part)) if other != cluster => met.extend(part),
            Some(_) => {}
            None => touch.writer = Some((cluster, part)),
        }
        met
    }

    /// A part of another cluster that has written it before.
    pub fn look(&mut self, what: Unique, cluster: usize, part: Option<PartId>) -> Option<PartId> {
        let touch = self.0.entry(what).or_default();
        match touch.writer {
            Some((other, part)) if other != cluster => part,
            Some(_) => None,
            None => {
                touch.readers.insert(cluster, part);
                None
            }
        }
    }
}
