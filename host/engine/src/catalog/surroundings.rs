//! What journeys are checked against.

use openhub_journey::Surroundings;
use openhub_model::manifest::Manifest;
use openhub_store::DeclaredType;

/// The channels and object types that plugins declare, and the object types that an admin does.
pub fn surroundings<'a>(
    manifests: impl Iterator<Item = &'a Manifest> + Clone,
    declared: impl IntoIterator<Item = &'a DeclaredType>,
) -> Surroundings {
    let channels = manifests.clone().flat_map(|manifest| &manifest.channels);
    let objects = manifests.flat_map(|manifest| &manifest.objects).map(|shape| (shape.name.clone(), shape.clone()));
    let declared = declared.into_iter();
    let declared = declared.map(|each| (each.name.clone(), each.declaration.shape(&each.name, each.version)));
    Surroundings {
        channels: channels.map(|shape| (shape.name.clone(), shape.clone())).collect(),
        // Who declares a type beside a plugin that does not run has it.
        objects: objects.chain(declared).collect(),
        named: None,
    }
}
