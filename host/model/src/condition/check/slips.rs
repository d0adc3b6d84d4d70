//! Names that are written as paths. Templates and plugins read `trigger.properties.total`; a condition names the property alone, and
//! a path would be taken for the name of a property that no event has.

use super::Check;

/// Whether a path is taken for a name: a version that was published once keeps its meaning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Paths {
    #[default]
    Taken,
    Refused,
}

/// What is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Property,
    Attribute,
    Field,
    Tag,
}

const ROOTS: [&str; 5] = ["$.", "event.", "trigger.", "customer.", "object."];
const MEMBERS: [(&str, Place); 6] = [
    ("properties.", Place::Property),
    ("traits.", Place::Attribute),
    ("attributes.", Place::Attribute),
    ("fields.", Place::Field),
    ("tags.", Place::Tag),
    ("context.", Place::Property),
];

impl Place {
    fn noun(self) -> &'static str {
        match self {
            Place::Property => "property",
            Place::Attribute => "attribute",
            Place::Field => "field",
            Place::Tag => "tag",
        }
    }

    /// What to write in the place of a path; none if it is a name.
    pub fn slip(self, name: &str) -> Option<String> {
        let bare = ROOTS.iter().find_map(|root| name.strip_prefix(root)).unwrap_or(name);
        let (member, meant) = MEMBERS.iter().find(|(member, _)| bare.starts_with(member))?;
        let rest = &bare[member.len()..];
        let noun = self.noun();
        let write = match (*member, *meant) {
            _ if rest.is_empty() => format!("name the {noun} alone"),
            ("context.", _) => {
                "conditions do not read the context of an event: send the value as a property or as a trait".to_owned()
            }
            (_, meant) if meant == self => format!("write `{rest}`"),
            (_, Place::Attribute) => {
                format!("for the customer's attribute, use `{{\"attribute\": {{\"name\": \"{rest}\", …}}}}`")
            }
            (_, Place::Property) => {
                format!(
                    "for an event's property, use `{{\"event\": {{\"where\": [{{\"property\": \"{rest}\", …}}]}}}}`"
                )
            }
            (_, Place::Tag) => format!("for a tag, use `{{\"tag\": \"{rest}\"}}`"),
            (_, Place::Field) => {
                format!("for an object's field, use `{{\"object\": {{\"where\": [{{\"field\": \"{rest}\", …}}]}}}}`")
            }
        };
        let first = write[..1].to_uppercase();
        Some(format!("`{name}` is a path, and here stands the name of the {noun} alone. {first}{}.", &write[1..]))
    }
}

impl Check<'_> {
    /// Whether a name is one: if it is a path, that is said.
    pub(super) fn is_name(&mut self, place: Place, name: &str, pointer: &str) -> bool {
        let slip = (self.declared.paths == Paths::Refused).then(|| place.slip(name)).flatten();
        let is_name = slip.is_none();
        if let Some(message) = slip {
            self.fault(pointer, "path-as-name", message);
        }
        is_name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_says_what_to_write() {
        for (place, name, write) in [
            (Place::Property, "properties.total", "Write `total`."),
            (Place::Property, "event.properties.total", "Write `total`."),
            (Place::Property, "$.properties.a.b", "Write `a.b`."),
            (Place::Property, "context.ip", "Conditions do not read the context"),
            (Place::Property, "traits.tier", "\"attribute\": {\"name\": \"tier\""),
            (Place::Property, "properties.", "Name the property alone."),
            (Place::Attribute, "traits.tier", "Write `tier`."),
            (Place::Attribute, "customer.attributes.tier", "Write `tier`."),
            (Place::Attribute, "properties.total", "\"property\": \"total\""),
            (Place::Attribute, "customer.tags.vip", "{\"tag\": \"vip\"}"),
            (Place::Field, "object.fields.code", "Write `code`."),
            (Place::Tag, "tags.vip", "Write `vip`."),
        ] {
            let said = place.slip(name).unwrap_or_default();
            assert!(said.contains(write), "{name}: {said}");
        }
        for name in ["total", "a.b", "properties", "event.total", "propertiestotal", "my.traits.x", ""] {
            assert_eq!(Place::Property.slip(name), None, "{name}");
        }
    }
}
