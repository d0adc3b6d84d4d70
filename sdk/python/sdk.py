"""OpenHub's SDK for rules in Python: rows in, effects out. It hides the columns that cross the boundary.

`openhub plugin build` puts it into `.openhub/openhub`, with `__init__.py` beside it, which is what a plugin imports. Nothing here
needs a hub, so that a plugin's functions can be tested with any Python, too.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from decimal import Context, Decimal, Inexact
from typing import Any, Callable, Optional

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
# A row has many decimals, and a rule adds them up: 64-bit units have at most 19 digits.
EXACT = Context(prec=40, traps=[Inexact])


class RowFault(Exception):
    """This row fails: its effects are dropped, the other rows stand. `code` is stable and in kebab-case."""

    def __init__(self, code: str, message: Optional[str] = None, **args: Any):
        super().__init__(code if message is None else message)
        self.code, self.message, self.args_of_text = code, str(self), args


class _Keep:
    """What is written stays as it is: the default of each write."""

    def __repr__(self) -> str:
        return "KEEP"

    def __bool__(self) -> bool:
        return False


KEEP: Any = _Keep()


class CausedEvent:
    """An event that a rule causes, of the row's customer. `openhub` has a class for each event that `plugin.toml` declares."""


class Log:
    """Lines for whoever runs the plugin; no personal data belongs here."""

    def __init__(self) -> None:
        self.write: Optional[Callable[[str, str, str], None]] = None

    def _line(self, level: str, message: str, fields: dict) -> None:
        if self.write is None:
            print(level, message, json.dumps(fields), file=sys.stderr)
        else:
            self.write(level, str(message), json.dumps(fields))

    def debug(self, message: str, **fields: Any) -> None:
        self._line("debug", message, fields)

    def info(self, message: str, **fields: Any) -> None:
        self._line("info", message, fields)

    def warn(self, message: str, **fields: Any) -> None:
        self._line("warn", message, fields)

    def error(self, message: str, **fields: Any) -> None:
        self._line("error", message, fields)


log = Log()


@dataclass(frozen=True)
class Field:
    """A declared value: its name in the code, and its type."""

    name: str
    kind: str
    required: bool = False
    scale: int = 0
    values: tuple = ()
    # Of a read: whether it is a list of such values; of a write: whether a list is written.
    list: bool = False
    counter: bool = False
    default: Any = None


@dataclass(frozen=True)
class ListOf:
    """A list whose elements have several fields."""

    name: str
    of: type
    reads: tuple
    lists: tuple


@dataclass(frozen=True)
class EventOf:
    name: str
    of: type
    fields: tuple


@dataclass(frozen=True)
class Rule:
    """A declared rule, and the classes that its function gets and gives."""

    name: str
    function: str
    row: type
    effects: type
    params: Optional[type]
    reads: tuple
    lists: tuple
    writes: tuple
    events: tuple
    parameters: tuple


@dataclass
class Refused(Exception):
    """The call as a whole fails."""

    code: str
    message: str


@dataclass
class Sink:
    rows: list
    ends: list
    values: list
    unset: list


@dataclass
class Caused:
    rows: list
    columns: list
    absent: list


@dataclass
class Outcome:
    """What the rows of a call do, gathered by what is written; `entry.py` makes the contract's classes of it."""

    writes: list
    events: list
    faults: list


def function_of(rule: Rule, plugin: Any) -> Callable:
    apply = getattr(plugin, rule.function, None)
    if not callable(apply):
        raise SystemExit(f"plugin.py has no function for the rule `{rule.name}`: write `def {rule.function}(row): …`")
    return apply


def evaluate(rule: Rule, apply: Callable, batch: Any) -> Outcome:
    arguments = () if rule.params is None else (_parameters(rule, batch.params),)
    outcome = Outcome(
        [Sink([], [], [], []) for _ in rule.writes],
        [Caused([], [[] for _ in event.fields], [[] for _ in event.fields]) for event in rule.events],
        [],
    )
    rows = _records(rule.row, rule.reads, rule.lists, batch.rows, batch.columns, iter(batch.tables))
    for index, row in enumerate(rows):
        try:
            if isinstance(row, RowFault):
                raise row
            _add(rule, outcome, index, apply(row, *arguments))
        except RowFault as fault:
            outcome.faults.append((index, fault))
        except BaseException as thrown:
            # A fault of the code ends the call: the log says what it was.
            log.error(f"the rule `{rule.name}` raised {_named(thrown)}{_places(thrown)}")
            raise
    return outcome


def _named(thrown: BaseException) -> str:
    """Its type and message. The message is the plugin's code, too: it may raise, and the type is told nevertheless."""
    try:
        return f"{type(thrown).__name__}: {thrown}"
    except BaseException:
        return type(thrown).__name__


def _places(thrown: BaseException) -> str:
    """Where it came from, the outermost first. (`traceback` reads the sources' files, and a component has no files: it would trap.)"""
    places, at = [], thrown.__traceback__
    while at is not None:
        code = at.tb_frame.f_code
        places.append(f'\n  File "{code.co_filename.rpartition("/")[2]}", line {at.tb_lineno}, in {code.co_name}')
        at = at.tb_next
    # The first is this file's own; of a deep recursion the innermost say where it is.
    return "".join(places[1:][-20:])


def _parameters(rule: Rule, columns: list) -> Any:
    values = []
    for field, column in zip(rule.parameters, columns):
        value = _values(field, column, 1)[0]
        if isinstance(value, RowFault):
            raise Refused("malformed-params", value.message)
        # A default stands there as it would cross the boundary.
        values.append(_decoded(field, [field.default])[0] if value is None and field.default is not None else value)
    return rule.params(*values)


def _records(of: type, reads: tuple, lists: tuple, count: int, columns: list, tables: Any) -> list:
    """One object for each entry, or the fault of an entry that cannot be one. Lists of single values have their tables first."""
    columns = iter(columns)
    fields = [None if read.list else _values(read, next(columns), count) for read in reads]
    for index, read in enumerate(reads):
        if read.list:
            table = next(tables)
            total = table.ends[-1] if table.ends else 0
            fields[index] = _parts(_values(read, table.columns[0], total), table.ends)
    for each in lists:
        table = next(tables)
        total = table.ends[-1] if table.ends else 0
        fields.append(_parts(_records(each.of, each.reads, each.lists, total, table.columns, tables), table.ends))
    entries = zip(*fields) if fields else (() for _ in range(count))
    return [next((value for value in entry if isinstance(value, RowFault)), None) or of(*entry) for entry in entries]


def _parts(elements: list, ends: list) -> list:
    """The elements of each entry; an entry whose element is faulty is that fault."""
    parts, start = [], 0
    for end in ends:
        part = elements[start:end]
        start = end
        parts.append(next((element for element in part if isinstance(element, RowFault)), part))
    return parts


def _values(field: Field, column: Any, count: int) -> list:
    """A value for each entry of a column: None where there is none, a fault where it is not of its type."""
    raw = column.values.value
    if isinstance(raw, str):
        raw = raw.split("\0")
    values = _decoded(field, raw[:count])
    for entry in column.absent:
        values[entry] = _malformed(field) if field.required else None
    return values


def _decoded(field: Field, raw: Any) -> list:
    kind = field.kind
    if kind in ("integer", "number", "text"):
        return list(raw)
    if kind == "boolean":
        return [value != 0 for value in raw]
    if kind == "decimal":
        return [Decimal(value).scaleb(-field.scale, EXACT) for value in raw]
    if kind == "timestamp":
        return [_moment(field, value) for value in raw]
    return [value if value in field.values else _malformed(field) for value in raw]


def _malformed(field: Field) -> RowFault:
    return RowFault("malformed-read", f"`{field.name}` is missing, or is not one of its declared values")


def _moment(field: Field, micros: int) -> Any:
    try:
        return EPOCH + timedelta(microseconds=micros)
    except OverflowError:
        return _malformed(field)


def _raw(field: Field, value: Any) -> Any:
    """As it crosses the boundary."""
    kind = field.kind
    if kind == "boolean" and isinstance(value, bool):
        return int(value)
    if kind == "integer" and isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63:
        return value
    if kind == "number" and isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    if kind == "decimal" and isinstance(value, (int, str, Decimal)) and not isinstance(value, bool):
        units = Decimal(value).scaleb(field.scale, EXACT)
        if units == units.to_integral_value() and -(2**63) <= units < 2**63:
            return int(units)
        raise ValueError(f"`{field.name}` has at most {field.scale} digits after the point, and `{value}` does not fit")
    if kind == "timestamp" and isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError(f"`{field.name}` is a time without its zone: use timezone.utc")
        return (value - EPOCH) // timedelta(microseconds=1)
    if kind == "text" and isinstance(value, str) and "\0" not in value:
        return value
    if kind == "enum" and value in field.values:
        return value
    wanted = "one of " + ", ".join(field.values) if kind == "enum" else f"of the type {kind}"
    raise TypeError(f"`{field.name}` must be {wanted}, not {value!r}")


def _add(rule: Rule, outcome: Outcome, row: int, effects: Any) -> None:
    """Nothing of a row is kept before all of it is known to be right."""
    if effects is None:
        return
    if not isinstance(effects, rule.effects):
        raise TypeError(f"the rule returns a {rule.effects.__name__}, or None; not {type(effects).__name__}")
    written = []
    for write in rule.writes:
        value = getattr(effects, write.name)
        if value is KEEP or value is None:
            written.append(value)
        elif write.list:
            written.append([_raw(write, element) for element in value])
        else:
            written.append(_raw(write, value))
    caused = [_caused(rule, event) for event in effects.events]
    for write, sink, value in zip(rule.writes, outcome.writes, written):
        if value is KEEP or (write.counter and not value):
            continue
        if value is None:
            sink.unset.append(row)
            continue
        sink.rows.append(row)
        if write.list:
            sink.values.extend(value)
            sink.ends.append(len(sink.values))
        else:
            sink.values.append(value)
    for number, cells in caused:
        event = outcome.events[number]
        for column, absent, (value, is_absent) in zip(event.columns, event.absent, cells):
            if is_absent:
                absent.append(len(event.rows))
            column.append(value)
        event.rows.append(row)


_EMPTY = {"boolean": 0, "integer": 0, "number": 0.0, "timestamp": 0, "decimal": 0, "text": "", "enum": ""}


def _caused(rule: Rule, event: Any) -> tuple:
    for number, shape in enumerate(rule.events):
        if type(event) is shape.of:
            return number, [_cell(shape, field, getattr(event, field.name)) for field in shape.fields]
    names = ", ".join(shape.of.__name__ for shape in rule.events) or "none"
    raise TypeError(f"`events` has something that is no event of this rule; there are: {names}")


def _cell(shape: EventOf, field: Field, value: Any) -> tuple:
    if value is not None:
        return _raw(field, value), False
    if field.required:
        raise TypeError(f'the event "{shape.name}" needs `{field.name}`')
    return _EMPTY[field.kind], True
