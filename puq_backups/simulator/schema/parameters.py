"""Checks of parameters, with the wording of PVE's JSON schema."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..answers import bad_parameters

HERE = "\0"  # stands for the parameter's name in the text of a format
UNKNOWN = "property is not defined in schema and the schema does not allow additional properties"
MISSING = "property is missing and it is not optional"
Format = Callable[[str], str | None]
"""Says what is wrong with a text (None where nothing is), ending in the line feeds that Proxmox has there."""


@dataclass(frozen=True)
class Param:
    """One parameter: what Proxmox's schema says about it."""

    type: str = "string"
    optional: bool = True
    enum: tuple[str, ...] = ()
    pattern: str = ""
    format: Format | None = None
    minimum: float | None = None
    maximum: float | None = None
    max_length: int | None = None
    requires: str = ""

    def wrong(self, value: str) -> str | None:
        """What is wrong with a value, None where nothing is."""
        if not self._type_fits(value):
            return f"type check ('{self.type}') failed - got '{value}'"
        if self.format and (found := self.format(value)) is not None:
            return f"invalid format - {found}"
        if self.pattern and not re.fullmatch(self.pattern, value):
            return "value does not match the regex pattern"
        if self.max_length is not None and len(value) > self.max_length:
            return f"value may only be {self.max_length} characters long"
        return self._out_of_range(value)

    def _type_fits(self, value: str) -> bool:
        if self.type == "integer":
            return re.fullmatch(r"[+-]?\d+", value) is not None
        if self.type == "number":
            return re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", value) is not None
        return self.type != "boolean" or value in ("0", "1")

    def _out_of_range(self, value: str) -> str | None:
        if self.type in ("integer", "number"):
            if self.maximum is not None and float(value) > self.maximum:
                return f"value must have a maximum value of {_plain(self.maximum)}"
            if self.minimum is not None and float(value) < self.minimum:
                return f"value must have a minimum value of {_plain(self.minimum)}"
        if self.enum and value not in self.enum:
            return f"value '{value}' does not have a value in the enumeration '{', '.join(self.enum)}'"
        return None

    def read(self, value: str) -> str | int | float:
        """The value in the type that answers show."""
        if self.type in ("integer", "boolean"):
            return int(value)
        if self.type == "number":
            number = float(value)
            return int(number) if math.isfinite(number) and number == int(number) else number
        return value


def _plain(number: float) -> str:
    return str(int(number)) if number == int(number) else str(number)


Schema = dict[str, Param]


def check(schema: Schema, given: dict[str, str], nine: bool) -> dict[str, Any]:
    """The given parameters in their types; raises Refusal 400 with one text for each that is wrong."""
    errors: dict[str, str] = {}
    for key, value in given.items():
        if key not in schema:
            errors[key] = UNKNOWN
        elif (found := schema[key].wrong(value)) is not None:
            errors[key] = found.replace(HERE, key)
    for key, param in schema.items():
        if key not in given and not param.optional:
            errors.setdefault(key, MISSING)
        if key in given and param.requires and param.requires not in given:
            errors[param.requires] = (
                f"missing property required by '{key}'"
                if nine
                else f"missing property - '{key}' requires this property"
            )
    if errors:
        raise bad_parameters(errors)
    return {key: schema[key].read(value) for key, value in given.items()}


def property_string(schema: Schema, default_key: str = "") -> Format:
    """The format of a text like `key=value,…`; `default_key` may stand without its name."""

    def wrong(text: str) -> str | None:
        try:
            given = split_properties(text, default_key)
        except ValueError as problem:
            return f"format error\n{problem}\n"
        lines = []
        for key, value in given.items():
            found = schema[key].wrong(value) if key in schema else UNKNOWN
            if found is not None:
                lines.append(f"{HERE}.{key}: {found}\n")
        lines += [
            f"{HERE}.{key}: {MISSING}\n" for key, param in schema.items() if key not in given and not param.optional
        ]
        return "format error\n" + "".join(lines) if lines else None

    return wrong


def split_properties(text: str, default_key: str = "") -> dict[str, str]:
    """The parts of a property string; ValueError where a part has no key."""
    found: dict[str, str] = {}
    for part in text.split(","):
        if not part:
            continue
        key, equals, value = part.partition("=")
        if not equals:
            if not default_key or default_key in found:
                raise ValueError("invalid format - value without key, but schema does not define a default key")
            key, value = default_key, part
        if key in found:
            raise ValueError(f"duplicate key in comma-separated list property: {key}")
        found[key] = value
    return found


def vmid_format(value: str) -> str | None:
    """A VMID."""
    return None if re.fullmatch(r"[1-9][0-9]{2,8}", value) else "value does not look like a valid VM ID\n"


def vmid_list_format(value: str) -> str | None:
    """VMIDs separated by comma, blank or semicolon."""
    for part in re.split(r"[\s,;\0]+", value.strip()):
        if (found := vmid_format(part)) is not None:
            return found
    return None


def storage_format(value: str) -> str | None:
    """A storage's name."""
    if re.fullmatch(r"[a-zA-Z][a-zA-Z0-9\-_.]*[a-zA-Z0-9]", value):
        return None
    return f"storage ID '{value}' contains illegal characters\n"


def dns_format(value: str) -> str | None:
    """A DNS name, as VM names must be."""
    label = r"[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?"
    return None if re.fullmatch(rf"({label})(\.{label})*", value) else "value does not look like a valid DNS name\n"


def node_format(value: str) -> str | None:
    """A node's name."""
    if re.fullmatch(r"[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?", value):
        return None
    return "value does not look like a valid node name\n"


def config_id_format(value: str) -> str | None:
    """A name as snapshots have it."""
    return None if re.fullmatch(r"[a-zA-Z][a-zA-Z0-9_-]+", value) else f"invalid configuration ID '{value}'\n"


def volume_format(value: str) -> str | None:
    """A volume's id."""
    found = re.fullmatch(r"([a-zA-Z][a-zA-Z0-9\-_.]*[a-zA-Z0-9]):(.+)", value)
    return None if found else f"unable to parse volume ID '{value}'\n"


NODE = Param(optional=False, format=node_format)
VMID = Param("integer", optional=False, format=vmid_format, minimum=100, maximum=999_999_999)
STORAGE = Param(format=storage_format)
STORAGE_IN_PATH = Param(optional=False, format=storage_format)
BOOLEAN = Param("boolean")
DIGEST = Param(max_length=64)
SKIPLOCK = BOOLEAN
KEEP = Param("integer", minimum=0)
PRUNE = Param(
    format=property_string(
        {
            "keep-all": BOOLEAN,
            **{f"keep-{rule}": KEEP for rule in ("last", "hourly", "daily", "weekly", "monthly", "yearly")},
        }
    )
)
