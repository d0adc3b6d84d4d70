//! From a core module to a component, and what the component really imports and exports.

use anyhow::{Context, Result};
use openhub_model::manifest::MANIFEST_SECTION;
use wasm_encoder::{ComponentSection, CustomSection};
use wasmparser::component_types::ComponentEntityType;
use wasmparser::types::TypesRef;
use wasmparser::{Parser, Payload, Validator, WasmFeatures};

/// The interfaces at a component's outside that hold functions, without versions, sorted: `openhub:http/http`.
/// Those of types alone give no capability, and are left out.
#[derive(Debug, Default, PartialEq)]
pub struct Surface {
    pub imports: Vec<String>,
    pub exports: Vec<String>,
}

/// Encodes and validates the component of a module that wit-bindgen's world is in.
pub fn encode(module: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = wit_component::ComponentEncoder::default();
    encoder.validate(true).module(module).context("the module has no component type of openhub-sdk")?;
    encoder.encode().context("the module cannot become a component")
}

/// Reads the outside of a component; what lies inside (nested components and modules) is passed over.
pub fn surface(component: &[u8]) -> Result<Surface> {
    let types = Validator::new_with_features(WasmFeatures::default()).validate_all(component);
    let types = types.context("this is not a valid component")?;
    let types = types.as_ref();
    let mut surface = Surface::default();
    let mut depth = 0usize;
    for payload in Parser::new(0).parse_all(component) {
        match payload? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    let name = import?.name.name;
                    if types.component_item_for_import(name).is_some_and(|item| has_functions(types, item.ty)) {
                        surface.imports.push(unversioned(name));
                    }
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    let name = export?.name.name;
                    if types.component_item_for_export(name).is_some_and(|item| has_functions(types, item.ty)) {
                        surface.exports.push(unversioned(name));
                    }
                }
            }
            _ => {}
        }
    }
    for names in [&mut surface.imports, &mut surface.exports] {
        names.sort_unstable();
        names.dedup();
    }
    Ok(surface)
}

fn has_functions(types: TypesRef<'_>, entity: ComponentEntityType) -> bool {
    match entity {
        ComponentEntityType::Instance(instance) => {
            types[instance].exports.values().any(|item| !matches!(item.ty, ComponentEntityType::Type { .. }))
        }
        ComponentEntityType::Type { .. } => false,
        _ => true,
    }
}

fn unversioned(name: &str) -> String {
    name.split_once('@').map_or(name, |(name, _)| name).to_owned()
}

/// The component with its manifest in a custom section at its end.
pub fn append_manifest(mut component: Vec<u8>, manifest: &str) -> Vec<u8> {
    let section = CustomSection { name: MANIFEST_SECTION.into(), data: manifest.as_bytes().into() };
    section.append_to_component(&mut component);
    component
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_encoder::{
        Component, ComponentImportSection, ComponentTypeRef, ComponentTypeSection, InstanceType, Module, ModuleSection,
        PrimitiveValType,
    };

    #[test]
    fn imports_of_the_outside_only() {
        let mut types = ComponentTypeSection::new();
        types.instance(&InstanceType::new());
        let mut with_function = InstanceType::new();
        with_function.ty().function().params([("level", PrimitiveValType::U32)]).result(None);
        with_function.export("write", ComponentTypeRef::Func(0));
        types.instance(&with_function);
        let mut imports = ComponentImportSection::new();
        imports.import("openhub:types/types@1.0.0", ComponentTypeRef::Instance(0));
        imports.import("openhub:log/log@1.0.0", ComponentTypeRef::Instance(1));
        imports.import("openhub:call/call@1.0.0", ComponentTypeRef::Instance(1));
        let mut component = Component::new();
        component.section(&ModuleSection(&Module::new()));
        component.section(&types);
        component.section(&imports);
        let bytes = append_manifest(component.finish(), r#"{"format":1}"#);
        let found = surface(&bytes).unwrap();
        assert_eq!(found.imports, ["openhub:call/call", "openhub:log/log"]);
        assert_eq!(found.exports, Vec::<String>::new());
        let section = Parser::new(0).parse_all(&bytes).find_map(|payload| match payload {
            Ok(Payload::CustomSection(section)) => Some((section.name().to_owned(), section.data().to_vec())),
            _ => None,
        });
        assert_eq!(section, Some((MANIFEST_SECTION.to_owned(), br#"{"format":1}"#.to_vec())));
    }
}
