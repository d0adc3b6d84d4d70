//! What LOAD reads for COMPUTE.

use std::sync::Arc;

use hashbrown::HashMap;
use openhub_model::identity::{Marker, Part};
use openhub_model::object::Object;
use openhub_model::run::Run;
use openhub_model::{Customer, Event, PartId, TenantId};
use openhub_store::{CustomerFacts, Entry, Judged, Referrer, Sought, Tombstone, Unique};

use super::past::Past;
use super::plan::Plan;
use crate::body::Body;

/// What LOAD read for one attempt.
pub struct Input {
    pub tenant: TenantId,
    /// What plugins draw from is hashed under its key.
    pub marker: Marker,
    pub plan: Plan,
    pub events: Vec<Event>,
    /// What each event's body says, in the same order.
    pub bodies: Vec<Body>,
    pub timer_parts: Vec<PartId>,
    /// All parts of the customers that the batch touches.
    pub parts: Vec<Part>,
    /// What is stored of the pairs that its events claim.
    pub claims: Vec<Judged>,
    pub customers: Vec<Arc<Customer>>,
    pub runs: Vec<Run>,
    pub entries: Vec<Entry>,
    /// What segments may ask about the customers of the batch; nothing if there are no segments.
    pub facts: Vec<(PartId, CustomerFacts)>,
    /// Stored objects that an earlier attempt asked for; none where there is no such object.
    pub objects: HashMap<(String, String), Option<Object>>,
    /// Which stored object has a unique value that an earlier attempt asked about, if one has.
    pub holders: Vec<(Unique, Option<String>)>,
    /// Who leads to an object that an earlier attempt asked about.
    pub referrers: Vec<((String, String), Vec<Referrer>)>,
    /// What customers whom an event may join did while a run of the other waited for it.
    pub deeds: Vec<(Sought, Vec<Past>)>,
    /// Events that are not computed, because they name a suppressed identity.
    pub silenced: Vec<Tombstone>,
}
