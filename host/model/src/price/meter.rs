//! What is counted.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use std::str::FromStr;

use crate::fault::Fault;

/// Something that is counted for each tenant. Quantities are whole numbers and add up: over a day, over a period.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Meter {
    /// Events that the engine has handled, without the hub's own.
    Events,
    /// Customers of whom an event was handled in the month (UTC): each counts once in it.
    ActiveCustomers,
    /// Messages that a channel took, by channel.
    Messages,
    /// What a message's provider bills for it, such as the segments of an SMS, by channel.
    MessageUnits,
    /// Calls of plugins, by plugin.
    PluginCalls,
    /// Fuel that plugins used, by plugin.
    PluginFuel,
    /// Objects that are stored, counted once a day, by object type: a thousand for thirty days are 30,000.
    ObjectRows,
    /// Bytes of events that are stored, counted once a day.
    StorageBytes,
    /// Calls of the API, by whoever works in the tenant.
    ApiCalls,
    /// What somebody reports, under a name of their own: `reported:seats`.
    Reported(String),
}

/// As they are written; and how a reported one is.
const NAMES: [&str; 10] = [
    "events",
    "active-customers",
    "messages",
    "message-units",
    "plugin-calls",
    "plugin-fuel",
    "object-rows",
    "storage-bytes",
    "api-calls",
    "reported:…",
];

impl Meter {
    /// Those that the hub counts.
    pub const COUNTED: [Meter; 9] = [
        Meter::Events,
        Meter::ActiveCustomers,
        Meter::Messages,
        Meter::MessageUnits,
        Meter::PluginCalls,
        Meter::PluginFuel,
        Meter::ObjectRows,
        Meter::StorageBytes,
        Meter::ApiCalls,
    ];

    /// What its quantities are divided by; none: by nothing.
    pub fn of(&self) -> Option<&'static str> {
        match self {
            Meter::Messages | Meter::MessageUnits => Some("channel"),
            Meter::PluginCalls | Meter::PluginFuel => Some("plugin"),
            Meter::ObjectRows => Some("object type"),
            _ => None,
        }
    }
}

impl fmt::Display for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = match self {
            Meter::Events => 0,
            Meter::ActiveCustomers => 1,
            Meter::Messages => 2,
            Meter::MessageUnits => 3,
            Meter::PluginCalls => 4,
            Meter::PluginFuel => 5,
            Meter::ObjectRows => 6,
            Meter::StorageBytes => 7,
            Meter::ApiCalls => 8,
            Meter::Reported(name) => return write!(f, "reported:{name}"),
        };
        f.write_str(NAMES[at])
    }
}

impl FromStr for Meter {
    type Err = ();

    fn from_str(text: &str) -> Result<Meter, ()> {
        if let Some(name) = text.strip_prefix("reported:") {
            return is_name(name).then(|| Meter::Reported(name.to_owned())).ok_or(());
        }
        let at = NAMES.iter().position(|name| *name == text).ok_or(())?;
        Meter::COUNTED.get(at).cloned().ok_or(())
    }
}

impl Serialize for Meter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Meter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Meter, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|()| de::Error::unknown_variant(&text, &NAMES))
    }
}

/// Of a reported meter: 1 to 64 lower-case letters, digits, `-` and `_`.
pub fn is_name(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
    (1..=64).contains(&name.len()) && name.bytes().all(fits)
}

/// Whether quantities of the meter are divided like this.
pub(super) fn check_of(meter: &Meter, of: Option<&str>, pointer: &str, faults: &mut Vec<Fault>) {
    let Some(of) = of else { return };
    let (code, message) = match meter.of() {
        None => ("not-divided", format!("`{meter}` is one quantity: leave out `of`.")),
        Some(by) if of.is_empty() || of.chars().count() > 200 => {
            ("out-of-range", format!("`of` names a {by}, with 1 to 200 characters."))
        }
        Some(_) => return,
    };
    faults.push(Fault::new(format!("{pointer}/of"), code, message));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_meter_is_read_as_it_is_written() {
        for meter in Meter::COUNTED.into_iter().chain([Meter::Reported("seats".to_owned())]) {
            assert_eq!(meter.to_string().parse(), Ok(meter));
        }
        for wrong in ["", "Events", "reported:", "reported:Seats", "reported:…", "clicks"] {
            assert_eq!(wrong.parse::<Meter>(), Err(()), "{wrong}");
        }
    }
}
