//! The mapping: which column becomes what, and what every row has besides.

use anyhow::{Context, Result, ensure};
use clap::Args;
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use super::notation::{Decimal, Notations};
use super::refused::is_why;
use super::target::{As, Into, Target, put};
use super::value::{self, Cell};
use super::whose::{ADDRESSES, identify, known_by_address, name_besides};

#[derive(Args, Clone, Debug)]
pub struct Mapping {
    /// The target of a column, like `total=properties.total:number`. The target `-` leaves it out. Can be repeated, also for a
    /// column that has several targets.
    #[arg(long = "map", value_name = "COLUMN=TARGET[:TYPE]")]
    map: Vec<String>,
    /// A value for every row that has none of its own there, like `event="Order Completed"`; it is JSON, else text. Can be repeated.
    #[arg(long = "const", value_name = "TARGET=VALUE")]
    constants: Vec<String>,
    /// The same from a file, as TOML or JSON: `columns` and `constants`.
    #[arg(long, value_name = "FILE")]
    mapping: Option<PathBuf>,
    /// For events: the name of every event, if no column has it.
    #[arg(long, value_name = "NAME")]
    event: Option<String>,
    /// For events: the column with the event's name.
    #[arg(long, value_name = "COLUMN")]
    event_column: Option<String>,
    /// The column with the user id.
    #[arg(long, value_name = "COLUMN")]
    user_column: Option<String>,
    /// The column with the time: RFC 3339, or a date, which means midnight.
    #[arg(long, value_name = "COLUMN")]
    time_column: Option<String>,
    /// How a CSV file writes its numbers: `comma` for `1.234,56`, `point` for `1,234.56` (default: `1234.56`).
    #[arg(long, value_name = "MARK", value_enum)]
    pub decimal: Option<Decimal>,
    /// The time zone of times without one, like `Europe/Berlin`.
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    zone: String,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct MappingFile {
    columns: BTreeMap<String, Targets>,
    constants: BTreeMap<String, Value>,
}

/// What a mapping file says of a column: one target, or several.
#[derive(Deserialize)]
#[serde(untagged)]
enum Targets {
    One(String),
    Several(Vec<String>),
}

impl Targets {
    fn all(self) -> Vec<String> {
        match self {
            Targets::One(target) => vec![target],
            Targets::Several(targets) => targets,
        }
    }
}

/// What was said of columns and constants, read.
#[derive(Clone, Debug)]
pub struct Plan {
    pub into: Into,
    columns: BTreeMap<String, Vec<(Target, As)>>,
    constants: Vec<(Vec<String>, Value)>,
    zone: TimeZone,
}

/// Why a row is refused before it is sent.
#[derive(Clone, Debug, PartialEq)]
pub struct RowFault {
    pub column: String,
    pub code: &'static str,
    pub message: String,
}

/// What cannot stand in one row.
fn contradiction(column: &str, error: &anyhow::Error) -> RowFault {
    RowFault { column: column.to_owned(), code: "wrong-form", message: error.to_string() }
}

impl RowFault {
    /// The first of them, which says what the others are.
    fn all(faults: Vec<RowFault>) -> Option<RowFault> {
        let mut faults = faults.into_iter();
        let RowFault { column, code, message } = faults.next()?;
        let others = faults.map(|fault| (fault.column, fault.message));
        let message = all_reasons((column.clone(), message), others);
        Some(RowFault { column, code, message })
    }
}

/// What is wrong with a row, and what else is: columns, each with why. A column of several targets is wrong once.
pub fn all_reasons(first: (String, String), others: impl Iterator<Item = (String, String)>) -> String {
    let mut text = first.1.clone();
    let mut told = vec![first];
    for reason in others {
        if told.contains(&reason) {
            continue;
        }
        let (column, message) = &reason;
        text.push_str("; ");
        if !column.is_empty() {
            text.push_str(&format!("column `{column}`: "));
        }
        text.push_str(message);
        told.push(reason);
    }
    text
}

/// The targets of a column, each once.
fn targets_of(into: Into, column: &str, targets: Targets) -> Result<Vec<(Target, As)>> {
    let mut read: Vec<(Target, As)> = Vec::new();
    for target in targets.all() {
        let target = into.read(&target).with_context(|| format!("the column `{column}`"))?;
        if !read.contains(&target) {
            read.push(target);
        }
    }
    let leaves_out = read.iter().any(|(target, _)| *target == Target::Ignore);
    ensure!(
        !leaves_out || read.len() == 1,
        "the column `{column}` has a target, and `-` leaves it out: say one of both"
    );
    Ok(read)
}

/// All of them, or everything that is wrong with any.
fn all_of<T, A: FromIterator<T>>(each: impl Iterator<Item = Result<T>>) -> Result<A> {
    let (mut taken, mut wrong) = (Vec::new(), Vec::new());
    for one in each {
        match one {
            Ok(one) => taken.push(one),
            Err(error) => wrong.push(error),
        }
    }
    match wrong.len() {
        0 => Ok(taken.into_iter().collect()),
        1 => Err(wrong.remove(0)),
        _ => {
            let lines: Vec<String> = wrong.iter().map(|error| format!("{error:#}")).collect();
            Err(anyhow::anyhow!(lines.join("\n")))
        }
    }
}

/// TOML takes only plain names without quotes.
fn quotable(text: &str, error: toml::de::Error) -> anyhow::Error {
    let line = error.span().map(|span| text[..span.start.min(text.len())].matches('\n').count());
    let key =
        line.and_then(|line| text.lines().nth(line)).and_then(|line| line.split_once('=')).map(|(key, _)| key.trim());
    let is_plain = |key: &str| key.chars().all(|c| c.is_ascii_alphanumeric() || "-_.\"'".contains(c));
    match key.filter(|key| !is_plain(key) && !key.starts_with(['"', '\''])) {
        Some(key) => anyhow::Error::from(error).context(format!(
            "a name with other characters than a-z, digits, `-` and `_` needs quotes: write `\"{key}\" = …`"
        )),
        None => error.into(),
    }
}

impl Plan {
    pub fn new(into: Into, mapping: &Mapping) -> Result<Plan> {
        let mut file = match &mapping.mapping {
            None => MappingFile::default(),
            Some(path) => {
                let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
                let read = if text.trim_start().starts_with('{') {
                    serde_json::from_str(&text).map_err(anyhow::Error::from)
                } else {
                    toml::from_str(&text).map_err(|error| quotable(&text, error))
                };
                read.with_context(|| format!("the mapping {}", path.display()))?
            }
        };
        let user = if into == Into::Customers { "identity.user_id" } else { "userId" };
        let shorthands =
            [(&mapping.event_column, "event"), (&mapping.user_column, user), (&mapping.time_column, "timestamp")];
        // What the command line says of a column counts more than the file.
        let mut said: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let named = shorthands.into_iter().filter_map(|(column, target)| Some((column.as_deref()?, target)));
        let pairs = mapping
            .map
            .iter()
            .map(|pair| pair.split_once('=').with_context(|| format!("`{pair}` is not valid: write COLUMN=TARGET")));
        for pair in named.map(Ok).chain(pairs) {
            let (column, target) = pair?;
            said.entry(column.to_owned()).or_default().push(target.to_owned());
        }
        file.columns.extend(said.into_iter().map(|(column, targets)| (column, Targets::Several(targets))));
        let names_event = |pair: &String| pair.split_once('=').is_some_and(|(target, _)| target == "event");
        ensure!(
            mapping.event.is_none() || !mapping.constants.iter().any(names_event),
            "`--event` and `--const event=…` both name the events: say one of both"
        );
        if let Some(event) = &mapping.event {
            file.constants.insert("event".to_owned(), json!(event));
        }
        for pair in &mapping.constants {
            let (target, value) =
                pair.split_once('=').with_context(|| format!("`{pair}` is not valid: write TARGET=VALUE"))?;
            let value = serde_json::from_str(value).unwrap_or_else(|_| json!(value));
            file.constants.insert(target.to_owned(), value);
        }
        let columns: BTreeMap<String, Vec<(Target, As)>> = all_of(
            file.columns.into_iter().map(|(column, targets)| Ok((column.clone(), targets_of(into, &column, targets)?))),
        )?;
        let mut constants = Vec::new();
        for (target, value) in file.constants {
            match into.read(&target)? {
                (Target::At(path), _) => {
                    // A row whose cell is empty would be of somebody whom nobody meant, or be something else.
                    let is_there =
                        |targets: &[(Target, As)]| targets.iter().any(|(to, _)| *to == Target::At(path.clone()));
                    let column = columns.iter().find(|(_, targets)| is_there(targets)).map(|(column, _)| column);
                    let is_default = mapping.event.is_some() && target == "event";
                    if let Some(column) = column.filter(|_| !is_default) {
                        anyhow::bail!(
                            "`{target}` comes from the column `{column}`, and has the same value in every row: say one of both"
                        );
                    }
                    constants.push((path, value));
                }
                _ => anyhow::bail!("`{target}` cannot have the same value in every row"),
            }
        }
        let zone = TimeZone::get(&mapping.zone).with_context(|| {
            format!("there is no time zone `{}`: write one like `UTC` or `Europe/Berlin`", mapping.zone)
        })?;
        Ok(Plan { into, columns, constants, zone })
    }

    /// Every column that the mapping names must be in the file.
    pub fn check_header(&self, header: &[String]) -> Result<()> {
        let mut names = HashSet::with_capacity(header.len());
        for column in header {
            let may_repeat = column.is_empty() || is_why(column);
            ensure!(names.insert(column) || may_repeat, "the column `{column}` is in the header twice: rename one");
        }
        let consents = header.iter().find(|column| ["consent", "consents"].contains(&column.as_str()));
        if let Some(column) =
            consents.filter(|column| self.into == Into::Customers && !self.columns.contains_key(*column))
        {
            anyhow::bail!(
                "the column `{column}` is not an attribute: rename it `consent.PURPOSE`, with the values `granted` and `denied`, \
                 map it like `--map {column}=consent.marketing`, or leave it out with `--map {column}=-`"
            );
        }
        for column in self.columns.keys() {
            ensure!(names.contains(column), "there is no column `{column}`; there are: {}", header.join(", "));
        }
        Ok(())
    }

    /// The whole mapping as text: a part of what makes an import the same import.
    pub fn fingerprint(&self, form: Form) -> String {
        let Plan { into, columns, constants, zone } = self;
        let said: BTreeMap<_, _> =
            columns.iter().filter(|(column, targets)| **targets != [self.unsaid(column, form)]).collect();
        let firsts: BTreeMap<_, _> =
            said.iter().filter_map(|(column, targets)| Some((column, targets.first()?))).collect();
        let others: Vec<_> = said.iter().filter(|(_, targets)| targets.len() > 1).collect();
        // Without them it is that of an import of before.
        let others = if others.is_empty() { String::new() } else { format!("{others:?}") };
        format!("Plan {{ into: {into:?}, columns: {firsts:?}, constants: {constants:?}, zone: {zone:?} }}{others}")
    }

    /// Where a column goes: to one place or to several.
    pub fn of(&self, column: &str, form: Form) -> Vec<(Target, As)> {
        if let Some(said) = self.columns.get(column) {
            return said.clone();
        }
        vec![self.unsaid(column, form)]
    }

    /// Where a column goes of which nothing is said.
    fn unsaid(&self, column: &str, form: Form) -> (Target, As) {
        match (self.into.target(column), form) {
            (Some((target, As::Timestamp)), Form::Lines) => (target, As::Moment),
            (Some(target), _) => target,
            // A Segment event has members that nobody maps: they stay where they are.
            (None, Form::Lines) if self.into == Into::Events => (Target::At(vec![column.to_owned()]), As::Json),
            (None, _) => self.into.usual(column),
        }
    }
}

/// How the rows came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Csv,
    Lines,
}

/// A plan at work: it remembers what it has found out about columns.
pub struct Mapper {
    plan: Plan,
    form: Form,
    known: HashMap<String, Vec<(Target, As)>>,
    columns: Columns,
    /// How many columns were known when the way back was made.
    mapped: usize,
    /// What attributes, or the fields of the object type, were declared as.
    declared: Declared,
    /// How a CSV file writes its numbers, if that was said.
    decimal: Option<Decimal>,
    notations: Notations,
}

/// By attribute.
pub type Declared = HashMap<String, As>;

impl Mapper {
    pub fn new(plan: Plan, form: Form) -> Mapper {
        Mapper {
            plan,
            form,
            known: HashMap::new(),
            columns: Columns::default(),
            mapped: 0,
            declared: Declared::new(),
            decimal: None,
            notations: Notations::default(),
        }
    }

    /// From now on numbers of a CSV file are read in this notation.
    pub fn write_numbers(&mut self, decimal: Option<Decimal>) {
        self.decimal = decimal;
        self.notations = Notations::new(decimal);
    }

    /// What was noticed of columns whose numbers seem to be written in another notation.
    pub fn notations(&self) -> Notations {
        self.notations.clone()
    }

    /// Of a CSV file, a column that nothing was said of is read as its attribute, or its field, was declared.
    pub fn declare(&mut self, declared: Declared) {
        self.declared = declared;
    }

    fn of(&self, column: &str) -> Vec<(Target, As)> {
        let targets = self.plan.of(column, self.form).into_iter();
        let typed = targets.map(|(target, of)| {
            let of = self.typed(&target, of);
            match self.decimal.filter(|_| self.form == Form::Csv) {
                Some(decimal) => (target, of.in_notation(decimal)),
                None => (target, of),
            }
        });
        typed.collect()
    }

    fn typed(&self, target: &Target, of: As) -> As {
        match (target, of, self.form) {
            (Target::At(path), As::Guess, Form::Csv) => {
                let of = path.split_first().filter(|(place, _)| ["traits", "fields"].contains(&place.as_str()));
                of.and_then(|(_, rest)| self.declared.get(&rest.join(".")).cloned()).unwrap_or(As::Guess)
            }
            (_, of, _) => of,
        }
    }

    /// The fields of an object that a column is; none if it is something else.
    pub fn fields(&self, column: &str) -> Vec<String> {
        let field = |(target, _)| match target {
            Target::At(path) if path.first().is_some_and(|place| place == "fields") => path.get(1).cloned(),
            _ => None,
        };
        self.of(column).into_iter().filter_map(field).collect()
    }

    /// The row as the hub takes it.
    pub fn row<'c>(
        &mut self,
        cells: impl Iterator<Item = (&'c str, Cell<'c>)>,
    ) -> Result<Map<String, Value>, RowFault> {
        let mut row = Map::new();
        let mut identities = Vec::new();
        let mut faults = Vec::new();
        for (column, cell) in cells {
            if !self.known.contains_key(column) {
                self.known.insert(column.to_owned(), self.of(column));
            }
            for (target, of) in &self.known[column] {
                if *target == Target::Ignore {
                    continue;
                }
                let value = match value::read(&cell, of, &self.plan.zone) {
                    Ok(Some(value)) => value,
                    Ok(None) => continue,
                    Err(message) => {
                        faults.push(RowFault { column: column.to_owned(), code: "wrong-type", message });
                        continue;
                    }
                };
                if matches!(of, As::Guess | As::GuessIn(_)) {
                    self.notations.note(column, &cell, &value);
                }
                match target {
                    // Behind all others: what they say of a trait goes first.
                    Target::Identity(_) | Target::Identities => {
                        identities.push((column.to_owned(), target.clone(), value));
                    }
                    target => {
                        faults.extend(place(&mut row, target, value).err().map(|error| contradiction(column, &error)));
                    }
                }
            }
        }
        for (column, target, value) in identities {
            match target {
                Target::Identity(kind) if self.plan.into == Into::Events => name_besides(&mut row, kind, value),
                target => {
                    faults.extend(place(&mut row, &target, value).err().map(|error| contradiction(&column, &error)));
                }
            }
        }
        for (path, value) in &self.plan.constants {
            if !has(&row, path) {
                faults.extend(put(&mut row, path, value.clone()).err().map(|error| contradiction("", &error)));
            }
        }
        if let Some(fault) = RowFault::all(faults) {
            return Err(fault);
        }
        complete(&mut row, self.plan.into);
        Ok(row)
    }

    /// The way back, for the columns that were met so far.
    pub fn columns(&mut self) -> Columns {
        if self.mapped != self.known.len() {
            self.mapped = self.known.len();
            let ways = self.targets().map(|(column, target)| match target {
                Target::At(path) | Target::Merge(path) => (path.clone(), column.clone()),
                Target::Identity(_) if self.plan.into == Into::Events => {
                    (vec!["identities".to_owned()], column.clone())
                }
                Target::Identity(kind) => (vec!["traits".to_owned(), (*kind).to_owned()], column.clone()),
                Target::Consents => (vec!["consents".to_owned()], column.clone()),
                Target::Identities | Target::Tags | Target::Ignore => (vec![column.clone()], column.clone()),
            });
            let mut ways: Vec<_> = ways.collect();
            // Whose the row is, where it has no id.
            ways.extend(self.addresses().into_iter().next().map(|column| (vec!["identity".to_owned()], column)));
            self.columns = Columns(ways.into());
        }
        self.columns.clone()
    }

    /// The columns that were met so far, once for each of their targets.
    fn targets(&self) -> impl Iterator<Item = (&String, &Target)> {
        self.known.iter().flat_map(|(column, targets)| targets.iter().map(move |(target, _)| (column, target)))
    }

    /// The columns with an address of the customer, the one that counts first.
    fn addresses(&self) -> Vec<String> {
        let of = |kind: &str| {
            let is_it = move |target: &Target| match target {
                Target::Identity(known) => *known == kind,
                Target::At(path) => self.plan.into == Into::Customers && *path == ["traits", kind],
                _ => false,
            };
            let mut found: Vec<String> =
                self.targets().filter(|(_, target)| is_it(target)).map(|(column, _)| column.clone()).collect();
            found.sort_unstable();
            found
        };
        ADDRESSES.into_iter().flat_map(of).collect()
    }

    /// Why a row has nobody: either no column says whose it is, or none of those that do has a value.
    pub fn nobody(&self) -> String {
        let is_id =
            |target: &Target| matches!(target, Target::At(path) if *path == ["userId"] || *path == ["anonymousId"]);
        let mut ids: Vec<String> =
            self.targets().filter(|(_, target)| is_id(target)).map(|(column, _)| column.clone()).collect();
        ids.sort_unstable();
        ids.extend(self.addresses());
        let identity = if self.plan.into == Into::Customers { "identity.user_id" } else { "userId" };
        match ids.as_slice() {
            [] => format!(
                "no column says whose the row is: map one, like `--map ID={identity}` or `--map MAIL=identity.email`"
            ),
            [one] => format!("the row does not say whose it is: column `{one}` is empty"),
            several => format!("the row does not say whose it is: the columns `{}` are empty", several.join("`, `")),
        }
    }
}

/// From a place in a row back to its column.
#[derive(Clone, Debug)]
pub struct Columns(Arc<[(Vec<String>, String)]>);

impl Default for Columns {
    fn default() -> Columns {
        Columns(Arc::from([]))
    }
}

impl Columns {
    /// The column that a pointer into a row leads to; empty if the mapping knows none.
    pub fn of(&self, pointer: &str) -> String {
        let steps: Vec<String> =
            pointer.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~")).collect();
        let ways = self.0.iter().filter(|(path, _)| steps.starts_with(path));
        ways.max_by_key(|(path, _)| path.len()).map(|(_, column)| column.clone()).unwrap_or_default()
    }
}

fn has(row: &Map<String, Value>, path: &[String]) -> bool {
    let Some((first, rest)) = path.split_first() else { return false };
    let outermost = row.get(first);
    outermost.is_some_and(|outermost| rest.iter().try_fold(outermost, |value, step| value.get(step)).is_some())
}

fn place(row: &mut Map<String, Value>, target: &Target, value: Value) -> Result<()> {
    match target {
        Target::Ignore => {}
        Target::Identity(kind) => identify(row, kind, value),
        Target::At(path) => put(row, path, value)?,
        Target::Merge(path) => {
            let Value::Object(members) = value else { anyhow::bail!("this must be a JSON object") };
            for (name, value) in members {
                put(row, &[path.as_slice(), &[name]].concat(), value)?;
            }
        }
        Target::Identities => {
            for identity in value.as_array().context("this must be an array of identities")? {
                let kind = identity["kind"].as_str().unwrap_or_default();
                let known = Into::Customers.target(&format!("identity.{kind}"));
                let value = &identity["value"];
                match known {
                    Some((Target::At(path), _)) if !has(row, &path) => put(row, &path, value.clone())?,
                    Some((Target::At(_), _)) => {}
                    Some((Target::Identity(kind), _)) => identify(row, kind, value.clone()),
                    _ => anyhow::bail!("an identity of the kind `{kind}` cannot be imported: leave it out"),
                }
            }
        }
        Target::Consents => {
            for (purpose, consent) in value.as_object().context("this must be a JSON object of consents")? {
                let mut consent = consent.clone();
                // The event that recorded it is another hub's.
                if let Some(fields) = consent.as_object_mut() {
                    fields.remove("event");
                }
                put(row, &["consents".to_owned(), purpose.clone()], consent)?;
            }
        }
        Target::Tags => {
            for tag in value.as_array().context("this must be an array of tags")? {
                let tag = tag.as_str().context("a tag must be a string")?;
                put(row, &["tags".to_owned(), tag.to_owned()], Value::Bool(true))?;
            }
        }
    }
    Ok(())
}

/// What the hub needs and the file may leave out.
fn complete(row: &mut Map<String, Value>, into: Into) {
    match into {
        Into::Events => {
            row.entry("type").or_insert_with(|| json!("track"));
            let kind = row["type"].as_str().unwrap_or_default();
            // What a column of a CSV file says of an `identify` are traits.
            if matches!(kind, "identify" | "group")
                && let Some(Value::Object(properties)) = row.remove("properties")
                && let Some(traits) = row.entry("traits").or_insert_with(|| json!({})).as_object_mut()
            {
                for (name, value) in properties {
                    traits.entry(name).or_insert(value);
                }
            }
            known_by_address(row);
        }
        Into::Customers => {
            row.insert("type".to_owned(), json!("identify"));
            known_by_address(row);
        }
        Into::Objects => {
            row.entry("fields").or_insert_with(|| json!({}));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        mapping: Mapping,
    }

    fn plan(into: Into, arguments: &[&str]) -> Result<Plan> {
        Plan::new(into, &Line::parse_from([&["import"], arguments].concat()).mapping)
    }

    fn row(into: Into, arguments: &[&str], cells: &[(&str, &str)]) -> Result<Value, RowFault> {
        let mut mapper = Mapper::new(plan(into, arguments).unwrap(), Form::Csv);
        mapper.row(cells.iter().map(|(column, text)| (*column, Cell::Text(text)))).map(Value::Object)
    }

    #[test]
    fn columns_become_properties_unless_they_are_the_events_own() {
        let arguments = ["--event", "Order Completed", "--user-column", "customer_id", "--time-column", "date"];
        let cells = [("customer_id", "00001"), ("date", "1997-01-01"), ("quantity", "2"), ("sku", "007"), ("note", "")];
        let expected = json!({"type": "track", "event": "Order Completed", "userId": "00001",
            "timestamp": "1997-01-01T00:00:00Z", "properties": {"quantity": 2, "sku": "007"}});
        assert_eq!(row(Into::Events, &arguments, &cells).unwrap(), expected);
        let cells = [("type", "identify"), ("userId", "u1"), ("plan", "gold")];
        let expected = json!({"type": "identify", "userId": "u1", "traits": {"plan": "gold"}});
        assert_eq!(row(Into::Events, &[], &cells).unwrap(), expected);
    }

    #[test]
    fn customers_and_objects_have_words_of_their_own() {
        let arguments =
            ["--map", "id=identity.user_id", "--map", "vip=tag.vip", "--map", "x=-", "--const", "attribute.src=crm"];
        let cells = [("id", "7"), ("vip", "yes"), ("x", "1"), ("identity.email", "a@b.c"), ("city", "Rome")];
        let expected = json!({"type": "identify", "userId": "7", "tags": {"vip": true},
            "traits": {"email": "a@b.c", "city": "Rome", "src": "crm"}});
        assert_eq!(row(Into::Customers, &arguments, &cells).unwrap(), expected);
        let cells = [("field.percent", "5"), ("owner", "u1"), ("version", "3")];
        let expected = json!({"fields": {"percent": 5, "owner": {"kind": "user_id", "value": "u1"}}});
        assert_eq!(row(Into::Objects, &["--map", "owner=field.owner:customer:user_id"], &cells).unwrap(), expected);
    }

    #[test]
    fn findings14_f2_who_has_no_id_is_known_by_an_address() {
        let mail = ["--map", "mail=identity.email", "--map", "tel=identity.phone"];
        let identity = |into, cells: &[(&str, &str)]| row(into, &mail, cells).unwrap()["identity"].clone();
        let email = json!({"kind": "email", "value": "a@b.cn"});
        for into in [Into::Customers, Into::Events] {
            assert_eq!(identity(into, &[("mail", "a@b.cn"), ("tel", "+861390000")]), email);
            let phone = json!({"kind": "phone", "value": "+861390000"});
            assert_eq!(identity(into, &[("mail", ""), ("tel", "+861390000")]), phone);
            assert_eq!(identity(into, &[("mail", ""), ("tel", "")]), Value::Null);
        }
        assert_eq!(identity(Into::Customers, &[("identity.user_id", "7"), ("mail", "a@b.cn")]), Value::Null);
        // As the hub's export has it, and as a header may simply say it.
        let listed = [("identities", r#"[{"kind":"email","value":"a@b.cn"}]"#)];
        assert_eq!(row(Into::Customers, &[], &listed).unwrap()["identity"], email);
        assert_eq!(row(Into::Customers, &[], &[("email", "a@b.cn")]).unwrap()["identity"], email);
        let order = row(Into::Events, &mail, &[("mail", "a@b.cn"), ("event", "Order")]).unwrap();
        assert_eq!((&order["identities"], order.get("traits")), (&json!([email]), None));
        let group = row(Into::Events, &[], &[("type", "group"), ("groupId", "g"), ("traits.email", "a@b.cn")]).unwrap();
        assert_eq!(group.get("identity"), None, "the traits of a group are the group's");
    }

    #[test]
    fn findings14_f2_a_row_of_nobody_says_which_cell_is_empty() {
        let nobody = |into, arguments: &[&str], columns: &[&str]| {
            let mut mapper = Mapper::new(plan(into, arguments).unwrap(), Form::Csv);
            mapper.row(columns.iter().map(|column| (*column, Cell::Text("")))).unwrap();
            (mapper.nobody(), mapper.columns().of("/identity/value"))
        };
        let (told, _) = nobody(Into::Events, &[], &["total"]);
        assert!(told.contains("no column says whose the row is: map one, like `--map ID=userId`"), "{told}");
        let mail = ["--map", "mail=identity.email"];
        let (told, column) = nobody(Into::Customers, &mail, &["mail", "city"]);
        assert_eq!(
            (told.as_str(), column.as_str()),
            ("the row does not say whose it is: column `mail` is empty", "mail")
        );
        let (told, _) = nobody(Into::Customers, &[&mail[..], &["--user-column", "id"]].concat(), &["mail", "id"]);
        assert!(told.ends_with("the columns `id`, `mail` are empty"), "{told}");
    }

    #[test]
    fn newcomer14_5_each_mapping_that_is_wrong_is_told() {
        let told = plan(Into::Events, &["--map", "a=nowhere.a", "--map", "b=properties.b:colour", "--map", "c=userId"]);
        let told = told.unwrap_err().to_string();
        assert!(told.contains("the column `a`: ") && told.contains("\nthe column `b`: "), "{told}");
    }

    #[test]
    fn what_contradicts_is_told_with_its_column() {
        let cells = [("a", "1"), ("b", "2")];
        let wrong = [("a", "x"), ("b", "2026"), ("c", "maybe"), ("d", "ok")];
        let typed =
            ["--map", "a=properties.a:integer", "--map", "b=properties.b:date", "--map", "c=properties.c:boolean"];
        let fault = row(Into::Events, &typed, &wrong).unwrap_err();
        assert_eq!((fault.column.as_str(), fault.code), ("a", "wrong-type"));
        assert!(fault.message.starts_with("`x` is not a whole number; column `b`: `2026` is not a date"), "{fault:?}");
        assert!(fault.message.contains("; column `c`: `maybe` is not a boolean"), "issue 14: all at once, {fault:?}");
        let twice = ["--map", "a=properties.x:integer", "--map", "a=properties.y:integer"];
        let fault = row(Into::Events, &twice, &[("a", "x")]).unwrap_err();
        assert_eq!(fault.message, "`x` is not a whole number", "user14 15: one column is wrong once");
        let fault = row(Into::Events, &["--map", "a=properties.x", "--map", "b=properties.x"], &cells).unwrap_err();
        assert_eq!((fault.column.as_str(), fault.code), ("b", "wrong-form"));
        let fault = row(Into::Events, &["--map", "a=properties.x", "--map", "b=properties.x.y"], &cells).unwrap_err();
        assert_eq!((fault.column.as_str(), fault.code), ("b", "wrong-form"));
        let told = plan(Into::Events, &["--map", "a=-", "--map", "a=userId"]).unwrap_err().to_string();
        assert!(told.contains("`-` leaves it out"), "{told}");
        for bad in ["a=nowhere", "a=userId:colour", "a", "a=properties."] {
            assert!(plan(Into::Events, &["--map", bad]).is_err(), "{bad}");
        }
        assert!(plan(Into::Customers, &["--map", "a=identity.passport"]).is_err());
        let header = ["a", "", ""].map(str::to_owned);
        assert!(
            plan(Into::Events, &[]).unwrap().check_header(&header).is_ok(),
            "cells without a name are told row by row"
        );
        let header = ["a", "b", "a"].map(str::to_owned);
        assert!(plan(Into::Events, &[]).unwrap().check_header(&header).unwrap_err().to_string().contains("twice"));
    }

    #[test]
    fn findings14_f11_a_column_has_several_targets() {
        let twice = ["--map", "no=messageId", "--map", "no=properties.order_id", "--map", "no=properties.n:integer"];
        let sent = row(Into::Events, &twice, &[("no", "1700")]).unwrap();
        assert_eq!(sent, json!({"type": "track", "messageId": "1700", "properties": {"order_id": 1700, "n": 1700}}));
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("mapping.toml");
        std::fs::write(&file, "[columns]\nno = [\"messageId\", \"properties.order_id\"]\nuser = \"userId\"\n").unwrap();
        let file = ["--mapping", file.to_str().unwrap()];
        let sent = row(Into::Events, &file, &[("no", "a"), ("user", "u")]).unwrap();
        assert_eq!(sent, json!({"type": "track", "messageId": "a", "userId": "u", "properties": {"order_id": "a"}}));
        // The command line says all of a column.
        let sent = row(Into::Events, &[&file[..], &["--map", "no=properties.no"]].concat(), &[("no", "a")]).unwrap();
        assert_eq!(sent, json!({"type": "track", "properties": {"no": "a"}}));
        // An import of before is the same import.
        let print = |arguments: &[&str]| plan(Into::Events, arguments).unwrap().fingerprint(Form::Csv);
        let one = print(&["--map", "a=userId"]);
        let expected = r#"Plan { into: Events, columns: {"a": (At(["userId"]), Text)}, constants: [], zone: "#;
        assert!(one.starts_with(expected) && one.ends_with(" }"), "{one}");
        assert_ne!(print(&["--map", "a=userId", "--map", "a=messageId"]), one);
        // And what goes without saying may be said.
        assert_eq!(
            print(&["--map", "n=properties.n", "--event-column", "event", "--user-column", "userId"]),
            print(&[])
        );
        assert_ne!(print(&["--map", "n=properties.n:text"]), print(&[]));
    }

    #[test]
    fn findings14_f18_a_chinese_name_in_a_mapping_needs_quotes() {
        let folder = tempfile::tempdir().unwrap();
        let read = |text: &str| {
            let file = folder.path().join("mapping.toml");
            std::fs::write(&file, text).unwrap();
            plan(Into::Customers, &["--mapping", file.to_str().unwrap()]).map_err(|error| format!("{error:#}"))
        };
        let told = read("[columns]\nid = \"identity.user_id\"\n会员号 = \"attribute.card\"\n").unwrap_err();
        assert!(told.contains("needs quotes: write `\"会员号\" = …`"), "{told}");
        assert!(read("[columns]\n\"会员号\" = \"attribute.card\"\n").is_ok());
        let told = read("[columns]\nid = 7\n").unwrap_err();
        assert!(!told.contains("quotes"), "{told}");
    }

    #[test]
    fn issue_14_a_value_of_every_row_stands_beside_no_column_of_its_own() {
        let told = |arguments: &[&str]| plan(Into::Events, arguments).unwrap_err().to_string();
        let both = told(&["--user-column", "id", "--const", "userId=5"]);
        assert!(both.contains("`userId` comes from the column `id`"), "{both}");
        let both = told(&["--map", "n=properties.n", "--const", "properties.n=5"]);
        assert!(both.contains("say one of both"), "{both}");
        let both = told(&["--event", "Order", "--const", "event=Visit"]);
        assert!(both.contains("`--event` and `--const"), "{both}");
        // For rows that have none: of a column that nothing was said of, and of events without a name.
        let cells = [("properties.n", ""), ("kind", "")];
        let arguments = ["--const", "properties.n=5", "--event-column", "kind", "--event", "Order"];
        let sent = row(Into::Events, &arguments, &cells).unwrap();
        assert_eq!(sent, json!({"type": "track", "event": "Order", "properties": {"n": 5}}));
    }

    #[test]
    fn issue_14_a_pattern_says_a_time_or_a_day() {
        let read = |map: &str| plan(Into::Events, &["--map", map]).map(drop).map_err(|error| format!("{error:#}"));
        for good in [
            "a=timestamp:timestamp:%d.%m.%Y %H:%M",
            "a=timestamp:timestamp:%Y-%m-%dT%H:%M:%S%z",
            "a=timestamp:timestamp:%Y%m%d",
            "a=timestamp:timestamp:%d %b %y",
            "a=properties.d:date:%Y年%m月%d日",
            "a=properties.d:date:%Y-%j",
        ] {
            assert_eq!(read(good), Ok(()), "{good}");
        }
        for bad in
            ["timestamp:timestamp:%Q", "properties.d:date:%Y-%Q", "properties.d:date:%H:%M", "properties.d:date:%Y-%E"]
        {
            let told = read(&format!("a={bad}")).unwrap_err();
            assert!(told.contains("the pattern `%"), "{bad}: {told}");
        }
    }

    #[test]
    fn a_time_in_json_lines_is_what_the_door_takes() {
        let read = |arguments: &[&str], at: Value| {
            let mut mapper = Mapper::new(plan(Into::Events, arguments).unwrap(), Form::Lines);
            let row = mapper.row([("timestamp", Cell::Json(&at))].into_iter());
            row.map(|row| row["timestamp"].clone()).map_err(|fault| fault.code)
        };
        assert_eq!(read(&[], json!(1_767_225_600)), Ok(json!(1_767_225_600)));
        assert_eq!(read(&[], json!("1767225600000")), Ok(json!("1767225600000")));
        assert_eq!(read(&["--zone", "Europe/Berlin"], json!("2026-01-31")), Ok(json!("2026-01-30T23:00:00Z")));
        assert_eq!(read(&["--map", "timestamp=timestamp:timestamp"], json!(7)), Err("wrong-type"));
    }

    #[test]
    fn a_pointer_leads_back_to_its_column() {
        let plan = plan(Into::Events, &["--map", "amount=properties.total", "--user-column", "who"]).unwrap();
        let mut mapper = Mapper::new(plan, Form::Csv);
        let cells = [("amount", "1"), ("who", "u"), ("a/b", "2"), ("context", "{}")];
        mapper.row(cells.iter().map(|(column, text)| (*column, Cell::Text(text)))).unwrap();
        let columns = mapper.columns();
        for (pointer, column) in [
            ("/properties/total", "amount"),
            ("/userId", "who"),
            ("/properties/a~1b", "a/b"),
            ("/context/x", "context"),
            ("/event", ""),
        ] {
            assert_eq!(columns.of(pointer), column, "{pointer}");
        }
    }
}
