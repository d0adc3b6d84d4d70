//! A text that is a template: whether it is one, what it reads, and where such texts lie below a value.

use minijinja::value::ValueKind;
use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior, escape_formatter};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::sync::Arc;

use super::language::Called;
use super::{calls, language, measure};
use crate::document::escape;
use crate::surroundings::Functions;
use crate::uses::Uses;

/// Instructions that one text may take to render.
const FUEL: u64 = 50_000;
/// The data that every template can use; an object's `as` name cannot be one of them.
pub(crate) const ROOTS: [&str; 2] = ["customer", "trigger"];

/// Ends the name of a template whose text is HTML. No pointer does.
pub(super) const HTML: &str = "\0html";

/// In which these functions of plugins can be called.
pub(crate) fn environment(functions: &Arc<Functions>) -> Environment<'static> {
    let mut environment = Environment::empty();
    measure::furnish(&mut environment);
    calls::furnish(&mut environment, Arc::clone(functions));
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|name| if name.ends_with(HTML) { AutoEscape::Html } else { AutoEscape::None });
    environment.set_keep_trailing_newline(true);
    environment.set_fuel(Some(FUEL));
    environment.set_formatter(|output, state, value| match value.kind() {
        // As JSON writes it, not as Python does.
        ValueKind::Bool => Ok(output.write_str(if value.is_true() { "true" } else { "false" })?),
        ValueKind::None => Err(minijinja::Error::new(ErrorKind::UndefinedError, "a `null` cannot be shown as text")),
        _ => escape_formatter(output, state, value),
    });
    environment
}

pub(crate) fn is_template(text: &str) -> bool {
    ["{{", "{%", "{#"].iter().any(|mark| text.contains(mark))
}

/// What a template reads: variables, as dotted paths, and functions of plugins.
pub(crate) struct Reads {
    pub(crate) variables: BTreeSet<String>,
    pub(crate) calls: Vec<Called>,
}

pub(crate) fn reads(environment: &Environment<'_>, source: &str) -> Result<Reads, minijinja::Error> {
    let written = language::written(source)?;
    let template = environment.template_from_named_str("template", &written.source)?;
    let names = template.undeclared_variables(true);
    let variables = names.into_iter().filter(|path| !is_global(environment, root(path))).collect();
    Ok(Reads { variables, calls: written.calls })
}

fn is_global(environment: &Environment<'_>, name: &str) -> bool {
    environment.globals().any(|(global, _)| global == name)
}

pub(crate) fn root(path: &str) -> &str {
    path.split('.').next().unwrap_or(path)
}

/// Calls `visit` with each text below `value` that is a template, and its pointer.
pub(crate) fn each_template<'a>(pointer: &str, value: &'a Value, visit: &mut dyn FnMut(&str, &'a str)) {
    match value {
        Value::String(text) if is_template(text) => visit(pointer, text),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                each_template(&format!("{pointer}/{index}"), item, visit);
            }
        }
        Value::Object(fields) => each_field_template(pointer, fields, visit),
        _ => {}
    }
}

pub(crate) fn each_field_template<'a>(
    pointer: &str,
    fields: &'a Map<String, Value>,
    visit: &mut dyn FnMut(&str, &'a str),
) {
    for (name, value) in fields {
        each_template(&format!("{pointer}/{}", escape(name)), value, visit);
    }
}

/// What the templates among these fields use; `objects` are the `as` names of the graph.
///
/// Exact for expressions. A text with statements (`{% … %}`) can rebind names, so there every name that
/// occurs in it counts as used, whole.
pub(crate) fn uses(fields: &Map<String, Value>, objects: &BTreeSet<String>) -> Uses {
    let environment = environment(&Arc::default());
    let mut uses = Uses::default();
    let known = |name: &str| ROOTS.contains(&name) || objects.contains(name);
    each_field_template("", fields, &mut |_, source| {
        if source.contains("{%") {
            let words = source.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
            words.filter(|word| known(word)).for_each(|word| uses.add(word));
        } else {
            // A text that does not compile uses nothing; the check has its fault.
            let paths = reads(&environment, source).map(|reads| reads.variables).unwrap_or_default();
            paths.iter().filter(|path| known(root(path))).for_each(|path| uses.add(path));
        }
    });
    uses
}
