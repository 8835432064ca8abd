"""Sandbox for mail templates written by staff: a subset of Jinja with limits on time, size and access.

Only the node types in `ALLOWED_NODES` are accepted. There are no calls, so methods and globals are out of reach;
filters and tests are our own; arithmetic takes numbers only, so text cannot grow by doubling; loop iterations are
counted. The time limit counts this thread's CPU time, so it does not depend on the load of the machine.
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
from .filters import FILTERS, MAX_OUTPUT, TESTS, TOO_COMPLEX, TemplateFault, to_output

MAX_TEMPLATE = 48 * 1024
"""Bytes in UTF-8. MariaDB's TEXT holds 64 KiB."""
MAX_NODES = 5_000
MAX_ITERATIONS = 10_000
MAX_CPU_SECONDS = 1.0
MAX_DEPTH = 40
MAX_NUMBER = 10**15

ALLOWED_NODES = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.For, nodes.If, nodes.Assign, nodes.Name, nodes.Const,
    nodes.List, nodes.Tuple, nodes.Getattr, nodes.Getitem, nodes.Filter, nodes.Test, nodes.Keyword, nodes.Compare,
    nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.CondExpr, nodes.Neg, nodes.Add, nodes.Sub, nodes.Mul,
    nodes.Div, nodes.FloorDiv, nodes.Mod,
)  # fmt: skip
SYNTAX = {
    nodes.Call: "( )", nodes.Concat: "~", nodes.Pow: "**", nodes.Slice: "[ : ]", nodes.Dict: "{ : }",
    nodes.AssignBlock: "endset", nodes.FromImport: "import", nodes.CallBlock: "call", nodes.FilterBlock: "filter",
    nodes.Scope: "autoescape", nodes.For: "recursive",
}  # fmt: skip
"""How a refused node is written in a template; other nodes are named after their tag."""
LOOP_ATTRIBUTES = {"index", "index0", "revindex", "revindex0", "first", "last", "length", "depth"}


class BadTemplate(BackupsError):
    """A template cannot be used; the message names the line and the problem."""

    def __init__(self, problem: Message | str, line: int | None = None) -> None:
        text = N_("Line {line}: {problem}") if line else "{problem}"
        super().__init__(text, line=line, problem=problem)


def render(source: str, fields: Mapping[str, Any], *, html: bool) -> str:
    """Render `source` with plain merge fields (text, numbers, lists and dicts of them); `html` turns escaping on.

    Raises BadTemplate naming line and problem.
    """
    with _as_bad_template():
        sandbox = Sandbox(html=html)
        return sandbox.fill(sandbox.read(source), fields)


def check(source: str, samples: Mapping[str, Any], *, html: bool) -> None:
    """Check a template: syntax, merge field names, and rendering with `samples`. Raises BadTemplate."""
    with _as_bad_template():
        tree = Sandbox(html=html).read(source)
        for name in sorted(meta.find_undeclared_variables(tree) - set(samples)):
            line = next((node.lineno for node in tree.find_all(nodes.Name) if node.name == name), None)
            raise TemplateFault(Message("There is no merge field {name}.", name=name), line)
    render(source, samples, html=html)


@contextmanager
def _as_bad_template() -> Iterator[None]:
    """Convert any exception of a template into BadTemplate."""
    try:
        yield
    except Exception as error:
        raise BadTemplate(_problem(error), _line(error)) from error


def _line(error: Exception) -> int | None:
    """Return the template line of an error; Jinja puts it into the traceback."""
    if isinstance(error, TemplateSyntaxError):
        return error.lineno
    line, trace = getattr(error, "line", None), error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename in {"<template>", "<unknown>"}:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def _problem(error: Exception) -> Message | str:
    if isinstance(error, TemplateFault):
        return error.message
    if isinstance(error, (TemplateSyntaxError, UndefinedError)):
        return str(error.message)
    if isinstance(error, (RecursionError, SyntaxError)):
        return TOO_COMPLEX
    return f"{type(error).__name__}: {error}"


class Sandbox(ImmutableSandboxedEnvironment):
    """Jinja environment for one rendering of one template: it holds what the template has used of its limits."""

    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "%", "**"})

    def __init__(self, *, html: bool) -> None:
        super().__init__(
            autoescape=html, undefined=StrictUndefined, optimized=False, finalize=to_output, cache_size=0,
            trim_blocks=True, lstrip_blocks=True,
        )  # fmt: skip
        self.globals.clear()
        self.filters = {name: self._counted(work) for name, work in FILTERS.items()}
        self.filters["counted_iterations"] = self._counted_iterations
        self.tests = {name: self._counted(work) for name, work in TESTS.items()}
        self._iterations_left = MAX_ITERATIONS
        self._cpu_deadline = time.thread_time() + MAX_CPU_SECONDS

    def read(self, source: str) -> nodes.Template:
        """Parse `source`, check its nodes and wrap each loop's iterable in a counter. Raises TemplateFault."""
        if len(source.encode(errors="replace")) > MAX_TEMPLATE:
            raise TemplateFault(Message("It is longer than {most} KiB.", most=MAX_TEMPLATE // 1024))
        if any(unicodedata.category(char) in {"Cc", "Cs"} and char not in "\r\n\t" for char in source):
            raise TemplateFault(Message("It holds a character that no text has."))
        tree = self.parse(source)
        for count, (node, depth) in enumerate(_walk(tree)):
            if count >= MAX_NODES or depth > MAX_DEPTH:
                raise TemplateFault(TOO_COMPLEX, node.lineno)
            self._allow(node)
        for loop in tree.find_all(nodes.For):
            loop.iter = nodes.Filter(loop.iter, "counted_iterations", [], [], None, None, lineno=loop.lineno)
        return tree

    def _allow(self, node: nodes.Node) -> None:
        if not isinstance(node, ALLOWED_NODES) or (isinstance(node, nodes.For) and node.recursive):
            what = SYNTAX.get(type(node), type(node).__name__.lower())
            raise TemplateFault(Message("{what} cannot be used here.", what=what), node.lineno)
        if isinstance(node, nodes.Filter) and node.name not in FILTERS:
            raise TemplateFault(Message("There is no filter {name}.", name=node.name), node.lineno)
        if isinstance(node, nodes.Test) and node.name not in TESTS:
            raise TemplateFault(Message("There is no test {name}.", name=node.name), node.lineno)
        literal = isinstance(node, nodes.List) or (isinstance(node, nodes.Tuple) and node.ctx == "load")
        if literal and not all(isinstance(item, nodes.Const) for item in node.iter_child_nodes()):
            raise TemplateFault(Message("A list may hold texts and numbers only."), node.lineno)

    def fill(self, tree: nodes.Template, fields: Mapping[str, Any]) -> str:
        """Render the tree, limited to `MAX_OUTPUT` characters."""
        said, size = [], 0
        for part in self.from_string(tree).generate(**fields):
            size += len(part)
            if size > MAX_OUTPUT:
                raise TemplateFault(Message("It becomes longer than {most} KiB.", most=MAX_OUTPUT // 1024))
            said.append(part)
        return "".join(said)

    def count(self, rounds: int = 0) -> None:
        """Count loop iterations and CPU time; TemplateFault above the limits."""
        self._iterations_left -= rounds
        if self._iterations_left < 0 or time.thread_time() > self._cpu_deadline:
            raise TemplateFault(Message("It takes too long: its loops go round too often."))

    def _counted_iterations(self, values: Iterable[Any]) -> Iterator[Any]:
        for value in values:
            self.count(1)
            yield value

    def _counted(self, work: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*values: Any, **named: Any) -> Any:
            self.count()
            found = work(*values, **named)
            if isinstance(found, str) and len(found) > MAX_OUTPUT:
                raise TemplateFault(TOO_COMPLEX)
            return found

        return counted

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:  # noqa: ARG002 - Jinja's form
        self.count()
        if not all(isinstance(value, (int, float)) for value in (left, right)):
            raise TemplateFault(Message("{what} is for numbers only.", what=operator))
        found = self.binop_table[operator](left, right)
        if not -MAX_NUMBER <= found <= MAX_NUMBER:
            raise TemplateFault(Message("A number becomes too large."))
        return found

    def getitem(self, obj: Any, argument: Any) -> Any:
        """Return an entry of a dict, list or text, or an allowed loop attribute; undefined for anything else."""
        if isinstance(obj, LoopContext) and argument in LOOP_ATTRIBUTES:
            return getattr(obj, argument)
        place = isinstance(obj, (list, tuple, str)) and isinstance(argument, int)
        if place or (isinstance(obj, dict) and isinstance(argument, str)):
            try:
                return obj[argument]
            except LookupError:
                pass
        return self.undefined(obj=obj, name=argument)

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Same as `getitem`: a dot reaches no Python attribute."""
        return self.getitem(obj, attribute)


def _walk(node: nodes.Node, depth: int = 0) -> Iterator[tuple[nodes.Node, int]]:
    yield node, depth
    for child in node.iter_child_nodes():
        yield from _walk(child, depth + 1)
