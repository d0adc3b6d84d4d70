//! What is wrong with an input, and where.

use serde::{Deserialize, Serialize};

/// One fault of an input: `pointer` is an RFC 6901 JSON pointer into it, `code` is stable and kebab-case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    pub pointer: String,
    pub code: String,
    pub message: String,
}

impl Fault {
    pub fn new(pointer: impl Into<String>, code: impl Into<String>, message: impl Into<String>) -> Fault {
        Fault { pointer: pointer.into(), code: code.into(), message: message.into() }
    }
}

/// Characters of a plugin's own words that are shown.
const WORDS: usize = 300;
/// Digits in a row from which on a number may be somebody's.
const DIGITS: usize = 5;

/// A plugin's own words, for a list that is no one customer's: a line without control characters, in which addresses and long
/// numbers are masked.
pub fn own_words(text: &str) -> String {
    let mut line = String::new();
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()) {
        if line.chars().count() >= WORDS {
            line.push('…');
            break;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.extend(masked(word).chars().take(WORDS));
    }
    line
}

fn masked(word: &str) -> String {
    if word.contains('@') {
        return "***".to_owned();
    }
    let mut masked = String::with_capacity(word.len());
    let mut rest = word;
    while let Some(start) = rest.find(|c: char| c.is_numeric()) {
        let digits = &rest[start..];
        let end = digits.find(|c: char| !c.is_numeric()).unwrap_or(digits.len());
        masked.push_str(&rest[..start]);
        let before = &word[..word.len() - digits.len()];
        let is_long = digits[..end].chars().count() >= DIGITS && !is_port(before, &digits[..end]);
        masked.push_str(if is_long { "***" } else { &digits[..end] });
        rest = &digits[end..];
    }
    masked.push_str(rest);
    // What turns the direction of a text would show another one.
    masked.retain(|c| !matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'));
    masked
}

/// Whether the digits are the port of a host on a network: nobody's number.
fn is_port(before: &str, digits: &str) -> bool {
    let Some(host) = before.strip_suffix(':') else { return false };
    let is_named = |c: char| c.is_ascii_alphanumeric() || ".-[]:".contains(c);
    let host = host.rsplit(|c| !is_named(c)).next().unwrap_or_default();
    let is_host = host == "localhost" || host.contains('.') || host.ends_with(']');
    is_host && digits.parse::<u16>().is_ok()
}

/// Names listed in a message at most.
const LISTED: usize = 20;

/// The sentence that says which names there are, for a message about one that is not among them.
pub fn there_are<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> String {
    let names: Vec<S> = names.into_iter().collect();
    if names.is_empty() {
        return "There are none.".to_owned();
    }
    let listed: Vec<&str> = names.iter().take(LISTED).map(AsRef::as_ref).collect();
    match names.len().saturating_sub(LISTED) {
        0 => format!("There are: {}.", listed.join(", ")),
        more => format!("There are: {}, and {more} more.", listed.join(", ")),
    }
}

/// The same, behind a question for the nearest of them.
pub fn instead_of<S: AsRef<str>>(name: &str, names: impl IntoIterator<Item = S>) -> String {
    let names: Vec<S> = names.into_iter().collect();
    let near = nearest(name, names.iter().map(AsRef::as_ref));
    let question = near.map(|near| format!("Did you mean `{near}`? ")).unwrap_or_default();
    format!("{question}{}", there_are(names))
}

/// What other programs call what the hub calls otherwise.
const ALIASES: [(&str, &str); 22] = [
    ("=", "eq"),
    ("==", "eq"),
    ("equal", "eq"),
    ("equals", "eq"),
    ("!=", "ne"),
    ("neq", "ne"),
    ("not_equal", "ne"),
    ("not_equals", "ne"),
    (">", "gt"),
    ("greater_than", "gt"),
    (">=", "ge"),
    ("gte", "ge"),
    ("greater_or_equal", "ge"),
    ("<", "lt"),
    ("less_than", "lt"),
    ("<=", "le"),
    ("lte", "le"),
    ("less_or_equal", "le"),
    ("includes", "contains"),
    ("one_of", "in"),
    ("is_set", "exists"),
    ("starts_with", "prefix"),
];

/// Bytes of a name that is compared with others: no name is longer, and who sends a book costs no more.
const COMPARED: usize = 128;

/// The name among `known` that somebody most likely meant who wrote `name`; none if no other is like it.
pub fn nearest<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    if name.len() > COMPARED {
        return None;
    }
    let known: Vec<&str> = known.into_iter().collect();
    let alias = ALIASES.iter().find(|(alias, _)| alias.eq_ignore_ascii_case(name)).map(|(_, meant)| *meant);
    if let Some(meant) = known.iter().find(|known| alias == Some(**known)) {
        return Some(meant);
    }
    let distance = |other: &str| strsim::damerau_levenshtein(&other.to_ascii_lowercase(), &name.to_ascii_lowercase());
    // Whoever wrote a long name may have missed more than one letter of it.
    let most = (name.chars().count() / 3).clamp(1, 4);
    let found = known.into_iter().map(|other| (distance(other), other)).min_by_key(|(distance, _)| *distance);
    found.filter(|(distance, _)| *distance <= most).map(|(_, other)| other)
}

/// What serde calls an enum's form that is not a name alone.
const ONE_FIELD: &str = "map with a single key";

/// What serde says of JSON that does not have the expected form, as a sentence in JSON's own words.
pub fn form(said: &str) -> String {
    let (what, expected) = said.split_once(", expected ").unwrap_or((said, ""));
    let names = expected.strip_prefix("one of ").unwrap_or(expected).replace(" or ", ", ");
    let quoted = |prefix: &str| what.strip_prefix(prefix)?.split('`').next();
    if let Some(field) = quoted("missing field `") {
        // `is` alone reads like a slip of the pen.
        let to = if field == "is" { " to what is asked, for example `\"is\": \"ge\"` with a `value`" } else { "" };
        return format!("The field `{field}` is missing: set it{to}.");
    }
    if let Some(field) = quoted("duplicate field `") {
        return format!("The field `{field}` is there twice: remove one.");
    }
    if let Some(field) = quoted("unknown field `") {
        let there_are = if names.is_empty() { "There are none.".to_owned() } else { format!("There are: {names}.") };
        return format!("There is no field `{field}`.{} {there_are}", meant(field, &names));
    }
    if let Some(value) = quoted("unknown variant `") {
        return format!("`{value}` is not allowed here.{} Allowed: {names}.", meant(value, &names));
    }
    // A number or a boolean of a query, read from text.
    match said {
        "invalid digit found in string" | "cannot parse integer from empty string" => {
            return "This must be a whole number that is not negative.".to_owned();
        }
        "provided string was not `true` or `false`" => return "This must be true or false.".to_owned(),
        "number too large to fit in target type" => return "This number is too large.".to_owned(),
        _ => {}
    }
    match what.strip_prefix("invalid type: ").or_else(|| what.strip_prefix("invalid value: ")) {
        Some("map") if expected == ONE_FIELD => format!("This must be {}.", wanted(expected)),
        Some("unit variant") => "This must be an object whose field has this name, not the name alone.".to_owned(),
        Some(_) if expected == "unit" => "This must be the name alone, a string without a value.".to_owned(),
        Some(found) if !expected.is_empty() => format!("This must be {}, not {}.", wanted(expected), given(found)),
        _ => format!("{}.", said.trim_end_matches('.')),
    }
}

/// Why a text is no JSON, as a sentence that says what to write.
pub fn syntax(error: &serde_json::Error) -> String {
    let said = error.to_string();
    let (what, at) = said.split_once(" at line ").unwrap_or((&said, ""));
    match what {
        "EOF while parsing a value" if at == "1 column 0" => "The text is empty: send JSON.".to_owned(),
        "recursion limit exceeded" => format!("It lies too deep at line {at}: at most 127 levels."),
        "number out of range" => {
            format!("A number is too large at line {at}: at most 1.8e308. Send it as a text, or leave it out.")
        }
        "unexpected end of hex escape" | "lone leading surrogate in hex escape" => {
            format!("A text has half of a character, like `\\ud800`, at line {at}: send both halves, or neither.")
        }
        "key must be a string" => format!("A name is not in double quotes at line {at}: write `{{\"name\": 1}}`."),
        "expected ident" | "expected value" => {
            format!(
                "There is no JSON value at line {at}: texts are in double quotes, and words are `true`, `false` and `null`."
            )
        }
        _ => format!("{said}."),
    }
}

/// A question that names the nearest of serde's quoted names, if one is near.
fn meant(name: &str, names: &str) -> String {
    let known = names.split(", ").map(|name| name.trim_matches('`'));
    nearest(name, known).map(|meant| format!(" Did you mean `{meant}`?")).unwrap_or_default()
}

fn wanted(expected: &str) -> &str {
    match expected {
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number that is not negative",
        "f32" | "f64" => "a number",
        "a map" | "map" | "a JSON object" => "an object",
        "a sequence" | "sequence" => "an array",
        "a borrowed string" => "a string",
        "a string or map" | "string or map" => "a string or an object",
        ONE_FIELD => "an object with exactly one field",
        other if other.starts_with("struct ") || other.starts_with("internally tagged enum ") => "an object",
        other => other,
    }
}

fn given(found: &str) -> String {
    let (kind, value) = found.split_once(' ').unwrap_or((found, ""));
    match (kind, value) {
        ("map", "") => "an object".to_owned(),
        ("sequence", "") => "an array".to_owned(),
        ("null", "") | ("unit", "value") => "null".to_owned(),
        ("string", text) => format!("the string {text}"),
        ("integer", number) => format!("the number {}", number.trim_matches('`')),
        ("floating", number) => format!("the number {}", number.trim_start_matches("point ").trim_matches('`')),
        ("boolean", value) => value.trim_matches('`').to_owned(),
        _ => found.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_form_is_said_in_the_words_of_json() {
        #[derive(Debug, Deserialize)]
        #[serde(rename_all = "lowercase", deny_unknown_fields)]
        enum Color {
            Red,
            Blue,
        }
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        #[expect(dead_code, reason = "only read")]
        struct Form {
            count: u32,
            name: Option<String>,
            colors: Option<Vec<Color>>,
            shape: Option<Shape>,
        }
        #[derive(Debug, Deserialize)]
        #[serde(rename_all = "lowercase")]
        #[expect(dead_code, reason = "only read")]
        enum Shape {
            Circle(u32),
            Square { side: u32 },
        }
        let said = |text: &str| {
            form(&serde_json::from_value::<Form>(serde_json::from_str(text).unwrap()).unwrap_err().to_string())
        };
        assert_eq!(said("{}"), "The field `count` is missing: set it.");
        let is = form("missing field `is`");
        assert!(
            is.starts_with("The field `is` is missing: set it to what is asked, for example"),
            "findings14 F23: {is}"
        );
        assert_eq!(said(r#"{"size": 1}"#), "There is no field `size`. There are: `count`, `name`, `colors`, `shape`.");
        assert_eq!(
            said(r#"{"conut": 1}"#),
            "There is no field `conut`. Did you mean `count`? There are: `count`, `name`, `colors`, `shape`."
        );
        assert_eq!(
            said(r#"{"colors": ["bleu"]}"#),
            "`bleu` is not allowed here. Did you mean `blue`? Allowed: `red`, `blue`."
        );
        assert_eq!(said(r#"{"colors": ["green"]}"#), "`green` is not allowed here. Allowed: `red`, `blue`.");
        assert_eq!(
            said(r#"{"count": "x"}"#),
            "This must be a whole number that is not negative, not the string \"x\"."
        );
        assert_eq!(said(r#"{"count": 1.5}"#), "This must be a whole number that is not negative, not the number 1.5.");
        assert_eq!(said(r#"{"name": {}}"#), "This must be a string, not an object.");
        assert_eq!(said(r#"{"colors": null, "name": true}"#), "This must be a string, not true.");
        for shape in ["circle", "square"] {
            let said = said(&format!(r#"{{"count": 1, "shape": "{shape}"}}"#));
            assert_eq!(said, "This must be an object whose field has this name, not the name alone.");
        }
        let said_of_a_name = said(r#"{"colors": [{"red": 1}]}"#);
        assert_eq!(said_of_a_name, "This must be the name alone, a string without a value.");
        assert_eq!(said("7"), "This must be an object, not the number 7.");
        assert_eq!(form("anything else"), "anything else.");
    }

    #[test]
    fn newcomer14_13_a_name_that_is_none_is_answered_with_the_nearest() {
        let scopes = ["events:read", "events:write"];
        assert_eq!(
            instead_of("event:write", scopes),
            "Did you mean `events:write`? There are: events:read, events:write."
        );
        assert_eq!(instead_of("king", scopes), "There are: events:read, events:write.");
        assert_eq!(instead_of(&"events:".repeat(100_000), scopes), "There are: events:read, events:write.");
    }

    #[test]
    fn newcomer14_7_what_is_no_json_is_told_with_what_to_write() {
        let said = |text: &str| syntax(&serde_json::from_str::<serde_json::Value>(text).unwrap_err());
        assert_eq!(said("{'a': 1}"), "A name is not in double quotes at line 1 column 2: write `{\"name\": 1}`.");
        let no_value = "There is no JSON value at line 1 column 2: texts are in double quotes, and words are";
        assert!(said("not json").starts_with(no_value), "{}", said("not json"));
        assert!(said("[1e999]").starts_with("A number is too large at line 1 column"), "{}", said("[1e999]"));
        for half in [r#"["\ud800"]"#, r#"["\ud800\u0041"]"#, r#"["\udc00"]"#] {
            assert!(said(half).starts_with("A text has half of a character"), "{}", said(half));
        }
        assert!(said(&"[".repeat(500)).starts_with("It lies too deep at line 1 column"));
        assert_eq!(said(""), "The text is empty: send JSON.");
        assert_eq!(
            form("invalid value: map, expected map with a single key"),
            "This must be an object with exactly one field."
        );
        assert_eq!(form("invalid type: null, expected string or map"), "This must be a string or an object, not null.");
        assert_eq!(said("{"), "EOF while parsing an object at line 1 column 1.");
    }

    #[test]
    fn b1_a_plugins_own_words_are_shown_without_what_could_be_somebodys() {
        for (said, shown) in [
            ("an order's revenue is at least zero", "an order's revenue is at least zero"),
            ("no card\n  for ada@example.com, +4915112345678 (SN-00017/2026)", "no card for *** +*** (SN-***/2026)"),
            ("\u{1b}[2Jgone\u{202e}", "[2Jgone"),
            (
                "start the hub with `--allow-private=127.0.0.1:40123`",
                "start the hub with `--allow-private=127.0.0.1:40123`",
            ),
            ("http://localhost:54321/a, tel:12345 a.b:123456", "http://localhost:54321/a, tel:*** a.b:***"),
            (" \n", ""),
        ] {
            assert_eq!(own_words(said), shown);
        }
        let long = own_words(&"word ".repeat(200));
        assert!(long.chars().count() <= WORDS + 6 && long.ends_with('…'), "{long}");
        assert_eq!(own_words(&"x".repeat(1_000)).len(), WORDS);
    }

    #[test]
    fn what_somebody_meant_is_near() {
        let known = ["batch", "workers", "read_connections", "log"];
        for (name, meant) in [
            ("bach", Some("batch")),
            ("Worker", Some("workers")),
            ("read_conections", Some("read_connections")),
            ("lgo", Some("log")),
            ("colour", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(nearest(name, known), meant, "{name}");
        }
        let comparisons = ["eq", "ne", "lt", "le", "gt", "ge", "in"];
        for (name, meant) in [("gte", "ge"), ("lte", "le"), ("neq", "ne"), ("equals", "eq"), ("GTE", "ge"), ("g", "gt")]
        {
            assert_eq!(nearest(name, comparisons), Some(meant), "user14 12: {name}");
        }
        assert_eq!(nearest("gte", known), None, "an alias of what is not there is none");
    }

    #[test]
    fn a_message_lists_what_there_is_up_to_a_bound() {
        assert_eq!(there_are(["a", "b"]), "There are: a, b.");
        assert_eq!(there_are(Vec::<String>::new()), "There are none.");
        let many = there_are((0..22).map(|number| number.to_string()));
        assert!(many.ends_with("18, 19, and 2 more."), "{many}");
    }
}
