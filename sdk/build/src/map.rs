//! The map of a component: which function and which line of the plugin's source each of its instructions comes from.
//!
//! The component itself has no names and no lines in it, so that it stays small. They lie in a file beside it, `points.map`, which stays with the author: the debugging sections (DWARF) of the plugin's core module, and where that
//! module's code stands in the component. A fault names addresses (`at 0x1a2b`); here they become places.

use std::borrow::Cow;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use addr2line::Context as Lines;
use addr2line::gimli::{self, Dwarf, EndianSlice, LittleEndian};
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use wasm_encoder::{CustomSection, Module, RawSection};
use wasmparser::{Parser, Payload};

/// What the file's name ends with, in place of `wasm`.
pub const MAP: &str = "map";
const ABOUT_SECTION: &str = "openhub:map";
/// As the runtime writes the addresses of a call that broke off, the innermost first: `; at 0x1a2b, 0x3c4d`.
const MARK: &str = "; at 0x";
/// The SDK and the standard library lie there, and what cargo has fetched.
const FOREIGN: [&str; 2] = [".openhub/", "target/"];

/// What the map is of.
#[derive(Serialize, Deserialize)]
struct About {
    /// Where the code of the module stands in the component: lines count from there.
    code: u64,
    /// The plugin's folder.
    dir: PathBuf,
}

/// The sections in which the lines of a module are, by name.
pub type DebugSections = Vec<(String, Vec<u8>)>;

/// The module without names and lines, and where those are.
pub fn split(module: &[u8]) -> Result<(Vec<u8>, DebugSections)> {
    let (mut stripped, mut lines) = (Module::new(), Vec::new());
    for payload in Parser::new(0).parse_all(module) {
        let payload = payload.context("this is not a WebAssembly module")?;
        if let Payload::CustomSection(section) = &payload {
            if section.name().starts_with(".debug_") {
                lines.push((section.name().to_owned(), section.data().to_vec()));
                continue;
            }
            if ["name", "producers", "target_features"].contains(&section.name()) {
                continue;
            }
        }
        if let Some((id, range)) = payload.as_section() {
            let data = &module[usize::try_from(range.start)?..usize::try_from(range.end)?];
            stripped.section(&RawSection { id, data });
        }
    }
    Ok((stripped.finish(), lines))
}

/// The map of a component that was made of this module. None if there are no lines, as in scripts.
pub fn of(dir: &Path, module: &[u8], lines: &[(String, Vec<u8>)], component: &[u8]) -> Result<Option<Vec<u8>>> {
    let code = code_of(module)?.map(|(_, code)| code);
    let Some(code) = code.filter(|_| !lines.is_empty()) else { return Ok(None) };
    // The component has more modules, which the encoder has made.
    let at = codes(component)?.into_iter().find(|(_, found)| *found == code).map(|(at, _)| at);
    let Some(code) = at else { return Ok(None) };
    let about = serde_json::to_vec(&About { code, dir: dir.to_path_buf() })?;
    let mut map = Module::new();
    map.section(&CustomSection { name: ABOUT_SECTION.into(), data: Cow::Owned(about) });
    for (name, data) in lines {
        map.section(&CustomSection { name: name.into(), data: Cow::Borrowed(data) });
    }
    Ok(Some(map.finish()))
}

fn code_of(module: &[u8]) -> Result<Option<(u64, &[u8])>> {
    Ok(codes(module)?.into_iter().next())
}

/// The code of each module in there, and where it begins.
fn codes(bytes: &[u8]) -> Result<Vec<(u64, &[u8])>> {
    let mut found = Vec::new();
    for payload in Parser::new(0).parse_all(bytes) {
        if let Payload::CodeSectionStart { range, .. } = payload? {
            found.push((range.start, &bytes[usize::try_from(range.start)?..usize::try_from(range.end)?]));
        }
    }
    Ok(found)
}

/// The text with the places in place of the addresses, as far as the map knows them.
pub fn explain(map: &[u8], text: &str) -> String {
    explained(map, text).ok().flatten().unwrap_or_else(|| text.to_owned())
}

fn explained(map: &[u8], text: &str) -> Result<Option<String>> {
    let Some((before, mut rest)) = text.split_once(MARK) else { return Ok(None) };
    let mut addresses = Vec::new();
    loop {
        let end = rest.find(|character: char| !character.is_ascii_hexdigit()).unwrap_or(rest.len());
        addresses.push(u64::from_str_radix(&rest[..end], 16)?);
        rest = &rest[end..];
        match rest.strip_prefix(", 0x") {
            Some(next) => rest = next,
            None => break,
        }
    }
    let map = Sections::read(map)?;
    let places = map.places(&addresses)?;
    let Some((first, callers)) = places.split_first() else { return Ok(None) };
    let mut told = format!("{before}; in {first}");
    for caller in callers {
        write!(told, ", called by {caller}")?;
    }
    Ok(Some(told + rest))
}

/// A map that was read.
struct Sections<'m> {
    about: About,
    debug: Vec<(&'m str, &'m [u8])>,
}

impl<'m> Sections<'m> {
    fn read(map: &'m [u8]) -> Result<Sections<'m>> {
        let (mut about, mut debug) = (None, Vec::new());
        for payload in Parser::new(0).parse_all(map) {
            let Payload::CustomSection(section) = payload.context("this is no map of a component")? else { continue };
            match section.name() {
                ABOUT_SECTION => about = Some(serde_json::from_slice(section.data())?),
                name => debug.push((name, section.data())),
            }
        }
        Ok(Sections { about: about.context("this is no map of a component")?, debug })
    }

    /// The places in the plugin's own source, the innermost first; without any, those elsewhere.
    fn places(&self, addresses: &[u64]) -> Result<Vec<String>> {
        let section = |id: gimli::SectionId| {
            let found = self.debug.iter().find(|(name, _)| *name == id.name()).map_or(&[][..], |(_, data)| *data);
            Ok::<_, gimli::Error>(EndianSlice::new(found, LittleEndian))
        };
        let lines = Lines::from_dwarf(Dwarf::load(section)?)?;
        let (mut own, mut foreign) = (Vec::new(), Vec::new());
        for address in addresses {
            let Some(address) = address.checked_sub(self.about.code) else { continue };
            let mut frames = lines.find_frames(address).skip_all_loads()?;
            while let Some(frame) = frames.next()? {
                let Some(location) = frame.location else { continue };
                let Some(file) = location.file else { continue };
                // What the optimiser has merged has no line of its own.
                let line = location.line.map_or(String::new(), |line| format!(":{line}"));
                let function = frame.function.as_ref().and_then(|function| function.demangle().ok());
                let function = function.map_or(String::new(), |name| format!("`{name}` "));
                let within = Path::new(file).strip_prefix(&self.about.dir).ok().and_then(Path::to_str);
                match within.filter(|file| !FOREIGN.iter().any(|folder| file.starts_with(folder))) {
                    Some(file) => own.push(format!("{function}({file}{line})")),
                    None => foreign.push(format!("{function}({}{line})", shortened(file))),
                }
            }
        }
        own.dedup();
        foreign.truncate(1);
        Ok(if own.is_empty() { foreign } else { own })
    }
}

/// The last steps of a path that is not the plugin's.
fn shortened(file: &str) -> String {
    let steps: Vec<&str> = file.rsplitn(4, '/').take(3).collect();
    steps.into_iter().rev().collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_map_and_what_has_no_address_leave_a_text_as_it_is() {
        let text = "trap: wasm trap: integer overflow; at 0x10, 0x20";
        assert_eq!(explain(b"nothing", text), text);
        let map = of(Path::new("/a"), &Module::new().finish(), &[], &[]).unwrap();
        assert!(map.is_none(), "a module without code has none");
        assert_eq!(shortened("/rustc/abc/library/core/src/panicking.rs"), "core/src/panicking.rs");
    }
}
