//! The shape fragments that the SDK's macros leave in a core module: one JSON object a line.
//!
//! Only read and cut out here; `merge` gives them a meaning.

use anyhow::{Context, Result, bail};
use openhub_model::endpoint::EndpointMethod;
use openhub_model::manifest::{Recipient, SHAPES_SECTION, UnknownOutcome};
use serde::Deserialize;
use serde_json::Value;
use wasm_encoder::{Module, RawSection};
use wasmparser::{Parser, Payload};

/// Fields stay JSON here: a field of an enum's type carries `{"named": "Tier"}` until all fragments are known.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Fragment {
    Reads {
        #[serde(rename = "type")]
        of: String,
        fields: Vec<Value>,
        /// Lists whose elements have the fields of another such type.
        #[serde(default)]
        lists: Vec<List>,
    },
    Writes {
        #[serde(rename = "type")]
        of: String,
        fields: Vec<Value>,
        /// Types of events that may be caused.
        #[serde(default)]
        events: Vec<String>,
        /// Which of them happen to another customer.
        #[serde(default)]
        to: Vec<Recipient>,
        /// Types of objects that may be written.
        #[serde(default)]
        objects: Vec<String>,
    },
    Enum {
        #[serde(rename = "type")]
        of: String,
        values: Vec<String>,
    },
    Event {
        #[serde(rename = "type")]
        of: String,
        name: String,
        fields: Vec<Value>,
    },
    Params(Fields),
    Rule {
        name: String,
        on: Vec<String>,
        reads: String,
        writes: String,
        #[serde(default)]
        params: Option<String>,
    },
    Object {
        #[serde(rename = "type")]
        of: String,
        name: String,
        version: u32,
        fields: Vec<Value>,
        #[serde(default)]
        owner: Option<String>,
    },
    Content(Fields),
    Channel {
        name: String,
        address: String,
        #[serde(default)]
        purpose: Option<String>,
        #[serde(default)]
        unknown: UnknownOutcome,
        #[serde(default)]
        content: Option<String>,
    },
    Source {
        name: String,
        /// Types of events that it may yield.
        #[serde(default)]
        events: Vec<String>,
    },
    Endpoint {
        name: String,
        method: EndpointMethod,
        path: String,
    },
    Job {
        name: String,
    },
    Privacy {
        /// Kinds of identities.
        #[serde(default)]
        identities: Vec<String>,
    },
    Record(Fields),
    Step {
        name: String,
        /// The type whose names are the outlets.
        outlets: String,
        #[serde(default)]
        events: Vec<String>,
        #[serde(default)]
        input: Option<String>,
        #[serde(default)]
        state_version: u32,
    },
    Function {
        name: String,
        arguments: Vec<Value>,
        /// A type, as a field has it.
        returns: Value,
    },
    Settings(Fields),
}

/// A named type and its fields.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fields {
    #[serde(rename = "type")]
    pub of: String,
    pub fields: Vec<Value>,
}

/// A list that a rule reads.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct List {
    pub name: String,
    pub path: String,
    /// The type of its elements.
    pub reads: Named,
    #[serde(default)]
    pub bind: bool,
}

/// A type of the code.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Named {
    pub named: String,
}

/// All fragments of a core module, from all its sections of that name, each one once.
pub fn read(module: &[u8]) -> Result<Vec<Fragment>> {
    let mut fragments = Vec::new();
    for payload in Parser::new(0).parse_all(module) {
        match payload.context("this is not a WebAssembly module")? {
            Payload::Version { encoding: wasmparser::Encoding::Component, .. } => {
                bail!("this is already a component; the build needs a core module")
            }
            Payload::CustomSection(section) if section.name() == SHAPES_SECTION => {
                for fragment in parse(section.data())? {
                    if !fragments.contains(&fragment) {
                        fragments.push(fragment);
                    }
                }
            }
            _ => {}
        }
    }
    if fragments.is_empty() {
        bail!(
            "the crate declares nothing: it needs a #[rule], a #[derive(DataObject)], a #[channel], a #[source], an #[endpoint], a #[job], a #[step], a #[content] or a #[privacy] of openhub-sdk"
        );
    }
    Ok(fragments)
}

fn parse(section: &[u8]) -> Result<Vec<Fragment>> {
    let texts = serde_json::Deserializer::from_slice(section).into_iter::<Value>();
    texts
        .map(|value| {
            let value = value.with_context(|| format!("the custom section {SHAPES_SECTION} is not JSON"))?;
            let told = value.to_string();
            serde_json::from_value(value)
                .with_context(|| format!("openhub-sdk wrote a shape that this build does not know: {told}"))
        })
        .collect()
}

/// The module without its shape sections; every other section stays byte by byte.
pub fn strip(module: &[u8]) -> Result<Vec<u8>> {
    let mut stripped = Module::new();
    for payload in Parser::new(0).parse_all(module) {
        let payload = payload.context("this is not a WebAssembly module")?;
        if matches!(&payload, Payload::CustomSection(section) if section.name() == SHAPES_SECTION) {
            continue;
        }
        if let Some((id, range)) = payload.as_section() {
            let data = &module[usize::try_from(range.start)?..usize::try_from(range.end)?];
            stripped.section(&RawSection { id, data });
        }
    }
    Ok(stripped.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_encoder::CustomSection;

    fn module(sections: &[(&str, &str)]) -> Vec<u8> {
        let mut module = Module::new();
        for (name, data) in sections {
            module.section(&CustomSection { name: (*name).into(), data: data.as_bytes().into() });
        }
        module.finish()
    }

    #[test]
    fn several_sections_and_lines_each_fragment_once() {
        let tier = r#"{"enum":{"type":"Tier","values":["bronze","gold"]}}"#;
        let event = r#"{"event":{"type":"Left","name":"Left","fields":[]}}"#;
        let bytes = module(&[(SHAPES_SECTION, &format!("{tier}\n{event}\n")), ("other", "x"), (SHAPES_SECTION, tier)]);
        let fragments = read(&bytes).unwrap();
        assert_eq!(fragments.len(), 2);
        assert!(matches!(&fragments[0], Fragment::Enum { of, values } if of == "Tier" && values.len() == 2));
        assert_eq!(strip(&bytes).unwrap(), module(&[("other", "x")]));
    }

    #[test]
    fn strangers_are_refused_by_name() {
        let stranger = module(&[(SHAPES_SECTION, r#"{"teapot":{"type":"T"}}"#)]);
        assert!(format!("{:#}", read(&stranger).unwrap_err()).contains("teapot"));
        assert!(format!("{:#}", read(&module(&[])).unwrap_err()).contains("declares nothing"));
        assert!(read(b"no module").is_err());
    }
}
