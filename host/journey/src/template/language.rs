//! What a template may say: texts, values with filters, `if` and `for`. A template is written by one tenant and runs in the hub of
//! all, so it is written anew from what is understood of it, and there everything that an operator walks is weighed first
//! (`measure`). What this module does not know cannot be written.

use minijinja::machinery::{Token, WhitespaceConfig, ast, parse, tokenize};
use minijinja::value::{Value, ValueKind};
use minijinja::{Error, ErrorKind};

/// Bytes of a template: as many as it may render to.
const MAX_SOURCE: usize = 256 * 1024;
/// Values of a constant list.
const MAX_LIST: usize = 1_000;
/// Words and signs between two marks, without constants and commas: they nest, and whoever reads them does.
const MAX_WORDS: usize = 400;
const MAX_ELIFS: usize = 100;
const MAX_NAME: usize = 200;
/// Bytes of a constant text that nobody weighs.
const SMALL: usize = 64;

/// What counts a value with all in it, and a text. No template can name them.
pub(super) const WEIGHED: &str = "weighed__";
pub(super) const INDEXED: &str = "indexed__";
/// What a call of a plugin's function becomes. No template can name it.
pub(super) const CALLED: &str = "called__";

/// By name, as `measure` gives them.
const FILTERS: &[&str] = &[
    "abs",
    "capitalize",
    "count",
    "d",
    "default",
    "first",
    "float",
    "int",
    "join",
    "last",
    "length",
    "lower",
    "max",
    "min",
    "plus",
    "replace",
    "round",
    "times",
    "title",
    "trim",
    "upper",
];
const TESTS: &[&str] = &[
    "boolean",
    "defined",
    "divisibleby",
    "endingwith",
    "even",
    "in",
    "mapping",
    "none",
    "number",
    "odd",
    "sequence",
    "startingwith",
    "string",
    "undefined",
];

const WHITESPACE: WhitespaceConfig =
    WhitespaceConfig { keep_trailing_newline: true, lstrip_blocks: false, trim_blocks: false };

/// A template that was written anew.
pub(super) struct Written {
    pub(super) source: String,
    /// The functions of plugins that it calls, in order.
    pub(super) calls: Vec<Called>,
}

/// A call of a plugin's function, as it is written. Names of plugins and functions have `-`, where a template writes `_`.
pub(crate) struct Called {
    pub(crate) plugin: String,
    pub(crate) function: String,
    pub(crate) arguments: Vec<Argument>,
}

/// What can be said of an argument before anything is evaluated.
pub(crate) enum Argument {
    /// A constant, as JSON.
    Constant(serde_json::Value),
    /// An attribute of the customer, by its name.
    Attribute(String),
    Other,
}

impl Argument {
    fn of(expression: &ast::Expr<'_>) -> Argument {
        match expression {
            ast::Expr::Const(constant) => {
                serde_json::to_value(&constant.value).map_or(Argument::Other, Argument::Constant)
            }
            ast::Expr::GetAttr(get) if is_path(&get.expr, &["customer", "attributes"]) => {
                Argument::Attribute(get.name.to_owned())
            }
            _ => Argument::Other,
        }
    }
}

fn is_path(expression: &ast::Expr<'_>, path: &[&str]) -> bool {
    match (expression, path) {
        (ast::Expr::Var(name), [only]) => name.id == *only,
        (ast::Expr::GetAttr(get), [rest @ .., last]) => get.name == *last && is_path(&get.expr, rest),
        _ => false,
    }
}

/// The template in which what is walked is weighed, if the source stays within the language. Nothing of it is evaluated.
pub(super) fn written(source: &str) -> Result<Written, Error> {
    if source.len() > MAX_SOURCE {
        return Err(refused(&format!("the template is too long: at most {MAX_SOURCE} bytes")));
    }
    is_flat(source)?;
    let mut writer = Writer { out: String::with_capacity(source.len() + source.len() / 2), calls: Vec::new() };
    writer.statement(&parse(source, "template", Default::default(), WHITESPACE)?)?;
    Ok(Written { source: writer.out, calls: writer.calls })
}

/// Whether it can be parsed: the parser goes as deep as the source says.
fn is_flat(source: &str) -> Result<(), Error> {
    let (mut words, mut elifs) = (0, 0);
    for token in tokenize(source, false, Default::default(), WHITESPACE) {
        match token?.0 {
            Token::VariableStart | Token::BlockStart => words = 0,
            Token::Comma | Token::Str(_) | Token::String(_) | Token::Int(_) | Token::Int128(_) | Token::Float(_) => {}
            Token::Ident(name) if name.len() > MAX_NAME => {
                return Err(refused(&format!("a name is too long: at most {MAX_NAME} bytes")));
            }
            token => {
                words += 1;
                elifs += usize::from(matches!(token, Token::Ident("elif")));
            }
        }
        if words > MAX_WORDS {
            return Err(refused(&format!("an expression is too long: at most {MAX_WORDS} words and signs")));
        }
        if elifs > MAX_ELIFS {
            return Err(refused(&format!("there are too many `elif`: at most {MAX_ELIFS}")));
        }
    }
    Ok(())
}

pub(super) fn refused(what: &str) -> Error {
    Error::new(ErrorKind::InvalidOperation, what.to_owned())
}

/// How tightly an expression holds together: whoever stands in a place that holds tighter gets parentheses.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Bond {
    Choice,
    Or,
    And,
    Not,
    Compare,
    Sum,
    Product,
    Unary,
    Value,
}

fn bond(expression: &ast::Expr<'_>) -> Bond {
    use ast::BinOpKind::{Add, Concat, Div, Eq, FloorDiv, Gt, Gte, In, Lt, Lte, Mul, Ne, Pow, Rem, ScAnd, ScOr, Sub};
    use ast::Expr;
    match expression {
        Expr::IfExpr(_) => Bond::Choice,
        Expr::BinOp(binary) => match binary.op {
            ScOr => Bond::Or,
            ScAnd => Bond::And,
            Eq | Ne | Lt | Lte | Gt | Gte | In => Bond::Compare,
            Add | Sub => Bond::Sum,
            Concat | Mul | Div | FloorDiv | Rem | Pow => Bond::Product,
        },
        Expr::Compare(_) => Bond::Compare,
        Expr::UnaryOp(unary) => match unary.op {
            ast::UnaryOpKind::Not => Bond::Not,
            ast::UnaryOpKind::Neg => Bond::Choice,
        },
        Expr::Filter(_) => Bond::Unary,
        Expr::Test(_) => Bond::Choice,
        // A point behind a number would be a part of it.
        Expr::Const(constant) if constant.value.is_number() => Bond::Unary,
        _ => Bond::Value,
    }
}

struct Writer {
    out: String,
    calls: Vec<Called>,
}

impl Writer {
    fn put(&mut self, text: &str) {
        self.out.push_str(text);
    }

    fn all(&mut self, body: &[ast::Stmt<'_>]) -> Result<(), Error> {
        body.iter().try_for_each(|statement| self.statement(statement))
    }

    fn statement(&mut self, statement: &ast::Stmt<'_>) -> Result<(), Error> {
        use ast::Stmt;
        match statement {
            Stmt::Template(template) => self.all(&template.children),
            Stmt::EmitRaw(raw) if raw.raw.contains('{') => {
                self.put("{{ ");
                self.text(raw.raw);
                self.put(" }}");
                Ok(())
            }
            Stmt::EmitRaw(raw) => {
                self.put(raw.raw);
                Ok(())
            }
            Stmt::EmitExpr(emit) => {
                self.put("{{ ");
                self.expression(&emit.expr)?;
                self.put(" }}");
                Ok(())
            }
            Stmt::IfCond(condition) => self.condition("if", condition),
            Stmt::ForLoop(each) if each.recursive => Err(refused("a loop cannot be recursive")),
            Stmt::ForLoop(each) => {
                self.put("{% for ");
                self.target(&each.target)?;
                self.put(" in ");
                self.within(&each.iter, Bond::Or)?;
                if let Some(filter) = &each.filter_expr {
                    self.put(" if ");
                    self.within(filter, Bond::Or)?;
                }
                self.put(" %}");
                self.all(&each.body)?;
                if !each.else_body.is_empty() {
                    self.put("{% else %}");
                    self.all(&each.else_body)?;
                }
                self.put("{% endfor %}");
                Ok(())
            }
            _ => Err(refused("this statement is not allowed: use `if` and `for` only")),
        }
    }

    fn condition(&mut self, word: &str, condition: &ast::IfCond<'_>) -> Result<(), Error> {
        self.put("{% ");
        self.put(word);
        self.put(" ");
        self.within(&condition.expr, Bond::Or)?;
        self.put(" %}");
        self.all(&condition.true_body)?;
        match &condition.false_body[..] {
            [] => {}
            [ast::Stmt::IfCond(other)] => return self.condition("elif", other),
            body => {
                self.put("{% else %}");
                self.all(body)?;
            }
        }
        self.put("{% endif %}");
        Ok(())
    }

    /// The names that a loop gives.
    fn target(&mut self, target: &ast::Expr<'_>) -> Result<(), Error> {
        match target {
            ast::Expr::Var(name) => {
                self.put(name.id);
                Ok(())
            }
            ast::Expr::List(names) => {
                self.put("(");
                for name in &names.items {
                    self.target(name)?;
                    self.put(", ");
                }
                self.put(")");
                Ok(())
            }
            _ => Err(refused("a loop needs a name")),
        }
    }

    /// With parentheses, if it does not hold together as tightly as its place.
    fn within(&mut self, expression: &ast::Expr<'_>, place: Bond) -> Result<(), Error> {
        if bond(expression) >= place {
            return self.expression(expression);
        }
        self.put("(");
        self.expression(expression)?;
        self.put(")");
        Ok(())
    }

    /// An operand that is walked: weighed, if its size is not plain to see.
    fn walked(&mut self, expression: &ast::Expr<'_>) -> Result<(), Error> {
        self.within(expression, Bond::Unary)?;
        if !is_small(expression) {
            self.put("|");
            self.put(WEIGHED);
        }
        Ok(())
    }

    fn expression(&mut self, expression: &ast::Expr<'_>) -> Result<(), Error> {
        use ast::Expr;
        match expression {
            Expr::Var(name) if name.id == CALLED => return Err(refused(&format!("there is no `{CALLED}`"))),
            Expr::Var(name) => self.put(name.id),
            Expr::Const(constant) => self.constant(&constant.value)?,
            Expr::Slice(slice) => {
                self.put("(");
                self.walked(&slice.expr)?;
                self.put(")[");
                for (index, bound) in [&slice.start, &slice.stop, &slice.step].into_iter().enumerate() {
                    self.put(if index > 0 { ":" } else { "" });
                    bound.iter().try_for_each(|bound| self.expression(bound))?;
                }
                self.put("]");
            }
            Expr::UnaryOp(unary) => match unary.op {
                ast::UnaryOpKind::Not => {
                    self.put("not ");
                    self.within(&unary.expr, Bond::Not)?;
                }
                ast::UnaryOpKind::Neg => {
                    self.put("-(");
                    self.expression(&unary.expr)?;
                    self.put(")");
                }
            },
            Expr::BinOp(binary) => self.binary(binary)?,
            Expr::Compare(compare) => {
                self.walked(&compare.expr)?;
                for operand in &compare.ops {
                    self.put(comparison(operand.op));
                    self.walked(&operand.expr)?;
                }
            }
            Expr::IfExpr(choice) => {
                self.within(&choice.true_expr, Bond::Or)?;
                self.put(" if ");
                self.within(&choice.test_expr, Bond::Or)?;
                if let Some(other) = &choice.false_expr {
                    self.put(" else ");
                    self.expression(other)?;
                }
            }
            Expr::Filter(filter) if !FILTERS.contains(&filter.name) => {
                let there = FILTERS.join(", ");
                return Err(refused(&format!("there is no filter `{}`; there are: {there}", filter.name)));
            }
            Expr::Test(test) if !TESTS.contains(&test.name) => {
                return Err(refused(&format!("there is no test `{}`; there are: {}", test.name, TESTS.join(", "))));
            }
            Expr::Filter(filter) => {
                let Some(value) = &filter.expr else { return Err(refused("a filter needs a value")) };
                self.within(value, Bond::Unary)?;
                self.put("|");
                self.put(filter.name);
                self.arguments(&filter.args)?;
            }
            Expr::Test(test) => {
                self.within(&test.expr, Bond::Unary)?;
                self.put(" is ");
                self.put(test.name);
                self.arguments(&test.args)?;
            }
            Expr::GetAttr(get) => {
                self.within(&get.expr, Bond::Value)?;
                self.put(".");
                self.put(get.name);
            }
            Expr::GetItem(get) => {
                // A position in a text is counted from its beginning; a name is looked for in a map.
                if is_text(&get.subscript_expr) {
                    self.within(&get.expr, Bond::Value)?;
                } else {
                    self.put("(");
                    self.within(&get.expr, Bond::Unary)?;
                    self.put("|");
                    self.put(INDEXED);
                    self.put(")");
                }
                self.put("[");
                self.walked(&get.subscript_expr)?;
                self.put("]");
            }
            Expr::Call(call) => self.call(call)?,
            Expr::List(list) => self.list(&list.items)?,
            Expr::Map(_) => return Err(refused(ONLY_CONSTANTS)),
        }
        Ok(())
    }

    fn call(&mut self, call: &ast::Call<'_>) -> Result<(), Error> {
        let named = match &call.expr {
            ast::Expr::GetAttr(get) => match &get.expr {
                ast::Expr::Var(plugin) => Some((plugin.id, get.name)),
                _ => None,
            },
            _ => None,
        };
        let (plugin, function) = named.ok_or_else(|| refused(ONLY_PLUGINS))?;
        let (plugin, function) = (plugin.replace('_', "-"), function.replace('_', "-"));
        self.put(CALLED);
        self.put("(");
        self.text(&plugin);
        self.put(",");
        self.text(&function);
        let mut arguments = Vec::with_capacity(call.args.len());
        for argument in &call.args {
            let ast::CallArg::Pos(value) = argument else {
                return Err(refused("the arguments of a function have no names: write their values, in order"));
            };
            arguments.push(Argument::of(value));
            self.put(",");
            self.expression(value)?;
        }
        self.put(")");
        self.calls.push(Called { plugin, function, arguments });
        Ok(())
    }

    /// Numbers are reckoned with; texts and lists are not put together, nor repeated.
    fn binary(&mut self, binary: &ast::BinOp<'_>) -> Result<(), Error> {
        use ast::BinOpKind;
        use ast::CompareOpKind as Compared;
        let compared = |this: &mut Self, op: Compared| {
            this.walked(&binary.left)?;
            this.put(comparison(op));
            this.walked(&binary.right)
        };
        let (sign, left, right) = match binary.op {
            BinOpKind::Eq => return compared(self, Compared::Eq),
            BinOpKind::Ne => return compared(self, Compared::Ne),
            BinOpKind::Lt => return compared(self, Compared::Lt),
            BinOpKind::Lte => return compared(self, Compared::Lte),
            BinOpKind::Gt => return compared(self, Compared::Gt),
            BinOpKind::Gte => return compared(self, Compared::Gte),
            BinOpKind::In => return compared(self, Compared::In),
            BinOpKind::ScOr => (" or ", Bond::Or, Bond::And),
            BinOpKind::ScAnd => (" and ", Bond::And, Bond::Not),
            BinOpKind::Add if is_number(&binary.left) || is_number(&binary.right) => (" + ", Bond::Sum, Bond::Product),
            BinOpKind::Sub => (" - ", Bond::Sum, Bond::Product),
            BinOpKind::Div => (" / ", Bond::Product, Bond::Unary),
            BinOpKind::FloorDiv => (" // ", Bond::Product, Bond::Unary),
            BinOpKind::Rem => (" % ", Bond::Product, Bond::Unary),
            BinOpKind::Add => {
                return Err(refused("`+` needs a constant number on one side: to add two values, write `a | plus(b)`"));
            }
            BinOpKind::Mul => return Err(refused("`*` is not allowed: write `a | times(b)`")),
            BinOpKind::Pow => return Err(refused("`**` is not allowed")),
            BinOpKind::Concat => return Err(refused("`~` is not allowed: to join texts, write `{{ a }}{{ b }}`")),
        };
        self.within(&binary.left, left)?;
        self.put(sign);
        self.within(&binary.right, right)
    }

    /// A list of variables would hold one several times, and a list of such lists many times.
    fn list(&mut self, items: &[ast::Expr<'_>]) -> Result<(), Error> {
        if items.len() > MAX_LIST {
            return Err(refused(&format!("a list has too many values: at most {MAX_LIST}")));
        }
        self.put("[");
        for item in items {
            match item {
                ast::Expr::Const(constant) => self.constant(&constant.value)?,
                _ => return Err(refused(ONLY_CONSTANTS)),
            }
            self.put(",");
        }
        self.put("]");
        Ok(())
    }

    fn arguments(&mut self, arguments: &[ast::CallArg<'_>]) -> Result<(), Error> {
        if arguments.is_empty() {
            return Ok(());
        }
        self.put("(");
        for argument in arguments {
            match argument {
                ast::CallArg::Pos(value) => self.expression(value)?,
                ast::CallArg::Kwarg(name, value) => {
                    self.put(name);
                    self.put("=");
                    self.expression(value)?;
                }
                ast::CallArg::PosSplat(_) | ast::CallArg::KwargSplat(_) => {
                    return Err(refused("`*` and `**` are not allowed in arguments: write each argument"));
                }
            }
            self.put(",");
        }
        self.put(")");
        Ok(())
    }

    fn constant(&mut self, value: &Value) -> Result<(), Error> {
        match (value.kind(), value.as_str()) {
            (_, Some(text)) => self.text(text),
            (ValueKind::Bool, _) => self.put(if value.is_true() { "true" } else { "false" }),
            (ValueKind::None, _) => self.put("none"),
            (ValueKind::Number, _) if value.is_integer() => self.put(&value.to_string()),
            (ValueKind::Number, _) => match f64::try_from(value.clone()) {
                Ok(number) if number.is_finite() => self.put(&format!("{number:?}")),
                _ => return Err(refused("a number is too large")),
            },
            _ => return Err(refused("this constant is not allowed")),
        }
        Ok(())
    }

    fn text(&mut self, text: &str) {
        self.put("\"");
        for letter in text.chars() {
            if matches!(letter, '"' | '\\') {
                self.out.push('\\');
            }
            self.out.push(letter);
        }
        self.put("\"");
    }
}

const ONLY_PLUGINS: &str =
    "only functions of plugins can be called, `plugin.function(…)`; a filter is written `value | filter`";
const ONLY_CONSTANTS: &str = "a list can hold only constants";

fn comparison(op: ast::CompareOpKind) -> &'static str {
    use ast::CompareOpKind;
    match op {
        CompareOpKind::Eq => " == ",
        CompareOpKind::Ne => " != ",
        CompareOpKind::Lt => " < ",
        CompareOpKind::Lte => " <= ",
        CompareOpKind::Gt => " > ",
        CompareOpKind::Gte => " >= ",
        CompareOpKind::In => " in ",
        CompareOpKind::NotIn => " not in ",
    }
}

fn is_small(expression: &ast::Expr<'_>) -> bool {
    matches!(expression, ast::Expr::Const(constant) if constant.value.as_str().is_none_or(|text| text.len() <= SMALL))
}

fn is_text(expression: &ast::Expr<'_>) -> bool {
    matches!(expression, ast::Expr::Const(constant) if constant.value.as_str().is_some())
}

fn is_number(expression: &ast::Expr<'_>) -> bool {
    matches!(expression, ast::Expr::Const(constant) if constant.value.is_number())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::environment;
    use minijinja::context;
    use std::sync::Arc;

    fn measured(source: &str) -> Result<String, Error> {
        written(source).map(|written| written.source)
    }

    fn render(source: &str) -> Result<String, String> {
        let data =
            context! { a => 7, b => 2, t => "gold", l => ["x", "y"], m => context! { n => context! { o => 5 } } };
        environment(&Arc::default()).render_str(source, data).map_err(|error| error.kind().to_string())
    }

    #[test]
    fn what_is_written_anew_says_the_same() {
        for source in [
            "{{ a - b - 1 }} {{ a - (b - 1) }} {{ (a - b) / 2 - 1 }} {{ a // b // 2 }} {{ a // (b // 2) }} {{ a % b + 1 }}",
            "{{ not a == b and b < a or false }} {{ not (a == 7 and (b == 3 or t == 'gold')) }} {{ (not a) == false }}",
            "{{ 1 < b < a }} {{ 1 < b in [2] }} {{ a not in [1, 2] }} {{ 'x' in l }} {{ 'ol' in t }} {{ 'n' in m }}",
            "{{ -a }} {{ -a | abs }} {{ (-a) | abs }} {{ 3 - -b }} {{ -(a - b) }} {{ -(-a) }} {{ (1.5 | round) }}",
            "{{ t if a > b else 'no' if b else 'never' }} {{ (t if b > a else 'no') | upper }} {{ 'x' if false }}",
            "{{ t[0] }} {{ t[-1:] }} {{ t[::2] }} {{ l[1] }} {{ l[b - 1] }} {{ m['n'].o }} {{ m.n['o'] }} {{ (t | upper)[1:3] }}",
            "{{ a is odd and b is even }} {{ a is not none }} {{ (a is odd) == true }} {{ b is divisibleby(2) if a is odd else 1 }}",
            "{{ t | replace('o', '\\\\\"') | default('x', true) }} {{ l | join(', ') | upper }} {{ nothing | default(a - b) }}",
            "{% for k in l if k != 'x' %}{{ loop.index }}{{ k }}{% else %}none{% endfor %}|{% for k in [] %}{% else %}none{% endfor %}",
            "{% for x, (y, z) in [] %}{{ x }}{% endfor %}{% if a < b %}1{% elif a == b %}2{% elif a %}3{% else %}4{% endif %}",
            "{% if a %}{% if b == 3 %}1{% else %} {% if t %}2{% endif %}{% endif %}{% endif %}",
            "{ {{ a }} } {a: {{- b -}} } {% raw %}{{ no }} \"q\" \\{% endraw %}\n{# nothing #}\ttail é\n",
            "{{ 10000000000000000000000 }} {{ 1e300 }} {{ 0.1 }} {{ 1_000 }} {{ 0x1f }} {{ true }} {{ \"a'b\" }} {{ 'a\nb' }} {{ 'a' 'b' }}",
            "{{ nobody }}",
            "{{ m.n == m.n }} {{ l == ['x', 'y'] }} {{ [1, 2] < [1, 3] }} {{ l | first is startingwith('x') }} {{ a is in [7] }}",
        ] {
            let anew = measured(source).unwrap_or_else(|error| panic!("{source}: {error}"));
            assert_eq!(render(&anew), render(source), "{source}\n{anew}");
        }
    }

    #[test]
    fn whatever_is_walked_is_weighed() {
        for source in [
            "{{ t == l }}",
            "{{ t != l }}",
            "{{ t < l }}",
            "{{ t <= l }}",
            "{{ t > l }}",
            "{{ t >= l }}",
            "{{ t in l }}",
            "{{ t not in l }}",
            "{{ t < l < m }}",
            "{{ t[1:] }}",
            "{{ m[t] }}",
        ] {
            assert!(measured(source).unwrap().contains(WEIGHED), "{source}");
        }
        assert!(measured("{{ t[0] }}").unwrap().contains(INDEXED));
        assert!(measured(&format!("{{{{ l | {WEIGHED} }}}}")).is_err());
    }

    #[test]
    fn a_call_names_plugin_function_and_arguments() {
        let source = "{{ my_plugin.a_b(customer.attributes.total, 'EUR', a | upper, my_plugin.c()) }}";
        let found = written(source).unwrap();
        let called = format!(
            "{CALLED}(\"my-plugin\",\"a-b\",customer.attributes.total,\"EUR\",a|upper,{CALLED}(\"my-plugin\",\"c\"))"
        );
        assert_eq!(found.source, format!("{{{{ {called} }}}}"));
        let names: Vec<_> = found.calls.iter().map(|call| (call.plugin.as_str(), call.function.as_str())).collect();
        assert_eq!(names, [("my-plugin", "c"), ("my-plugin", "a-b")]);
        let arguments = &found.calls[1].arguments;
        assert!(matches!(&arguments[0], Argument::Attribute(name) if name == "total"));
        assert!(matches!(&arguments[1], Argument::Constant(value) if value == "EUR"));
        assert!(matches!(&arguments[2..], [Argument::Other, Argument::Other]));
        for source in [
            "{{ f(1) }}",
            "{{ a.b.c(1) }}",
            "{{ a['b'](1) }}",
            "{{ a.b(x=1) }}",
            "{{ a.b(*l) }}",
            "{{ called__('a', 'b') }}",
            "{{ called__ }}",
        ] {
            assert!(written(source).is_err(), "{source}");
        }
    }

    #[test]
    fn a_source_has_bounds_that_hold_before_it_is_parsed() {
        for source in [
            format!("{{{{ {} 1 }}}}", "not ".repeat(50_000)),
            format!("{{{{ 1{} }}}}", " - 1".repeat(20_000)),
            format!("{{{{ a{} }}}}", ".b".repeat(20_000)),
            format!("{{{{ a{} }}}}", "|abs".repeat(20_000)),
            format!("{{% if a %}}{}{{% endif %}}", "{% elif a %}".repeat(5_000)),
            format!("{{{{ 'x' in [{}] }}}}", "1,".repeat(1_001)),
            format!("{{{{ {} }}}}", "a".repeat(201)),
            format!("{{{{ a }}}}{}", "x".repeat(MAX_SOURCE)),
        ] {
            assert!(measured(&source).is_err(), "{}", &source[..40]);
        }
        assert!(measured(&format!("{{{{ 'x' in [{}] }}}}", "1,".repeat(1_000))).is_ok());
    }
}
