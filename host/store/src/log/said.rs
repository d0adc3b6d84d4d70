//! What servers have said under an id. A page's key can be read by anybody, so what a page says under an id that it has guessed
//! is in nobody's way: it is neither what a server says under it nor a reason not to say it.

use openhub_model::identity::Authority;
use openhub_model::{Event, EventKind, Origin};
use std::collections::HashMap;

use crate::database::bulk;
use crate::database::connection::select;
use crate::error::StoreError;
use crate::log::events::{Row, event};
use crate::scope::Scope;
use crate::store::Store;

/// Begins the id of a server's event whose own id a page took before it. No client may send such an id.
const BESIDE: &str = "openhub:server:";

/// Where a server's event stands whose id a page took before it.
pub(crate) fn beside_page(message_id: &str) -> String {
    format!("{BESIDE}{message_id}")
}

/// The id that a server gave an event, wherever it stands.
pub fn own_id(message_id: &str) -> &str {
    message_id.strip_prefix(BESIDE).unwrap_or(message_id)
}

/// What a server meets under the id of an event that it is about to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Met {
    /// The event itself: it was said before, be it erased since.
    Itself,
    /// A server's event of another kind.
    Other,
}

impl Store {
    /// What servers meet who are about to say events of this kind, by `messageId`; nothing of an id that is free to them.
    pub async fn met(
        &self,
        scope: &Scope,
        kind: EventKind,
        ids: &[String],
    ) -> Result<HashMap<String, Met>, StoreError> {
        scope.sees_people()?;
        let mut places: HashMap<String, &String> = HashMap::new();
        for id in ids {
            for place in [id.clone(), beside_page(id)] {
                let mark = self.marker.get().map(|marker| marker.message(scope.tenant(), &place));
                places.extend(mark.into_iter().chain([place]).map(|place| (place, id)));
            }
        }
        let rows = select!(
            self,
            scope,
            (String, i64, i64, i64),
            "SELECT message_id, origin, authority, kind FROM events \
             WHERE tenant_id = $1 AND message_id IN (SELECT atom FROM json_each($2))",
            scope.tenant().0,
            bulk::list(places.keys()),
        );
        let mut met = HashMap::new();
        for (place, origin, authority, code) in rows {
            let Some(id) = places.get(&place) else { continue };
            let is_erased = code == EventKind::Erased.code();
            if !is_erased && origin == Origin::Arrived as i64 && authority == Authority::Browser.code() {
                continue;
            }
            let is_itself = is_erased || code == kind.code();
            met.insert((*id).clone(), if is_itself { Met::Itself } else { Met::Other });
        }
        Ok(met)
    }

    /// The event of this kind that a server said under an id.
    pub async fn said(&self, scope: &Scope, kind: EventKind, message_id: &str) -> Result<Option<Event>, StoreError> {
        scope.sees_people()?;
        let rows = select!(
            self,
            scope,
            Row,
            "SELECT e.position, e.origin, e.message_id, e.kind, e.name, e.part_id, e.occurred_at, e.received_at, \
             e.historical, e.authority, e.cause, COALESCE(b.body, '{}') AS body FROM events e \
             LEFT JOIN event_bodies b ON b.tenant_id = e.tenant_id AND b.position = e.position \
             WHERE e.tenant_id = $1 AND e.message_id IN (SELECT atom FROM json_each($2)) AND e.kind = $3 \
             AND e.authority > $4",
            scope.tenant().0,
            bulk::list([message_id, &beside_page(message_id)]),
            kind.code(),
            Authority::Browser.code(),
        );
        rows.into_iter().next().map(event).transpose()
    }
}
