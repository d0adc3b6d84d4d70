//! Builds the plugins of this workspace and looks at what came out.

use std::path::{Path, PathBuf};

use openhub_model::manifest::{MANIFEST_SECTION, Manifest, SHAPES_SECTION, Type};
use openhub_sdk_build::{Built, LOCK_FILE, Options, build_each, canonical};
use wasmparser::{Parser, Payload};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn build(names: &[&str], options: &Options) -> Vec<Built> {
    let folders: Vec<PathBuf> = names.iter().map(|name| root().join("plugins").join(name)).collect();
    build_each(&folders, options).unwrap_or_else(|error| panic!("{error:#}"))
}

/// Custom sections of the component and of every module inside, by name.
fn sections(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let payloads = Parser::new(0).parse_all(bytes).map(|payload| payload.expect("a valid component"));
    let sections = payloads.filter_map(|payload| match payload {
        Payload::CustomSection(section) => Some((section.name().to_owned(), section.data().to_vec())),
        _ => None,
    });
    sections.collect()
}

#[test]
fn the_manifest_lies_in_the_component_and_the_shapes_are_gone() {
    let out = tempfile::tempdir().unwrap();
    let options = Options { locked: true, out: Some(out.path().to_path_buf()), ..Options::default() };
    for built in build(&["rfm", "points", "coupon", "webhook"], &options) {
        assert_eq!(built.path, out.path().join(format!("{}.wasm", built.manifest.name)));
        assert_eq!(std::fs::read(&built.path).unwrap(), built.bytes);
        let sections = sections(&built.bytes);
        assert!(sections.iter().all(|(name, _)| name != SHAPES_SECTION));
        let manifests: Vec<_> = sections.iter().filter(|(name, _)| name == MANIFEST_SECTION).collect();
        assert_eq!(manifests.len(), 1);
        assert_eq!(manifests[0].1, canonical(&built.manifest).unwrap().into_bytes());
        let lock = std::fs::read(root().join("plugins").join(&built.manifest.name).join(LOCK_FILE)).unwrap();
        assert_eq!(serde_json::from_slice::<Manifest>(&lock).unwrap(), built.manifest);
        assert!(built.manifest.imports.iter().all(|import| import.starts_with("openhub:")), "no WASI");
    }
}

#[test]
fn a_component_imports_what_its_lane_has() {
    let out = tempfile::tempdir().unwrap();
    let options = Options { locked: true, out: Some(out.path().to_path_buf()), ..Options::default() };
    let built = build(&["points", "webhook"], &options);
    let imports =
        |index: usize, interface: &str| built[index].manifest.imports.iter().any(|import| import == interface);
    assert!(!imports(0, "openhub:http/http"));
    assert!(imports(1, "openhub:http/http") && imports(1, "openhub:secrets/secrets"));
    let points = &built[0].manifest.rules[0];
    assert_eq!(points.name, "points");
    assert_eq!(points.events, ["Tier Changed"]);
    let tier = points.writes.iter().find(|write| write.path == "customer.attributes.tier").unwrap();
    assert_eq!(tier.of, Type::Enum(vec!["bronze".into(), "silver".into(), "gold".into()]));
}
