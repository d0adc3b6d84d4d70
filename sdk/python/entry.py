"""What the component exports: the SDK's rows and effects, in the contract's own classes."""

# First, so that what the plugin takes out of `random` is refused, too.
from openhub import chance

import openhub
import plugin
from componentize_py_types import Err
from openhub import sdk
from wit_world import exports
from wit_world.exports import rule as contract
from wit_world.imports import columns, log, types

_LEVELS = {"debug": log.Level.DEBUG, "info": log.Level.INFO, "warn": log.Level.WARN, "error": log.Level.ERROR}
openhub.log.write = lambda level, message, fields: log.write(_LEVELS[level], message, fields)

_RULES = {rule.name: (rule, sdk.function_of(rule, plugin)) for rule in openhub.RULES}


class Rule(exports.Rule):
    def evaluate(self, rule: str, input: contract.Batch) -> contract.Outcome:
        if rule not in _RULES:
            raise Err(_reason("unknown-name", f"this plugin has no rule `{rule}`"))
        shape, apply = _RULES[rule]
        chance.end()
        try:
            outcome = sdk.evaluate(shape, apply, input)
        except sdk.Refused as refused:
            raise Err(_reason(refused.code, refused.message))
        return contract.Outcome(
            [
                contract.Write(target, sink.rows, sink.ends, _values(shape.writes[target], sink.values), sink.unset)
                for target, sink in enumerate(outcome.writes)
                if sink.rows or sink.unset
            ],
            [
                contract.Emit(number, event.rows, [], _columns(shape.events[number].fields, event))
                for number, event in enumerate(outcome.events)
                if event.rows
            ],
            [],
            [contract.RowFault(row, _reason(fault.code, fault.message, fault.args_of_text)) for row, fault in outcome.faults],
        )


def _reason(code: str, message: str, args: dict = {}) -> types.Reason:
    return types.Reason(code, message, [(name, str(value)) for name, value in args.items()])


def _columns(fields: tuple, event: sdk.Caused) -> list:
    return [
        columns.Column(_values(field, values), absent)
        for field, values, absent in zip(fields, event.columns, event.absent)
    ]


def _values(field: sdk.Field, values: list) -> columns.Values:
    if field.kind == "boolean":
        return columns.Values_Booleans(bytes(values))
    if field.kind == "number":
        return columns.Values_Numbers(values)
    if field.kind in ("text", "enum"):
        return columns.Values_Texts("".join(value + "\0" for value in values))
    return columns.Values_Integers(values)
