//! Texts of which there are only some: the document names them, from the types that write them.

use openhub_model::message::MessageStatus;
use openhub_model::{ClockKind, Origin, Role};
use openhub_store::{DeliveryState, FaultKind, FaultStatus, JourneyStatus, MatchStatus, PluginStatus, TimelineKind};
use serde::Serialize;
use serde_json::{Value, json};

use crate::views::WebhookStatus;

/// Greater than any number by which the database knows a word.
const CODES: std::ops::Range<i64> = 0..32;

fn coded<T: Serialize>(of: impl Fn(i64) -> Option<T>) -> Vec<Value> {
    listed(CODES.filter_map(of))
}

fn listed<T: Serialize>(of: impl IntoIterator<Item = T>) -> Vec<Value> {
    of.into_iter().map(|word| json!(word)).collect()
}

/// Schema, property and words; and for parameters path, name and words.
type Named = (&'static str, &'static str, Vec<Value>);

pub(super) fn complete(document: &mut Value) {
    let (messages, faults) = (coded(MessageStatus::from_code), coded(FaultStatus::from_code));
    let (kinds, matches) = (listed(FaultKind::ALL), coded(MatchStatus::from_code));
    let is_published = |word: &Value| *word != json!(JourneyStatus::Draft);
    let journeys = coded(JourneyStatus::from_code);
    let published: Vec<Value> = journeys.iter().filter(|word| is_published(word)).cloned().collect();
    let roles = listed(Role::ALL);
    let properties: [Named; 16] = [
        ("Clock", "kind", listed([ClockKind::Live, ClockKind::Replay])),
        ("Consent", "state", listed(["granted", "denied"])),
        ("Event", "origin", listed([Origin::Arrived, Origin::Caused])),
        ("Journey", "status", journeys),
        ("ListedFault", "kind", kinds.clone()),
        ("ListedFault", "status", faults.clone()),
        ("Match", "status", matches.clone()),
        ("Message", "status", messages.clone()),
        ("Person", "role", roles.clone()),
        ("PersonToInvite", "role", roles.clone()),
        ("Plugin", "status", coded(PluginStatus::from_code)),
        ("Published", "status", published),
        ("Session", "role", roles),
        ("TimelineItem", "kind", listed(TimelineKind::ALL)),
        ("Webhook", "status", listed(WebhookStatus::ALL)),
        ("WebhookDelivery", "state", listed(DeliveryState::ALL)),
    ];
    for (schema, property, words) in properties {
        let place = &mut document["components"]["schemas"][schema]["properties"][property];
        assert!(place.is_object(), "{schema} has no {property}");
        place["enum"] = words.into();
    }
    let parameters: [Named; 5] = [
        ("/api/v1/faults", "kind", kinds),
        ("/api/v1/faults", "status", faults),
        ("/api/v1/matches", "status", matches),
        ("/api/v1/messages", "status", messages),
        ("/api/v1/webhooks/{name}/deliveries", "state", listed(DeliveryState::ALL)),
    ];
    for (path, name, words) in parameters {
        let all = document["paths"][path]["get"]["parameters"].as_array_mut();
        let found = all.into_iter().flatten().find(|parameter| parameter["name"] == name);
        let schema = &mut found.unwrap_or_else(|| panic!("{path} takes no {name}"))["schema"];
        *schema = json!({"type": "string", "enum": words});
    }
}
