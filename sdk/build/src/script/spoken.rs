//! Both SDKs in Node.js and Python themselves: every type in and out, lists in lists, what is absent, and what is wrong.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::{Language, unpack};

const SHAPES: &str = r#"
name = "every"
version = "1.0.0"
publisher = "o"
[types]
tier = ["bronze", "gold"]
[[rules]]
name = "every-type"
on = ["Happened"]
reads = [
    { name = "yes", path = "event.properties.yes", type = "boolean" },
    { name = "count", path = "event.properties.count", type = "integer", required = true },
    { name = "ratio", path = "event.properties.ratio", type = "number" },
    { name = "word", path = "event.properties.word", type = "text" },
    { name = "at", path = "event.properties.at", type = "timestamp" },
    { name = "total", path = "event.properties.total", type = { decimal = 2 } },
    { name = "tier", path = "event.properties.tier", type = "tier" },
    { name = "skus", path = "event.properties.skus[]", type = "text" },
]
lists = [
    { name = "items", path = "event.properties.items", reads = [{ name = "price", path = "price", type = { decimal = 2 } }], lists = [
        { name = "codes", path = "codes", reads = [{ name = "code", path = "code", type = "text", required = true }] },
    ] },
]
writes = [
    { name = "yes", path = "customer.tags.yes", type = "boolean" },
    { name = "count", path = "customer.counters.count", type = "integer" },
    { name = "ratio", path = "customer.attributes.ratio", type = "number" },
    { name = "word", path = "customer.attributes.word", type = "text" },
    { name = "at", path = "customer.attributes.at", type = "timestamp" },
    { name = "total", path = "customer.attributes.total", type = { decimal = 2 } },
    { name = "tier", path = "customer.attributes.tier", type = "tier" },
    { name = "skus", path = "customer.attributes.skus", type = "text", list = true },
]
events = ["Tier Seen"]
params = [{ name = "least", type = { decimal = 1 }, default = 0.5 }, { name = "note", type = "text" }]
[[events]]
name = "Tier Seen"
fields = [{ name = "from", type = "tier" }, { name = "codes", type = "text", required = true }]
"#;

const JAVASCRIPT: &str = r#"
import { RowFault, TierSeen } from "./.openhub/openhub.js";

export function everyType(row, params) {
  if (row.word === "fault") throw new RowFault("asked-for", "it was asked for", { least: params.least });
  if (row.word === "bug") return { wrod: "x" };
  if (row.word === "raise") throw new RangeError("unlucky");
  if (row.word === "nothing") return undefined;
  const codes = row.items.flatMap((item) => item.codes.map(({ code }) => `${item.price}${code}`)).join(",");
  return {
    yes: row.yes ?? false,
    count: row.count,
    ratio: row.ratio === null ? null : row.ratio * 2,
    word: row.word === null ? null : row.word + "!",
    at: row.at?.plusSeconds(1),
    total: row.total?.plus(params.least),
    tier: row.tier,
    skus: row.skus,
    events: row.tier ? [new TierSeen({ from: row.tier, codes }), new TierSeen({ codes: "" })] : [],
  };
}
"#;

const PYTHON: &str = r#"
from datetime import timedelta
from openhub import EveryTypeEffects, RowFault, TierSeen, KEEP


def every_type(row, params):
    if row.word == "fault":
        raise RowFault("asked-for", "it was asked for", least=params.least)
    if row.word == "bug":
        return EveryTypeEffects(tier="wrod")
    if row.word == "raise":
        raise ValueError("unlucky")
    if row.word == "nothing":
        return None
    codes = ",".join(f"{item.price}{code.code}" for item in row.items for code in item.codes)
    return EveryTypeEffects(
        yes=row.yes or False,
        count=row.count,
        ratio=None if row.ratio is None else row.ratio * 2,
        word=None if row.word is None else row.word + "!",
        at=KEEP if row.at is None else row.at + timedelta(seconds=1),
        total=KEEP if row.total is None else row.total + params.least,
        tier=row.tier,
        skus=row.skus,
        events=[TierSeen(from_=row.tier, codes=codes), TierSeen(codes="")] if row.tier else [],
    )
"#;

const NODE: &str = r#"
import { readFileSync } from "node:fs";
import { rule } from "./.openhub/spoken.js";
try {
  const { writes, events, faults } = rule.evaluate("every-type", JSON.parse(readFileSync("batch.json", "utf8")));
  const plain = (val) => (typeof val === "string" ? val : Array.from(val));
  console.log(JSON.stringify({
    writes: writes.map((write) => [write.target, write.rows, write.ends, plain(write.values.val), write.unset]),
    events: events.map((event) => [event.event, event.rows, event.columns.map((column) => [plain(column.values.val), column.absent])]),
    faults: faults.map(({ row, reason }) => [row, reason.code, reason.args]),
  }));
} catch (thrown) {
  console.log(JSON.stringify({ thrown: thrown.name ?? thrown.code }));
}
"#;

const PYTHON_ITSELF: &str = r#"
import json, os, sys
from types import SimpleNamespace as Of
sys.path[:0] = [".openhub", "."]
import openhub, plugin
from openhub import sdk

def column(told):
    value = told["values"]["val"]
    return Of(values=Of(value=bytes(value) if told["values"]["tag"] == "booleans" else value), absent=told["absent"])

def columns(told):
    return [column(one) for one in told]

told = json.load(open("batch.json"))
tables = [Of(ends=table["ends"], columns=columns(table["columns"])) for table in told["tables"]]
batch = Of(rows=told["rows"], params=columns(told["params"]), columns=columns(told["columns"]), tables=tables)
rule = openhub.RULES[0]
join = lambda values: "".join(value + "\0" for value in values) if values and isinstance(values[0], str) else values
text = lambda field, values: join(values) if field.kind in ("text", "enum") and values else ("" if field.kind in ("text", "enum") else values)
def closed(what, _):
    # As in a component, which has no files and can import nothing when it runs: what tries it breaks off.
    if what in ("open", "import"):
        os._exit(3)

sys.addaudithook(closed)
try:
    outcome = sdk.evaluate(rule, sdk.function_of(rule, plugin), batch)
    print(json.dumps({
        "writes": [[target, sink.rows, sink.ends, text(rule.writes[target], sink.values), sink.unset]
                   for target, sink in enumerate(outcome.writes) if sink.rows or sink.unset],
        "events": [[number, event.rows, [[text(field, values), absent] for field, values, absent
                    in zip(rule.events[number].fields, event.columns, event.absent)]]
                   for number, event in enumerate(outcome.events) if event.rows],
        "faults": [[row, fault.code, [[name, str(value)] for name, value in fault.args_of_text.items()]] for row, fault in outcome.faults],
    }))
except BaseException as thrown:
    print(json.dumps({"thrown": type(thrown).__name__}))
"#;

/// Five rows: whole, almost empty, with a tier that is none, with a code that is not there, and asking for `last`.
fn batch(last: &str) -> Value {
    let column = |tag: &str, val: Value, absent: Value| json!({"values": {"tag": tag, "val": val}, "absent": absent});
    let nothing = json!([]);
    json!({
        "rows": 5,
        "params": [column("integers", json!([0]), json!([0])), column("texts", json!("\0"), json!([0]))],
        "columns": [
            column("booleans", json!([1, 0, 0, 0, 0]), json!([1])),
            column("integers", json!([3, 0, 1, 1, 1]), nothing.clone()),
            column("numbers", json!([0.25, 0.0, 1.0, 1.0, 1.0]), json!([1])),
            column("texts", json!(format!("café\0\0x\0x\0{last}\0")), json!([1])),
            column("integers", json!([1_767_225_600_000_001_i64, 0, 0, 0, 0]), json!([1])),
            column("integers", json!([-1_250, 0, 100, 100, 100]), json!([1])),
            column("texts", json!("gold\0\0silver\0gold\0gold\0"), json!([1])),
        ],
        "tables": [
            {"parent": null, "ends": [2, 2, 2, 2, 2], "columns": [column("texts", json!("a\0b\0"), nothing.clone())]},
            {"parent": null, "ends": [2, 2, 2, 3, 3], "columns": [column("integers", json!([199, 0, 5]), json!([1]))]},
            {"parent": 1, "ends": [2, 2, 3], "columns": [column("texts", json!("p\0q\0\0"), json!([2]))]},
        ],
    })
}

/// The answer, and what it wrote into the log.
fn told(dir: &Path, language: Language, last: &str) -> (Value, String) {
    std::fs::write(dir.join("batch.json"), batch(last).to_string()).unwrap();
    let (program, script) = if language == Language::Python { ("python3", "spoken.py") } else { ("node", "spoken.js") };
    let answer =
        Command::new(program).arg(script).current_dir(dir).env("PYTHONDONTWRITEBYTECODE", "1").output().unwrap();
    let [told, logged] = [answer.stdout, answer.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    let said = serde_json::from_str(told.lines().last().unwrap_or_default());
    (said.unwrap_or_else(|error| panic!("{language}: {error}: {told}{logged}")), logged)
}

fn said(dir: &Path, language: Language, last: &str) -> Value {
    told(dir, language, last).0
}

fn project(language: Language) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| std::fs::write(folder.path().join(path), text).unwrap();
    write("plugin.toml", SHAPES);
    write("package.json", r#"{"type": "module"}"#);
    let files = if language == Language::Python {
        [("plugin.py", PYTHON), ("spoken.py", PYTHON_ITSELF)]
    } else {
        [("plugin.js", JAVASCRIPT), ("spoken.js", NODE)]
    };
    files.iter().for_each(|(path, text)| write(path, text));
    unpack(folder.path(), language).unwrap();
    if language == Language::JavaScript {
        // Outside of a component there is no log of a hub.
        let entry = std::fs::read_to_string(folder.path().join(".openhub/entry.js")).unwrap();
        let host = "const host = { write: (level, message) => console.error(level, message) };";
        let entry = entry.replace("import host from \"openhub:log/log@1.0.0\";", host);
        write(".openhub/spoken.js", &entry);
    }
    folder
}

#[test]
fn every_type_goes_in_and_out_alike_in_both_languages() {
    let expected = json!({
        "writes": [
            [0, [0, 1], [], [1, 0], []],
            [1, [0], [], [3], []],
            [2, [0], [], [0.5], [1]],
            [3, [0], [], "café!\0", [1]],
            [4, [0], [], [1_767_225_601_000_001_i64], []],
            [5, [0], [], [-1_200], []],
            [6, [0], [], "gold\0", [1]],
            [7, [0, 1], [2, 2], "a\0b\0", []],
        ],
        "events": [[0, [0, 0], [["gold\0\0", [1]], ["1.99p,1.99q\0\0", []]]]],
        "faults": [[2, "malformed-read", []], [3, "malformed-read", []], [4, "asked-for", [["least", "0.5"]]]],
    });
    for language in [Language::JavaScript, Language::Python] {
        let folder = project(language);
        assert_eq!(said(folder.path(), language, "fault"), expected, "{language}");
        let nothing = said(folder.path(), language, "nothing");
        assert_eq!(
            (&nothing["writes"], nothing["faults"].as_array().map(Vec::len)),
            (&expected["writes"], Some(2)),
            "{language}"
        );
        assert_eq!(said(folder.path(), language, "bug"), json!({"thrown": "TypeError"}), "{language}");
    }
}

#[test]
fn a5_what_the_code_throws_is_in_the_log_with_its_message_and_place() {
    for (language, name, place) in [
        (Language::JavaScript, "RangeError", "plugin.js:"),
        (Language::Python, "ValueError", "plugin.py\", line 12, in every_type"),
    ] {
        let folder = project(language);
        let (said, logged) = told(folder.path(), language, "raise");
        assert_eq!(said, json!({"thrown": name}), "{language}");
        assert!(logged.contains(&format!("{name}: unlucky")) && logged.contains(place), "{language}: {logged}");
    }
}
