//! What enabled plugins bring, and the object types that an admin declares.

use std::sync::Arc;

use openhub_model::identity::Marker;
use openhub_model::manifest::{ChannelShape, ObjectShape};
use openhub_model::{PartId, TenantId};
use openhub_runtime::{CallContext, CallFault, Captured, Change, Checked, Observed, Plugin};
use openhub_store::{DeclaredType, Installation, Op};

use super::trial::Allowance;
use crate::objects::declared;
use crate::objects::shape::normal_form;

/// An enabled plugin.
pub struct Enabled {
    pub installation: Installation,
    pub plugin: Arc<Plugin>,
    /// The settings as JSON text, handed to each call.
    pub settings: Arc<str>,
    /// Who watches its calls.
    pub observed: Observed,
    /// Secrets that its providers' answers gave.
    pub captured: Arc<Captured>,
    /// The candidate, if it serves a part of the customers.
    pub canary: Option<Canary>,
    /// The candidate, if it is called beside this version and changes nothing.
    pub shadow: Option<Arc<Enabled>>,
    /// What the shadow may burn.
    pub allowance: Option<Allowance>,
}

impl Enabled {
    pub fn new(installation: Installation, plugin: Arc<Plugin>, observed: Observed) -> Enabled {
        let settings = installation.settings.to_string().into();
        let captured = Arc::default();
        Enabled { installation, plugin, settings, observed, captured, canary: None, shadow: None, allowance: None }
    }

    /// What its calls may know, with nobody who watches them.
    pub fn quiet(&self) -> CallContext {
        CallContext { settings: self.settings.clone(), observed: Observed::default() }
    }

    /// What its calls may know, and who watches them.
    pub fn context(&self) -> CallContext {
        CallContext { settings: self.settings.clone(), observed: self.observed.clone() }
    }

    /// The version that serves a customer.
    pub fn serving(&self, tenant: TenantId, marker: &Marker, customer: PartId) -> &Enabled {
        let canary = self.canary.as_ref().filter(|canary| canary.serves(tenant, marker, customer));
        canary.map_or(self, |canary| &canary.version)
    }
}

/// A candidate that serves a part of the customers.
pub struct Canary {
    pub percent: u8,
    pub version: Arc<Enabled>,
}

impl Canary {
    /// Whether it serves this customer: by a keyed hash, so that nobody can choose it, the same customer is always served alike, and
    /// who is served stays so when more are. Another version draws other customers.
    pub fn serves(&self, tenant: TenantId, marker: &Marker, customer: PartId) -> bool {
        let (plugin, digest) = (&self.version.installation.name, &self.version.installation.digest);
        let drawn = [b"canary", &tenant.0.to_le_bytes()[..], plugin.as_bytes(), digest.as_bytes(), customer.as_bytes()];
        marker.seed(&drawn, 0, 0).0 % 10_000 < u64::from(self.percent) * 100
    }
}

pub struct ObjectType {
    pub shape: ObjectShape,
    pub owner: TypeOwner,
}

/// Who says which objects of a type are valid, besides its declared fields.
pub enum TypeOwner {
    Plugin(Arc<Enabled>),
    /// Nobody: an admin declared the type, without code.
    Admin {
        /// Of the declaration.
        version: i64,
        /// The field whose value is an object's key.
        key: Option<String>,
    },
}

impl ObjectType {
    pub(crate) fn declared(declared: DeclaredType) -> ObjectType {
        let DeclaredType { name, version, declaration, .. } = declared;
        let owner = TypeOwner::Admin { version, key: declaration.key.clone() };
        ObjectType { shape: declaration.shape(&name, version), owner }
    }

    /// Has changes of its objects checked. Blocks the thread.
    pub fn check(&self, changes: Vec<Change>) -> Result<Checked, CallFault> {
        let mut checked = match &self.owner {
            TypeOwner::Plugin(enabled) => {
                let call = enabled.context();
                enabled.plugin.check(&call, &self.shape.name, changes)?
            }
            TypeOwner::Admin { key, .. } => declared::check(&self.shape, key.as_deref(), changes),
        };
        checked.answers.iter_mut().flatten().for_each(|accepted| normal_form(&self.shape, &mut accepted.fields));
        Ok(checked)
    }

    /// The plugin that checks its objects.
    pub fn plugin(&self) -> Option<&Arc<Enabled>> {
        match &self.owner {
            TypeOwner::Plugin(enabled) => Some(enabled),
            TypeOwner::Admin { .. } => None,
        }
    }

    /// What a write of its objects holds on to until it is committed: the version that has checked them.
    pub fn held(&self, kind: &str) -> Op {
        let kind = kind.to_owned();
        match &self.owner {
            TypeOwner::Plugin(enabled) => {
                let (plugin, digest) = (enabled.installation.name.clone(), enabled.installation.digest.clone());
                Op::OfPlugin { kind, plugin, digest }
            }
            TypeOwner::Admin { version, .. } => Op::OfType { kind, version: *version },
        }
    }

    /// The version of an admin's declaration, under which its objects are written.
    pub fn version(&self) -> Option<i64> {
        match &self.owner {
            TypeOwner::Plugin(_) => None,
            TypeOwner::Admin { version, .. } => Some(*version),
        }
    }
}

pub struct Channel {
    pub shape: ChannelShape,
    pub owner: Arc<Enabled>,
}
