//! Python: componentize-py makes the component, from a snapshot of CPython with the plugin loaded.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use serde_json::Value;

use super::layout::{Cell, List, Rule, pascal};
use super::{Project, packages, run, tools, unchanged};

/// Where the plugin's functions are.
pub const FILE: &str = "plugin.py";
const SDK: &str = include_str!("../../../python/sdk.py");
const CHANCE: &str = include_str!("../../../python/chance.py");
const ENTRY: &str = include_str!("../../../python/entry.py");
const MADE: &str = "# Made by `openhub plugin build` from plugin.toml: change that instead.\n";
/// Words that cannot be names.
const KEYWORDS: [&str; 35] = [
    "and", "as", "assert", "async", "await", "break", "class", "continue", "def", "del", "elif", "else", "except",
    "false", "finally", "for", "from", "global", "if", "import", "in", "is", "lambda", "none", "nonlocal", "not", "or",
    "pass", "raise", "return", "true", "try", "while", "with", "yield",
];

pub fn componentize(project: &Project, rules: &[Rule]) -> Result<()> {
    write(project, rules)?;
    project.write("build/openhub_entry.py", ENTRY)?;
    let tool = tools::python()?;
    let own = project.place.join("packages");
    packages::python(&project.dir, &own, &tool.join("bin/python"))?;
    std::fs::create_dir_all(&own)?;
    unchanged::or_made(project, tools::PY, || {
        eprintln!("componentize-py makes the component, which takes about half a minute");
        snapshot(project, &tool, own)
    })
}

fn snapshot(project: &Project, tool: &Path, own: PathBuf) -> Result<()> {
    let mut command = Command::new(tool.join("bin/componentize-py"));
    command.arg("--quiet").arg("--wit-path").arg(project.wit()).args([
        "--world",
        "plugin",
        "componentize",
        "--stub-wasi",
    ]);
    for place in [project.place.join("build"), project.place.clone(), project.dir.clone(), own] {
        command.arg("--python-path").arg(place);
    }
    // Of the tool's own environment it needs nothing more, and of the machine's other packages it may take none.
    command.env("VIRTUAL_ENV", tool).env("PYTHONDONTWRITEBYTECODE", "1").current_dir(&project.dir);
    run(command.arg("--output").arg(project.component()).arg("openhub_entry"), "componentize-py")
}

/// What the plugin imports.
pub fn write(project: &Project, rules: &[Rule]) -> Result<()> {
    project.write("openhub/sdk.py", SDK)?;
    project.write("openhub/chance.py", CHANCE)?;
    project.write("openhub/__init__.py", &module(rules))
}

fn module(rules: &[Rule]) -> String {
    let mut text = format!(
        "{MADE}from dataclasses import dataclass, field\nfrom datetime import datetime\nfrom decimal import Decimal\n\
         from typing import List, Literal, Optional, Union\n\n\
         from .sdk import KEEP, CausedEvent, EventOf, Field, ListOf, Rule, RowFault, log\n"
    );
    let mut events: Vec<&str> = Vec::new();
    for event in rules.iter().flat_map(|rule| &rule.events) {
        if !events.contains(&event.class.as_str()) {
            events.push(&event.class);
            let fields: Vec<String> =
                event.fields.iter().map(|field| annotated(field, &given(field), !field.required)).collect();
            class(&mut text, &event.class, "CausedEvent", "@dataclass(kw_only=True)", &fields);
        }
    }
    let mut shapes = String::new();
    for rule in rules {
        let name = pascal(&rule.name);
        lists(&mut text, &format!("{name}Row"), &rule.lists);
        class(
            &mut text,
            &format!("{name}Row"),
            "",
            "@dataclass",
            &row(&format!("{name}Row"), &rule.reads, &rule.lists),
        );
        if !rule.params.is_empty() {
            class(&mut text, &format!("{name}Params"), "", "@dataclass", &row("", &rule.params, &[]));
        }
        class(&mut text, &format!("{name}Effects"), "", "@dataclass(kw_only=True)", &effects(rule));
        shapes.push_str(&shape(&name, rule));
    }
    let _infallible = write!(text, "\n\nRULES = [\n{shapes}]\n");
    text
}

fn class(text: &mut String, name: &str, base: &str, decorator: &str, fields: &[String]) {
    let base = if base.is_empty() { String::new() } else { format!("({base})") };
    let _infallible = write!(text, "\n\n{decorator}\nclass {name}{base}:\n");
    if fields.is_empty() {
        text.push_str("    pass\n");
    }
    for field in fields {
        let _infallible = writeln!(text, "    {field}");
    }
}

/// The classes of the elements of lists, the innermost first.
fn lists(text: &mut String, prefix: &str, all: &[List]) {
    for list in all {
        let name = format!("{prefix}{}", pascal(&list.name));
        lists(text, &name, &list.lists);
        class(text, &name, "", "@dataclass", &row(&name, &list.reads, &list.lists));
    }
}

fn row(prefix: &str, reads: &[Cell], lists: &[List]) -> Vec<String> {
    let reads = reads.iter().map(|read| {
        let may_be_absent = !read.required && read.default.is_none();
        let of = if may_be_absent { format!("Optional[{}]", taken(read)) } else { taken(read) };
        let of = if read.list { format!("List[{of}]") } else { of };
        format!("{}: {of}", name(&read.name))
    });
    let lists = lists.iter().map(|list| format!("{}: List[{prefix}{}]", name(&list.name), pascal(&list.name)));
    reads.chain(lists).collect()
}

fn effects(rule: &Rule) -> Vec<String> {
    let writes = rule.writes.iter().map(|write| {
        let of = if write.list { format!("List[{}]", given(write)) } else { given(write) };
        if write.counter {
            format!("{}: int = 0", name(&write.name))
        } else {
            format!("{}: Optional[{of}] = KEEP", name(&write.name))
        }
    });
    let classes: Vec<&str> = rule.events.iter().map(|event| event.class.as_str()).collect();
    let of = if classes.is_empty() { "CausedEvent".to_owned() } else { format!("Union[{}]", classes.join(", ")) };
    writes.chain([format!("events: List[{of}] = field(default_factory=list)")]).collect()
}

fn annotated(cell: &Cell, of: &str, is_optional: bool) -> String {
    if is_optional {
        format!("{}: Optional[{of}] = None", name(&cell.name))
    } else {
        format!("{}: {of}", name(&cell.name))
    }
}

/// A rule, as data for the SDK.
fn shape(class: &str, rule: &Rule) -> String {
    let events = rule
        .events
        .iter()
        .map(|event| format!("EventOf({}, {}, {})", quoted(&event.name), event.class, cells(&event.fields)));
    let params = if rule.params.is_empty() { "None".to_owned() } else { format!("{class}Params") };
    format!(
        "    Rule({}, {}, {class}Row, {class}Effects, {params}, {}, {}, {}, {}, {}),\n",
        quoted(&rule.name),
        quoted(&name(&rule.name.replace('-', "_"))),
        cells(&rule.reads),
        lists_of(&format!("{class}Row"), &rule.lists),
        cells(&rule.writes),
        tuple(events),
        cells(&rule.params),
    )
}

fn lists_of(prefix: &str, lists: &[List]) -> String {
    tuple(lists.iter().map(|list| {
        let class = format!("{prefix}{}", pascal(&list.name));
        format!("ListOf({}, {class}, {}, {})", quoted(&list.name), cells(&list.reads), lists_of(&class, &list.lists))
    }))
}

fn cells(cells: &[Cell]) -> String {
    tuple(cells.iter().map(|cell| {
        let mut text = format!("Field({}, {}", quoted(&name(&cell.name)), quoted(cell.kind));
        for (what, holds) in [("required", cell.required), ("list", cell.list), ("counter", cell.counter)] {
            if holds {
                let _infallible = write!(text, ", {what}=True");
            }
        }
        if cell.scale > 0 {
            let _infallible = write!(text, ", scale={}", cell.scale);
        }
        if !cell.values.is_empty() {
            let _infallible = write!(text, ", values={}", tuple(cell.values.iter().map(|value| quoted(value))));
        }
        if let Some(default) = &cell.default {
            let _infallible = write!(text, ", default={}", literal(default));
        }
        text + ")"
    }))
}

fn tuple(items: impl Iterator<Item = String>) -> String {
    let items: String = items.map(|item| item + ", ").collect();
    format!("({})", items.trim_end())
}

/// JSON's form of a text is Python's, too.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

fn literal(value: &Value) -> String {
    value.to_string()
}

fn name(name: &str) -> String {
    if KEYWORDS.contains(&name) { format!("{name}_") } else { name.to_owned() }
}

/// The type of a value that the code is given.
fn taken(cell: &Cell) -> String {
    match cell.kind {
        "boolean" => "bool".to_owned(),
        "integer" => "int".to_owned(),
        "number" => "float".to_owned(),
        "timestamp" => "datetime".to_owned(),
        "decimal" => "Decimal".to_owned(),
        "enum" => format!("Literal[{}]", cell.values.iter().map(|value| quoted(value)).collect::<Vec<_>>().join(", ")),
        _ => "str".to_owned(),
    }
}

/// The types of a value that the code may give.
fn given(cell: &Cell) -> String {
    if cell.kind == "decimal" { "Union[Decimal, int, str]".to_owned() } else { taken(cell) }
}
