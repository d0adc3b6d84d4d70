//! Templates: texts with `{{ … }}`, compiled once, rendered from the customer, the trigger and the run's objects.
//!
//! The language is a part of minijinja's (`language`), without HTML escaping, and strict: what is not there is a fault of the
//! run, not an empty text. JSON values that are no texts, and texts without markup, pass as they are. A render
//! is bounded in instructions, in what they read and make (`measure`), and in output.

mod data;
mod fields;
mod language;
mod measure;
mod text;

pub(crate) use fields::Fields;
pub(crate) use text::{ROOTS, each_field_template, environment, is_template, uses, variables};
