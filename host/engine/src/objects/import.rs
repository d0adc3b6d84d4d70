//! Many new objects in one commit: what can be made is made, the others are told row by row.
//!
//! A row carries the `message_id` of the event that its object is made by. A row whose event the log knows already is
//! passed over, so that an import can be sent again; another event of that id is not the row's. The plugin sees many rows in a call; one that makes the call fail
//! is found by halving.

use std::collections::{BTreeSet, HashMap, HashSet};

use openhub_model::identity::{Authority, Policy};
use openhub_model::manifest::ObjectShape;
use openhub_model::object::Object;
use openhub_model::{EventKind, Fault, Id, NewEvent, PartId, Seed, TenantId};
use openhub_runtime::{Accepted, Change, Operation};
use openhub_store::{Indexed, Met, ObjectChange, Op, Scope, StoreError};
use serde_json::{Map, Value, json};

use super::related::not_there;
use super::shape::{
    belongs_to, complete, conform, indexed, lost, merge, normal_fields, owner, pointer, settled, taken_value,
    unknown_fields,
};
use super::strangers;
use super::typed::{ATTEMPTS, ObjectError, Typed, WriteContext, type_as_stored, type_of, with_ids};
use crate::engine::Engine;
use crate::suppression::{SUPPRESSED, SUPPRESSED_MESSAGE};

/// Objects that a plugin checks in one call at most.
const ROWS: usize = 500;

/// An object to make.
#[derive(Clone, Debug)]
pub struct NewObject {
    /// The `message_id` of the event that makes it.
    pub id: String,
    /// The key that it has had elsewhere; none, and its plugin gives it one.
    pub key: Option<String>,
    /// A customer is an id, or an identity: `{"kind": "user_id", "value": "42"}`, or `user_id:42`.
    pub fields: Map<String, Value>,
}

/// What became of a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Fate {
    Made,
    /// Its event is in the log already.
    Known,
    /// An event of a server that makes no object has its id.
    Taken,
    Refused(Vec<Fault>),
    /// It cannot have the key that it asks for.
    RefusedKey(Fault),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trial {
    Commit,
    /// Everything is checked, against what is stored too, and nothing is kept.
    DryRun,
}

#[derive(Clone, Debug)]
pub struct Importing {
    pub context: WriteContext,
    pub trial: Trial,
    /// Whether the events are of the past, and trigger nothing.
    pub historical: bool,
}

/// Makes objects of one type. One fate a row, in order.
pub async fn import(
    engine: &Engine,
    scope: &Scope,
    kind: &str,
    rows: &[NewObject],
    how: Importing,
) -> Result<Vec<Fate>, ObjectError> {
    let mut batch = Batch { engine, scope, object: type_of(engine, scope, kind).await?, rows, how };
    let mut fates: Vec<Option<Fate>> = vec![None; rows.len()];
    let (mut ids, mut claims) = (HashSet::new(), Claims::default());
    for (row, fate) in rows.iter().zip(&mut fates) {
        if !ids.insert(&row.id) {
            *fate = Some(refused("", "duplicate-key", "Another row has the same id."));
        }
    }
    batch.refuse_suppressed(&mut fates).await?;
    for attempt in 0..ATTEMPTS {
        let taken = batch.taken_keys(&fates).await?;
        batch.pass_over_known(&mut fates).await?;
        batch.refuse_taken_keys(&taken, &mut fates);
        let open: Vec<usize> = (0..rows.len()).filter(|row| fates[*row].is_none()).collect();
        if open.is_empty() {
            break;
        }
        let made = batch.check(open, attempt, &mut fates).await?;
        let made = batch.keep_keys(made, &mut fates).await?;
        let made = batch.refuse_strangers(made, &mut fates).await?;
        let made = batch.refuse_lost(made, &mut fates).await?;
        if batch.commit(made, &mut claims, &mut fates).await? == Moved::Type {
            batch.object = type_as_stored(engine, scope, kind).await?;
        }
    }
    batch.pass_over_known(&mut fates).await?;
    let fates = fates.into_iter().enumerate();
    Ok(fates.map(|(row, fate)| fate.unwrap_or_else(|| claims.taken(row))).collect())
}

fn refused(pointer: &str, code: &str, message: &str) -> Fate {
    Fate::Refused(vec![Fault::new(pointer, code, message)])
}

struct Batch<'a> {
    engine: &'a Engine,
    scope: &'a Scope,
    object: Typed,
    rows: &'a [NewObject],
    how: Importing,
}

/// An object that its plugin has accepted.
struct Made {
    row: usize,
    object: Object,
    indexed: Indexed,
    events: Vec<(String, String)>,
}

/// What was changed between a check and its commit.
#[derive(PartialEq, Eq)]
enum Moved {
    Nothing,
    /// The declaration of the objects' type.
    Type,
}

/// Which row has which key and which unique value, so that the first of two keeps it.
#[derive(Default)]
struct Claims {
    keys: HashMap<String, usize>,
    values: HashMap<(String, String), usize>,
    /// What becomes of a row that wants the key, or a unique value, of another object.
    clashes: HashMap<usize, Fate>,
}

impl Claims {
    /// Whether all of it is free, or this row's.
    fn claim(&mut self, made: &Made) -> bool {
        let is_free = |claimed: Option<&usize>| claimed.is_none_or(|row| *row == made.row);
        let value = made.indexed.uniques.iter().find(|value| !is_free(self.values.get(*value)));
        let clash = value.map(|(field, _)| Some(field.clone()));
        let clash = clash.or_else(|| (!is_free(self.keys.get(&made.object.key))).then_some(None));
        let Some(field) = clash else {
            self.keys.insert(made.object.key.clone(), made.row);
            self.values.extend(made.indexed.uniques.iter().map(|value| (value.clone(), made.row)));
            return true;
        };
        self.lose(made, field.as_deref());
        false
    }

    /// Another object has the value of this field; of none, it has the key.
    fn lose(&mut self, made: &Made, field: Option<&str>) {
        let fate = match field {
            Some(field) => Fate::Refused(vec![taken_value(field)]),
            None => Fate::RefusedKey(key_taken(&made.object.key, &made.object.kind, "")),
        };
        self.clashes.insert(made.row, fate);
    }

    /// What becomes of a row that was not made, and has no other fate.
    fn taken(&mut self, row: usize) -> Fate {
        let unnamed = || refused("", "not-unique", "An object with this key or this unique value already exists.");
        self.clashes.remove(&row).unwrap_or_else(unnamed)
    }
}

impl Batch<'_> {
    /// By which customers that are named by an identity are found.
    fn policy(&self) -> &Policy {
        self.object.catalog.policies.latest()
    }

    /// The fields of a row that its type has, as they are created.
    fn fields(&self, row: usize) -> Map<String, Value> {
        let (fields, _) = self.object.known(self.scope.tenant(), &self.rows[row].fields);
        as_created(&self.object.of().shape, &fields, self.scope.tenant(), self.policy())
    }

    /// A fault at each field of a row that its type does not have.
    fn unknown(&self, row: usize) -> Vec<Fault> {
        unknown_fields(&self.object.of().shape, &self.rows[row].fields)
    }

    /// Rows of customers who were erased and are refused since.
    async fn refuse_suppressed(&self, fates: &mut [Option<Fate>]) -> Result<(), ObjectError> {
        let shape = &self.object.of().shape;
        let part = |row: &NewObject| {
            let fields = as_created(shape, &row.fields, self.scope.tenant(), self.policy());
            owner(shape, &Value::Object(fields))
        };
        let suppressed = self.engine.suppressed(self.scope, &self.rows.iter().filter_map(part).collect()).await?;
        for (row, fate) in self.rows.iter().zip(fates).filter(|_| !suppressed.is_empty()) {
            if part(row).is_some_and(|part| suppressed.contains(&part)) {
                *fate = Some(refused("", SUPPRESSED, SUPPRESSED_MESSAGE));
            }
        }
        Ok(())
    }

    /// The objects that have a key which a row asks for. They are read before what the log knows is, so that a row that is sent
    /// again is known for one.
    async fn taken_keys(&self, fates: &[Option<Fate>]) -> Result<HashMap<String, Object>, ObjectError> {
        let open = self.rows.iter().zip(fates).filter(|(_, fate)| fate.is_none());
        let keys = open.filter_map(|(row, _)| Some((self.object.kind.clone(), row.key.clone()?)));
        let keys: Vec<(String, String)> = keys.collect();
        if keys.is_empty() {
            return Ok(HashMap::new());
        }
        let objects = self.engine.store().objects_by_key(self.scope, &keys).await?;
        Ok(objects.into_iter().map(|object| (object.key.clone(), object)).collect())
    }

    /// A row whose object is there as the row says is passed over; of another, the key is taken.
    fn refuse_taken_keys(&self, taken: &HashMap<String, Object>, fates: &mut [Option<Fate>]) {
        let shape = &self.object.of().shape;
        for (row, fate) in self.rows.iter().zip(fates).filter(|(_, fate)| fate.is_none()) {
            let Some(there) = row.key.as_ref().and_then(|key| taken.get(key)) else { continue };
            // It is refused for that.
            if !unknown_fields(shape, &row.fields).is_empty() {
                continue;
            }
            let mut fields = as_created(shape, &row.fields, self.scope.tenant(), self.policy());
            normal_fields(shape, &mut fields);
            let others = differing(&merge(&json!({}), &Value::Object(fields)), &merge(&json!({}), &there.fields));
            *fate = Some(if others.is_empty() {
                Fate::Known
            } else {
                Fate::RefusedKey(key_taken(
                    &there.key,
                    &there.kind,
                    &format!(", with another `{}`", others.join("`, `")),
                ))
            });
        }
    }

    /// Gives each object the key that its row asks for. A plugin whose keys are made from the fields would not find the object
    /// under another: asked to change nothing of it, it names the key that it must have.
    async fn keep_keys(&self, made: Vec<Made>, fates: &mut [Option<Fate>]) -> Result<Vec<Made>, ObjectError> {
        let asks = |made: &Made| self.rows[made.row].key.as_ref().is_some_and(|key| *key != made.object.key);
        let (moved, mut kept): (Vec<Made>, Vec<Made>) = made.into_iter().partition(asks);
        let mut moved = moved.into_iter();
        loop {
            let call: Vec<Made> = moved.by_ref().take(ROWS).collect();
            if call.is_empty() {
                return Ok(kept);
            }
            let unchanged = |made: &Made| Change {
                key: self.rows[made.row].key.clone(),
                customer: made.object.part.map(|part| part.to_string()),
                at: self.how.context.now,
                seed: 0,
                operation: Operation::Update(made.object.fields.to_string(), made.object.fields.to_string()),
            };
            // A plugin that says nothing of a key has nothing against it.
            let answers = self.object.ask(call.iter().map(unchanged).collect()).await?;
            let answers = answers.map(|checked| checked.answers).unwrap_or_default();
            let named = answers.into_iter().map(|answer| answer.ok().map(|accepted| accepted.key));
            for (mut made, named) in call.into_iter().zip(named.chain(std::iter::repeat(None))) {
                let key = self.rows[made.row].key.clone().unwrap_or_default();
                if let Some(named) = named.filter(|named| *named != key) {
                    let message = format!(
                        "The key of this object is made from its fields, and is `{named}`: write that, or leave it out."
                    );
                    fates[made.row] = Some(Fate::RefusedKey(Fault::new("", "wrong-key", message)));
                } else {
                    made.object.key = key;
                    kept.push(made);
                }
            }
        }
    }

    /// A customer that a row names by an id is to be there.
    async fn refuse_strangers(&self, made: Vec<Made>, fates: &mut [Option<Fate>]) -> Result<Vec<Made>, ObjectError> {
        let named: Vec<_> = made.iter().map(|made| self.named_by_id(made.row, &made.object.fields)).collect();
        let faults = strangers::strangers(self.engine, self.scope, &named).await?;
        let mut kept = Vec::with_capacity(made.len());
        for (made, faults) in made.into_iter().zip(faults) {
            match faults.is_empty() {
                true => kept.push(made),
                false => fates[made.row] = Some(Fate::Refused(faults)),
            }
        }
        Ok(kept)
    }

    /// The customers whom a row names by an id: whom it names by an identity may still come.
    fn named_by_id(&self, row: usize, fields: &Value) -> Vec<(String, PartId)> {
        let mut named = strangers::named(&self.object.of().shape, fields, None);
        named.retain(|(field, part)| names(self.rows[row].fields.get(field), *part));
        named
    }

    /// Rows with faults are told all else that is wrong with them, too.
    async fn refuse(
        &self,
        wrong: Vec<(usize, Vec<Fault>)>,
        made: &[Made],
        fates: &mut [Option<Fate>],
    ) -> Result<(), ObjectError> {
        if wrong.is_empty() {
            return Ok(());
        }
        let shape = &self.object.of().shape;
        let fields: Vec<Value> = wrong.iter().map(|(row, _)| Value::Object(self.fields(*row))).collect();
        let named: Vec<_> =
            wrong.iter().zip(&fields).map(|((row, _), fields)| self.named_by_id(*row, fields)).collect();
        let strangers = strangers::strangers(self.engine, self.scope, &named).await?;
        // They may lead to objects that come with them.
        let beside = made.iter().map(|made| (made.object.key.as_str(), &made.object.fields, None));
        let objects: Vec<_> = fields.iter().map(|fields| ("", fields, None)).chain(beside).collect();
        let gone = not_there(self.engine, self.scope, shape, &objects).await?;
        for (((row, mut faults), fields), strangers) in wrong.into_iter().zip(&fields).zip(strangers) {
            faults.extend(strangers);
            faults.extend(lost(shape, fields, |to| !gone.contains(to)));
            fates[row] = Some(Fate::Refused(settled(shape, faults)));
        }
        Ok(())
    }

    /// What a row leads to is to be there, or to come with it.
    async fn refuse_lost(&self, made: Vec<Made>, fates: &mut [Option<Fate>]) -> Result<Vec<Made>, ObjectError> {
        let shape = &self.object.of().shape;
        let objects: Vec<_> = made.iter().map(|made| (made.object.key.as_str(), &made.object.fields, None)).collect();
        let gone = not_there(self.engine, self.scope, shape, &objects).await?;
        let mut kept = Vec::with_capacity(made.len());
        for made in made {
            match gone.is_empty() {
                true => kept.push(made),
                false => match lost(shape, &made.object.fields, |to| !gone.contains(to)) {
                    faults if faults.is_empty() => kept.push(made),
                    faults => fates[made.row] = Some(Fate::Refused(faults)),
                },
            }
        }
        Ok(kept)
    }

    async fn pass_over_known(&self, fates: &mut [Option<Fate>]) -> Result<(), ObjectError> {
        let open = self.rows.iter().zip(&*fates).filter(|(_, fate)| fate.is_none());
        let ids: Vec<String> = open.map(|(row, _)| row.id.clone()).collect();
        if ids.is_empty() {
            return Ok(());
        }
        let met = self.engine.store().met(self.scope, EventKind::Object, &ids).await?;
        for (row, fate) in self.rows.iter().zip(fates).filter(|(_, fate)| fate.is_none()) {
            *fate = match met.get(&row.id) {
                Some(Met::Itself) => Some(Fate::Known),
                Some(Met::Other) => Some(Fate::Taken),
                None => None,
            };
        }
        Ok(())
    }

    /// Has the plugin check rows; those that it refuses have their fate then.
    async fn check(
        &self,
        rows: Vec<usize>,
        attempt: u32,
        fates: &mut [Option<Fate>],
    ) -> Result<Vec<Made>, ObjectError> {
        let shape = &self.object.of().shape;
        let (mut made, mut wrong) = (Vec::with_capacity(rows.len()), Vec::new());
        let mut calls: Vec<Vec<usize>> = rows.chunks(ROWS).rev().map(<[usize]>::to_vec).collect();
        while let Some(call) = calls.pop() {
            let changes = call.iter().map(|row| self.change(*row, attempt)).collect();
            let answers = match self.object.ask(changes).await?.map(|checked| checked.answers) {
                Ok(answers) => answers,
                Err(fault) if call.len() == 1 => {
                    tracing::warn!(error = %fault, "A plugin failed to check an imported object.");
                    fates[call[0]] = Some(refused("", "plugin-failed", &fault.to_string()));
                    continue;
                }
                Err(_) => {
                    let (first, second) = call.split_at(call.len() / 2);
                    calls.extend([second.to_vec(), first.to_vec()]);
                    continue;
                }
            };
            for (row, answer) in call.into_iter().zip(answers) {
                let mut faults = self.unknown(row);
                match answer.and_then(|accepted| self.made(row, shape, accepted)) {
                    Ok(object) if faults.is_empty() => made.push(object),
                    Ok(_) => wrong.push((row, faults)),
                    Err(more) => {
                        faults.extend(more);
                        wrong.push((row, faults));
                    }
                }
            }
        }
        self.refuse(wrong, &made, fates).await?;
        Ok(made)
    }

    fn change(&self, row: usize, attempt: u32) -> Change {
        let NewObject { id, key, .. } = &self.rows[row];
        let shape = &self.object.of().shape;
        let fields = Value::Object(self.fields(row));
        Change {
            key: key.clone(),
            customer: shape.owner.as_ref().and_then(|owner| fields[owner].as_str().map(str::to_owned)),
            at: self.how.context.now,
            seed: Seed::of(&[b"import-object", id.as_bytes()], 0, attempt).0,
            operation: Operation::Create(fields.to_string()),
        }
    }

    fn made(&self, row: usize, shape: &ObjectShape, accepted: Accepted) -> Result<Made, Vec<Fault>> {
        let fields: Value = serde_json::from_str(&accepted.fields).unwrap_or_default();
        let faults = conform(shape, &fields);
        if !faults.is_empty() {
            return Err(faults);
        }
        let now = self.how.context.now;
        let indexed = indexed(shape, &fields);
        let object = Object {
            kind: self.object.kind.clone(),
            key: accepted.key,
            part: belongs_to(shape, &fields, None, None),
            version: 1,
            fields,
            created_at: now,
            updated_at: now,
            cause: self.rows[row].id.clone(),
        };
        Ok(Made { row, object, indexed, events: accepted.events })
    }

    /// Commits what conflicts with nothing; what does stays without a fate, and may be asked for again.
    async fn commit(
        &self,
        made: Vec<Made>,
        claims: &mut Claims,
        fates: &mut [Option<Fate>],
    ) -> Result<Moved, ObjectError> {
        let mut open: Vec<Made> = made.into_iter().filter(|made| claims.claim(made)).collect();
        while !open.is_empty() {
            match self.engine.store().transact(self.scope, self.ops(&open)).await {
                Ok(_) | Err(StoreError::Undone) => {
                    for made in open {
                        fates[made.row] = Some(Fate::Made);
                    }
                    break;
                }
                Err(StoreError::UniqueConflict(taken)) => {
                    let taken: HashMap<&str, Option<&str>> = taken
                        .iter()
                        .map(|clash| (clash.object.key.as_str(), clash.value.as_ref().map(|(field, _)| field.as_str())))
                        .collect();
                    let before = open.len();
                    open.retain(|made| {
                        let Some(field) = taken.get(made.object.key.as_str()) else { return true };
                        claims.lose(made, *field);
                        false
                    });
                    if open.len() == before {
                        break;
                    }
                }
                // What they lead to was deleted meanwhile, or is a row that is refused.
                Err(StoreError::LeadsNowhere(lost)) => {
                    let lost: HashMap<&str, &str> =
                        lost.iter().map(|leads| (leads.from.key.as_str(), leads.field.as_str())).collect();
                    let before = open.len();
                    open.retain(|made| {
                        let Some(field) = lost.get(made.object.key.as_str()) else { return true };
                        let at = format!("/{}", pointer(field));
                        fates[made.row] =
                            Some(refused(&at, "unknown-object", "It leads to an object that is not there."));
                        false
                    });
                    if open.len() == before {
                        break;
                    }
                }
                // Somebody else sent the same rows meanwhile: they are known by the next look.
                Err(StoreError::AlreadyExists(_)) => break,
                Err(StoreError::OtherType(_)) => return Ok(Moved::Type),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Moved::Nothing)
    }

    fn ops(&self, made: &[Made]) -> Vec<Op> {
        let changes = made.iter().map(|made| ObjectChange::Create(made.object.clone(), made.indexed.clone()));
        let of_type = Some(self.object.of().held(&self.object.kind));
        let written = [Op::Objects(changes.collect()), Op::AppendNew(self.events(made))];
        let mut ops: Vec<Op> = of_type.into_iter().chain(written).collect();
        if self.how.trial == Trial::DryRun {
            ops.push(Op::Undo);
        }
        ops
    }

    fn events(&self, made: &[Made]) -> Vec<NewEvent> {
        let now = self.how.context.now;
        let mut events = Vec::with_capacity(made.len());
        for Made { object, events: caused, .. } in made {
            let event = |message_id: String, kind, name, cause, body: Value| NewEvent {
                message_id,
                kind,
                name,
                part: object.part,
                occurred_at: now,
                received_at: now,
                historical: self.how.historical,
                authority: Authority::Server,
                cause,
                body: body.to_string(),
            };
            let body = json!({
                "type": "object", "action": "created", "kind": object.kind, "key": object.key,
                "version": object.version, "fields": object.fields, "principal": self.how.context.by,
            });
            let name = format!("{}.created", object.kind);
            events.push(event(object.cause.clone(), EventKind::Object, name, None, body));
            for (ordinal, (name, properties)) in caused.iter().enumerate() {
                let properties: Value = serde_json::from_str(properties).unwrap_or_default();
                let ordinal = (ordinal as u64).to_le_bytes();
                let id = Id::named(&[b"object-event", object.cause.as_bytes(), &ordinal]).to_string();
                let body = json!({ "type": "track", "event": name, "messageId": id, "properties": properties });
                events.push(event(id, EventKind::Track, name.clone(), Some(object.cause.clone()), body));
            }
        }
        events
    }
}

fn key_taken(key: &str, kind: &str, how: &str) -> Fault {
    let message = format!(
        "An object with the key `{key}` already exists{how}: an import makes objects and changes none. Change it with \
         `PATCH /api/v1/objects/{kind}/{{key}}`."
    );
    Fault::new("", "not-unique", message)
}

/// The fields that have not the same value in both objects.
fn differing(one: &Value, other: &Value) -> Vec<String> {
    let names = [one, other].into_iter().filter_map(Value::as_object).flat_map(Map::keys);
    let names: BTreeSet<&String> = names.filter(|name| one.get(*name) != other.get(*name)).collect();
    names.into_iter().cloned().collect()
}

/// Whether a row names a part by its id, and not by an identity that leads to it.
fn names(given: Option<&Value>, part: PartId) -> bool {
    let is_id = |value: &Value| value.as_str().and_then(|text| text.parse().ok()) == Some(part);
    match given {
        Some(Value::Array(several)) => several.iter().any(is_id),
        given => given.is_some_and(is_id),
    }
}

/// The fields as they are created: with defaults, and each customer as an id; what is no identity stays, and is refused by its
/// type.
fn as_created(
    shape: &ObjectShape,
    fields: &Map<String, Value>,
    tenant: TenantId,
    policy: &Policy,
) -> Map<String, Value> {
    let mut fields = fields.clone();
    with_ids(shape, &mut fields, tenant, policy);
    complete(shape, &mut fields);
    fields
}
