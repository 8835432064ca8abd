"""Reading a configuration file back."""

from __future__ import annotations

from urllib.parse import unquote

from ..schema.vm_options import OPTIONS
from .model import Config, Value


def parse(text: str) -> Config:
    """A configuration from its file: comment lines are the description, numbers are numbers."""
    found: Config = {}
    comments = []
    for line in text.splitlines():
        if line.startswith(("#qmdump#", "#vzdump#")):
            continue
        if line.startswith("["):
            break
        if line.startswith("#"):
            comments.append(unquote(line[1:]))
        elif ": " in line:
            key, _, value = line.partition(": ")
            found[key] = _typed(key, value)
    if comments:
        found["description"] = "\n".join(comments).rstrip()
    return found


def _typed(key: str, value: str) -> Value:
    return OPTIONS[key].read(value) if key in OPTIONS else value
