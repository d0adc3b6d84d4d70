//! Why a runtime cannot start, and why a component is not let in.

use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    #[error("`{0}` is not a host with a port: write it like 127.0.0.1:8080, [::1]:8080 or name:8080")]
    InvalidHostPort(String),
    #[error("the directory {path} for compiled plugins cannot be used")]
    Cache { path: PathBuf, source: std::io::Error },
    #[error("the thread that counts time could not be started")]
    Ticker(#[source] std::io::Error),
    #[error("the WebAssembly engine refused its configuration: {0:#}")]
    Engine(wasmtime::Error),
    #[error("the HTTP client could not be built")]
    Client(#[source] reqwest::Error),
    #[error("the component {path} cannot be read, or its code cannot be written")]
    Worker { path: PathBuf, source: std::io::Error },
    #[error("the component does not compile: {0}")]
    Compile(String),
}

/// Why what an admin typed cannot be a secret. It goes on after "the secret".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSecret {
    #[error("{0}")]
    Encoding(String),
    /// It cannot be the key that the manifest declares.
    #[error("{0}")]
    Key(String),
}

impl BadSecret {
    pub fn code(&self) -> &'static str {
        match self {
            BadSecret::Encoding(_) => "invalid-encoding",
            BadSecret::Key(_) => "invalid-key",
        }
    }
}

/// Why a component is not installed. `code` is stable and kebab-case.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Refusal {
    pub code: &'static str,
    pub message: String,
}

impl Refusal {
    pub const NOT_A_COMPONENT: &'static str = "not-a-component";
    pub const NO_MANIFEST: &'static str = "no-manifest";
    pub const BAD_MANIFEST: &'static str = "bad-manifest";
    pub const UNDECLARED_IMPORT: &'static str = "undeclared-import";
    pub const UNSUPPORTED_IMPORT: &'static str = "unsupported-import";
    pub const MISSING_EXPORT: &'static str = "missing-export";
    pub const UNDECLARED_EXPORT: &'static str = "undeclared-export";
    pub const BAD_EXPORT: &'static str = "bad-export";
    /// It ends in the middle.
    pub const INCOMPLETE: &'static str = "incomplete-component";
    /// The manifest, or an interface, is of a version that comes after those of this hub.
    pub const NEWER_MANIFEST: &'static str = "newer-manifest";
    pub const NEWER_CONTRACT: &'static str = "newer-contract";
    /// An interface is of a version that this hub never had.
    pub const UNKNOWN_CONTRACT: &'static str = "unknown-contract";
    pub const BAD_SIGNATURE: &'static str = "bad-signature";
    /// The operator wants a signature.
    pub const SIGNATURE_REQUIRED: &'static str = "signature-required";
    /// The operator takes nothing from this publisher, or not this component.
    pub const REVOKED: &'static str = "revoked";
    pub const TOO_LARGE: &'static str = "too-large";
    pub const COMPILE_FAILED: &'static str = "compile-failed";
    pub const COMPILE_TOO_LONG: &'static str = "compile-too-long";
    /// Not the component's fault: later it may be let in.
    pub const TOO_MANY: &'static str = "too-many-components";

    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Refusal {
        Refusal { code, message: message.into() }
    }
}
