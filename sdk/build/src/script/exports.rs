//! What a tool leaves at a component's outside beside the contract: its own start, which ran when the snapshot was made.
//!
//! A hub refuses exports that the manifest does not declare, so they are taken out here. An export is also a place in its index
//! space, so what comes after it moves up.

use std::convert::Infallible;

use anyhow::{Context, Result, anyhow};
use wasm_encoder::reencode::{Error, Reencode, ReencodeComponent};
use wasm_encoder::{Component, ComponentExportSection, ComponentSectionId, RawSection};
use wasmparser::{CanonicalFunction, ComponentAlias, ComponentExternalKind, ComponentTypeRef, Parser, Payload};

const CONTRACT: &str = "openhub:";

/// The component with the exports of the contract alone.
pub fn only_ours(component: &[u8]) -> Result<Vec<u8>> {
    let mut trimmed = Component::new();
    let mut trim = Trim {
        functions: taken(component, ComponentExternalKind::Func)?,
        instances: taken(component, ComponentExternalKind::Instance)?,
    };
    let done = trim.parse_component(&mut trimmed, Parser::new(0), component);
    done.map_err(|error| anyhow!("{error}")).context("the tool made a component that cannot be trimmed")?;
    Ok(trimmed.finish())
}

/// The places in an index space that a foreign export takes, each with the place of what it exports.
fn taken(component: &[u8], kind: ComponentExternalKind) -> Result<Vec<(u32, u32)>> {
    let mut taken = Vec::new();
    let (mut next, mut depth) = (0, 0u32);
    for payload in Parser::new(0).parse_all(component) {
        match payload? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            _ if depth > 0 => {}
            Payload::ComponentImportSection(imports) => {
                for import in imports {
                    next += u32::from(kind_of(import?.ty) == Some(kind));
                }
            }
            Payload::ComponentInstanceSection(instances) if kind == ComponentExternalKind::Instance => {
                next += instances.count()
            }
            Payload::ComponentCanonicalSection(functions) if kind == ComponentExternalKind::Func => {
                for function in functions {
                    next += u32::from(matches!(function?, CanonicalFunction::Lift { .. }));
                }
            }
            Payload::ComponentAliasSection(aliases) => {
                for alias in aliases {
                    next += u32::from(matches!(alias?, ComponentAlias::InstanceExport { kind: of, .. } if of == kind));
                }
            }
            Payload::ComponentExportSection(exports) => {
                for export in exports {
                    let export = export?;
                    if export.kind != kind {
                        continue;
                    }
                    if !export.name.name.starts_with(CONTRACT) {
                        taken.push((next, export.index));
                    }
                    next += 1;
                }
            }
            _ => {}
        }
    }
    Ok(taken)
}

fn kind_of(import: ComponentTypeRef) -> Option<ComponentExternalKind> {
    match import {
        ComponentTypeRef::Func(_) => Some(ComponentExternalKind::Func),
        ComponentTypeRef::Instance(_) => Some(ComponentExternalKind::Instance),
        _ => None,
    }
}

struct Trim {
    functions: Vec<(u32, u32)>,
    instances: Vec<(u32, u32)>,
}

/// Where an index moves when those that were taken are no more.
fn moved(taken: &[(u32, u32)], index: u32) -> u32 {
    match taken.iter().find(|(place, _)| *place == index) {
        Some((_, exported)) => moved(taken, *exported),
        None => index - taken.iter().filter(|(place, _)| *place < index).count() as u32,
    }
}

impl Reencode for Trim {
    type Error = Infallible;
}

impl ReencodeComponent for Trim {
    fn component_func_index(&mut self, index: u32) -> u32 {
        moved(&self.functions, index)
    }

    fn component_instance_index(&mut self, index: u32) -> u32 {
        moved(&self.instances, index)
    }

    fn parse_component_export_section(
        &mut self,
        exports: &mut ComponentExportSection,
        section: wasmparser::ComponentExportSectionReader<'_>,
    ) -> Result<(), Error<Infallible>> {
        for export in section {
            let export = export?;
            if export.name.name.starts_with(CONTRACT) {
                self.parse_component_export(exports, export)?;
            }
        }
        Ok(())
    }

    /// What is inside has index spaces of its own, and stays byte by byte.
    fn parse_component_submodule(
        &mut self,
        component: &mut Component,
        _: Parser,
        module: &[u8],
    ) -> Result<(), Error<Infallible>> {
        component.section(&RawSection { id: ComponentSectionId::CoreModule.into(), data: module });
        Ok(())
    }

    fn parse_component_subcomponent(
        &mut self,
        component: &mut Component,
        _: Parser,
        inner: &[u8],
        _: &[u8],
    ) -> Result<(), Error<Infallible>> {
        component.section(&RawSection { id: ComponentSectionId::Component.into(), data: inner });
        Ok(())
    }

    /// Names of places that have moved would be wrong.
    fn parse_component_custom_section(
        &mut self,
        _: &mut Component,
        _: wasmparser::CustomSectionReader<'_>,
    ) -> Result<(), Error<Infallible>> {
        Ok(())
    }
}
