"""Notes of archives. Ours end with a marker, by which a lost task or archive is found."""

from __future__ import annotations

import re

OPENING = "[puqb:"
MARKER = re.compile(r"\[puqb:([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\]\s*$")
LIMIT = 1024
"""Maximum length in characters of a notes template, after escaping."""


def marker(service: str, operation: str) -> str:
    """The marker made of a service's and an operation's token."""
    return f"{OPENING}{service}.{operation}]"


def find_marker(text: str) -> tuple[str, str] | None:
    """The tokens of service and operation in the marker at the end of a note, or None."""
    match = MARKER.search(text)
    return (match.group(1), match.group(2)) if match else None


def has_marker_opening(note: str) -> bool:
    """Whether a note contains the opening of a marker, which clients may not use."""
    return OPENING in note


def template(note: str, marker: str) -> str:
    """Note and marker for vzdump's `notes-template`. Variables and escapes in the note are neutralised.

    A note that is too long is cut; the marker is not.
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
    """Note and marker as plain notes of an archive, without template escapes."""
    text = _flat(note)[: LIMIT - len(marker) - 1].rstrip()
    return f"{text} {marker}" if text else marker


def _flat(note: str) -> str:
    """The note in one line, because Proxmox lists only the first line."""
    return " ".join(note.split())
