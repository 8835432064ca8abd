"""Texts of staff: what they may say, and that none can take long, grow large or reach anything else."""

from __future__ import annotations

import re
import resource
import time
from typing import Any

import pytest

from puq_backups.mail.sandbox import MAX_OUTPUT, MAX_TEMPLATE, BadTemplate, check, render

FIELDS: dict[str, Any] = {
    "client_name": "Alice <Example>", "signature": "Yours,\nthe team", "reason": "", "backup_count": 3,
    "warnings": ["one", "two"], "failed": [{"vm_name": "web-1", "reason": ""}, {"vm_name": "db-1", "reason": "full"}],
}  # fmt: skip

SAID = {
    "Dear {{ client_name }},": "Dear Alice <Example>,",
    "{% if reason %}{{ reason }}{% else %}none{% endif %}": "none",
    "{% for warning in warnings %}{{ loop.index }}/{{ loop.length }} {{ warning }} {% endfor %}": "1/2 one 2/2 two ",
    "{% for one in failed if one.reason %}{{ one.vm_name }}: {{ one['reason'] }}{% endfor %}": "db-1: full",
    "{{ warnings|join(', ')|upper }} {{ client_name|truncate(6) }}": "ONE, TWO Alice…",
    "{% set more = backup_count * 2 + 1 %}{{ more }} {{ (more / 2)|round(1) }}": "7 3.5",
    "{{ 'some' if backup_count > 2 and reason not in ['a', 'b'] else 'none' }}": "some",
    "{{ reason|default('-', true) }}{{ nothing|default('!') }}{{ nothing is defined }}": "-!False",
    "a\n{% if true %}\nb\n{% endif %}\nc": "a\nb\nc",
}


@pytest.mark.parametrize("source", SAID)
def test_text_says_what_it_should(source: str) -> None:
    assert render(source, FIELDS, html=False) == SAID[source]


def test_html_is_escaped_and_stays_so() -> None:
    source = (
        "{{ client_name }}{{ client_name|e }}{{ client_name|upper }}{{ signature|nl2br }}{{ [1, '<']|join('>') }}"
    )

    assert render(source, FIELDS, html=True) == (
        "Alice &lt;Example&gt;Alice &lt;Example&gt;ALICE &lt;EXAMPLE&gt;Yours,<br>\nthe team1&gt;&lt;"
    )


def nested(loops: int, rounds: int, body: str) -> str:
    begin = "".join(f"{{% for a{depth} in '{'x' * rounds}' %}}" for depth in range(loops))
    return begin + body + "{% endfor %}" * loops


HOSTILE = {
    # Growing
    "{{ 'a' * 999999999 }}": "* is for numbers only",
    "{{ [1] * 999999999 }}": "* is for numbers only",
    "{{ 9 ** 9 ** 9 }}": "** cannot be used",
    "{{ 99999999 * 99999999 * 99999999 }}": "too large",
    "{{ '%1000000000d' % 1 }}": "% is for numbers only",
    "{{ 'a' + 'a' }}": "+ is for numbers only",
    "{% set a = 'aa' %}" + "{% set a = a ~ a %}" * 60: "~ cannot be used",
    "{% set a %}{{ client_name }}{% endset %}": "endset cannot be used",
    "{% set a = [warnings, warnings] %}": "A list may hold texts and numbers only",
    "{{ '" + "a" * 20000 + "'|join('" + "b" * 20000 + "') }}": "too much",
    "{{ '" + "\n" * 9000 + "'" + "|nl2br" * 3000 + " }}": "too much",
    nested(1, 9999, "y" * 30000): "longer than 256 KiB",
    # Filters and globals that grow or call
    "{{ 'a'|center(999999999) }}": "no filter center",
    "{{ 'a'|indent(999999999) }}": "no filter indent",
    "{{ 'a'|wordwrap(1) }}": "no filter wordwrap",
    "{{ '%999999999d'|format(1) }}": "no filter format",
    "{{ warnings|map('upper') }}": "no filter map",
    "{{ client_name|attr('__class__') }}": "no filter attr",
    "{{ lipsum(n=1000000) }}": "( ) cannot be used",
    "{% for a in range(999999999) %}x{% endfor %}": "( ) cannot be used",
    "{% set a = namespace(b=1) %}": "( ) cannot be used",
    "{{ cycler('a').next() }}{{ joiner() }}": "( ) cannot be used",
    # Taking long
    nested(6, 100, "y"): "takes too long",
    nested(2, 2000, "{% if '" + "z" * 2000 + "'|upper|lower|title == 'y' %}{% endif %}"): "takes too long",
    "{% for a in failed recursive %}{{ loop(failed) }}{% endfor %}": "cannot be used",
    "{% macro a() %}{{ a() }}{% endmacro %}{{ a() }}": "macro cannot be used",
    # Too deep for the reader or for Python
    "{{ " + "(" * 10000 + "1" + ")" * 10000 + " }}": "too much",
    "{{ " + "not " * 10000 + "1 }}": "too much",
    "{{ " + "+".join(["1"] * 5000) + " }}": "too much",
    "{% if reason %}" * 500 + "{% endif %}" * 500: "too much",
    nested(30, 1, ""): "too much",
    "{{1}}" * 9000: "too much",
    "a" * (MAX_TEMPLATE + 1): "longer than 48 KiB",
    # Reaching further
    "{{ client_name.__class__ }}": "no attribute",
    "{{ client_name['__class__'] }}": "no attribute",
    "{{ client_name.format }}": "no attribute",
    "{{ warnings.append }}": "no attribute",
    "{{ failed.0.items }}": "no attribute",
    "{{ self._TemplateReference__context }}": "no attribute",
    "{% for a in warnings %}{{ loop._iterator }}{% endfor %}": "no attribute",
    "{{ ().__class__.__mro__ }}": "no attribute",
    "{% include 'puq_backups/emails/_layout.html' %}": "include cannot be used",
    "{% extends 'puq_backups/emails/_layout.html' %}": "extends cannot be used",
    "{% import 'puq_backups/emails/_facts.txt' as a %}": "import cannot be used",
    "{% from 'puq_backups/emails/_facts.txt' import facts %}": "import cannot be used",
    "{% autoescape false %}{{ client_name }}{% endautoescape %}": "autoescape cannot be used",
    "{% call a() %}{% endcall %}": "call cannot be used",
    "{% filter upper %}{% endfilter %}": "filter cannot be used",
    "{{ client_name|safe }}": "no filter safe",
    # Plain mistakes
    "{{ client_name }": "unexpected",
    "{% if reason %}": "Unexpected end",
    "{% nonsense %}": "nonsense",
    "{{ nothing }}": "nothing",
    "{{ warnings }}": "This is a list",
    "{{ 1 / 0 }}": "division by zero",
    "a\0b": "no text has",
    "a\ud800b": "no text has",
}


@pytest.mark.parametrize("source", HOSTILE, ids=lambda source: ascii(source[:40]))
def test_hostile_text_is_refused_in_a_clear_sentence_at_once(source: str) -> None:
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.thread_time()

    with pytest.raises(BadTemplate, match=re.escape(HOSTILE[source])):
        render(source, FIELDS, html=True)

    assert time.thread_time() - began < 2
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50 * 1024  # KiB


def test_nothing_that_is_taken_becomes_larger_than_it_may() -> None:
    said = render(nested(1, 9999, "y" * 25), FIELDS, html=False)

    assert len(said) == 9999 * 25 <= MAX_OUTPUT


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("Dear\n{{ client_nam }}", "Line 2: There is no merge field client_nam."),
        ("{% if reason %}{{ reson }}{% endif %}", "Line 1: There is no merge field reson."),
        ("a\nb\n{{ client_name|uper }}", "Line 3: There is no filter uper."),
        ("a\n\n{% for one in failed %}{{ one.vm }}{% endfor %}", "Line 3: 'dict object' has no attribute 'vm'"),
        ("a\n{{ client_name", "Line 2: unexpected end of template, expected 'end of print statement'."),
    ],
)
def test_mistake_is_named_with_its_line(source: str, told: str) -> None:
    with pytest.raises(BadTemplate) as caught:
        check(source, FIELDS, html=False)

    assert str(caught.value) == told
