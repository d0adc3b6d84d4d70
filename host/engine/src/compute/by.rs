//! Who causes an event, by which its id is made.

use openhub_model::identity::Marker;
use openhub_model::{Id, TenantId};

use super::event::Happening;
use super::retry::RequestKey;

/// Who causes an event.
#[derive(Clone, Copy)]
pub struct By<'a> {
    pub plugin: &'a str,
    pub rule: &'a str,
    /// Of an object's check: what it was asked.
    request: Option<RequestKey>,
    /// The plugin's version that said so.
    pub served: Option<Served<'a>>,
}

/// A version of a plugin.
#[derive(Clone, Copy)]
pub struct Served<'a> {
    pub plugin: &'a str,
    pub digest: &'a str,
}

impl<'a> By<'a> {
    pub fn of(plugin: &'a str, rule: &'a str) -> By<'a> {
        By { plugin, rule, request: None, served: None }
    }

    /// The check of an object of this type, which was asked for so.
    pub fn check(shape: &'a str, request: RequestKey) -> By<'a> {
        By { request: Some(request), ..By::of("object", shape) }
    }

    pub fn served(self, served: Option<Served<'a>>) -> By<'a> {
        By { served, ..self }
    }

    /// Ids that sort by time: events of a batch then share pages of the index by id.
    pub fn id(&self, marker: &Marker, tenant: TenantId, cause: &Happening, ordinal: u32) -> Id {
        let (ordinal, request) = (ordinal.to_le_bytes(), self.request.map(|(id, ordinal)| (id, ordinal.to_le_bytes())));
        let [message, plugin, rule] = [&*cause.message_id, self.plugin, self.rule].map(str::as_bytes);
        let mut parts = vec![message, plugin, rule, &ordinal];
        if let Some((id, of)) = &request {
            parts.extend([id.as_bytes(), of.as_slice()]);
        }
        marker.caused(tenant, cause.at, &parts)
    }
}
