//! Functions that templates call: a test gives arguments and a receiver, and gets the value.

use serde_json::{Value, json};

use crate::hub::Hub;
use crate::told::{CallFault, Reason};

/// A call of a function in the making.
pub struct FunctionCase<'h> {
    hub: &'h Hub,
    name: String,
    locale: String,
    time_zone: String,
}

impl<'h> FunctionCase<'h> {
    pub(crate) fn new(hub: &'h Hub, name: &str) -> Self {
        FunctionCase { hub, name: name.to_owned(), locale: "en".to_owned(), time_zone: "UTC".to_owned() }
    }

    /// The receiver's language; `en` without.
    #[must_use]
    pub fn locale(mut self, locale: &str) -> Self {
        self.locale = locale.to_owned();
        self
    }

    /// The receiver's time zone; `UTC` without.
    #[must_use]
    pub fn time_zone(mut self, time_zone: &str) -> Self {
        self.time_zone = time_zone.to_owned();
        self
    }

    /// The value for these arguments, in order.
    ///
    /// # Panics
    /// If there is none.
    #[track_caller]
    pub fn call(&self, arguments: &[Value]) -> Value {
        self.try_call(arguments).unwrap_or_else(|reason| panic!("the function `{}` failed: {reason:?}", self.name))
    }

    /// For tests of calls that fail, too.
    #[track_caller]
    pub fn try_call(&self, arguments: &[Value]) -> Result<Value, Reason> {
        self.rows(&[arguments.to_vec()]).remove(0)
    }

    /// Several calls at once; one answer a call, in order.
    #[track_caller]
    pub fn rows(&self, rows: &[Vec<Value>]) -> Vec<Result<Value, Reason>> {
        let told = self.hub.ask(&json!({"function": {"name": self.name, "settings": self.hub.settings(),
            "locale": self.locale, "time_zone": self.time_zone, "rows": rows}}));
        if let Some(fault) = CallFault::of(&told["fault"]) {
            panic!("the function `{}` failed: {fault}", self.name);
        }
        let results = told["results"].as_array().into_iter().flatten();
        let result = |told: &Value| match told["fault"].is_object() {
            true => Err(Reason::of(&told["fault"])),
            false => Ok(told["value"].clone()),
        };
        results.map(result).collect()
    }
}
