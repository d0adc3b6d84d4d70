//! Calls that Schemathesis makes from the hub's own description: whatever it sends, no answer is a failure of the hub, and each is
//! one that the description has.

use anyhow::Result;
use clap::Args;
use std::path::Path;
use std::process::Command;

use crate::build::run;
use crate::{lints, packages};

/// Names for how many seconds the test makes calls.
pub const SECONDS: &str = "OPENHUB_TEST_GENERATED_S";
/// The same calls each time.
const SEED: &str = "20261130";
/// What an answer is held against.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,\
                      response_schema_conformance";

#[derive(Args)]
pub struct Options {
    /// How long calls are made.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    minutes: u64,
}

/// The test of `cargo xtask test`, for longer.
pub fn generated(root: &Path, options: &Options) -> Result<()> {
    let mut cargo = lints::cargo(root)?;
    cargo.args(["test", "--package", "openhub-tests", "--test", "it", "--", "generated", "--nocapture"]);
    run(cargo.env(SECONDS, (options.minutes * 60).to_string()))
}

/// Makes calls of the hub at `url` with this key, for so long.
pub fn calls(root: &Path, url: &str, key: &str, seconds: u64) -> Result<Command> {
    let python = packages::python(root)?;
    let mut calls = Command::new(python.with_file_name("schemathesis"));
    calls.args(["run", &format!("{url}/api/openapi.json"), "--header", &format!("Authorization: Bearer {key}")]);
    // What a plugin answers is its own, and what leads to one tenant's people has an address that nobody can make up.
    calls.args(["--include-path-regex", "^/(api/)?v1/"]);
    // It has no way to write a component, and would end its own key.
    for operation in ["install_plugin", "revoke_key", "rotate_key"] {
        calls.args(["--exclude-operation-id", operation]);
    }
    calls.args([
        "--checks",
        CHECKS,
        "--seed",
        SEED,
        "--max-time",
        &seconds.to_string(),
        "--phases",
        "examples,coverage,fuzzing,stateful",
    ]);
    // Two threads that make syntax trees at once break CPython 3.11's count of its depth.
    calls.args([
        "--workers",
        "1",
        "--continue-on-failure",
        "--no-shrink",
        "--generation-database",
        "none",
        "--no-color",
    ]);
    calls.args(["--request-timeout", "60", "--warnings", "off", "--suppress-health-check", "all"]);
    Ok(calls)
}
