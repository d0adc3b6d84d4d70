//! In which language and in which time zone a customer lives: what channels, and functions that texts call,
//! are told of a message's receiver.

use std::collections::HashMap;

use jiff::tz::TimeZone;
use openhub_model::customer::Customer;
use openhub_model::tenant::Home;
use openhub_model::{Id, tenant};
use serde_json::Value;

use crate::catalog::Catalog;

/// The attributes that say so.
const LOCALE: &str = "locale";
const TIME_ZONE: &str = "timezone";

/// By customers' parts; who says nothing, or nothing that can be, lives where the tenant does.
pub fn homes<'c>(catalog: &Catalog, customers: impl Iterator<Item = (Id, &'c Customer)>) -> HashMap<Id, Home> {
    customers.map(|(part, customer)| (part, of(&catalog.home, customer))).collect()
}

/// Where one customer lives.
pub fn of(home: &Home, customer: &Customer) -> Home {
    let said = |name: &str, is_valid: fn(&str) -> bool| {
        let text = customer.attribute(name).and_then(Value::as_str).filter(|text| is_valid(text));
        text.map(str::to_owned)
    };
    Home {
        locale: said(LOCALE, tenant::is_locale).unwrap_or_else(|| home.locale.clone()),
        time_zone: said(TIME_ZONE, is_time_zone).unwrap_or_else(|| home.time_zone.clone()),
    }
}

/// Whether there is a time zone of this name.
pub fn is_time_zone(name: &str) -> bool {
    TimeZone::get(name).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_have_names() {
        assert!(is_time_zone("Europe/Berlin") && is_time_zone("UTC"));
        assert!(!is_time_zone("Berlin") && !is_time_zone(""));
    }
}
