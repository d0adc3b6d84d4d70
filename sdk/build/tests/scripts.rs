//! The SDK's files for scripts, as they run in the language itself.

use std::path::{Path, PathBuf};
use std::process::Command;

fn sdk(language: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(language)
}

fn run(command: &mut Command) {
    let out = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(out.status.success(), "{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
}

/// What a rule draws would depend on the rows that it is called with.
#[test]
fn f9_a_rule_in_python_draws_only_from_a_seed() {
    let test = r#"
import chance
from random import Random, SystemRandom, choice, random
import random as module, secrets, uuid

random(), Random().random(), uuid.uuid4()  # while modules are loaded
chance.end()

def is_refused(draw):
    try:
        draw()
    except RuntimeError as refused:
        return "row.seed" in str(refused)
    return False

drawn = [
    random, Random, uuid.uuid4, lambda: choice([1, 2]), lambda: module.random(), lambda: module.seed(1),
    lambda: module.shuffle([1]), lambda: SystemRandom().random(), lambda: secrets.token_hex(4), lambda: module.Random().random(),
]
for number, draw in enumerate(drawn):
    assert is_refused(draw), number
assert Random(7).random() == Random(7).random() != Random(8).random()
"#;
    run(Command::new("python3").arg("-B").arg("-c").arg(test).env("PYTHONPATH", sdk("python")));
}

#[test]
fn f9_a_rule_in_javascript_draws_nothing() {
    let file = sdk("javascript").join("sdk.js");
    let test = r#"
const { rules } = await import(process.argv.at(-1));
const { random } = Math;
random();
const shape = { name: "r", function: "r", params: [], reads: [], lists: [], writes: [], events: [] };
const batch = { rows: 2, params: [], columns: [], tables: [] };
const call = (r) => rules([shape], { r }, { write() {} }).evaluate("r", batch);
call(() => undefined);
for (const draw of [() => random(), () => Math.random()]) {
  let told = "";
  try { call(draw); } catch (thrown) { told = String(thrown); }
  if (!told.includes("row.seed")) throw new Error(`it was drawn: ${told}`);
}
"#;
    run(Command::new("node").args(["--no-warnings", "--input-type=module", "-e", test]).arg(file));
}
