//! Comparisons as SQL: of a JSON value that is looked up by its name, and of a computed number.

use openhub_model::condition::Comparison;
use serde_json::Value;

use crate::bulk::json_text;
use crate::dialect::POSTGRES_COLLATION;
use crate::filters::Sql;

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
    Number,
    Text,
    Boolean,
}

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

    /// The value of the member `name`, if it is of the column's type.
    pub(super) fn column(&mut self, members: Members, name: &str, column: Column) -> &mut Self {
        match column {
            Column::Number => self.push("(SELECT CASE WHEN type IN ('integer', 'real') THEN ").number(),
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
                self.either("json_each(", "json_each(jsonb_path_query_first(CAST(").push(body);
                self.either(
                    ".body, '$.properties')",
                    ".body AS JSONB), 'strict $.properties ? (@.type() == \"object\")', '{}', TRUE))",
                )
            }
            Members::Fields => self.either(
                "json_each(o.fields)",
                "json_each(jsonb_path_query_first(CAST(o.fields AS JSONB), 'strict $ ? (@.type() == \"object\")', '{}', TRUE))",
            ),
        };
        self.push(" WHERE key = ").text(name).either(" ORDER BY id DESC LIMIT 1)", ")")
    }

    /// `atom` as a double. PostgreSQL refuses a number that is too small for one, JSON does not.
    pub(super) fn number(&mut self) -> &mut Self {
        self.either(
            "CAST(atom AS DOUBLE PRECISION)",
            "CAST(CASE WHEN ABS(CAST(atom AS NUMERIC)) < 1e-320 THEN 0 ELSE CAST(atom AS NUMERIC) END AS DOUBLE PRECISION)",
        )
    }

    /// The truth of a comparison of a row `(type, atom)`. No branch of CASE (another type) gives NULL: unknown.
    fn tested(&mut self, is: Comparison, value: &Value) -> &mut Self {
        match value {
            Value::Number(number) => {
                let Some(operator) = operator(is) else { return self.unknown() };
                self.push("CASE WHEN type IN ('integer', 'real') THEN ").number().push(operator);
                self.real(number.as_f64().unwrap_or_default()).push(" END")
            }
            Value::String(text) => {
                self.push("CASE WHEN type = 'text' THEN ");
                self.compared_text("CAST(atom AS TEXT)", is, text).push(" END")
            }
            Value::Bool(truth) => {
                let Some(operator @ (" = " | " <> ")) = operator(is) else { return self.unknown() };
                self.push("CASE type WHEN 'true' THEN 1").push(operator).int(i64::from(*truth));
                self.push(" WHEN 'false' THEN 0").push(operator).int(i64::from(*truth)).push(" END")
            }
            Value::Array(values) if is == Comparison::In => match values.first() {
                Some(Value::Number(_)) => {
                    self.push("CASE WHEN type IN ('integer', 'real') THEN ").number();
                    self.push(" IN (SELECT ").number().push(" FROM json_each(").text(&json_text(value)).push(")) END")
                }
                Some(Value::String(_)) => {
                    self.push("CASE WHEN type = 'text' THEN CAST(atom AS TEXT)").collate();
                    self.push(" IN (SELECT atom FROM json_each(").text(&json_text(value)).push(")) END")
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
        scale: fn(f64) -> f64,
        number: impl FnOnce(&mut Self),
    ) -> &mut Self {
        match (operator(is), value) {
            (Some(operator), Value::Number(limit)) => {
                number(self);
                self.push(operator).real(scale(limit.as_f64().unwrap_or_default()))
            }
            (None, Value::Array(values)) if is == Comparison::In => {
                let limits: Vec<f64> = values.iter().filter_map(Value::as_f64).map(scale).collect();
                number(self);
                self.push(" IN (SELECT CAST(atom AS DOUBLE PRECISION) FROM json_each(")
                    .text(&json_text(&limits.into()));
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
