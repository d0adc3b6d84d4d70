//! One event as it came: a single walk over its text that picks the fields the door needs and proves the rest to be
//! sound (no U+0000, no lone surrogates, no number out of range, not nested beyond measure), so that nothing
//! behind the door meets a text it cannot read.
//!
//! What the engine will read of an event and the door has to judge is kept as it will be read: tags, consents and
//! identities, and of the traits their names, their scalar values and what is too long to be an identity.

use openhub_model::attribute::AttributeType;
use openhub_model::identity::number;
use openhub_model::limits;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use super::check::RESERVED;

/// A value of a field that the door looks at.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Scalar<'a> {
    #[default]
    Absent,
    Null,
    Boolean,
    /// A number, as JSON writes it.
    Number(String),
    Text(Cow<'a, str>),
    /// Also what PHP writes for an empty map.
    EmptyArray,
    Array,
    EmptyObject,
    Object,
}

impl Scalar<'_> {
    /// A text, or a number as JSON writes it.
    pub fn text(&self) -> Option<&str> {
        match self {
            Scalar::Text(text) => Some(text),
            Scalar::Number(number) => Some(number),
            _ => None,
        }
    }

    /// As an id.
    pub fn id(&self) -> Option<Cow<'_, str>> {
        match self {
            Scalar::Text(text) => Some(Cow::Borrowed(text)),
            Scalar::Number(number) => Some(Cow::Owned(as_id(number))),
            _ => None,
        }
    }

    /// Whether the engine will find it to be of a declared type.
    pub fn is_of(&self, of: AttributeType) -> bool {
        match (self, of) {
            (Scalar::Absent | Scalar::Null, _)
            | (Scalar::Number(_), AttributeType::Number)
            | (Scalar::Boolean, AttributeType::Boolean)
            | (Scalar::Array | Scalar::EmptyArray, AttributeType::List)
            | (Scalar::Object | Scalar::EmptyObject, AttributeType::Object) => true,
            // As it was read: a double has a point or an exponent.
            (Scalar::Number(number), AttributeType::Integer) => number.parse::<i64>().is_ok(),
            (Scalar::Text(text), of) => of.holds_text(text),
            _ => false,
        }
    }
}

macro_rules! item {
    ($($field:ident = $name:literal),* $(,)?) => {
        /// The fields of an event that the door looks at.
        #[derive(Debug, Default)]
        pub(super) struct Item<'a> {
            $(pub $field: Scalar<'a>,)*
            pub names: Names<'a>,
            pub tags: Value,
            pub consents: Value,
            pub identities: Value,
            /// Whose a row of a file is that has no id.
            pub identity: Value,
            /// The first member whose name is the hub's own.
            pub reserved: Option<Cow<'a, str>>,
            /// A field that came twice: readers would disagree which one counts.
            pub repeated: Option<&'static str>,
            /// Ids of more digits than a number has.
            pub long_ids: Vec<&'static str>,
            /// Whether the context has traits, as some libraries write those of an `identify`.
            pub traits_in_context: bool,
            /// As some write a page's name.
            pub name_in_properties: Scalar<'a>,
            /// Members that mean nothing here, and that libraries do not send.
            pub others: Vec<Cow<'a, str>>,
        }

        impl<'a> Item<'a> {
            fn slot(&mut self, name: &str) -> Option<(&'static str, &mut Scalar<'a>)> {
                match name {
                    $($name => Some(($name, &mut self.$field)),)*
                    _ => None,
                }
            }

            /// Whether the event has a member with a value.
            pub fn has(&self, name: &str) -> bool {
                match name {
                    $($name => !matches!(self.$field, Scalar::Absent | Scalar::Null),)*
                    "tags" => !self.tags.is_null(),
                    "consents" => !self.consents.is_null(),
                    "identities" => !self.identities.is_null(),
                    _ => false,
                }
            }
        }
    };
}

item! {
    kind = "type", event = "event", name = "name", user_id = "userId", anonymous_id = "anonymousId",
    previous_id = "previousId", group_id = "groupId", message_id = "messageId", timestamp = "timestamp",
    original = "originalTimestamp", sent_at = "sentAt", write_key = "writeKey", properties = "properties", traits = "traits", context = "context", by = "openhub:by",
}

impl<'a> Item<'a> {
    /// An id, which may be a number of any length: its digits count.
    fn id<E: Error>(&mut self, name: &str, raw: &'a RawValue) -> Result<Scalar<'a>, E> {
        let text = raw.get();
        let is_long = text.len() > 18 && text.bytes().all(|byte| byte.is_ascii_digit());
        if !is_long {
            let scalar: Scalar<'a> = serde_json::from_str(text).map_err(E::custom)?;
            return Ok(match scalar {
                Scalar::Number(number) => Scalar::Number(as_id(&number)),
                other => other,
            });
        }
        let name = self.slot(name).map(|(name, _)| name);
        self.long_ids.extend(name);
        Ok(Scalar::Number(text.to_owned()))
    }
}

/// A number, as JSON writes it, as the engine will read it of an id.
pub(super) fn as_id(written: &str) -> String {
    serde_json::from_str(written).map_or_else(|_| written.to_owned(), |read| number(&read))
}

/// What the door has to know of the members of an event's traits.
#[derive(Debug, Default)]
pub(super) struct Names<'a> {
    pub all: Vec<Cow<'a, str>>,
    /// What each of them is, in their order.
    pub values: Vec<Scalar<'a>>,
    /// Those whose text is longer than an identity may be.
    pub long: Vec<Cow<'a, str>>,
}

impl<'de> Deserialize<'de> for Item<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ItemVisitor)
    }
}

/// Members that are looked at for whether they are misspelt.
const OTHERS: usize = 20;

/// What libraries send besides.
const OF_LIBRARIES: [&str; 12] = [
    "integrations",
    "channel",
    "version",
    "receivedAt",
    "category",
    "options",
    "projectId",
    "metadata",
    "_metadata",
    "request_ip",
    "rudderId",
    "library",
];

struct ItemVisitor;

impl<'de> Visitor<'de> for ItemVisitor {
    type Value = Item<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event, which is a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Item<'de>, A::Error> {
        let mut item = Item::default();
        let (mut tags, mut consents, mut identities, mut identity) = (None, None, None, None);
        while let Some(Scalar::Text(name)) = map.next_key::<Scalar>()? {
            let kept = match name.as_ref() {
                "tags" => Some(("tags", &mut tags)),
                "consents" => Some(("consents", &mut consents)),
                "identities" => Some(("identities", &mut identities)),
                "identity" => Some(("identity", &mut identity)),
                _ => None,
            };
            if let Some((name, kept)) = kept {
                if kept.replace(sound(once(map.next_value()?)?)?).is_some() {
                    item.repeated = Some(name);
                }
                continue;
            }
            let left = limits::DEPTH - 1;
            let value = match name.as_ref() {
                "traits" => map.next_value_seed(Walk { left, note: Note::Names(&mut item.names) })?,
                "properties" => {
                    let name = Note::Member("name", &mut item.name_in_properties);
                    map.next_value_seed(Walk { left, note: name })?
                }
                "context" => {
                    let mut traits = Scalar::Absent;
                    let value = map.next_value_seed(Walk { left, note: Note::Member("traits", &mut traits) })?;
                    item.traits_in_context |= traits == Scalar::Object;
                    value
                }
                "userId" | "anonymousId" | "previousId" | "groupId" => item.id(&name, map.next_value()?)?,
                _ => map.next_value_seed(Walk { left, note: Note::Nothing })?,
            };
            if let Some((name, slot)) = item.slot(&name) {
                if std::mem::replace(slot, value) != Scalar::Absent {
                    item.repeated = Some(name);
                }
            } else if name.starts_with(RESERVED) {
                item.reserved.get_or_insert(name);
            } else if item.others.len() < OTHERS && !OF_LIBRARIES.contains(&&*name) {
                item.others.push(name);
            }
        }
        item.tags = tags.unwrap_or_default();
        item.consents = consents.unwrap_or_default();
        item.identities = identities.unwrap_or_default();
        item.identity = identity.unwrap_or_default();
        Ok(item)
    }
}

/// A value in which no object has a member twice.
fn once<E: Error>(raw: &RawValue) -> Result<Value, E> {
    let (value, repeated) = openhub_model::once::from_slice(raw.get().as_bytes()).map_err(E::custom)?;
    match repeated {
        None => Ok(value),
        Some(pointer) => Err(twice(pointer.rsplit('/').next().unwrap_or_default())),
    }
}

fn twice<E: Error>(name: &str) -> E {
    let name: String = name.chars().take(60).collect();
    E::custom(format!("the member `{name}` is written twice in one object, and only one of them could count"))
}

/// The members of one object so far.
#[derive(Default)]
struct Seen<'de> {
    few: Vec<Cow<'de, str>>,
    /// Once there are more than are looked through one by one.
    many: HashSet<Cow<'de, str>>,
}

impl<'de> Seen<'de> {
    const FEW: usize = 16;

    fn add<E: Error>(&mut self, name: Cow<'de, str>) -> Result<(), E> {
        if self.few.contains(&name) || self.many.contains(&name) {
            return Err(twice(&name));
        }
        if self.few.len() < Self::FEW {
            self.few.push(name);
        } else {
            self.many.insert(name);
        }
        Ok(())
    }
}

fn sound<E: Error>(value: Value) -> Result<Value, E> {
    match limits::value(&value, "") {
        None => Ok(value),
        Some(fault) => Err(E::custom(fault.message)),
    }
}

impl<'de> Deserialize<'de> for Scalar<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Walk { left: limits::DEPTH, note: Note::Nothing })
    }
}

/// Walks a value of at most so many levels.
struct Walk<'n, 'de> {
    left: usize,
    note: Note<'n, 'de>,
}

/// What is noted of the members of an object.
enum Note<'n, 'de> {
    Nothing,
    Names(&'n mut Names<'de>),
    /// The value of this one.
    Member(&'static str, &'n mut Scalar<'de>),
}

impl<'de> DeserializeSeed<'de> for Walk<'_, 'de> {
    type Value = Scalar<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Scalar<'de>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_, 'de> {
    type Value = Scalar<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Null)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Boolean)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Number(number.to_string()))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Number(number.to_string()))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Scalar<'de>, E> {
        let number = serde_json::Number::from_f64(number).ok_or_else(|| E::custom("the number is out of range"))?;
        Ok(Scalar::Number(number.to_string()))
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Scalar<'de>, E> {
        without_nul(text)?;
        Ok(Scalar::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Scalar<'de>, E> {
        without_nul(text)?;
        Ok(Scalar::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Scalar<'de>, A::Error> {
        let left = deeper(self.left)?;
        let mut form = Scalar::EmptyArray;
        while sequence.next_element_seed(Sound(left))?.is_some() {
            form = Scalar::Array;
        }
        Ok(form)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Scalar<'de>, A::Error> {
        let left = deeper(self.left)?;
        let mut form = Scalar::EmptyObject;
        let mut seen = Seen::default();
        match self.note {
            Note::Nothing => {
                while let Some(Scalar::Text(name)) = map.next_key::<Scalar>()? {
                    seen.add(name)?;
                    map.next_value_seed(Sound(left))?;
                    form = Scalar::Object;
                }
            }
            Note::Member(wanted, slot) => {
                while let Some(Scalar::Text(name)) = map.next_key::<Scalar>()? {
                    match name == wanted {
                        true => *slot = map.next_value_seed(Walk { left, note: Note::Nothing })?,
                        false => map.next_value_seed(Sound(left))?,
                    }
                    seen.add(name)?;
                    form = Scalar::Object;
                }
            }
            Note::Names(names) => {
                while let Some(Scalar::Text(name)) = map.next_key::<Scalar>()? {
                    let value = map.next_value_seed(Walk { left, note: Note::Nothing })?;
                    seen.add(name.clone())?;
                    if matches!(&value, Scalar::Text(text) if text.len() > limits::IDENTITY) {
                        names.long.push(name.clone());
                    }
                    names.all.push(name);
                    names.values.push(value);
                    form = Scalar::Object;
                }
            }
        }
        Ok(form)
    }
}

fn deeper<E: Error>(left: usize) -> Result<usize, E> {
    left.checked_sub(1).ok_or_else(|| E::custom(format!("this is nested too deeply: at most {} levels", limits::DEPTH)))
}

/// Any value of at most so many levels, walked and forgotten.
#[derive(Clone, Copy)]
struct Sound(usize);

impl<'de> DeserializeSeed<'de> for Sound {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Sound {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        without_nul(text)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<(), A::Error> {
        let left = Sound(deeper(self.0)?);
        while sequence.next_element_seed(left)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let left = Sound(deeper(self.0)?);
        let mut seen = Seen::default();
        while let Some(Scalar::Text(name)) = map.next_key::<Scalar>()? {
            seen.add(name)?;
            map.next_value_seed(left)?;
        }
        Ok(())
    }
}

fn without_nul<E: Error>(text: &str) -> Result<(), E> {
    if text.bytes().any(|byte| byte == 0) { Err(E::custom("the character U+0000 is not allowed")) } else { Ok(()) }
}
