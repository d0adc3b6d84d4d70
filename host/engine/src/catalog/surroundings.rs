//! What journeys are checked against.

use openhub_journey::Surroundings;
use openhub_model::manifest::Manifest;

/// The channels and object types that plugins declare.
pub fn surroundings<'a>(manifests: impl Iterator<Item = &'a Manifest> + Clone) -> Surroundings {
    let channels = manifests.clone().flat_map(|manifest| &manifest.channels);
    let objects = manifests.flat_map(|manifest| &manifest.objects);
    Surroundings {
        channels: channels.map(|shape| (shape.name.clone(), shape.clone())).collect(),
        objects: objects.map(|shape| (shape.name.clone(), shape.clone())).collect(),
        named: None,
    }
}
