//! Suppressed identities behind the door. What names one and is in the log all the same (it was under way while the
//! customer was erased, or a rule made it) is not computed: its event is erased in the commit that passes it.

use std::collections::HashSet;

use openhub_model::identity::Marker;
use openhub_model::{Event, Id, Identity, PartId, TenantId};
use openhub_store::{Changes, Scope, Store, StoreError, Tombstone};
use serde_json::Value;

use crate::body::{Body, PROPOSED, proposed};
use crate::catalog::Catalog;
use crate::compute::named;

/// The stable code of the fault.
pub const SUPPRESSED: &str = "suppressed-identity";
pub const SUPPRESSED_MESSAGE: &str = "This identity was erased, so the hub refuses it.";

/// Who asks, and of what.
pub struct Suppressions<'a> {
    pub store: &'a Store,
    pub scope: &'a Scope,
    pub catalog: &'a Catalog,
    pub marker: Marker,
}

impl Suppressions<'_> {
    /// Takes customer and content from the events that name a suppressed identity, and answers what is to be left of them.
    pub async fn silence(&self, events: &mut [Event], bodies: &mut [Body]) -> Result<Vec<Tombstone>, StoreError> {
        if !self.catalog.suppresses {
            return Ok(Vec::new());
        }
        let tenant = self.scope.tenant();
        let parts: Vec<Vec<PartId>> =
            events.iter().zip(bodies.iter()).map(|(event, body)| self.parts(tenant, event, body)).collect();
        let suppressed = self.suppressed(parts.iter().flatten().copied().collect()).await?;
        let mut silenced = Vec::new();
        for (index, parts) in parts.iter().enumerate() {
            if parts.iter().any(|part| suppressed.contains(part)) {
                let event = &mut events[index];
                event.part = None;
                bodies[index] = Body::default();
                let mark = self.marker.message(tenant, &event.message_id);
                silenced.push(Tombstone { position: event.position, mark });
            }
        }
        Ok(silenced)
    }

    fn parts(&self, tenant: TenantId, event: &Event, body: &Body) -> Vec<PartId> {
        let Some(part) = event.part else { return Vec::new() };
        let mut parts = vec![part];
        parts.extend(named(body, event, self.catalog).iter().map(|named| named.part(tenant)));
        let proposed = proposed(&event.name, &body.properties);
        parts.extend(proposed.map(|proposed| self.normal(proposed).part(tenant)));
        parts
    }

    fn normal(&self, identity: Identity) -> Identity {
        self.catalog.policies.latest().normal(identity)
    }

    async fn suppressed(&self, parts: HashSet<PartId>) -> Result<HashSet<PartId>, StoreError> {
        let tenant = self.scope.tenant();
        let mark = |part: &PartId| self.marker.suppression(tenant, *part);
        let marks: Vec<Id> = parts.iter().map(mark).collect();
        let found = self.store.suppressed(self.scope, &marks).await?;
        Ok(parts.into_iter().filter(|part| found.contains(&mark(part))).collect())
    }

    /// Rules may propose that somebody is a suppressed identity: that is not kept.
    pub async fn unpropose(&self, changes: &mut Changes) -> Result<(), StoreError> {
        if !self.catalog.suppresses || !changes.events.iter().any(|event| event.name == PROPOSED) {
            return Ok(());
        }
        let tenant = self.scope.tenant();
        let subject = |body: &str| {
            let body: Value = serde_json::from_str(body).unwrap_or_default();
            proposed(PROPOSED, &body["properties"]).map(|identity| self.normal(identity).part(tenant))
        };
        let proposals = changes.events.iter().filter(|event| event.name == PROPOSED);
        let parts = proposals.filter_map(|event| subject(&event.body)).collect();
        let suppressed = self.suppressed(parts).await?;
        let is_suppressed = |part: Option<PartId>| part.is_some_and(|part| suppressed.contains(&part));
        changes.events.retain(|event| event.name != PROPOSED || !is_suppressed(subject(&event.body)));
        let matches = std::mem::take(&mut changes.matches);
        let (gone, kept): (Vec<_>, Vec<_>) =
            matches.into_iter().partition(|found| is_suppressed(Some(found.identity.part(tenant))));
        changes.matches = kept;
        let decided: HashSet<String> = gone.iter().map(|found| format!("openhub:match:{}", found.id)).collect();
        changes.arrivals.retain(|arrival| !decided.contains(&arrival.message_id));
        Ok(())
    }
}
