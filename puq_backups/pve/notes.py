"""Notes of archives. Ours end in a marker, by which a lost task or archive is found again."""

from __future__ import annotations

import re

OPENING = "[puqb:"
MARKER = re.compile(r"\[puqb:([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\]\s*$")
LIMIT = 1024
"""Characters that Proxmox takes for a notes template, after escaping."""


def marker(service: str, operation: str) -> str:
    """The marker of a service's and an operation's token."""
    return f"{OPENING}{service}.{operation}]"


def find_marker(text: str) -> tuple[str, str] | None:
    """The service's and the operation's token of the marker that ends a note, if any."""
    match = MARKER.search(text)
    return (match.group(1), match.group(2)) if match else None


def has_marker_opening(note: str) -> bool:
    """Whether a note holds what only a marker may."""
    return OPENING in note


def template(note: str, marker: str) -> str:
    """A note and a marker for vzdump's `notes-template`: nothing in the note is a variable or an escape there.

    A note that would be too long is cut, never the marker.
    """
    room = LIMIT - len(marker) - 1
    escaped = ""
    for character in re.sub(r"\{(?=\{)", "{ ", _flat(note)):
        piece = "\\\\" if character == "\\" else character
        if len(escaped) + len(piece) > room:
            break
        escaped += piece
    return f"{escaped.rstrip(' ')} {marker}" if escaped.strip() else marker


def plain(note: str, marker: str) -> str:
    """A note and a marker as the archive's notes, where no template is at work."""
    text = _flat(note)[: LIMIT - len(marker) - 1].rstrip()
    return f"{text} {marker}" if text else marker


def _flat(note: str) -> str:
    """The note in one line: Proxmox lists only the first."""
    return " ".join(note.split())
