//! Templates: texts with `{{ … }}`, compiled once, rendered from the customer, the trigger and the run's objects.
//!
//! The language is a part of minijinja's (`language`), and strict: what is not there is a fault of the
//! run, not an empty text. JSON values that are no texts, and texts without markup, pass as they are. A render
//! is bounded in instructions, in what they read and make (`measure`), and in output. What goes into a field that is declared as HTML is
//! escaped. Functions of plugins are asked for their values (`calls`).

mod calls;
mod data;
mod fields;
mod language;
mod measure;
mod text;

pub(crate) use fields::{Fields, too_long};
pub(crate) use language::{Argument, Called};
pub(crate) use text::{ROOTS, each_field_template, environment, is_template, reads, uses};
