//! Functions of plugins, as templates call them: what is known is answered, what is not is noted, and something of its type stands in
//! until the text is made anew.

use std::cell::RefCell;
use std::collections::HashSet;
use std::sync::Arc;

use minijinja::value::{Rest, Value};
use minijinja::{Environment, Error, ErrorKind};
use openhub_model::columns::fits;
use openhub_model::manifest::{FunctionShape, Type};

use super::language::{CALLED, refused};
use super::measure::weigh;
use crate::calls::{Call, Known};
use crate::surroundings::Functions;

/// Different calls that the texts of a node may make.
const MAX_CALLS: usize = 200;

#[derive(Default)]
struct Calling {
    known: Known,
    open: Vec<Call>,
    keys: HashSet<String>,
}

thread_local! {
    /// Of the node whose texts are being rendered.
    static CALLING: RefCell<Calling> = RefCell::default();
}

/// The texts of a node are rendered from now on, with what is known.
pub(super) fn begin(known: Known) {
    CALLING.replace(Calling { known, ..Calling::default() });
}

/// What they met that is not known.
pub(super) fn end() -> Vec<Call> {
    CALLING.take().open
}

pub(super) fn furnish(environment: &mut Environment<'_>, functions: Arc<Functions>) {
    environment.add_function(CALLED, move |plugin: &str, function: &str, arguments: Rest<Value>| {
        let shape = functions.get(plugin).and_then(|of| of.get(function));
        let shape = shape.ok_or_else(|| refused(&format!("there is no function `{plugin}.{function}`")))?;
        called(plugin, shape, &arguments)
    });
}

fn called(plugin: &str, shape: &FunctionShape, given: &[Value]) -> Result<Value, Error> {
    let mut arguments = Vec::with_capacity(shape.arguments.len());
    for (place, declared) in shape.arguments.iter().enumerate() {
        let value = given.get(place).filter(|value| !value.is_undefined() && !value.is_none());
        let Some(value) = value else {
            if declared.required {
                let message = format!("`{}` of `{plugin}.{}` has no value", declared.name, shape.name);
                return Err(Error::new(ErrorKind::UndefinedError, message));
            }
            arguments.push(serde_json::Value::Null);
            continue;
        };
        weigh(value)?;
        let json = serde_json::to_value(value).map_err(|error| refused(&error.to_string()))?;
        if !fits(&declared.of, Some(&json)) {
            let (name, words) = (&declared.name, declared.of.in_words());
            return Err(refused(&format!("`{name}` of `{plugin}.{}` must be {words}", shape.name)));
        }
        arguments.push(json);
    }
    let call = Call { plugin: plugin.to_owned(), function: shape.name.clone(), arguments };
    let key = call.key();
    let known = CALLING.with_borrow_mut(|calling| match calling.known.answer(&key) {
        Some(known) => Ok(Some(known.clone())),
        None if calling.keys.contains(&key) => Ok(None),
        None if calling.open.len() + calling.known.len() >= MAX_CALLS => {
            Err(refused(&format!("the texts of this node call functions too often: at most {MAX_CALLS} times")))
        }
        None => {
            calling.keys.insert(key);
            calling.open.push(call);
            Ok(None)
        }
    })?;
    let value = match known {
        None => return Ok(stand_in(&shape.returns)),
        Some(Err(reason)) => return Err(refused(&format!("`{plugin}.{}` has no value: {reason}", shape.name))),
        Some(Ok(value)) => Value::from_serialize(&value),
    };
    weigh(&value).map(|()| value)
}

/// Of the type that the function returns, so that what is done with it can be done.
fn stand_in(of: &Type) -> Value {
    match of {
        Type::Boolean => Value::from(false),
        Type::Integer | Type::Number | Type::Decimal(_) => Value::from(0),
        Type::Timestamp => Value::from("1970-01-01T00:00:00Z"),
        Type::Text | Type::Enum(_) | Type::Customer | Type::Object(_) => Value::from(""),
    }
}
