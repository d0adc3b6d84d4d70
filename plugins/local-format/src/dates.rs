//! Dates and times of the day where the receiver lives: `local_format.date(trigger.at)`.

use jiff::tz::TimeZone;
use jiff::{Timestamp as Instant, Zoned};
use openhub_sdk::prelude::*;

use crate::Language;

/// The day, such as `31 January 2026`, as the receiver writes it.
#[content]
pub fn date(receiver: Receiver<'_>, at: Timestamp) -> Result<String, Reason> {
    let at = local(receiver, at)?;
    let (year, month, day) = (at.year(), at.month(), at.day());
    let name = |names: [&'static str; 12]| names[usize::try_from(month - 1).unwrap_or_default()];
    Ok(match Language::of(receiver.language()) {
        Language::English if receiver.locale == "en-US" || receiver.locale == "en" => {
            format!("{} {day}, {year}", name(ENGLISH))
        }
        Language::English => format!("{day} {} {year}", name(ENGLISH)),
        Language::German => format!("{day}. {} {year}", name(GERMAN)),
        Language::French if day == 1 => format!("1er {} {year}", name(FRENCH)),
        Language::French => format!("{day} {} {year}", name(FRENCH)),
        Language::Chinese | Language::Japanese => format!("{year}年{month}月{day}日"),
    })
}

/// The time of the day in hours and minutes.
#[content]
pub fn time(receiver: Receiver<'_>, at: Timestamp) -> Result<String, Reason> {
    let at = local(receiver, at)?;
    let (hour, minute) = (at.hour(), at.minute());
    let is_american = receiver.locale == "en-US" || receiver.locale == "en";
    Ok(match is_american {
        true => format!("{}:{minute:02}\u{202f}{}", (hour + 11) % 12 + 1, if hour < 12 { "AM" } else { "PM" }),
        false => format!("{hour:02}:{minute:02}"),
    })
}

fn local(receiver: Receiver<'_>, at: Timestamp) -> Result<Zoned, Reason> {
    let instant = Instant::from_microsecond(at.micros()).map_err(|error| Reason::new("bad-time", error.to_string()))?;
    let zone = TimeZone::get(receiver.time_zone).map_err(|error| Reason::new("bad-time-zone", error.to_string()))?;
    Ok(instant.to_zoned(zone))
}

const ENGLISH: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const GERMAN: [&str; 12] = [
    "Januar",
    "Februar",
    "März",
    "April",
    "Mai",
    "Juni",
    "Juli",
    "August",
    "September",
    "Oktober",
    "November",
    "Dezember",
];
const FRENCH: [&str; 12] = [
    "janvier",
    "février",
    "mars",
    "avril",
    "mai",
    "juin",
    "juillet",
    "août",
    "septembre",
    "octobre",
    "novembre",
    "décembre",
];
