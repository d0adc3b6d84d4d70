//! Components that come with the binary: in a folder beside it, or inside. Who has no compiler installs them by name.

use std::path::{Path, PathBuf};

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

/// Where they lie, seen from the folder of the binary.
const DELIVERED: [&str; 3] = ["plugins", "../plugins", "../share/openhub/plugins"];

/// A component by its bare name. What lies beside the binary was put there on purpose, so it comes first.
pub fn ready(binary: &Path, name: &Path) -> std::io::Result<Option<Vec<u8>>> {
    let Some(name) = bare(name) else { return Ok(None) };
    match beside(binary, name) {
        Some(file) => std::fs::read(file).map(Some),
        None => Ok(inside(EMBEDDED, name).map(<[u8]>::to_vec)),
    }
}

/// The names of those inside.
pub fn names() -> impl Iterator<Item = &'static str> {
    EMBEDDED.iter().map(|(name, _)| *name)
}

fn inside<'e>(embedded: &[(&str, &'e [u8])], name: &str) -> Option<&'e [u8]> {
    embedded.iter().find(|(known, _)| *known == name).map(|(_, component)| *component)
}

fn beside(binary: &Path, name: &str) -> Option<PathBuf> {
    let folder = binary.parent()?;
    DELIVERED.map(|place| folder.join(place).join(format!("{name}.wasm"))).into_iter().find(|place| place.is_file())
}

fn bare(name: &Path) -> Option<&str> {
    let is_bare = name.components().count() == 1 && name.extension().is_none();
    name.file_name().filter(|_| is_bare)?.to_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings14_f6_a_component_is_found_beside_the_binary() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir_all(at("bin/plugins")).unwrap();
        std::fs::create_dir_all(at("share/openhub/plugins")).unwrap();
        std::fs::write(at("bin/plugins/email.wasm"), b"e").unwrap();
        std::fs::write(at("share/openhub/plugins/webhook.wasm"), b"w").unwrap();
        let found = |name: &str| ready(&at("bin/openhub"), Path::new(name)).unwrap();
        assert_eq!(found("email").as_deref(), Some(&b"e"[..]), "whatever is inside");
        assert_eq!(found("webhook").as_deref(), Some(&b"w"[..]));
        for other in ["no-such-plugin", "plugins/email", "email.wasm", ""] {
            assert_eq!(found(other), None, "{other}");
        }
    }

    #[test]
    fn findings14_f6_a_component_is_found_inside_the_binary() {
        let embedded: &[(&str, &[u8])] = &[("email", b"e"), ("webhook", b"w")];
        assert_eq!(inside(embedded, "webhook"), Some(&b"w"[..]));
        assert_eq!(inside(embedded, "rfm"), None);
    }

    /// What was built is what the build was told: nothing, or components.
    #[test]
    fn what_is_inside_is_a_component() {
        for (name, component) in EMBEDDED {
            assert!(component.starts_with(b"\0asm"), "{name}");
            assert!(openhub_sdk_build::ours().contains(name), "{name} is no plugin of ours");
        }
    }
}
