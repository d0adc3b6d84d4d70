//! Every template makes a plugin that builds, outside of the workspace.

use std::path::Path;

use openhub_sdk_build::{Kind, LOCK_FILE, Language, Options, build, new_plugin, new_plugin_from};

#[test]
fn a_new_plugin_builds() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let binary = std::env::current_exe().unwrap();
    let target_dir = binary.ancestors().nth(3).unwrap().to_path_buf();
    let folder = tempfile::tempdir().unwrap();
    for kind in Kind::ALL {
        let name = format!("template-{kind}");
        let dir = folder.path().join(&name);
        new_plugin(&dir, &name, kind, Language::Rust).unwrap();
        // The same versions of dependencies as here, so that nothing is fetched.
        std::fs::copy(root.join("Cargo.lock"), dir.join("Cargo.lock")).unwrap();
        let out = Some(folder.path().join("out"));
        let options = Options { target_dir: Some(target_dir.clone()), out, ..Options::default() };
        let built = build(&dir, options).unwrap_or_else(|error| panic!("{error:#}"));
        assert_eq!(built.path, folder.path().join("out").join(format!("{name}.wasm")));
        assert!(dir.join(LOCK_FILE).is_file());
        let manifest = built.manifest;
        assert_eq!(manifest.rules.len(), usize::from(kind == Kind::Rule));
        assert_eq!(manifest.objects.len(), usize::from(kind == Kind::Object));
        assert_eq!(manifest.channels.len(), usize::from(kind == Kind::Channel));
        assert_eq!(manifest.sources.len(), usize::from(kind == Kind::Source));
        assert_eq!(manifest.endpoints.len(), 2 * usize::from(kind == Kind::Endpoint));
        assert_eq!(manifest.privacy.is_some(), kind == Kind::Privacy);
        assert_eq!(manifest.jobs.len(), usize::from(kind == Kind::Job));
        assert_eq!(manifest.functions.len(), usize::from(kind == Kind::Content));
        assert_eq!(manifest.steps.len(), usize::from(kind == Kind::Step));
    }
}

#[test]
fn a_plugin_of_ours_builds_under_another_name() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let binary = std::env::current_exe().unwrap();
    let target_dir = binary.ancestors().nth(3).unwrap().to_path_buf();
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("our-hooks");
    new_plugin_from(&dir, "our-hooks", "webhook").unwrap();
    std::fs::copy(root.join("Cargo.lock"), dir.join("Cargo.lock")).unwrap();
    let out = Some(folder.path().join("out"));
    let built = build(&dir, Options { target_dir: Some(target_dir), out, ..Options::default() });
    let built = built.unwrap_or_else(|error| panic!("{error:#}"));
    assert_eq!((built.manifest.name.as_str(), built.manifest.channels[0].name.as_str()), ("our-hooks", "webhook"));
}
