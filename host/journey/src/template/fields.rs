//! The fields of a content, an object or an update: compiled once, rendered to JSON with the types of their shape.

use minijinja::{Environment, ErrorKind, Template};
use openhub_model::limits::TOO_LONG;
use openhub_model::manifest::{Field, Type};
use openhub_model::{Fault, Timestamp, decimal};
use serde_json::{Map, Number, Value};
use std::io;

use super::data::data;
use super::text::{HTML, each_template, is_template};
use super::{calls, language, measure};
use crate::document::escape;
use crate::error::{Failure, StepError};
use crate::step::Walk;
use crate::uses::Uses;

/// Bytes that one text may render to.
const MAX_TEXT: usize = 256 * 1024;

/// The compiled fields of a content, of an object or of an update.
pub(crate) struct Fields {
    pointer: String,
    fields: Vec<(String, Form, Option<Field>)>,
    uses: Uses,
    fixed: bool,
}

enum Form {
    Fixed(Value),
    /// By the template's name in the environment.
    Text(String),
    List(Vec<Form>),
    Map(Vec<(String, Form)>),
}

impl Fields {
    /// Adds the templates among `fields` to `environment`. `shape` gives the types that rendered texts become.
    pub(crate) fn compile(
        environment: &mut Environment<'static>,
        pointer: String,
        fields: &Map<String, Value>,
        shape: &[Field],
        uses: Uses,
    ) -> Result<Fields, Fault> {
        let mut fixed = true;
        let mut compiled = Vec::with_capacity(fields.len());
        for (name, value) in fields {
            let field = shape.iter().find(|field| field.name == *name);
            let escaping = if field.is_some_and(|field| field.html) { HTML } else { "" };
            let form = form(environment, &format!("{pointer}/{}", escape(name)), escaping, value)?;
            fixed &= matches!(form, Form::Fixed(_));
            compiled.push((name.clone(), form, field.cloned()));
        }
        Ok(Fields { pointer, fields: compiled, uses, fixed })
    }

    /// The values, or what has to be asked of functions before.
    pub(crate) fn render(&self, walk: &Walk<'_>) -> Result<Map<String, Value>, Failure> {
        let data = match self.fixed {
            true => minijinja::Value::UNDEFINED,
            false => data(&self.uses, walk).map_err(|error| error.at(&self.pointer))?,
        };
        measure::begin();
        calls::begin(walk.known.clone());
        let mut rendered = Ok(Map::with_capacity(self.fields.len()));
        for (name, form, field) in &self.fields {
            let value = value(form, field.as_ref(), walk.templates, &data);
            match (&mut rendered, value) {
                (Ok(rendered), Ok(Some(value))) => drop(rendered.insert(name.clone(), value)),
                // All are looked at, so that all that they ask is asked at once.
                (Ok(_), Err(error)) => rendered = Err(error.at(format!("{}/{}", self.pointer, escape(name)))),
                _ => {}
            }
        }
        match calls::end() {
            open if open.is_empty() => rendered,
            // What failed with stand-ins may yet be made.
            open => Err(StepError::Asks(open).at(&self.pointer)),
        }
    }
}

/// A field's value; none if it may be left out, and its template gives nothing that could be a value of its type.
fn value(
    form: &Form,
    field: Option<&Field>,
    templates: &Environment<'_>,
    data: &minijinja::Value,
) -> Result<Option<Value>, StepError> {
    let value = form.render(templates, data)?;
    match (form, field) {
        (Form::Text(_), Some(field)) => {
            let is_nothing = value.as_str().is_some_and(|text| text.trim().is_empty());
            if is_nothing && !field.required && field.of != Type::Text {
                return Ok(None);
            }
            typed(value, &field.of).map(Some)
        }
        (Form::List(forms), Some(field)) => typed_items(value, forms, &field.of).map(Some),
        _ => Ok(Some(value)),
    }
}

/// `escaping` ends the names of the templates, which say how they are escaped.
fn form(environment: &mut Environment<'static>, pointer: &str, escaping: &str, value: &Value) -> Result<Form, Fault> {
    let mut found = false;
    each_template(pointer, value, &mut |_, _| found = true);
    if !found {
        return Ok(Form::Fixed(value.clone()));
    }
    Ok(match value {
        Value::String(text) => {
            let name = format!("{pointer}{escaping}");
            language::written(text)
                .and_then(|written| environment.add_template_owned(name.clone(), written.source))
                .map_err(|error| Fault::new(pointer, "bad-template", error.to_string()))?;
            Form::Text(name)
        }
        Value::Array(items) => {
            let items = items.iter().enumerate();
            let forms: Result<_, Fault> =
                items.map(|(index, item)| form(environment, &format!("{pointer}/{index}"), escaping, item)).collect();
            Form::List(forms?)
        }
        Value::Object(fields) => {
            let mut forms = Vec::with_capacity(fields.len());
            for (name, value) in fields {
                forms.push((name.clone(), form(environment, &format!("{pointer}/{}", escape(name)), escaping, value)?));
            }
            Form::Map(forms)
        }
        other => Form::Fixed(other.clone()),
    })
}

/// The texts that are longer than one that a template makes, where nothing is made of them either.
pub(crate) fn too_long(pointer: &str, fields: &Map<String, Value>) -> Vec<Fault> {
    let of = |(name, value): (&String, &Value)| long_texts(&format!("{pointer}/{}", escape(name)), value);
    fields.iter().flat_map(of).collect()
}

fn long_texts(pointer: &str, value: &Value) -> Vec<Fault> {
    match value {
        Value::String(text) if text.len() > MAX_TEXT && !is_template(text) => {
            vec![Fault::new(pointer, TOO_LONG, format!("The text is too long: at most {MAX_TEXT} bytes."))]
        }
        Value::Array(items) => {
            let items = items.iter().enumerate();
            items.flat_map(|(index, item)| long_texts(&format!("{pointer}/{index}"), item)).collect()
        }
        Value::Object(fields) => too_long(pointer, fields),
        _ => Vec::new(),
    }
}

/// Which variable is not there, if that is what is wrong.
fn explained(template: &Template<'_, '_>, data: &minijinja::Value, error: minijinja::Error) -> StepError {
    if error.kind() != ErrorKind::UndefinedError {
        return error.into();
    }
    let paths = template.undeclared_variables(true).into_iter();
    let mut paths: Vec<String> = paths.filter(|path| path != language::CALLED).collect();
    paths.sort();
    let is_missing = |path: &String| {
        let mut value = data.clone();
        path.split('.').any(|step| {
            value = value.get_attr(step).unwrap_or_default();
            value.is_undefined() || value.is_none()
        })
    };
    match paths.into_iter().find(is_missing) {
        Some(path) => StepError::Missing(path),
        None => error.into(),
    }
}

impl Form {
    fn render(&self, templates: &Environment<'_>, data: &minijinja::Value) -> Result<Value, StepError> {
        Ok(match self {
            Form::Fixed(value) => value.clone(),
            Form::Text(name) => {
                let mut text = Bounded(Vec::new());
                let template = templates.get_template(name)?;
                let rendered = template.render_captured_to(data, &mut text);
                let rendered = rendered.map_err(|error| explained(&template, data, error))?;
                measure::spends(rendered.state().fuel_levels().map_or(0, |(spent, _)| spent))?;
                Value::String(String::from_utf8_lossy(&text.0).into_owned())
            }
            Form::List(items) => {
                Value::Array(items.iter().map(|item| item.render(templates, data)).collect::<Result<_, _>>()?)
            }
            Form::Map(fields) => {
                let mut rendered = Map::with_capacity(fields.len());
                for (name, form) in fields {
                    rendered.insert(name.clone(), form.render(templates, data)?);
                }
                Value::Object(rendered)
            }
        })
    }
}

/// The values of a list, of which those that were rendered are typed.
fn typed_items(value: Value, forms: &[Form], of: &Type) -> Result<Value, StepError> {
    let Value::Array(items) = value else { return Ok(value) };
    let items = items.into_iter().zip(forms).map(|(item, form)| match form {
        Form::Text(_) => typed(item, of),
        _ => Ok(item),
    });
    items.collect::<Result<_, _>>().map(Value::Array)
}

/// A rendered text as the JSON value of the field's type.
fn typed(value: Value, of: &Type) -> Result<Value, StepError> {
    let Value::String(text) = value else { return Ok(value) };
    let trimmed = text.trim();
    let typed = match of {
        Type::Boolean => trimmed.parse::<bool>().ok().map(Value::Bool),
        Type::Integer => trimmed.parse::<i64>().ok().map(Value::from),
        Type::Number => trimmed.parse::<f64>().ok().and_then(Number::from_f64).map(Value::Number),
        Type::Decimal(scale) => decimal::round(trimmed, *scale).map(|units| decimal::format(units, *scale).into()),
        Type::Timestamp => trimmed.parse::<Timestamp>().ok().map(|at| at.to_string().into()),
        Type::Enum(values) => values.iter().find(|value| *value == trimmed).cloned().map(Value::String),
        Type::Text | Type::Customer | Type::Object(_) => return Ok(Value::String(text)),
    };
    typed.ok_or_else(|| StepError::WrongType { text, expected: of.in_words() })
}

/// A text under construction that refuses to grow beyond its bound.
struct Bounded(Vec<u8>);

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_TEXT {
            return Err(io::Error::other(format!("the text is too long: at most {MAX_TEXT} bytes")));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
