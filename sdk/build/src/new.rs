//! A new plugin from a template: a crate that builds, with a test that passes.
//!
//! The templates stand in `sdk/templates` and are part of this crate. A plugin made inside a checkout depends on that
//! checkout's SDK by path, any other on the one that is unpacked beside it.

use std::fmt;
use std::path::{Component, Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, Result, bail, ensure};

use crate::{Language, script, sdk};

/// What the new plugin starts with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Rule,
    Object,
    Channel,
    Source,
    Endpoint,
    Job,
    Content,
    Step,
    Privacy,
}

impl Kind {
    pub const ALL: [Kind; 9] = {
        use Kind::{Channel, Content, Endpoint, Job, Object, Privacy, Rule, Source, Step};
        [Rule, Object, Channel, Source, Endpoint, Job, Content, Step, Privacy]
    };
}

impl FromStr for Kind {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Kind> {
        let found = Kind::ALL.into_iter().find(|kind| kind.to_string() == text);
        found.with_context(|| {
            format!(
                "there is no kind of plugin `{text}`; there are: rule, object, channel, source, endpoint, job, content, step, privacy"
            )
        })
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Kind::Rule => "rule",
            Kind::Object => "object",
            Kind::Channel => "channel",
            Kind::Source => "source",
            Kind::Endpoint => "endpoint",
            Kind::Job => "job",
            Kind::Content => "content",
            Kind::Step => "step",
            Kind::Privacy => "privacy",
        })
    }
}

const CARGO: &str = include_str!("../../templates/Cargo.toml.in");
const IGNORE: &str = include_str!("../../templates/gitignore.in");
const SCRIPT_IGNORE: &str = include_str!("../../templates/script.gitignore.in");
const FIXTURE: &str = include_str!("../../templates/orders.json.in");

/// Policy, code and test of a kind.
fn texts(kind: Kind) -> [(&'static str, &'static str); 3] {
    let [policy, code, test] = match kind {
        Kind::Rule => [
            include_str!("../../templates/rule/plugin.toml.in"),
            include_str!("../../templates/rule/lib.rs.in"),
            include_str!("../../templates/rule/test.rs.in"),
        ],
        Kind::Object => [
            include_str!("../../templates/object/plugin.toml.in"),
            include_str!("../../templates/object/lib.rs.in"),
            include_str!("../../templates/object/test.rs.in"),
        ],
        Kind::Channel => [
            include_str!("../../templates/channel/plugin.toml.in"),
            include_str!("../../templates/channel/lib.rs.in"),
            include_str!("../../templates/channel/test.rs.in"),
        ],
        Kind::Source => [
            include_str!("../../templates/source/plugin.toml.in"),
            include_str!("../../templates/source/lib.rs.in"),
            include_str!("../../templates/source/test.rs.in"),
        ],
        Kind::Endpoint => [
            include_str!("../../templates/endpoint/plugin.toml.in"),
            include_str!("../../templates/endpoint/lib.rs.in"),
            include_str!("../../templates/endpoint/test.rs.in"),
        ],
        Kind::Job => [
            include_str!("../../templates/job/plugin.toml.in"),
            include_str!("../../templates/job/lib.rs.in"),
            include_str!("../../templates/job/test.rs.in"),
        ],
        Kind::Content => [
            include_str!("../../templates/content/plugin.toml.in"),
            include_str!("../../templates/content/lib.rs.in"),
            include_str!("../../templates/content/test.rs.in"),
        ],
        Kind::Step => [
            include_str!("../../templates/step/plugin.toml.in"),
            include_str!("../../templates/step/lib.rs.in"),
            include_str!("../../templates/step/test.rs.in"),
        ],
        Kind::Privacy => [
            include_str!("../../templates/privacy/plugin.toml.in"),
            include_str!("../../templates/privacy/lib.rs.in"),
            include_str!("../../templates/privacy/test.rs.in"),
        ],
    };
    [("plugin.toml", policy), ("src/lib.rs", code), ("tests/plugin.rs", test)]
}

/// Writes a new plugin into `dir`, which must be empty or not exist yet.
pub fn new_plugin(dir: &Path, name: &str, kind: Kind, language: Language) -> Result<()> {
    let own = match language {
        Language::Rust => {
            let files = texts(kind).into_iter().map(|(path, text)| (path, text.to_owned()));
            return write(dir, name, CARGO.to_owned(), files);
        }
        Language::JavaScript => vec![
            ("package.json", include_str!("../../templates/javascript/package.json.in")),
            ("plugin.toml", include_str!("../../templates/javascript/plugin.toml.in")),
            ("plugin.js", include_str!("../../templates/javascript/plugin.js.in")),
        ],
        Language::Python => vec![
            ("plugin.toml", include_str!("../../templates/python/plugin.toml.in")),
            ("plugin.py", include_str!("../../templates/python/plugin.py.in")),
        ],
    };
    ensure!(kind == Kind::Rule, "a plugin in {language} has rules: use `--kind rule`, or write it in Rust");
    let shared = [("tests/orders.json", FIXTURE), (".gitignore", SCRIPT_IGNORE)];
    let files = own.into_iter().chain(shared).map(|(path, text)| (path, text.to_owned()));
    let dir = empty(dir, name)?;
    fill(&dir, name, files)?;
    script::unpack(&dir, language)
}

/// The plugins of ours that another one can start from.
pub fn ours() -> Vec<&'static str> {
    let folders = sdk::packed::PLUGINS.iter().filter_map(|(path, _)| path.strip_suffix("/Cargo.toml"));
    folders.collect()
}

/// Writes a plugin of ours under another name, with its code, tests and policy, as a crate of its own.
pub fn new_plugin_from(dir: &Path, name: &str, of: &str) -> Result<()> {
    let prefix = format!("{of}/");
    let files = sdk::packed::PLUGINS.iter().filter_map(|(path, text)| Some((path.strip_prefix(&prefix)?, *text)));
    let files: Vec<(&str, &str)> = files.collect();
    let cargo = files.iter().find(|(path, _)| *path == "Cargo.toml").map(|(_, text)| *text);
    let cargo =
        cargo.with_context(|| format!("there is no plugin `{of}` to start from; there are: {}", ours().join(", ")))?;
    let cargo: toml::Table = cargo.parse()?;
    let inherited = |table: &str| -> Result<String> {
        let named = cargo.get(table).and_then(toml::Value::as_table).into_iter().flat_map(toml::Table::keys);
        // The SDK's own are in the template.
        let named: Vec<&str> = named.map(String::as_str).filter(|name| !name.starts_with("openhub-")).collect();
        sdk::dependencies(&named)
    };
    let cargo = CARGO
        .replace("serde_json = \"1\"\n", &inherited("dependencies")?)
        .replace("{{sdk-testing}}\n", &format!("{{{{sdk-testing}}}}\n{}", inherited("dev-dependencies")?));
    let own = |path: &str| path == "Cargo.toml" || path == crate::LOCK_FILE;
    let files = files.into_iter().filter(|(path, _)| !own(path)).map(|(path, text)| {
        let text = match path {
            crate::POLICY_FILE => text.replacen(&format!("name = \"{of}\""), &format!("name = \"{name}\""), 1),
            _ => text.to_owned(),
        };
        (path, text)
    });
    write(dir, name, cargo, files)
}

fn write<'t>(dir: &Path, name: &str, cargo: String, files: impl Iterator<Item = (&'t str, String)>) -> Result<()> {
    let dir = empty(dir, name)?;
    let shared = [("Cargo.toml", cargo), (".gitignore", IGNORE.to_owned())];
    fill(&dir, name, shared.into_iter().chain(files))?;
    if checkout(&dir).is_none() {
        sdk::unpack(&dir)?;
        crate::lock::write_whole(&dir.join("Cargo.lock"), sdk::lock().as_bytes())?;
    }
    Ok(())
}

/// The new folder of a plugin with this name.
fn empty(dir: &Path, name: &str) -> Result<PathBuf> {
    let letters = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    let clean = letters && name.starts_with(|first: char| first.is_ascii_lowercase()) && !name.ends_with('-');
    ensure!(
        clean && name.len() <= 64,
        "`{name}` is not a plugin name: use lower-case letters, digits and hyphens, a letter first"
    );
    if std::fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some()) {
        bail!("{} is not empty: choose another folder", dir.display());
    }
    std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    Ok(dir.canonicalize()?)
}

fn fill<'t>(dir: &Path, name: &str, files: impl Iterator<Item = (&'t str, String)>) -> Result<()> {
    let filled = |text: &str| {
        text.replace("{{name}}", name)
            .replace("{{crate}}", &name.replace('-', "_"))
            .replace("{{type}}", &pascal(name))
            .replace("{{sdk}}", &dependency(dir, "rust"))
            .replace("{{sdk-testing}}", &dependency(dir, "testing"))
    };
    for (path, text) in files {
        crate::lock::write_whole(&dir.join(path), filled(&text).as_bytes())?;
    }
    Ok(())
}

fn pascal(name: &str) -> String {
    let words = name.split('-').map(|word| {
        let (first, rest) = word.split_at(word.len().min(1));
        first.to_ascii_uppercase() + rest
    });
    words.collect()
}

/// The right side of a dependency in `Cargo.toml`.
fn dependency(dir: &Path, folder: &str) -> String {
    let path = match checkout(dir) {
        Some(root) => relative(dir, &root.join("sdk").join(folder)).to_string_lossy().replace('\\', "/"),
        None => format!("{}/sdk/{folder}", sdk::FOLDER),
    };
    format!("{{ path = \"{path}\" }}")
}

/// The checkout of OpenHub that `dir` lies in.
fn checkout(dir: &Path) -> Option<PathBuf> {
    dir.ancestors().find(|folder| folder.join("sdk/rust/Cargo.toml").is_file()).map(Path::to_path_buf)
}

fn relative(from: &Path, to: &Path) -> PathBuf {
    let from: Vec<Component<'_>> = from.components().collect();
    let to: Vec<Component<'_>> = to.components().collect();
    let shared = from.iter().zip(&to).take_while(|(one, other)| one == other).count();
    let up = from[shared..].iter().map(|_| Component::ParentDir);
    up.chain(to[shared..].iter().copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_filled_completely() {
        for kind in Kind::ALL {
            let folder = tempfile::tempdir().unwrap();
            let dir = folder.path().join("my-plugin");
            new_plugin(&dir, "my-plugin", kind, Language::Rust).unwrap();
            for file in ["Cargo.toml", ".gitignore", "plugin.toml", "src/lib.rs", "tests/plugin.rs"] {
                let text = std::fs::read_to_string(dir.join(file)).unwrap();
                assert!(
                    !text.contains("{{") || !text.contains("{{name") && !text.contains("{{sdk"),
                    "{kind} {file}: {text}"
                );
            }
            let policy = crate::Policy::read(&dir).unwrap();
            assert_eq!(policy.name, "my-plugin");
            assert!(new_plugin(&dir, "my-plugin", kind, Language::Rust).unwrap_err().to_string().contains("not empty"));
        }
    }

    #[test]
    fn a_script_is_filled_completely_with_what_it_imports() {
        for (language, file, imported) in [
            (Language::JavaScript, "plugin.js", ".openhub/openhub.js"),
            (Language::Python, "plugin.py", ".openhub/openhub/__init__.py"),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let dir = folder.path().join("my-plugin");
            new_plugin(&dir, "my-plugin", Kind::Rule, language).unwrap();
            assert_eq!(Language::of(&dir).unwrap(), language);
            for file in [".gitignore", "plugin.toml", "tests/orders.json", file] {
                let text = std::fs::read_to_string(dir.join(file)).unwrap();
                assert!(!text.contains("{{"), "{language} {file}: {text}");
            }
            let module = std::fs::read_to_string(dir.join(imported)).unwrap();
            assert!(module.contains("class LargeOrder"), "{module}");
            let other = new_plugin(&folder.path().join("other"), "other", Kind::Channel, language).unwrap_err();
            assert!(other.to_string().contains("write it in Rust"), "{other}");
        }
    }

    #[test]
    fn a_plugin_of_ours_is_a_crate_of_its_own_under_another_name() {
        assert_eq!(
            ours(),
            [
                "coupon",
                "email",
                "lead-router",
                "local-format",
                "points",
                "referral",
                "rfm",
                "shop-source",
                "sms",
                "webhook",
                "wechat-source",
                "wecom"
            ]
        );
        for of in ours() {
            let folder = tempfile::tempdir().unwrap();
            let dir = folder.path().join("mine");
            new_plugin_from(&dir, "mine", of).unwrap();
            let cargo = std::fs::read_to_string(dir.join("Cargo.toml")).unwrap();
            let cargo: toml::Table = cargo.parse().unwrap_or_else(|error| panic!("{of}: {error}: {cargo}"));
            assert!(!cargo.to_string().contains("workspace = true"), "{of}: {cargo}");
            assert_eq!(crate::Policy::read(&dir).unwrap().name, "mine");
            assert!(dir.join("src/lib.rs").is_file() && dir.join("tests/plugin.rs").is_file(), "{of}");
            assert!(!dir.join(crate::LOCK_FILE).exists(), "{of}: its lock is of another name");
        }
        let unknown = new_plugin_from(Path::new("unused"), "mine", "fax").unwrap_err().to_string();
        assert!(unknown.contains("there are: coupon, email"), "{unknown}");
    }

    #[test]
    fn names_and_ways() {
        assert_eq!(pascal("win-back-2"), "WinBack2");
        assert_eq!(relative(Path::new("/a/b/c"), Path::new("/a/d")), Path::new("../../d"));
        for name in ["", "A", "a b", "1a", "a-", "../a"] {
            assert!(new_plugin(Path::new("unused"), name, Kind::Rule, Language::Rust).is_err(), "{name}");
        }
        assert_eq!("object".parse::<Kind>().unwrap(), Kind::Object);
        assert!("widget".parse::<Kind>().is_err());
    }
}
