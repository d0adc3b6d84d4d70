//! Rows gathered into requests: within the hub's limits, each with an id that is the same whenever it is sent again.

use anyhow::Result;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, HashMap, HashSet};

use super::notation::Notations;
use super::plan::{Columns, Mapper, RowFault};
use super::refused::{Before, Refused};
use super::source::Source;
use super::target::Into;

/// Below the hub's limits of 500 KB an event request and 1 MB an object request, with room for the envelope.
const EVENT_BYTES: usize = 450 * 1024;
const OBJECT_BYTES: usize = 900 * 1024;
const EVENT_ROWS: usize = 2_000;
const OBJECT_ROWS: usize = 1_000;

const DUPLICATE_KEY: &str = "duplicate-key";

/// A request, and what the file says of its rows.
pub struct Batch {
    pub body: String,
    /// The rows that are in the body, in order.
    pub sent: Vec<Sent>,
    /// Rows that are refused without being sent.
    pub refused: Vec<Refused>,
    /// Which column says what of a row.
    pub columns: Columns,
    /// Why a row of it has nobody.
    pub nobody: String,
    /// Rows that grant a consent and have no time.
    pub untimed: Vec<u64>,
    /// What was noticed of numbers so far.
    pub notations: Notations,
    /// The last row that this batch settles.
    pub last: u64,
    /// Bytes of the file up to there.
    pub read: u64,
}

/// A row in a request.
#[derive(Clone)]
pub struct Sent {
    pub number: u64,
    pub line: u64,
    pub source: Vec<String>,
    /// Which it is, of all rows of all imports.
    pub id: String,
    /// Whether it had that id before, in a list of refused rows.
    pub is_carried: bool,
}

/// What a row becomes: its event, and behind it those of its consents that have a time of their own.
struct Texts {
    joined: String,
    count: usize,
}

/// Takes the consents that have a time out of a row.
fn consents_by_time(row: &mut Map<String, Value>) -> BTreeMap<String, Map<String, Value>> {
    let mut timed: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    let Some(Value::Object(consents)) = row.get_mut("consents") else { return timed };
    consents.retain(|purpose, consent| {
        let Some(at) = consent["at"].as_str().map(str::to_owned) else { return true };
        if let Some(fields) = consent.as_object_mut() {
            fields.remove("at");
        }
        timed.entry(at).or_default().insert(purpose.clone(), consent.take());
        false
    });
    timed
}

/// Whether a row grants a consent and says nowhere when.
fn grants_without_a_time(row: &Map<String, Value>) -> bool {
    let consents = row.get("consents").and_then(Value::as_object).into_iter().flat_map(Map::values);
    !row.contains_key("timestamp")
        && consents.into_iter().any(|consent| consent["state"] == "granted" && consent["at"].is_null())
}

/// An event that says of a row only whose it is.
fn whose(row: &Map<String, Value>) -> Map<String, Value> {
    let names = ["type", "userId", "anonymousId", "identity", "identities"];
    let mut event: Map<String, Value> =
        names.iter().filter_map(|name| Some(((*name).to_owned(), row.get(*name)?.clone()))).collect();
    let identities =
        ["email", "phone"].iter().filter_map(|name| Some(((*name).to_owned(), row.get("traits")?.get(name)?.clone())));
    event.insert("traits".to_owned(), Value::Object(identities.collect()));
    event
}

/// Reads a source batch by batch.
pub struct Batches {
    source: Source,
    into: Into,
    /// Stands in the ids: of the file and the mapping.
    name: String,
    /// Which row had a key first.
    keys: HashMap<u128, u64>,
    /// Ids of an import of before that rows of this file have.
    carried: HashSet<String>,
    /// Rows up to here were imported before.
    done: u64,
    /// A row that did not fit into the batch before.
    left: Option<(Sent, Texts, u64)>,
}

impl Batches {
    pub fn new(source: Source, into: Into, name: String, done: u64) -> Batches {
        Batches { source, into, name, keys: HashMap::new(), carried: HashSet::new(), done, left: None }
    }

    /// The next batch; none at the end of the file.
    pub fn next(&mut self) -> Result<Option<Batch>> {
        let (bytes, rows) = match self.into {
            Into::Events | Into::Customers => (EVENT_BYTES, EVENT_ROWS),
            Into::Objects => (OBJECT_BYTES, OBJECT_ROWS),
        };
        let (mut texts, mut size): (Vec<String>, usize) = (Vec::new(), 0);
        let mut batch = Batch {
            body: String::new(),
            sent: Vec::new(),
            refused: Vec::new(),
            columns: Columns::default(),
            nobody: String::new(),
            untimed: Vec::new(),
            notations: Notations::default(),
            last: 0,
            read: 0,
        };
        if let Some((sent, text, read)) = self.left.take() {
            (batch.last, batch.read, size) = (sent.number, read, text.joined.len());
            texts.push(text.joined);
            batch.sent.extend(std::iter::repeat_n(sent, text.count));
        }
        while batch.sent.len() < rows && batch.refused.len() < rows {
            let Some(row) = self.source.next()? else { break };
            let number = row.number;
            let is_untimed = row.row.as_ref().is_ok_and(grants_without_a_time);
            let (id, is_carried) = self.id(number, &row.before);
            let before = &row.before;
            let text = row.row.and_then(|fields| self.text(fields, (number, &id, before), bytes));
            if number <= self.done {
                continue;
            }
            let sent = Sent { number, line: row.line, source: row.source, id, is_carried };
            match text {
                Err(fault) => {
                    batch.refused.push(Refused::of(&sent, &fault.column, fault.code, &fault.message));
                }
                Ok(text) if size + text.joined.len() + 1 > bytes => {
                    self.left = Some((sent, text, row.read));
                    break;
                }
                Ok(text) => {
                    size += text.joined.len() + 1;
                    texts.push(text.joined);
                    batch.sent.extend(std::iter::repeat_n(sent, text.count));
                }
            }
            batch.untimed.extend(is_untimed.then_some(number));
            (batch.last, batch.read) = (number, row.read);
        }
        if batch.last == 0 {
            return Ok(None);
        }
        let list = if self.into == Into::Objects { "rows" } else { "batch" };
        batch.columns = self.source.mapper.columns();
        batch.nobody = self.source.mapper.nobody();
        batch.notations = self.source.mapper.notations();
        batch.body = format!("{{\"{list}\":[{}]}}", texts.join(","));
        Ok(Some(batch))
    }

    /// Which row it is. One of a list of refused rows is the row that it was, and was never stored; one that somebody has copied
    /// there is another.
    fn id(&mut self, number: u64, before: &Before) -> (String, bool) {
        match before.id() {
            Some(id) if self.carried.insert(id.to_owned()) => (id.to_owned(), true),
            _ => (format!("{}-{number}", self.name), false),
        }
    }

    fn text(
        &mut self,
        mut row: Map<String, Value>,
        (number, id, before): (u64, &str, &Before),
        bytes: usize,
    ) -> Result<Texts, RowFault> {
        self.claim(&row, number, before)?;
        let consents = if self.into == Into::Customers { consents_by_time(&mut row) } else { BTreeMap::new() };
        let id = format!("import-{id}");
        let text = match self.into {
            Into::Events | Into::Customers => {
                row.entry("messageId").or_insert_with(|| json!(id));
                let timed = consents.iter().enumerate().map(|(ordinal, (at, consents))| {
                    let mut event = whose(&row);
                    event.insert("messageId".to_owned(), json!(format!("{id}-consents-{ordinal}")));
                    event.insert("timestamp".to_owned(), json!(at));
                    event.insert("consents".to_owned(), json!(consents));
                    format!(",{}", Value::Object(event))
                });
                let timed: String = timed.collect();
                format!("{}{timed}", Value::Object(row))
            }
            Into::Objects => {
                row.insert("id".to_owned(), json!(id));
                Value::Object(row).to_string()
            }
        };
        if text.len() >= bytes {
            let message = format!("the row is too long: {} bytes; it must be shorter than {bytes}", text.len());
            return Err(RowFault { column: String::new(), code: "too-large", message });
        }
        Ok(Texts { joined: text, count: 1 + consents.len() })
    }

    /// An event's `messageId` and a customer's identity stand in one row of a file only. In the list of refused rows the other one is
    /// missing, so that one which was refused for it stays so until it is another, or somebody has decided.
    fn claim(&mut self, row: &Map<String, Value>, number: u64, before: &Before) -> Result<(), RowFault> {
        let names: &[&str] = match self.into {
            Into::Events => &["messageId"],
            Into::Customers => &["userId", "anonymousId", "identity"],
            Into::Objects => return Ok(()),
        };
        let Some((name, value)) = names.iter().find_map(|name| Some((*name, row.get(*name)?))) else { return Ok(()) };
        let is_already = format!("{} is already in row ", if value.is_object() { &value["value"] } else { value });
        let duplicate = |mapper: &mut Mapper, message| {
            let column = mapper.columns().of(&format!("/{name}"));
            Err(RowFault { column, code: DUPLICATE_KEY, message })
        };
        if before.code == DUPLICATE_KEY && before.message.starts_with(&is_already) {
            return duplicate(&mut self.source.mapper, before.message.clone());
        }
        let hash = blake3::hash(format!("{name}\0{value}").as_bytes());
        let mut half = [0; 16];
        half.copy_from_slice(&hash.as_bytes()[..16]);
        match *self.keys.entry(u128::from_le_bytes(half)).or_insert(number) {
            first if first == number => Ok(()),
            first => {
                let decide =
                    "correct it, or clear its `import.code` in the list of refused rows to import it after that one";
                duplicate(&mut self.source.mapper, format!("{is_already}{first}: {decide}"))
            }
        }
    }
}
