//! The leaves, one by one.

use serde_json::Value;
use std::collections::BTreeSet;

use super::slips::Place;
use super::values::Subject;
use super::{Check, MAX_STEPS};
use crate::attribute::AttributeType;
use crate::condition::{
    Aggregate, AttributeTest, BUCKETS, BucketTest, ConsentTest, EventTest, IdentityTest, JourneyTest, MessageTest,
    ObjectTest, PropertyTest, Quantifier, SequenceTest, Step,
};
use crate::fault::there_are;
use crate::manifest::Field;

impl<'a> Check<'a> {
    pub(super) fn attribute(&mut self, test: &AttributeTest, pointer: &str) {
        self.leaf();
        let at = format!("{pointer}/name");
        self.name(&test.name, &at);
        let typed = self.declared.typed.and_then(|typed| typed.get(&test.name));
        if typed.is_none() && !self.is_name(Place::Attribute, &test.name, &at) {
            return;
        }
        let subject = match (self.declared.attributes, typed) {
            (None, Some(AttributeType::Date)) => Subject::Date,
            (None, of) => of.and_then(|of| of.scalar()).map_or(Subject::Anything, Subject::Declared),
            (Some(attributes), _) => match attributes.get(&test.name) {
                Some(of) => Subject::Declared(of),
                None => return self.unknown("attribute", &test.name, attributes.keys(), &at),
            },
        };
        self.timed(test.is, &test.value, subject, pointer);
    }

    pub(super) fn tag(&mut self, name: &str, pointer: &str) {
        self.leaf();
        self.name(name, pointer);
        self.is_name(Place::Tag, name, pointer);
    }

    pub(super) fn identity(&mut self, test: &IdentityTest, pointer: &str) {
        self.leaf();
        let at = format!("{pointer}/kind");
        self.name(&test.kind, &at);
        self.known("identity", &test.kind, self.declared.identities, &at);
        self.comparison(test.is, &test.value, Subject::Label, pointer);
    }

    pub(super) fn consent(&mut self, test: &ConsentTest, pointer: &str) {
        self.leaf();
        let at = format!("{pointer}/purpose");
        self.name(&test.purpose, &at);
        if test.purpose.contains('/') {
            self.fault(&at, "bad-text", "A purpose must not contain `/`. Name the channel in `channel`.");
        } else {
            self.known("purpose", &test.purpose, self.declared.purposes, &at);
        }
        self.channel(test.channel.as_deref(), pointer);
    }

    pub(super) fn segment(&mut self, name: &str, pointer: &str) {
        self.leaf();
        self.name(name, pointer);
        self.known("segment", name, self.declared.segments, pointer);
    }

    pub(super) fn bucket(&mut self, test: &BucketTest, pointer: &str) {
        self.leaf();
        self.name(&test.seed, &format!("{pointer}/seed"));
        if test.to > BUCKETS {
            self.fault(
                &format!("{pointer}/to"),
                "out-of-range",
                format!("`to` is too large: at most {BUCKETS}, the number of buckets."),
            );
        } else if test.from >= test.to {
            self.fault(&format!("{pointer}/from"), "out-of-range", "`from` must be smaller than `to`.");
        }
    }

    pub(super) fn journey(&mut self, test: &JourneyTest, pointer: &str) {
        self.leaf();
        self.journey_name(&test.name, &format!("{pointer}/name"));
    }

    pub(super) fn message(&mut self, test: &MessageTest, pointer: &str) {
        self.leaf();
        self.channel(test.channel.as_deref(), pointer);
        if let Some(journey) = &test.journey {
            self.journey_name(journey, &format!("{pointer}/journey"));
        }
        if let Some(count) = &test.count {
            self.comparison(count.is, &count.value, Subject::Number, &format!("{pointer}/count"));
        }
        self.span(test.within, &format!("{pointer}/within"));
    }

    pub(super) fn event(&mut self, test: &EventTest, pointer: &str) {
        self.leaf();
        let fields = self.event_name(&test.name, &format!("{pointer}/name"));
        self.properties(&test.tests, fields, &format!("{pointer}/where"));
        self.span(test.within, &format!("{pointer}/within"));
        if test.within.is_some() && (test.from.is_some() || test.to.is_some()) {
            self.fault(&format!("{pointer}/within"), "two-windows", "Use `within`, or `from` and `to`, but not both.");
        }
        if test.from.zip(test.to).is_some_and(|(from, to)| from >= to) {
            self.fault(&format!("{pointer}/from"), "empty-window", "`from` must be earlier than `to`.");
        }
        let at = format!("{pointer}/of");
        let declared = (!fields.is_empty()).then_some(fields);
        let of = match (test.aggregate, &test.of) {
            (Aggregate::Count, Some(_)) => {
                self.fault(&at, "unexpected-value", "`count` counts events and needs no property: remove `of`.");
                Subject::Number
            }
            (Aggregate::Count, None) => Subject::Number,
            (_, None) => {
                self.fault(&at, "missing-value", "This aggregate needs a property: name it in `of`.");
                Subject::Anything
            }
            (_, Some(of)) => {
                self.name(of, &at);
                self.field("property", of, declared, &at).unwrap_or(Subject::Anything)
            }
        };
        if matches!(test.aggregate, Aggregate::Sum | Aggregate::Avg | Aggregate::Min | Aggregate::Max)
            && let Some(message) = of.why_no_number()
        {
            self.fault(&at, "wrong-type", message);
        }
        let subject = match test.aggregate {
            Aggregate::First | Aggregate::Last => of,
            _ => Subject::Number,
        };
        self.comparison(test.is, &test.value, subject, pointer);
    }

    pub(super) fn sequence(&mut self, test: &SequenceTest, pointer: &str) {
        self.leaf();
        let at = format!("{pointer}/steps");
        if !(2..=MAX_STEPS).contains(&test.steps.len()) {
            self.fault(&at, "out-of-range", format!("A sequence must have 2 to {MAX_STEPS} steps."));
        }
        for (index, step) in test.steps.iter().take(MAX_STEPS).enumerate() {
            self.step(step, &format!("{at}/{index}"));
        }
        if let Some(without) = &test.without {
            self.step(without, &format!("{pointer}/without"));
        }
        self.span(test.within, &format!("{pointer}/within"));
        self.span(test.during, &format!("{pointer}/during"));
    }

    fn step(&mut self, step: &Step, pointer: &str) {
        let fields = self.event_name(&step.name, &format!("{pointer}/name"));
        self.properties(&step.tests, fields, &format!("{pointer}/where"));
    }

    pub(super) fn object(&mut self, test: &ObjectTest, pointer: &str) {
        self.leaf();
        let at = format!("{pointer}/kind");
        self.name(&test.kind, &at);
        let fields = match self.declared.objects {
            None => None,
            Some(objects) => match objects.get(&test.kind) {
                Some(fields) => Some(fields.as_slice()),
                None => return self.unknown("object", &test.kind, objects.keys(), &at),
            },
        };
        for (index, each) in test.tests.iter().enumerate() {
            self.leaf();
            let pointer = format!("{pointer}/where/{index}");
            let at = format!("{pointer}/field");
            self.name(&each.field, &at);
            if let Some(subject) = self.field("field", &each.field, fields, &at) {
                self.timed(each.is, &each.value, subject, &pointer);
            }
        }
        match (test.quantifier, test.is) {
            (Quantifier::Count, Some(is)) => self.comparison(is, &test.value, Subject::Number, pointer),
            (Quantifier::Count, None) => {
                self.fault(
                    &format!("{pointer}/is"),
                    "missing-value",
                    "`count` needs a comparison: set `is` and `value`.",
                );
            }
            (_, Some(_)) => self.fault(
                &format!("{pointer}/is"),
                "unexpected-value",
                "Only the quantifier `count` takes `is` and `value`. Remove them.",
            ),
            (_, None) if test.value != Value::Null => {
                self.fault(
                    &format!("{pointer}/value"),
                    "unexpected-value",
                    "Only the quantifier `count` takes `is` and `value`. Remove them.",
                );
            }
            _ => {}
        }
    }

    /// The declared fields of an event: none if it may have any property, or is unknown.
    fn event_name(&mut self, name: &str, pointer: &str) -> &'a [Field] {
        self.name(name, pointer);
        let Some(events) = self.declared.events else { return &[] };
        match events.get(name) {
            Some(fields) => fields,
            None => {
                self.unknown("event", name, events.keys(), pointer);
                &[]
            }
        }
    }

    pub(super) fn properties(&mut self, tests: &[PropertyTest], fields: &'a [Field], pointer: &str) {
        for (index, test) in tests.iter().enumerate() {
            self.leaf();
            let pointer = format!("{pointer}/{index}");
            let at = format!("{pointer}/property");
            self.name(&test.property, &at);
            let declared = (!fields.is_empty()).then_some(fields);
            let Some(subject) = self.field("property", &test.property, declared, &at) else { continue };
            self.comparison(test.is, &test.value, subject, &pointer);
        }
    }

    /// What a property or field is compared as; none if there is no such.
    fn field(&mut self, what: &str, name: &str, fields: Option<&'a [Field]>, pointer: &str) -> Option<Subject<'a>> {
        let Some(fields) = fields else {
            let place = if what == "field" { Place::Field } else { Place::Property };
            return self.is_name(place, name, pointer).then_some(Subject::Anything);
        };
        let field = fields.iter().find(|field| field.name == name);
        if field.is_none() {
            self.unknown(what, name, fields.iter().map(|field| &field.name), pointer);
        }
        field.map(|field| if field.list { Subject::List } else { Subject::Declared(&field.of) })
    }

    fn channel(&mut self, channel: Option<&str>, pointer: &str) {
        let Some(channel) = channel else { return };
        let at = format!("{pointer}/channel");
        self.name(channel, &at);
        self.known("channel", channel, self.declared.channels, &at);
    }

    fn journey_name(&mut self, name: &str, pointer: &str) {
        self.name(name, pointer);
        self.known("journey", name, self.declared.journeys, pointer);
    }

    fn known(&mut self, what: &str, name: &str, known: Option<&BTreeSet<String>>, pointer: &str) {
        if let Some(known) = known.filter(|known| !known.contains(name)) {
            self.unknown(what, name, known, pointer);
        }
    }

    fn unknown<'n>(&mut self, what: &str, name: &str, known: impl IntoIterator<Item = &'n String>, pointer: &str) {
        if !name.is_empty() {
            let noun = match what {
                "identity" => "identity kind",
                "object" => "object type",
                other => other,
            };
            let message = format!("There is no {noun} `{name}`. {}", there_are(known));
            self.fault(pointer, &format!("unknown-{what}"), message);
        }
    }
}
