//! What a template may say: texts, values with filters, `if` and `for`. A template is written by one tenant and runs in the hub of
//! all, so nothing in it makes anything larger than what it was given: fuel counts instructions, and not the work inside one.

use minijinja::machinery::{ast, parse};
use minijinja::value::{Value, ValueKind};
use minijinja::{Environment, Error, ErrorKind, State, filters, tests};
use std::borrow::Cow;
use std::cell::Cell;

/// Bytes of a template: as many as it may render to.
const MAX_SOURCE: usize = 256 * 1024;

/// Constants in a list.
const MAX_CONSTANTS: usize = 1_000;

/// Bytes that a filter may make.
const MAX_MADE: usize = 256 * 1024;

/// Bytes that the filters of one text may read.
const MAX_READ: usize = 2 * 1024 * 1024;

/// By name, as [`furnish`] gives them.
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

/// Whether a source stays within the language. Nothing of it is evaluated.
pub(super) fn check(source: &str) -> Result<(), Error> {
    if source.len() > MAX_SOURCE {
        return Err(refused(&format!("the template is too long: at most {MAX_SOURCE} bytes")));
    }
    statement(&parse(source, "template", Default::default(), Default::default())?)
}

fn refused(what: &str) -> Error {
    Error::new(ErrorKind::InvalidOperation, what.to_owned())
}

fn statement(statement: &ast::Stmt<'_>) -> Result<(), Error> {
    use ast::Stmt;
    let all = |body: &[Stmt<'_>]| body.iter().try_for_each(self::statement);
    match statement {
        Stmt::Template(template) => all(&template.children),
        Stmt::EmitRaw(_) => Ok(()),
        Stmt::EmitExpr(emit) => expression(&emit.expr),
        Stmt::IfCond(condition) => {
            expression(&condition.expr)?;
            all(&condition.true_body)?;
            all(&condition.false_body)
        }
        Stmt::ForLoop(each) if each.recursive => Err(refused("a loop cannot be recursive")),
        Stmt::ForLoop(each) => {
            expression(&each.iter)?;
            each.filter_expr.iter().try_for_each(expression)?;
            all(&each.body)?;
            all(&each.else_body)
        }
        _ => Err(refused("this statement is not allowed: use `if` and `for` only")),
    }
}

fn expression(expression: &ast::Expr<'_>) -> Result<(), Error> {
    use ast::Expr;
    let both = |left: &Expr<'_>, right: &Expr<'_>| self::expression(left).and_then(|()| self::expression(right));
    match expression {
        Expr::Var(_) | Expr::Const(_) => Ok(()),
        Expr::Slice(slice) => {
            self::expression(&slice.expr)?;
            [&slice.start, &slice.stop, &slice.step].into_iter().flatten().try_for_each(self::expression)
        }
        Expr::UnaryOp(unary) => self::expression(&unary.expr),
        Expr::BinOp(binary) => {
            operator(binary)?;
            both(&binary.left, &binary.right)
        }
        Expr::Compare(compare) => {
            self::expression(&compare.expr)?;
            compare.ops.iter().try_for_each(|operand| self::expression(&operand.expr))
        }
        Expr::IfExpr(choice) => {
            both(&choice.test_expr, &choice.true_expr)?;
            choice.false_expr.iter().try_for_each(self::expression)
        }
        Expr::Filter(filter) if !FILTERS.contains(&filter.name) => {
            Err(refused(&format!("there is no filter `{}`; there are: {}", filter.name, FILTERS.join(", "))))
        }
        Expr::Test(test) if !TESTS.contains(&test.name) => {
            Err(refused(&format!("there is no test `{}`; there are: {}", test.name, TESTS.join(", "))))
        }
        Expr::Filter(filter) => {
            filter.expr.iter().try_for_each(self::expression)?;
            filter.args.iter().try_for_each(argument)
        }
        Expr::Test(test) => {
            self::expression(&test.expr)?;
            test.args.iter().try_for_each(argument)
        }
        Expr::GetAttr(get) => self::expression(&get.expr),
        Expr::GetItem(get) => both(&get.expr, &get.subscript_expr),
        Expr::Call(_) => Err(refused("functions are not allowed: use a filter, `value | filter`")),
        Expr::List(list) if list.items.len() > MAX_CONSTANTS => {
            Err(refused(&format!("a list can hold at most {MAX_CONSTANTS} constants")))
        }
        // A list of variables would hold one several times, and a list of such lists many times.
        Expr::List(list) if list.items.iter().all(is_constant) => Ok(()),
        Expr::List(_) | Expr::Map(_) => Err(refused("a list can hold only constants")),
    }
}

fn argument(argument: &ast::CallArg<'_>) -> Result<(), Error> {
    match argument {
        ast::CallArg::Pos(value) | ast::CallArg::Kwarg(_, value) => expression(value),
        ast::CallArg::PosSplat(_) | ast::CallArg::KwargSplat(_) => {
            Err(refused("`*` and `**` are not allowed in arguments: write each argument"))
        }
    }
}

fn is_constant(expression: &ast::Expr<'_>) -> bool {
    matches!(expression, ast::Expr::Const(_))
}

fn is_number(expression: &ast::Expr<'_>) -> bool {
    matches!(expression, ast::Expr::Const(constant) if constant.value.is_number())
}

/// Numbers are reckoned with; texts and lists are not put together, nor repeated.
fn operator(binary: &ast::BinOp<'_>) -> Result<(), Error> {
    use ast::BinOpKind::{Add, Concat, Mul, Pow};
    match binary.op {
        Add if is_number(&binary.left) || is_number(&binary.right) => Ok(()),
        Add => Err(refused("`+` needs a constant number on one side: to add two values, write `a | plus(b)`")),
        Mul => Err(refused("`*` is not allowed: write `a | times(b)`")),
        Pow => Err(refused("`**` is not allowed")),
        Concat => Err(refused("`~` is not allowed: to join texts, write `{{ a }}{{ b }}`")),
        _ => Ok(()),
    }
}

/// Filters and tests whose work is bounded by what they are given.
pub(super) fn furnish(environment: &mut Environment<'_>) {
    environment.add_filter("abs", filters::abs);
    environment.add_filter("capitalize", |text: Cow<'_, str>| read(&text, capitalize));
    environment.add_filter("count", length);
    environment.add_filter("d", filters::default);
    environment.add_filter("default", filters::default);
    environment.add_filter("first", filters::first);
    environment.add_filter("float", filters::float);
    environment.add_filter("int", filters::int);
    environment.add_filter("join", join);
    environment.add_filter("last", filters::last);
    environment.add_filter("length", length);
    environment.add_filter("lower", |text: Cow<'_, str>| read(&text, str::to_lowercase));
    environment.add_filter("max", |state: &State<'_, '_>, values: Value| {
        measured(&values).and_then(|()| filters::max(state, values))
    });
    environment.add_filter("min", |state: &State<'_, '_>, values: Value| {
        measured(&values).and_then(|()| filters::min(state, values))
    });
    environment.add_filter("plus", |left: Value, right: Value| number(&left, &right, |left, right| left + right));
    environment.add_filter("replace", replace);
    environment.add_filter("round", filters::round);
    environment.add_filter("times", |left: Value, right: Value| number(&left, &right, |left, right| left * right));
    environment.add_filter("title", |text: Cow<'_, str>| read(&text, |text| filters::title(text.into())));
    environment.add_filter("trim", trim);
    environment.add_filter("upper", |text: Cow<'_, str>| read(&text, str::to_uppercase));
    environment.add_test("boolean", tests::is_boolean);
    environment.add_test("defined", tests::is_defined);
    environment.add_test("divisibleby", tests::is_divisibleby);
    environment.add_test("endingwith", tests::is_endingwith);
    environment.add_test("even", tests::is_even);
    environment.add_test("in", tests::is_in);
    environment.add_test("mapping", tests::is_mapping);
    environment.add_test("none", tests::is_none);
    environment.add_test("number", tests::is_number);
    environment.add_test("odd", tests::is_odd);
    environment.add_test("sequence", tests::is_sequence);
    environment.add_test("startingwith", tests::is_startingwith);
    environment.add_test("string", tests::is_string);
    environment.add_test("undefined", tests::is_undefined);
}

thread_local! {
    /// What filters have read since a text began to be rendered: a loop would have each of them read the same again and again.
    static READ: Cell<usize> = const { Cell::new(0) };
}

/// A text is rendered from now on.
pub(super) fn begin() {
    READ.set(0);
}

fn reads(bytes: usize) -> Result<(), Error> {
    READ.set(READ.get().saturating_add(bytes));
    if READ.get() > MAX_READ {
        Err(refused(&format!("the filters read too much: at most {MAX_READ} bytes in one text")))
    } else {
        Ok(())
    }
}

fn measured(value: &Value) -> Result<(), Error> {
    reads(value.as_str().map_or_else(|| value.len().unwrap_or_default(), str::len))
}

fn read(text: &str, make: impl Fn(&str) -> String) -> Result<String, Error> {
    reads(text.len())?;
    Ok(make(text))
}

fn length(value: &Value) -> Result<usize, Error> {
    measured(value)?;
    filters::length(value)
}

fn capitalize(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(char::to_uppercase).into_iter().flatten();
    first.chain(letters.flat_map(char::to_lowercase)).collect()
}

fn trim(text: Cow<'_, str>, letters: Option<Cow<'_, str>>) -> Result<String, Error> {
    read(&text, |text| match &letters {
        None => text.trim().to_owned(),
        Some(letters) => text.trim_matches(|letter| letters.contains(letter)).to_owned(),
    })
}

/// Whole numbers stay whole as long as they fit.
fn number(left: &Value, right: &Value, reckon: fn(f64, f64) -> f64) -> Result<Value, Error> {
    let both = (left.kind(), right.kind());
    if both != (ValueKind::Number, ValueKind::Number) {
        return Err(refused("both values must be numbers"));
    }
    let (a, b) = (f64::try_from(left.clone())?, f64::try_from(right.clone())?);
    let made = reckon(a, b);
    // Below this a double holds every whole number.
    let is_whole = left.is_integer() && right.is_integer() && made.abs() < 9_007_199_254_740_992.0;
    Ok(if is_whole { Value::from(made as i64) } else { Value::from(made) })
}

fn join(values: &Value, between: Option<&str>) -> Result<String, Error> {
    measured(values)?;
    let mut made = String::new();
    for (index, value) in values.try_iter()?.enumerate() {
        if index > 0 {
            made.push_str(between.unwrap_or_default());
        }
        match value.as_str() {
            Some(text) => made.push_str(text),
            None if matches!(value.kind(), ValueKind::Number | ValueKind::Bool) => made.push_str(&value.to_string()),
            None => return Err(refused("`join` takes only strings, numbers and booleans")),
        }
        fits(made.len())?;
    }
    reads(made.len())?;
    Ok(made)
}

fn replace(text: &str, old: &str, new: &str) -> Result<String, Error> {
    reads(text.len().saturating_add(old.len()))?;
    let times = text.matches(old).count();
    fits(text.len().saturating_add(times.saturating_mul(new.len())))?;
    Ok(text.replace(old, new))
}

fn fits(bytes: usize) -> Result<(), Error> {
    if bytes > MAX_MADE { Err(refused(&format!("the text is too long: at most {MAX_MADE} bytes"))) } else { Ok(()) }
}
