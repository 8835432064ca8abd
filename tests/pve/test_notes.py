"""Notes: nothing in a client's note is read as a variable, and the marker always survives."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puq_backups.pve import notes

MARKER = notes.marker("svcToken_1", "op-token-2")
VARIABLE = re.compile(r"\{\{([^\s{}]+)\}\}")


def rendered(template: str) -> str:
    """What vzdump makes of a template; it refuses unknown variables and escapes, and line feeds."""
    assert "\n" not in template
    assert not VARIABLE.search(template)
    assert not re.search(r"\\[^n\\]|\\$", re.sub(r"\\\\", "", template))
    return re.sub(r"\\(.)", lambda escape: "\n" if escape[1] == "n" else "\\", template)


@pytest.mark.parametrize(
    ("note", "text"),
    [
        ("", MARKER),
        ("   ", MARKER),
        ("nightly", f"nightly {MARKER}"),
        ("two\r\nlines\tand tab", f"two lines and tab {MARKER}"),
        (r"C:\new", rf"C:\new {MARKER}"),
        ("a\\", f"a\\ {MARKER}"),
        ("{{vmid}} {{{x}}}", "{ {vmid}} { { {x}}} " + MARKER),
        ("Sicherung → 完了 🙂", f"Sicherung → 完了 🙂 {MARKER}"),
    ],
)
def test_a_note_comes_out_of_the_template_as_it_was(note: str, text: str) -> None:
    assert rendered(notes.template(note, MARKER)) == text


@given(st.text(max_size=2000))
def test_any_note_makes_a_template_proxmox_takes(note: str) -> None:
    template = notes.template(note, MARKER)

    assert len(template) <= 1024
    assert notes.find_marker(rendered(template)) == ("svcToken_1", "op-token-2")


@given(st.text(alphabet="{}\\ x", max_size=60))
def test_braces_and_backslashes_in_any_order_are_harmless(note: str) -> None:
    assert rendered(notes.template(note, MARKER)).endswith(MARKER)


@given(st.text(max_size=2000))
def test_plain_notes_keep_the_marker(note: str) -> None:
    text = notes.plain(note, MARKER)

    assert len(text) <= 1024
    assert "\n" not in text
    assert notes.find_marker(text) == ("svcToken_1", "op-token-2")


def test_plain_notes_keep_braces_and_backslashes() -> None:
    assert notes.plain(r"{{vmid}} C:\x", MARKER) == rf"{{{{vmid}}}} C:\x {MARKER}"


@pytest.mark.parametrize(
    "text", ["", "nightly", "[puqb:]", "[puqb:a]", "[puqb:a.b] more", "[puqb:a b.c]", "[puqb:a.b.c]", "puqb:a.b]"]
)
def test_what_is_no_marker_is_not_found(text: str) -> None:
    assert notes.find_marker(text) is None


def test_the_last_marker_counts() -> None:
    assert notes.find_marker("note [puqb:x.y] [puqb:a.b]") == ("a", "b")


def test_a_note_with_a_markers_opening_is_told() -> None:
    assert notes.has_marker_opening("hello [puqb:x")
    assert not notes.has_marker_opening("hello [puq")
