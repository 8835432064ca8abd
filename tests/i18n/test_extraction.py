"""Every sentence that a message is made of is found by `make lang`, wherever it is put before the message is made."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from puq_backups.lang import extract
from support.services import ROOT

from .translator_helpers import texts

pytestmark = pytest.mark.slow

FUNCTIONS = ast.FunctionDef | ast.Lambda


@dataclass(frozen=True)
class Source:
    """A parsed file with the parent of each node."""

    path: Path
    tree: ast.Module
    parents: dict[ast.AST, ast.AST]

    def around(self, node: ast.AST) -> Iterator[ast.AST]:
        """The functions around a node, from the inside out, and then the module."""
        while node in self.parents:
            node = self.parents[node]
            if isinstance(node, FUNCTIONS | ast.Module):
                yield node


@cache
def sources() -> list[Source]:
    found = []
    for path in sorted([*(ROOT / "puq_backups").rglob("*.py"), *(ROOT / "hooks").rglob("*.py")]):
        if "simulator" not in path.parts:
            tree = ast.parse(path.read_text())
            parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
            found.append(Source(path, tree, parents))
    return found


@cache
def calls() -> dict[str, list[tuple[Source, ast.Call]]]:
    found = defaultdict(list)
    for source in sources():
        for node in ast.walk(source.tree):
            if isinstance(node, ast.Call):
                found[ast.unparse(node.func).rpartition(".")[2]].append((source, node))
    return found


def assigned(scope: ast.AST, name: str) -> Iterator[ast.expr]:
    """What a name is given within a function or module, by assignments and by loops over literal tuples."""
    for node in ast.walk(scope):
        targets, value = [], None
        if isinstance(node, ast.Assign):
            targets, value = node.targets, node.value
        elif isinstance(node, ast.AnnAssign | ast.NamedExpr):
            targets, value = [node.target], node.value
        elif isinstance(node, ast.For | ast.comprehension):
            targets, value = [node.target], node.iter
        for target in targets:
            names = [one.id for one in ast.walk(target) if isinstance(one, ast.Name)]
            if name in names and value is not None:
                yield value


def sentences(source: Source, node: ast.expr, seen: tuple[object, ...] = ()) -> Iterator[str]:
    """The texts that an expression may be, followed through names, conditions, parameters and constants."""
    if node in seen:
        return
    seen = (*seen, node)
    if isinstance(node, ast.Name):
        yield from of_name(source, node, seen)
    elif isinstance(node, ast.Attribute):
        yield from of_constant(node.attr, seen)
    elif isinstance(node, ast.Constant):
        yield from [node.value] if isinstance(node.value, str) else []
    elif not isinstance(node, ast.Call) or ast.unparse(node.func) == "N_":
        for child in parts(node):
            yield from sentences(source, child, seen)


def parts(node: ast.expr) -> list[ast.expr]:
    """Those parts of an expression that may be its value."""
    aside: list[ast.expr | None] = []
    if isinstance(node, ast.IfExp):
        aside = [node.test]
    elif isinstance(node, ast.Subscript):
        aside = [node.slice]
    elif isinstance(node, ast.Dict):
        aside = node.keys
    return [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr) and child not in aside]


def of_name(source: Source, node: ast.Name, seen: tuple[object, ...]) -> Iterator[str]:
    for scope in source.around(node):
        given = list(assigned(scope, node.id))
        for value in given:
            yield from sentences(source, value, seen)
        if isinstance(scope, ast.FunctionDef):
            arguments = [one.arg for one in (*scope.args.posonlyargs, *scope.args.args, *scope.args.kwonlyargs)]
            if node.id in arguments:
                yield from of_parameter(scope, arguments.index(node.id), node.id, seen)
                return
        if given:
            return
    yield from of_constant(node.id, seen)


def of_parameter(function: ast.FunctionDef, position: int, name: str, seen: tuple[object, ...]) -> Iterator[str]:
    for source, call in calls().get(function.name, []):
        skipped = 1 if function.args.args and function.args.args[0].arg == "self" else 0
        given = [keyword.value for keyword in call.keywords if keyword.arg == name]
        given += call.args[position - skipped : position - skipped + 1]
        for value in given:
            yield from sentences(source, value, seen)


def of_constant(name: str, seen: tuple[object, ...]) -> Iterator[str]:
    for source in sources() if name.isupper() else []:
        for node in source.tree.body:
            if isinstance(node, ast.Assign | ast.AnnAssign) and name in list(_targets(node)) and node.value:
                yield from sentences(source, node.value, seen)


def _targets(node: ast.Assign | ast.AnnAssign) -> Iterator[str]:
    for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
        yield from (one.id for one in ast.walk(target) if isinstance(one, ast.Name))


def test_every_sentence_of_a_message_is_extracted() -> None:
    known = {one for text in texts() for one in ([text] if isinstance(text, str) else text)}
    lost = {
        (source.path.name, call.lineno, text)
        for found in calls().values() for source, call in found
        for argument in extract.message_argument(call)
        for text in sentences(source, argument) if extract.has_words(text) and text not in known
    }  # fmt: skip

    assert lost == set()


def test_a_sentence_in_a_variable_a_parameter_or_a_constant_is_seen() -> None:
    tree = ast.parse(
        "FAR = 'A constant.'\n"
        "def tell(text):\n  return Message(text)\n"
        "def one():\n  said = 'One.' if x else OTHER\n  return Message(said)\n"
        "def two():\n  return tell('A parameter.')\n"
        "def three():\n  for a, b in ((1, 'In a loop.'),):\n    Message(b)\n"
        "OTHER = 'Another.'\n"
    )
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    source = Source(Path("x.py"), tree, parents)
    messages = [one for one in ast.walk(tree) if isinstance(one, ast.Call) and ast.unparse(one.func) == "Message"]
    found = {text for call in messages for text in sentences(source, call.args[0])}

    assert {"One.", "Another.", "In a loop."} <= found
