//! Comparisons as SQL: of a JSON value that is looked up by its name, and of a computed number.
//!
//! Numbers compare exactly: SQLite compares an INTEGER with a REAL by what they are worth, PostgreSQL reads NUMERIC.

use openhub_model::Timestamp;
use openhub_model::condition::{Comparison, Relative, instant, is_date};
use serde_json::{Number, Value};

use crate::database::bulk::json_text;
use crate::database::dialect::POSTGRES_COLLATION;
use crate::database::filters::Sql;

/// A JSON object whose members are rows `(key, type, atom)`.
#[derive(Clone, Copy)]
pub(super) enum Members {
    Attributes,
    /// The properties in the body of the row of `event_bodies` with this alias. A text, or nothing: then there are none.
    Properties(&'static str),
    /// The fields of the row `o` of `objects`.
    Fields,
}

/// What a column of a look-up holds; `NULL` for values of other types.
#[derive(Clone, Copy)]
pub(super) enum Column {
    /// The nearest double.
    Number,
    /// The number as it is.
    Exact,
    Text,
    Boolean,
}

/// SQLite reads whole numbers from here on as doubles.
const WIDE: u64 = 1 << 63;
const WIDE_SQL: &str = "9223372036854775808.0";
/// Whether a row's number is a whole one of 64 bits that SQLite has read as a double; how it is written tells which.
const IS_WIDE: &str = "type = 'integer' AND typeof(atom) = 'real' AND substr(json -> fullkey, 1, 1) <> '-' AND \
    (length(json -> fullkey), json -> fullkey) BETWEEN (19, '9223372036854775808') AND (20, '18446744073709551615')";

/// `atom` as NUMERIC. What has more than 16,383 digits behind the point is cut there, or too small for any double: the door
/// refuses such numbers, but once it did not.
macro_rules! postgres_number {
    () => {
        "CASE WHEN atom ~ '[eE]-0*[1-9][0-9]{3}' THEN 0 WHEN ABS(CAST(substr(atom, 1, 16000) AS NUMERIC)) < 1e-320 THEN 0 \
         ELSE CAST(substr(atom, 1, 16000) AS NUMERIC) END"
    };
}

/// The microseconds of an instant that a row's text writes, and NULL of any other text: the model's `condition::instant`.
/// PostgreSQL has a function for it.
const SQLITE_INSTANT: &str = "(SELECT CASE WHEN strftime('%Y-%m-%d %H:%M:%S', day || ' ' || clock) = day || ' ' || clock \
    AND day >= '0001' AND clock < '24' AND mark IN ('T', 't', ' ') AND (part = '' OR (part GLOB '.[0-9]*' AND part NOT GLOB '.*[^0-9]*' \
    AND length(part) <= 10)) AND (size = 1 OR (substr(zone, 2, 2) <= '23' AND substr(zone, 4, 2) <= '59')) \
    THEN (unixepoch(day || ' ' || clock) - CASE WHEN size = 1 THEN 0 ELSE (CASE substr(zone, 1, 1) WHEN '-' THEN -1 ELSE 1 END) \
    * (CAST(substr(zone, 2, 2) AS INTEGER) * 3600 + CAST(substr(zone, 4, 2) AS INTEGER) * 60) END) * 1000000 \
    + CAST(substr(substr(part, 2) || '000000', 1, 6) AS INTEGER) END \
    FROM (SELECT day, clock, mark, size, substr(tail, 1, length(tail) - size) AS part, \
    replace(substr(tail, -size), ':', '') AS zone FROM (SELECT day, clock, mark, tail, CASE \
    WHEN tail GLOB '*[Zz]' THEN 1 WHEN tail GLOB '*[+-][0-9][0-9]:[0-9][0-9]' THEN 6 \
    WHEN tail GLOB '*[+-][0-9][0-9][0-9][0-9]' THEN 5 WHEN tail GLOB '*[+-][0-9][0-9]' THEN 3 END AS size \
    FROM (SELECT substr(atom, 1, 10) AS day, substr(atom, 12, 8) AS clock, substr(atom, 11, 1) AS mark, \
    substr(atom, 20) AS tail))))";

impl Sql {
    /// The truth of a test for the member `name`: `NULL` if it is absent.
    pub(super) fn member(&mut self, members: Members, name: &str, is: Comparison, value: &Value) -> &mut Self {
        match is {
            Comparison::Exists | Comparison::Missing => {
                self.push(if is == Comparison::Missing { "(NOT " } else { "(" });
                self.push("COALESCE((SELECT type <> 'null'").of(members, name).push(", FALSE))")
            }
            _ => self.push("(SELECT ").tested(is, value).of(members, name),
        }
    }

    /// As [`Sql::member`], of a test that may compare with a time relative to `now`.
    pub(super) fn timed_member(
        &mut self,
        members: Members,
        name: &str,
        is: Comparison,
        value: &Value,
        now: Timestamp,
    ) -> &mut Self {
        match (Relative::of(value), operator(is)) {
            (None, _) => self.member(members, name, is, value),
            (Some(relative), Some(operator @ (" < " | " <= " | " > " | " >= "))) => {
                self.push("(SELECT CASE WHEN type = 'text' THEN ").instant().push(operator);
                self.int(relative.at(now).micros()).push(" END").of(members, name)
            }
            _ => self.unknown(),
        }
    }

    /// The value of the member `name`, if it is of the column's type.
    pub(super) fn column(&mut self, members: Members, name: &str, column: Column) -> &mut Self {
        match column {
            Column::Number => self.push("(SELECT CASE WHEN type IN ('integer', 'real') THEN ").number(),
            Column::Exact => self.push("(SELECT CASE WHEN type IN ('integer', 'real') THEN ").exact(),
            Column::Text => self.push("(SELECT CASE WHEN type = 'text' THEN CAST(atom AS TEXT)"),
            Column::Boolean => self.push("(SELECT CASE WHEN type IN ('true', 'false') THEN type"),
        };
        self.push(" END").of(members, name)
    }

    /// Ends a look-up. Of two members with one name the last counts; PostgreSQL keeps no other.
    fn of(&mut self, members: Members, name: &str) -> &mut Self {
        self.push(" FROM ");
        match members {
            Members::Attributes => self.push("json_each(c.attributes)"),
            Members::Properties(body) => {
                match self {
                    Sql::Sqlite(_) => self.push("json_each(").push(body).push(".body, '$.properties')"),
                    Sql::Postgres(_) => return self.property(body, name),
                }
            }
            Members::Fields => self.either(
                "json_each(o.fields)",
                "json_each(jsonb_path_query_first(CAST(o.fields AS JSONB), 'strict $ ? (@.type() == \"object\")', '{}', TRUE))",
            ),
        };
        self.push(" WHERE key = ").text(name).either(" ORDER BY id DESC LIMIT 1)", ")")
    }

    /// The member of a body's properties on PostgreSQL. JSONB would refuse a whole body for one number that NUMERIC does not take.
    fn property(&mut self, body: &'static str, name: &str) -> &mut Self {
        self.push("(SELECT CASE json_typeof(value) WHEN 'string' THEN 'text' WHEN 'number' THEN 'real' ");
        self.push("WHEN 'boolean' THEN value #>> '{}' ELSE json_typeof(value) END AS type, value #>> '{}' AS atom ");
        self.push("FROM (SELECT CAST(").push(body).push(".body AS JSON) -> 'properties' -> ").text(name);
        self.push(" AS value) AS said WHERE value IS NOT NULL) AS member)")
    }

    /// `atom` as a double. PostgreSQL refuses a number that is too small for one, JSON does not.
    pub(super) fn number(&mut self) -> &mut Self {
        self.either("CAST(atom AS DOUBLE PRECISION)", concat!("CAST(", postgres_number!(), " AS DOUBLE PRECISION)"))
    }

    /// `atom` as the number that it is.
    fn exact(&mut self) -> &mut Self {
        self.either("atom", postgres_number!())
    }

    /// The instant that `atom`, a text, writes; NULL if none.
    fn instant(&mut self) -> &mut Self {
        self.either(SQLITE_INSTANT, "written_instant(atom)")
    }

    /// Whether `atom`, a text, writes a day of the calendar: the model's `condition::is_date`.
    fn day(&mut self) -> &mut Self {
        self.either(
            "length(atom) = 10 AND atom >= '0001' AND date(atom) = atom",
            "length(atom) = 10 AND written_instant(atom || 'T00:00:00Z') IS NOT NULL",
        )
    }

    /// A number of a condition.
    pub(super) fn value(&mut self, number: &Number) -> &mut Self {
        match (&*self, number.as_i64()) {
            (Sql::Postgres(_), _) => self.push("CAST(").text(&number.to_string()).push(" AS NUMERIC)"),
            (Sql::Sqlite(_), Some(integer)) => self.int(integer),
            (Sql::Sqlite(_), None) => self.real(number.as_f64().unwrap_or_default()),
        }
    }

    /// The truth of a comparison of a row's number.
    fn tested_number(&mut self, operator: &'static str, number: &Number) -> &mut Self {
        match (&*self, wide(number)) {
            (Sql::Sqlite(_), Some(wide)) => {
                let text = wide.to_string();
                self.push("CASE WHEN ").push(IS_WIDE).push(" THEN (length(json -> fullkey), json -> fullkey)");
                self.push(operator).push("(length(").text(&text).push("), ").text(&text);
                // Any whole number that SQLite has read as such is smaller.
                self.push(") WHEN type = 'integer' AND typeof(atom) = 'integer' THEN -1").push(operator).push("0");
                // What is left of a double without its highest bit is exact.
                self.push(" WHEN type IN ('integer', 'real') THEN atom - ").push(WIDE_SQL).push(operator);
                self.int((wide - WIDE).cast_signed()).push(" END")
            }
            _ => {
                self.push("CASE WHEN type IN ('integer', 'real') THEN ").exact().push(operator).value(number);
                self.push(" END")
            }
        }
    }

    /// Whether a row's number is one of these: a list of each form, however many they are.
    fn number_in(&mut self, values: &[Value]) -> &mut Self {
        let wide = |value: &&Value| value.as_number().and_then(wide);
        let wides: Vec<u64> = match self {
            Sql::Sqlite(_) => values.iter().filter_map(|value| wide(&value)).collect(),
            Sql::Postgres(_) => Vec::new(),
        };
        self.push("CASE ");
        if !wides.is_empty() {
            let texts: Vec<String> = wides.iter().map(u64::to_string).collect();
            let rests: Vec<i64> = wides.iter().map(|wide| (wide - WIDE).cast_signed()).collect();
            self.push("WHEN ").push(IS_WIDE).push(" THEN json -> fullkey IN (SELECT atom FROM json_each(");
            self.text(&json_text(&texts.into())).push(")) WHEN typeof(atom) = 'real' AND atom >= ").push(WIDE_SQL);
            self.push(" AND atom - ").push(WIDE_SQL).push(" IN (SELECT atom FROM json_each(");
            self.text(&json_text(&rests.into())).push(")) THEN 1 ");
        }
        let others: Vec<&Value> = values.iter().filter(|value| wides.is_empty() || wide(value).is_none()).collect();
        self.push("WHEN type IN ('integer', 'real') THEN ").exact().push(" IN (SELECT ").exact();
        self.push(" FROM json_each(").text(&json_text(&serde_json::json!(others))).push(")) END")
    }

    /// The truth of a comparison of a row `(type, atom)`. No branch of CASE (another type) gives NULL: unknown.
    fn tested(&mut self, is: Comparison, value: &Value) -> &mut Self {
        match value {
            Value::Number(number) => {
                let Some(operator) = operator(is) else { return self.unknown() };
                self.tested_number(operator, number)
            }
            Value::String(text) => {
                self.push("CASE WHEN type = 'text' THEN ");
                match instant(text).zip(operator(is)) {
                    // Two instants compare as such, else as any two texts.
                    Some((at, operator)) => {
                        self.push("COALESCE(").instant().push(operator).int(at.micros()).push(", ");
                        if is.is_ordering() {
                            self.push("CASE WHEN ").day().push(" THEN ");
                            self.compared_text("CAST(atom AS TEXT)", is, text).push(" END) END")
                        } else {
                            self.compared_text("CAST(atom AS TEXT)", is, text).push(") END")
                        }
                    }
                    // What is no time is neither before a day nor behind it.
                    None if is.is_ordering() && is_date(text) => {
                        self.push("CASE WHEN (").day().push(") OR ").instant().push(" IS NOT NULL THEN ");
                        self.compared_text("CAST(atom AS TEXT)", is, text).push(" END END")
                    }
                    None => self.compared_text("CAST(atom AS TEXT)", is, text).push(" END"),
                }
            }
            Value::Bool(truth) => {
                let Some(operator @ (" = " | " <> ")) = operator(is) else { return self.unknown() };
                self.push("CASE type WHEN 'true' THEN 1").push(operator).int(i64::from(*truth));
                self.push(" WHEN 'false' THEN 0").push(operator).int(i64::from(*truth)).push(" END")
            }
            Value::Array(values) if is == Comparison::In => match values.first() {
                Some(Value::Number(_)) => self.number_in(values),
                Some(Value::String(_)) => {
                    let at = values.iter().filter_map(|value| Some(instant(value.as_str()?)?.micros()));
                    let instants: Vec<i64> = at.collect();
                    self.push("CASE WHEN type = 'text' THEN ");
                    if !instants.is_empty() {
                        self.push("COALESCE(").instant().push(" IN (SELECT CAST(atom AS BIGINT) FROM json_each(");
                        self.text(&json_text(&instants.clone().into())).push(")), ");
                    }
                    self.push("CAST(atom AS TEXT)").collate();
                    self.push(" IN (SELECT atom FROM json_each(").text(&json_text(value)).push("))");
                    self.push(if instants.is_empty() { " END" } else { ") END" })
                }
                Some(Value::Bool(_)) => {
                    let has = |truth: bool| i64::from(values.contains(&Value::Bool(truth)));
                    self.push("CASE type WHEN 'true' THEN 1 = ").int(has(true));
                    self.push(" WHEN 'false' THEN 1 = ").int(has(false)).push(" END")
                }
                _ => self.unknown(),
            },
            // Nothing compares with `null`, a list or an object.
            _ => self.unknown(),
        }
    }

    /// The truth of a comparison of a text, an expression that is not NULL.
    pub(super) fn compared_text(&mut self, found: &'static str, is: Comparison, text: &str) -> &mut Self {
        match (is, operator(is)) {
            (Comparison::Prefix, _) => match self {
                Sql::Sqlite(_) => {
                    self.push("substr(").push(found).push(", 1, length(").text(text).push(")) = ").text(text)
                }
                Sql::Postgres(_) => self.push("starts_with(").push(found).push(", ").text(text).push(")"),
            },
            (Comparison::Contains, _) => {
                self.either("instr(", "strpos(").push(found).push(", ").text(text).push(") > 0")
            }
            (_, Some(operator)) => self.push(found).collate().push(operator).text(text),
            _ => self.unknown(),
        }
    }

    /// The truth of a comparison of a computed number; `scale` is what the condition's own numbers go through first.
    pub(super) fn compared_number(
        &mut self,
        is: Comparison,
        value: &Value,
        scale: fn(&Number) -> Number,
        number: impl FnOnce(&mut Self),
    ) -> &mut Self {
        match (operator(is), value) {
            (Some(operator), Value::Number(limit)) => {
                number(self);
                self.push(operator).value(&scale(limit))
            }
            (None, Value::Array(values)) if is == Comparison::In => {
                let limits = values.iter().filter_map(Value::as_number).map(|limit| Value::Number(scale(limit)));
                let limits: Vec<Value> = limits.collect();
                number(self);
                self.push(" IN (SELECT ").exact().push(" FROM json_each(").text(&json_text(&limits.into()));
                self.push("))")
            }
            _ => self.unknown(),
        }
    }

    pub(super) fn unknown(&mut self) -> &mut Self {
        self.push("CAST(NULL AS BOOLEAN)")
    }

    pub(super) fn collate(&mut self) -> &mut Self {
        self.either("", POSTGRES_COLLATION)
    }
}

/// A number from [`WIDE`] on that 64 bits hold, if it is one.
fn wide(number: &Number) -> Option<u64> {
    let natural = number.as_u64().or_else(|| {
        // Doubles of this size are whole.
        let double = number
            .as_f64()
            .filter(|double| (9_223_372_036_854_775_808.0..18_446_744_073_709_551_616.0).contains(double))?;
        Some(double as u64)
    });
    natural.filter(|natural| *natural >= WIDE)
}

fn operator(is: Comparison) -> Option<&'static str> {
    match is {
        Comparison::Eq => Some(" = "),
        Comparison::Ne => Some(" <> "),
        Comparison::Lt => Some(" < "),
        Comparison::Le => Some(" <= "),
        Comparison::Gt => Some(" > "),
        Comparison::Ge => Some(" >= "),
        Comparison::In | Comparison::Prefix | Comparison::Contains | Comparison::Exists | Comparison::Missing => None,
    }
}
