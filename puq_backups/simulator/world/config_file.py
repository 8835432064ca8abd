"""Reading a configuration file back."""

from __future__ import annotations

from urllib.parse import unquote

from ..schema.vm_options import option
from .model import Config, Value


def parse(text: str, pve: str) -> Config:
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
            found[key] = typed(key, value, pve)
    if comments:
        found["description"] = "\n".join(comments).rstrip()
    return found


def typed(key: str, value: str, pve: str) -> Value:
    """An option's value as answers show it: whole numbers as numbers, all else as text."""
    known = option(key, pve)
    return int(value) if known is not None and known.type in ("integer", "boolean") else value
