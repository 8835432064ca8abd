"""Parameters of the served calls, checked as PVE's JSON schema checks them.

What each call takes stands in parameters.json for both versions. Its keys are those of the JSON schema, except:
`needed` (not optional), `pve` (only in this version), `=name` (the property string of that name under `formats`),
`name[0-3]` (name0 to name3), `$include` (groups of parameters that several calls share).
"""

from __future__ import annotations

import functools
import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from typing import Any

from ..answers import bad_parameters
from .formats import VALIDATORS, Fault, check_named

UNKNOWN = "property is not defined in schema and the schema does not allow additional properties"
MISSING = "property is missing and it is not optional"
INTEGER = re.compile(r"[+-]?\d+")
NUMBER = re.compile(r"[+-]?(\d+\.\d+|\d+\.|\.\d+|\d+)([eE][+-]?\d+)?")
BOOLEANS = {**dict.fromkeys(("1", "on", "yes", "true"), "1"), **dict.fromkeys(("0", "off", "no", "false"), "0")}


@dataclass(frozen=True)
class Param:
    """One parameter, or one property of a property string, as its schema describes it."""

    type: str = "string"
    needed: bool = False
    enum: tuple[str, ...] = ()
    pattern: str = ""
    format: str | None = None
    minimum: float | None = None
    maximum: float | None = None
    min_length: int | None = None
    max_length: int | None = None
    requires: str = ""
    default: Any = None
    default_key: bool = False
    alias: str = ""
    key_alias: str = ""

    def wrong(self, name: str, value: str, pve: str) -> str | None:
        """What is wrong with a value, None where nothing is. `name` is the path in texts of nested errors."""
        if not self._type_fits(value):
            return f"type check ('{self.type}') failed - got '{value}'"
        try:
            self._check_format(name, value, pve)
        except Fault as problem:
            return f"invalid format - {problem}"
        if self.pattern and not re.fullmatch(self.pattern, value):
            return "value does not match the regex pattern"
        return self._wrong_length(value) or self._out_of_range(value)

    def _type_fits(self, value: str) -> bool:
        if self.type == "integer":
            return INTEGER.fullmatch(value) is not None
        if self.type == "number":
            return NUMBER.fullmatch(value) is not None
        return self.type != "boolean" or value in ("0", "1")

    def _check_format(self, name: str, value: str, pve: str) -> None:
        if self.format is None:
            return
        known = property_format(self.format.removeprefix("="), pve)
        if known is None:
            check_named(self.format, value)
        else:
            check_property_string(known, name, value, pve, VALIDATORS.get(self.format))

    def _wrong_length(self, value: str) -> str | None:
        if self.max_length is not None and len(value) > self.max_length:
            return f"value may only be {self.max_length} characters long"
        if self.min_length is not None and len(value) < self.min_length:
            return f"value must be at least {self.min_length} characters long"
        return None

    def _out_of_range(self, value: str) -> str | None:
        if NUMBER.fullmatch(value):
            if self.maximum is not None and float(value) > self.maximum:
                return f"value must have a maximum value of {_plain(self.maximum)}"
            if self.minimum is not None and float(value) < self.minimum:
                return f"value must have a minimum value of {_plain(self.minimum)}"
        if self.enum and value not in self.enum:
            return f"value '{value}' does not have a value in the enumeration '{', '.join(self.enum)}'"
        return None

    def read(self, value: str) -> str | int | float:
        """The value in the type in which answers show it."""
        if self.type in ("integer", "boolean"):
            return int(value)
        if self.type == "number":
            number = float(value)
            return int(number) if math.isfinite(number) and number == int(number) else number
        return value


def _plain(number: float) -> str:
    return str(int(number)) if number == int(number) else str(number)


Schema = dict[str, Param]


@functools.cache
def _facts() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = json.loads(
        resources.files(__package__).joinpath("parameters.json").read_text()
    )
    return found


def _param(entry: dict[str, Any]) -> Param:
    names = {"minLength": "min_length", "maxLength": "max_length", "keyAlias": "key_alias"}
    values = {names.get(key, key): value for key, value in entry.items() if key != "pve"}
    values["enum"] = tuple(values.get("enum", ()))
    return Param(**values)


def _schema(entries: dict[str, Any], pve: str) -> Schema:
    """The parameters of one version, numbered ones one by one."""
    found: Schema = {}
    for name, entry in entries.items():
        variants = entry if isinstance(entry, list) else [entry]
        for variant in variants:
            if variant.get("pve", pve) == pve:
                found |= dict.fromkeys(_numbered(name), _param(variant))
    return found


def _numbered(name: str) -> list[str]:
    found = re.fullmatch(r"(.+)\[(\d+)-(\d+)\]", name)
    return [f"{found[1]}{n}" for n in range(int(found[2]), int(found[3]) + 1)] if found else [name]


def release(pve: str) -> str:
    """The version in parameters.json whose schema a version uses."""
    return "9.2" if pve.startswith("9") else "8.4"


@functools.cache
def call_schema(call: str, pve: str) -> Schema | None:
    """The parameters of a call such as `GET /version`; None for one that is not served."""
    entries = _facts()["calls"].get(call)
    if entries is None:
        return None
    found: Schema = {}
    for group in entries.get("$include", ()):
        found |= _schema(_facts()[group], release(pve))
    return found | _schema({key: entry for key, entry in entries.items() if key != "$include"}, release(pve))


@functools.cache
def property_format(name: str, pve: str) -> Schema | None:
    """The properties of a registered property string; None for another kind of format."""
    entries = _facts()["formats"].get(name)
    return None if entries is None else _schema(entries, release(pve))


def served_calls() -> list[str]:
    """The calls whose parameters are known, as `METHOD /path`."""
    return sorted(_facts()["calls"])


def check(schema: Schema, given: dict[str, str], pve: str) -> dict[str, Any]:
    """The given parameters in their types. Raises Refusal 400 with one text for each that is wrong."""
    errors = wrong_properties(schema, given, "", pve)
    if errors:
        raise bad_parameters(errors)
    return {key: schema[key].read(value) for key, value in given.items()}


def wrong_properties(schema: Schema, given: dict[str, str], path: str, pve: str) -> dict[str, str]:
    """What is wrong with properties, by their path."""
    errors: dict[str, str] = {}
    head = f"{path}." if path else ""
    for key, param in schema.items():
        if key in given:
            if (found := param.wrong(head + key, given[key], pve)) is not None:
                errors[head + key] = found
        elif param.needed and not param.alias:
            errors[head + key] = MISSING
    for key in given:
        if key not in schema:
            errors[head + key] = UNKNOWN
        elif (needed := schema[key].requires) and needed not in given:
            errors[head + needed] = _requirement(head + key, pve)
    return errors


def _requirement(key: str, pve: str) -> str:
    if pve.startswith("9"):
        return f"missing property required by '{key}'"
    return f"missing property - '{key}' requires this property"


def check_property_string(
    schema: Schema, path: str, text: str, pve: str, validator: Callable[[dict[str, str]], None] | None
) -> None:
    """Check a text like `key=value,…`. Raises Fault as PVE words it."""
    given = split_properties(schema, text)
    errors = wrong_properties(schema, given, path, pve)
    if errors:
        raise Fault("format error\n" + "".join(f"{key}: {problem}\n" for key, problem in errors.items()))
    if validator is not None:
        validator(given)


def split_properties(schema: Schema, text: str) -> dict[str, str]:
    """The parts of a property string by canonical key, booleans as 0 and 1. Raises Fault."""
    found: dict[str, str] = {}
    default_key = ""
    for part in text.split(","):
        if not part.strip():
            continue
        key, equals, value = part.partition("=")
        if not equals:
            if default_key:
                raise Fault(f"duplicate key in comma-separated list property: {default_key}\n")
            default_key = next((name for name, param in schema.items() if param.default_key), "")
            if not default_key:
                raise Fault("value without key, but schema does not define a default key\n")
            key, value = default_key, part
        if not key or not value:
            raise Fault("missing key in comma-separated list property\n")
        _add_property(schema, found, key, value)
    return found


def _add_property(schema: Schema, found: dict[str, str], key: str, value: str) -> None:
    if key in found:
        raise Fault(f"duplicate key in comma-separated list property: {key}\n")
    param = schema.get(key, Param())
    if param.alias:
        if param.key_alias:
            if param.key_alias in found:
                raise Fault(f"key alias '{param.key_alias}' is already defined\n")
            found[param.key_alias] = key
        key, param = param.alias, schema[param.alias]
        if key in found:
            raise Fault(f"key '{key}' is already defined (via alias)\n")
    found[key] = BOOLEANS.get(value.lower(), value) if param.type == "boolean" else value


def properties(text: str, default_key: str = "") -> dict[str, str]:
    """The parts of a property string that has been checked before; `default_key` may stand without its name."""
    found: dict[str, str] = {}
    for part in text.split(","):
        key, equals, value = part.partition("=")
        if part.strip():
            found[key if equals else default_key] = value if equals else part
    return found
