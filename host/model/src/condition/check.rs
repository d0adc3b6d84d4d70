//! What is wrong with a condition, before it is ever evaluated or turned into SQL.
//!
//! Bounds its size, so that no condition costs more than it should, refuses values that can never fit their
//! comparison, and what it mentions that was not declared.

mod leaves;
mod slips;
mod values;

pub use slips::{Paths, Place};

use super::{Condition, Declarations, PropertyTest};
use crate::fault::Fault;

/// A leaf alone has depth 1; each `all`, `any` or `not` around it adds 1. As JSON each takes two levels of the 64 that a
/// document may have, and the rest is for what a condition stands in.
pub const MAX_DEPTH: usize = 28;
/// Leaves in one condition; a `where` test counts as one too.
pub const MAX_LEAVES: usize = 1000;
/// Elements in one `in` list.
pub const MAX_VALUES: usize = 1000;
/// Steps of a sequence.
pub const MAX_STEPS: usize = 8;

impl Condition {
    /// All faults of form, with JSON pointers that start with `pointer`: where this condition lies in its document.
    pub fn faults(&self, pointer: &str) -> Vec<Fault> {
        self.faults_against(pointer, &Declarations::default())
    }

    /// All faults, those of form and what is mentioned without having been declared.
    pub fn faults_against(&self, pointer: &str, declared: &Declarations<'_>) -> Vec<Fault> {
        let mut check = Check { root: pointer, declared, leaves: 0, faults: Vec::new() };
        check.condition(self, pointer, 1);
        check.faults
    }
}

/// What is wrong with tests of an event's own properties, that stand at `pointer`.
pub fn property_faults(tests: &[PropertyTest], paths: Paths, pointer: &str) -> Vec<Fault> {
    let declared = Declarations { paths, ..Declarations::default() };
    let mut check = Check { root: pointer, declared: &declared, leaves: 0, faults: Vec::new() };
    check.properties(tests, &[], pointer);
    check.faults
}

struct Check<'a> {
    root: &'a str,
    declared: &'a Declarations<'a>,
    leaves: usize,
    faults: Vec<Fault>,
}

impl Check<'_> {
    fn condition(&mut self, condition: &Condition, pointer: &str, depth: usize) {
        if depth > MAX_DEPTH {
            self.fault(pointer, "too-deep", format!("The condition is too deep: at most {MAX_DEPTH} levels."));
            return;
        }
        let at = |name: &str| format!("{pointer}/{name}");
        match condition {
            Condition::All(parts) => self.parts(parts, &at("all"), depth),
            Condition::Any(parts) => self.parts(parts, &at("any"), depth),
            Condition::Not(part) => self.condition(part, &at("not"), depth + 1),
            Condition::Attribute(test) => self.attribute(test, &at("attribute")),
            Condition::Tag(name) => self.tag(name, &at("tag")),
            Condition::Identity(test) => self.identity(test, &at("identity")),
            Condition::Consent(test) => self.consent(test, &at("consent")),
            Condition::Segment(name) => self.segment(name, &at("segment")),
            Condition::Bucket(test) => self.bucket(test, &at("bucket")),
            Condition::Journey(test) => self.journey(test, &at("journey")),
            Condition::Message(test) => self.message(test, &at("message")),
            Condition::Event(test) => self.event(test, &at("event")),
            Condition::Sequence(test) => self.sequence(test, &at("sequence")),
            Condition::Object(test) => self.object(test, &at("object")),
        }
    }

    fn parts(&mut self, parts: &[Condition], pointer: &str, depth: usize) {
        for (index, part) in parts.iter().enumerate() {
            self.condition(part, &format!("{pointer}/{index}"), depth + 1);
        }
    }

    /// Says once that there are too many.
    fn leaf(&mut self) {
        self.leaves += 1;
        if self.leaves == MAX_LEAVES + 1 {
            let root = self.root.to_owned();
            self.fault(&root, "too-many-leaves", format!("The condition has too many tests: at most {MAX_LEAVES}."));
        }
    }

    fn fault(&mut self, pointer: &str, code: &str, message: impl Into<String>) {
        self.faults.push(Fault::new(pointer, code, message));
    }
}
