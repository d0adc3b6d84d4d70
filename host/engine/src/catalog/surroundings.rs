//! What journeys are checked against.

use openhub_journey::Surroundings;
use openhub_model::manifest::Manifest;
use openhub_store::DeclaredType;

/// What plugins bring, and the object types that an admin declares.
pub fn surroundings<'a>(
    manifests: impl Iterator<Item = &'a Manifest>,
    declared: impl IntoIterator<Item = &'a DeclaredType>,
) -> Surroundings {
    let mut surroundings = Surroundings::default();
    manifests.for_each(|manifest| surroundings.add(manifest));
    // Who declares a type beside a plugin that does not run has it.
    let declared = declared.into_iter();
    let declared = declared.map(|each| (each.name.clone(), each.declaration.shape(&each.name, each.version)));
    surroundings.objects.extend(declared);
    surroundings
}
