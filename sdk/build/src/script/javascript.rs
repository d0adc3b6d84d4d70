//! JavaScript: componentize-qjs makes the component, from a snapshot of QuickJS with the plugin loaded.

use std::fmt::Write as _;
use std::process::Command;

use anyhow::Result;

use super::layout::{Cell, List, Rule, pascal};
use super::{Project, packages, run, tools, unchanged};

/// Where the plugin's functions are.
pub const FILE: &str = "plugin.js";
const SDK: &str = include_str!("../../../javascript/sdk.js");
const MADE: &str = "// Made by `openhub plugin build` from plugin.toml: change that instead.\n";

pub fn componentize(project: &Project, rules: &[Rule]) -> Result<()> {
    write(project, rules)?;
    packages::node(&project.dir)?;
    unchanged::or_made(project, tools::QJS, || {
        let tool = tools::javascript()?;
        let mut node = Command::new("node");
        node.arg(tool).arg("--wit").arg(project.wit()).arg("--js").arg(project.place.join("entry.js"));
        node.arg("--module-root").arg(&project.dir).arg("--output").arg(project.component());
        run(node.args(["--sync", "--stub-wasi"]).current_dir(&project.dir), "componentize-qjs")
    })
}

/// What the plugin imports, and the component's entry.
pub fn write(project: &Project, rules: &[Rule]) -> Result<()> {
    project.write("sdk.js", SDK)?;
    project.write("openhub.js", &module(rules))?;
    project.write("openhub.d.ts", &types(rules))?;
    project.write("entry.js", &entry(rules)?)
}

fn entry(rules: &[Rule]) -> Result<String> {
    let shapes = serde_json::to_string_pretty(rules)?;
    Ok(format!(
        "{MADE}import {{ rules }} from \"./sdk.js\";\nimport host from \"openhub:log/log@1.0.0\";\nimport * as plugin from \"../{FILE}\";\n\n\
         export const rule = rules({shapes}, plugin, host);\n"
    ))
}

fn module(rules: &[Rule]) -> String {
    let mut text = format!(
        "{MADE}import {{ CausedEvent }} from \"./sdk.js\";\n\nexport {{ Decimal, RowFault, Timestamp, log }} from \"./sdk.js\";\n"
    );
    for (class, name, _) in events(rules) {
        let name = serde_json::Value::from(name);
        let _infallible = write!(
            text,
            "\nexport class {class} extends CausedEvent {{\n  constructor(fields) {{\n    super({name}, fields);\n  }}\n}}\n"
        );
    }
    text
}

/// Each event once, whatever rules cause it.
fn events(rules: &[Rule]) -> Vec<(&str, &str, &[Cell])> {
    let mut events: Vec<(&str, &str, &[Cell])> = Vec::new();
    for event in rules.iter().flat_map(|rule| &rule.events) {
        if !events.iter().any(|(class, ..)| *class == event.class) {
            events.push((&event.class, &event.name, &event.fields));
        }
    }
    events
}

/// The same for an editor.
fn types(rules: &[Rule]) -> String {
    let mut text = format!("{MADE}{}", include_str!("../../../javascript/sdk.d.ts"));
    for (class, _, fields) in events(rules) {
        let given: Vec<String> = fields
            .iter()
            .map(|field| format!("{}{}: {}", field.name, optional(!field.required), given(field)))
            .collect();
        let _infallible = write!(
            text,
            "\nexport class {class} extends CausedEvent {{\n  constructor(fields: {{ {} }});\n}}\n",
            given.join("; ")
        );
    }
    for rule in rules {
        let name = pascal(&rule.name);
        let _infallible = write!(text, "\nexport interface {name}Row {{\n{}}}\n", row(&rule.reads, &rule.lists, 1));
        if !rule.params.is_empty() {
            let _infallible = write!(text, "\nexport interface {name}Params {{\n{}}}\n", row(&rule.params, &[], 1));
        }
        let _infallible = write!(text, "\nexport interface {name}Effects {{\n");
        for write in &rule.writes {
            let of = given(write);
            let of = if write.list { format!("({of})[]") } else { of };
            let of = if write.counter { of } else { format!("{of} | null") };
            let _infallible = writeln!(text, "  {}?: {of};", write.name);
        }
        let classes: Vec<&str> = rule.events.iter().map(|event| event.class.as_str()).collect();
        let classes = if classes.is_empty() { "never".to_owned() } else { classes.join(" | ") };
        let _infallible = write!(text, "  events?: ({classes})[];\n}}\n");
    }
    text
}

fn row(reads: &[Cell], lists: &[List], depth: usize) -> String {
    let indent = "  ".repeat(depth);
    let mut text = String::new();
    for read in reads {
        let of = taken(read);
        let may_be_absent = !read.required && read.default.is_none();
        let of = if may_be_absent { format!("{of} | null") } else { of };
        let of = if read.list { format!("readonly ({of})[]") } else { of };
        let _infallible = writeln!(text, "{indent}readonly {}: {of};", read.name);
    }
    for list in lists {
        let element = row(&list.reads, &list.lists, depth + 1);
        let _infallible = writeln!(text, "{indent}readonly {}: readonly {{\n{element}{indent}}}[];", list.name);
    }
    text
}

fn optional(is_optional: bool) -> &'static str {
    if is_optional { "?" } else { "" }
}

/// The type of a value that the code is given.
fn taken(cell: &Cell) -> String {
    match cell.kind {
        "boolean" => "boolean".to_owned(),
        "integer" | "number" => "number".to_owned(),
        "timestamp" => "Timestamp".to_owned(),
        "decimal" => "Decimal".to_owned(),
        "enum" => values(cell),
        _ => "string".to_owned(),
    }
}

/// The types of a value that the code may give.
fn given(cell: &Cell) -> String {
    match cell.kind {
        "timestamp" => "Timestamp | Date".to_owned(),
        "decimal" => "Decimal | string | number".to_owned(),
        _ => taken(cell),
    }
}

fn values(cell: &Cell) -> String {
    let quoted: Vec<String> =
        cell.values.iter().map(|value| serde_json::Value::from(value.as_str()).to_string()).collect();
    quoted.join(" | ")
}
