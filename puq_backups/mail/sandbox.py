"""Texts that staff write: a small part of Jinja, in which no text can take long, grow large or reach further.

Only the nodes below are taken. There are no calls, so no method and no global is within reach; filters and tests are
our own; sums are of numbers alone, so nothing grows by doubling; loops are counted, and the time is this thread's
own, so a busy machine changes nothing.
"""

from __future__ import annotations

import time
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from jinja2 import StrictUndefined, TemplateSyntaxError, UndefinedError, meta, nodes
from jinja2.runtime import LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment

from ..errors import BackupsError, Message
from ..i18n.translator import N_
from .filters import FILTERS, LONGEST_OUTPUT, TESTS, TOO_MUCH, Fault, printed

LONGEST_TEMPLATE = 48 * 1024
"""Bytes in UTF-8: MariaDB's TEXT holds 64 KiB."""
MOST_NODES = 5_000
MOST_ROUNDS = 10_000
MOST_SECONDS = 1.0
DEEPEST = 40
HIGHEST = 10**15

ALLOWED = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.For, nodes.If, nodes.Assign, nodes.Name, nodes.Const,
    nodes.List, nodes.Tuple, nodes.Getattr, nodes.Getitem, nodes.Filter, nodes.Test, nodes.Keyword, nodes.Compare,
    nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.CondExpr, nodes.Neg, nodes.Add, nodes.Sub, nodes.Mul,
    nodes.Div, nodes.FloorDiv, nodes.Mod,
)  # fmt: skip
SAID = {
    nodes.Call: "( )", nodes.Concat: "~", nodes.Pow: "**", nodes.Slice: "[ : ]", nodes.Dict: "{ : }",
    nodes.AssignBlock: "endset", nodes.FromImport: "import", nodes.CallBlock: "call", nodes.FilterBlock: "filter",
    nodes.Scope: "autoescape", nodes.For: "recursive",
}  # fmt: skip
"""How staff writes what is not taken; other nodes have the name of their tag."""
LOOP = {"index", "index0", "revindex", "revindex0", "first", "last", "length", "depth"}


class BadTemplate(BackupsError):
    """A text cannot be used; the sentence names the line and what is wrong there."""

    def __init__(self, problem: Message | str, line: int | None = None) -> None:
        text = N_("Line {line}: {problem}") if line else "{problem}"
        super().__init__(text, line=line, problem=problem)


def render(source: str, fields: Mapping[str, Any], *, html: bool) -> str:
    """The text with its merge fields filled in, escaped where it is HTML. BadTemplate says why it cannot be.

    `fields` are plain values: texts, numbers, lists and dicts of them.
    """
    with _told():
        sandbox = Sandbox(html=html)
        return sandbox.fill(sandbox.read(source), fields)


def check(source: str, samples: Mapping[str, Any], *, html: bool) -> None:
    """BadTemplate where the text cannot be read, names a merge field that is not there, or fails with `samples`."""
    with _told():
        tree = Sandbox(html=html).read(source)
        for name in sorted(meta.find_undeclared_variables(tree) - set(samples)):
            line = next((node.lineno for node in tree.find_all(nodes.Name) if node.name == name), None)
            raise Fault(Message("There is no merge field {name}.", name=name), line)
    render(source, samples, html=html)


@contextmanager
def _told() -> Iterator[None]:
    """Whatever a text brings about, it is the text that cannot be used."""
    try:
        yield
    except Exception as error:
        raise BadTemplate(_problem(error), _line(error)) from error


def _line(error: Exception) -> int | None:
    """The line of the text at which it went wrong: Jinja puts it into the traceback."""
    if isinstance(error, TemplateSyntaxError):
        return error.lineno
    line, trace = getattr(error, "line", None), error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename in {"<template>", "<unknown>"}:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def _problem(error: Exception) -> Message | str:
    if isinstance(error, Fault):
        return error.message
    if isinstance(error, (TemplateSyntaxError, UndefinedError)):
        return str(error.message)
    if isinstance(error, (RecursionError, SyntaxError)):
        return TOO_MUCH
    return f"{type(error).__name__}: {error}"


class Sandbox(ImmutableSandboxedEnvironment):
    """For one text and one filling: what it has used up stands in it."""

    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "%", "**"})

    def __init__(self, *, html: bool) -> None:
        super().__init__(
            autoescape=html, undefined=StrictUndefined, optimized=False, finalize=printed, cache_size=0,
            trim_blocks=True, lstrip_blocks=True,
        )  # fmt: skip
        self.globals.clear()
        self.filters = {name: self._counted(work) for name, work in FILTERS.items()}
        self.filters["rounds"] = self._rounds
        self.tests = {name: self._counted(work) for name, work in TESTS.items()}
        self._left = MOST_ROUNDS
        self._until = time.thread_time() + MOST_SECONDS

    def read(self, source: str) -> nodes.Template:
        """The text as a tree of allowed nodes whose loops are counted."""
        if len(source.encode(errors="replace")) > LONGEST_TEMPLATE:
            raise Fault(Message("It is longer than {most} KiB.", most=LONGEST_TEMPLATE // 1024))
        if any(unicodedata.category(char) in {"Cc", "Cs"} and char not in "\r\n\t" for char in source):
            raise Fault(Message("It holds a character that no text has."))
        tree = self.parse(source)
        for count, (node, depth) in enumerate(_walk(tree)):
            if count >= MOST_NODES or depth > DEEPEST:
                raise Fault(TOO_MUCH, node.lineno)
            self._allow(node)
        for loop in tree.find_all(nodes.For):
            loop.iter = nodes.Filter(loop.iter, "rounds", [], [], None, None, lineno=loop.lineno)
        return tree

    def _allow(self, node: nodes.Node) -> None:
        if not isinstance(node, ALLOWED) or (isinstance(node, nodes.For) and node.recursive):
            what = SAID.get(type(node), type(node).__name__.lower())
            raise Fault(Message("{what} cannot be used here.", what=what), node.lineno)
        if isinstance(node, nodes.Filter) and node.name not in FILTERS:
            raise Fault(Message("There is no filter {name}.", name=node.name), node.lineno)
        if isinstance(node, nodes.Test) and node.name not in TESTS:
            raise Fault(Message("There is no test {name}.", name=node.name), node.lineno)
        literal = isinstance(node, nodes.List) or (isinstance(node, nodes.Tuple) and node.ctx == "load")
        if literal and not all(isinstance(item, nodes.Const) for item in node.iter_child_nodes()):
            raise Fault(Message("A list may hold texts and numbers only."), node.lineno)

    def fill(self, tree: nodes.Template, fields: Mapping[str, Any]) -> str:
        """The tree as a text."""
        said, size = [], 0
        for part in self.from_string(tree).generate(**fields):
            size += len(part)
            if size > LONGEST_OUTPUT:
                raise Fault(Message("It becomes longer than {most} KiB.", most=LONGEST_OUTPUT // 1024))
            said.append(part)
        return "".join(said)

    def spend(self, rounds: int = 0) -> None:
        """Count what a text does; BadTemplate where it is too much."""
        self._left -= rounds
        if self._left < 0 or time.thread_time() > self._until:
            raise Fault(Message("It takes too long: its loops go round too often."))

    def _rounds(self, values: Iterable[Any]) -> Iterator[Any]:
        for value in values:
            self.spend(1)
            yield value

    def _counted(self, work: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*values: Any, **named: Any) -> Any:
            self.spend()
            found = work(*values, **named)
            if isinstance(found, str) and len(found) > LONGEST_OUTPUT:
                raise Fault(TOO_MUCH)
            return found

        return counted

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:  # noqa: ARG002 - Jinja's form
        self.spend()
        if not all(isinstance(value, (int, float)) for value in (left, right)):
            raise Fault(Message("{what} is for numbers only.", what=operator))
        found = self.binop_table[operator](left, right)
        if not -HIGHEST <= found <= HIGHEST:
            raise Fault(Message("A number becomes too large."))
        return found

    def getitem(self, obj: Any, argument: Any) -> Any:
        """An entry of a dict, list or text, or what a loop tells of itself; nothing else has any."""
        if isinstance(obj, LoopContext) and argument in LOOP:
            return getattr(obj, argument)
        place = isinstance(obj, (list, tuple, str)) and isinstance(argument, int)
        if place or (isinstance(obj, dict) and isinstance(argument, str)):
            try:
                return obj[argument]
            except LookupError:
                pass
        return self.undefined(obj=obj, name=argument)

    def getattr(self, obj: Any, attribute: str) -> Any:
        """The same, written with a dot."""
        return self.getitem(obj, attribute)


def _walk(node: nodes.Node, depth: int = 0) -> Iterator[tuple[nodes.Node, int]]:
    yield node, depth
    for child in node.iter_child_nodes():
        yield from _walk(child, depth + 1)
