//! What enabled plugins bring.

use std::sync::Arc;

use openhub_model::manifest::{ChannelShape, ObjectShape};
use openhub_runtime::Plugin;
use openhub_store::Installation;

/// An enabled plugin.
pub struct Enabled {
    pub installation: Installation,
    pub plugin: Arc<Plugin>,
    /// The settings as JSON text, handed to each call.
    pub settings: Arc<str>,
}

pub struct ObjectType {
    pub shape: ObjectShape,
    pub owner: Arc<Enabled>,
}

pub struct Channel {
    pub shape: ChannelShape,
    pub owner: Arc<Enabled>,
}
