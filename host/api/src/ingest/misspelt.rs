//! Members of an event that are most likely misspelt. Libraries send members that mean nothing here, so nothing is refused for
//! one; but who wrote `proprties` is told.

use openhub_model::Fault;
use openhub_model::fault::nearest;

use super::item::Item;

/// The code of a member that is most likely another's name.
pub(super) const MISSPELT: &str = "misspelt-member";

/// The members that mean something.
const MEMBERS: [&str; 17] = [
    "type",
    "event",
    "name",
    "userId",
    "anonymousId",
    "previousId",
    "groupId",
    "messageId",
    "timestamp",
    "originalTimestamp",
    "sentAt",
    "properties",
    "traits",
    "context",
    "tags",
    "consents",
    "identities",
];

/// What is called otherwise elsewhere.
const ELSEWHERE: [(&str, &str); 6] = [
    ("time", "timestamp"),
    ("date", "timestamp"),
    ("eventname", "event"),
    ("props", "properties"),
    ("attributes", "traits"),
    ("userproperties", "traits"),
];

/// The member that was most likely meant, if the event does not have it.
fn meant(item: &Item<'_>, name: &str) -> Option<&'static str> {
    let plain = |name: &str| name.replace(['_', '-', ' '], "").to_ascii_lowercase();
    let written = plain(name);
    let elsewhere = || ELSEWHERE.iter().find(|(other, _)| *other == written).map(|(_, member)| *member);
    let same = MEMBERS.into_iter().find(|member| plain(member) == written);
    let meant = same.or_else(elsewhere).or_else(|| nearest(name, MEMBERS).filter(|_| written.len() > 3));
    meant.filter(|member| !item.has(member))
}

/// What the hub says of each such member: it is stored with the event, and has no effect.
pub(super) fn misspelt(item: &Item<'_>, pointer: &str) -> Vec<Fault> {
    let told = |name: &str| {
        let member = meant(item, name)?;
        let message = format!(
            "An event has no member `{name:.64}`: it was stored, but it has no effect. Did you mean `{member}`?"
        );
        Some(Fault::new(openhub_model::limits::step(pointer, name), MISSPELT, message))
    };
    item.others.iter().filter_map(|name| told(name)).collect()
}

/// Why one of these members is missing, if it is misspelt.
pub(super) fn hint(item: &Item<'_>, members: &[&str]) -> String {
    let found = item.others.iter().find_map(|name| Some((name, meant(item, name)?)));
    let found = found.filter(|(_, member)| members.contains(member));
    found.map_or_else(String::new, |(name, member)| {
        format!(" `{name:.64}` is no member of an event: did you mean `{member}`?")
    })
}
