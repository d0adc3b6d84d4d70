//! One event as it came: a single walk over its text that picks the fields the door needs and proves the rest to be
//! sound (no U+0000, no lone surrogates, no number out of range, not nested beyond measure), so that nothing
//! behind the door meets a text it cannot read.

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

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
    Array,
    Object,
}

macro_rules! item {
    ($($field:ident = $name:literal),* $(,)?) => {
        /// The fields of an event that the door looks at.
        #[derive(Debug, Default)]
        pub(super) struct Item<'a> {
            $(pub $field: Scalar<'a>,)*
            /// A field that came twice: readers would disagree which one counts.
            pub repeated: Option<&'static str>,
        }

        impl<'a> Item<'a> {
            fn slot(&mut self, name: &str) -> Option<(&'static str, &mut Scalar<'a>)> {
                match name {
                    $($name => Some(($name, &mut self.$field)),)*
                    _ => None,
                }
            }
        }
    };
}

item! {
    kind = "type", event = "event", name = "name", user_id = "userId", anonymous_id = "anonymousId",
    previous_id = "previousId", group_id = "groupId", message_id = "messageId", timestamp = "timestamp",
    sent_at = "sentAt", write_key = "writeKey", properties = "properties", traits = "traits",
    attributes = "attributes", tags = "tags", consents = "consents", context = "context",
}

impl<'de> Deserialize<'de> for Item<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ItemVisitor)
    }
}

struct ItemVisitor;

impl<'de> Visitor<'de> for ItemVisitor {
    type Value = Item<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event, which is a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Item<'de>, A::Error> {
        let mut item = Item::default();
        while let Some(Scalar::Text(name)) = map.next_key::<Scalar>()? {
            let value = map.next_value::<Scalar>()?;
            if let Some((name, slot)) = item.slot(&name)
                && std::mem::replace(slot, value) != Scalar::Absent
            {
                item.repeated = Some(name);
            }
        }
        Ok(item)
    }
}

impl<'de> Deserialize<'de> for Scalar<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
}

struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
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
        while sequence.next_element::<Sound>()?.is_some() {}
        Ok(Scalar::Array)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Scalar<'de>, A::Error> {
        while map.next_entry::<Sound, Sound>()?.is_some() {}
        Ok(Scalar::Object)
    }
}

/// Any value, walked and forgotten.
struct Sound;

impl<'de> Deserialize<'de> for Sound {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SoundVisitor)
    }
}

struct SoundVisitor;

impl<'de> Visitor<'de> for SoundVisitor {
    type Value = Sound;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Sound, E> {
        Ok(Sound)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Sound, E> {
        Ok(Sound)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Sound, E> {
        Ok(Sound)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Sound, E> {
        Ok(Sound)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Sound, E> {
        Ok(Sound)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Sound, E> {
        without_nul(text).map(|()| Sound)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Sound, A::Error> {
        while sequence.next_element::<Sound>()?.is_some() {}
        Ok(Sound)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Sound, A::Error> {
        while map.next_entry::<Sound, Sound>()?.is_some() {}
        Ok(Sound)
    }
}

fn without_nul<E: Error>(text: &str) -> Result<(), E> {
    if text.bytes().any(|byte| byte == 0) { Err(E::custom("U+0000 is not allowed")) } else { Ok(()) }
}
