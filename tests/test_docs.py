"""The pages in docs/ say what there is: everything that can be set, called, hooked or sent, and nothing else."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import fields
from datetime import timedelta
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import pytest
from babel.messages.pofile import read_po
from flask import Flask
from support import world
from support.hosting import mount
from support.services import ROOT

import puq_backups
from puq_backups import Host, include_name
from puq_backups.cli import backups as commands
from puq_backups.config import PREFIX, Settings
from puq_backups.hook_registry import points
from puq_backups.hook_registry.registry import Hooks
from puq_backups.mail import outbox
from puq_backups.mail.filters import FILTERS, TESTS
from puq_backups.mail.merge_fields import COMMON_FIELDS, HOST_FIELDS, SPECIFIC_FIELDS
from puq_backups.models import ACTIVE_STATES, ENDED_STATES, VERSION_TABLE, Base
from puq_backups.operations.kinds import STEPS
from puq_backups.rules.package import CHOICES, OPTIONS
from puq_backups.simulator import Simulator

PAGES = sorted((ROOT / "docs").glob("*.md"))
POINTS = {name: spec for name, spec in vars(points).items() if inspect.isfunction(spec)}


def page(name: str) -> str:
    return (ROOT / "docs" / f"{name}.md").read_text()


def everything() -> str:
    return "\n".join(path.read_text() for path in (ROOT / "README.md", *PAGES))


def rows(name: str) -> dict[str, list[str]]:
    """The rows of a page's tables by their first cell, without its backticks."""
    lines = [line for line in page(name).splitlines() if line.startswith("| ") and not line.startswith("|--")]
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    return {row[0].replace("`", "").replace("\\|", "|"): row[1:] for row in cells}


def loaded() -> Hooks:
    hooks = Hooks()
    hooks.load_package("puq_backups.hooks")
    return hooks


def shown(value: Any) -> str:
    """A default as the page writes it."""
    if isinstance(value, timedelta):
        seconds = int(value.total_seconds())
        units = {"d": 86400, "h": 3600, "m": 60, "s": 1}
        return next(
            f"{seconds // size}{unit}" for unit, size in units.items() if seconds > size and not seconds % size
        )
    return ", ".join(shown(part) for part in value) if isinstance(value, tuple) else str(value)


def normal(text: str) -> str:
    """A duration in seconds, so that 60s and 1m, 24h and 1d are the same."""
    units = {"d": 86400, "h": 3600, "m": 60, "s": 1}
    return re.sub(r"\b(\d+)([smhd])\b", lambda found: str(int(found[1]) * units[found[2]]), text)


@pytest.mark.parametrize("setting", fields(Settings), ids=lambda setting: setting.name)
def test_setting_is_written_down_with_its_default(setting: Any) -> None:
    default, kind, effect = rows("settings")[PREFIX + setting.name.upper()]

    wanted = f"`{shown(setting.default)}`" if setting.default else "*needed*" if setting.name == "keys" else "*empty*"
    assert normal(default) == normal(wanted)
    assert len(kind) > 3
    assert len(effect) > 20


def test_every_setting_that_is_named_exists() -> None:
    named = set(re.findall(r"PUQ_BACKUPS_[A-Z_]*[A-Z]", everything()))

    assert named - {PREFIX + setting.name.upper() for setting in fields(Settings)} == set()


def walk(group: click.Group, path: str) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield from (
            walk(command, f"{path} {name}") if isinstance(command, click.Group) else [(f"{path} {name}", command)]
        )


COMMANDS = dict(walk(commands, "flask backups"))


@pytest.mark.parametrize("path", COMMANDS)
def test_command_is_written_down_with_its_options(path: str) -> None:
    [row] = [row for row in rows("commands") if re.fullmatch(rf"{path}( [A-Z]+)?( \[.*\])?", row)]

    options = [name for option in COMMANDS[path].params for name in option.opts if name.startswith("--")]
    assert re.findall(r"--[a-z-]+", row) == options


def test_every_command_that_is_named_exists() -> None:
    text = re.sub(r"--app \w+ ", "", everything())
    groups = {"flask backups", *(path.rsplit(" ", 1)[0] for path in COMMANDS)}

    for named in re.findall(r"flask backups(?: [a-z]+)*", text):
        words = named.split(" ")
        assert any(" ".join(words[:length]) in COMMANDS for length in (3, 4)) or named in groups, named


@pytest.mark.parametrize("point", POINTS)
def test_hook_point_is_written_down_with_its_arguments(point: str) -> None:
    when, means = rows("hooks")[f"{point}({', '.join(inspect.signature(POINTS[point]).parameters)})"]

    assert len(when) > 10
    assert means.startswith(("Nothing.", "`{", "Entries", "A text"))


def test_every_hook_point_that_is_named_exists() -> None:
    named = {row.partition("(")[0] for row in rows("hooks") if "(" in row and row[0].isupper() and row[-1] == ")"}

    assert named - {*POINTS, "Restore failed "} == set()


def test_example_of_a_hook_does_what_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    example = re.findall(r"```python\n(.*?)```", page("hooks"), re.DOTALL)[0]
    module, hooks = ModuleType("example"), Hooks()
    exec(example, module.__dict__)  # noqa: S102 - our own page
    hooks.register(module)

    answers = [hooks.run("PreBackup", service_id=service, operation_id="o") for service in ("7", "8")]
    hooks.run("AfterRestore", service_id="7", operation_id="o", backup_id="b")

    assert answers == [[{"abortcmd": True, "reason": module.MAINTENANCE["7"]}], []]
    assert capsys.readouterr().out == "service 7 was restored (o)\n"


def test_mails_are_written_down_and_no_others() -> None:
    table = {name: row for name, row in rows("emails").items() if len(row) == 3 and name != "mail"}

    assert table == {
        mail.name: [f"`{mail.event}`", mail.to, f"`{mail.folder}`"] for mail in loaded().emails
    }  # fmt: skip
    folder = Path(str(files("puq_backups.templates"))) / "puq_backups" / "emails"
    assert {path.name for path in folder.iterdir() if path.is_dir()} == {mail.folder for mail in loaded().emails}


def test_merge_fields_are_written_down_and_no_others() -> None:
    table = {name: row for name, row in rows("emails").items() if len(row) == 2 and name != "field"}

    own = {field.name: [mail.name for mail in loaded().emails if field.name in mail.own] for field in SPECIFIC_FIELDS}
    assert table == {
        **{field.name: [field.label, field.kind] for field in (*COMMON_FIELDS, *HOST_FIELDS)},
        **{field.name: [field.label, ", ".join(own[field.name])] for field in SPECIFIC_FIELDS},
    }


def test_what_a_text_of_staff_may_do_is_written_down() -> None:
    said = page("emails").partition("a small part of Jinja")[2].partition("## Merge fields")[0]

    assert {*FILTERS, *TESTS} <= set(re.findall(r"`(\w+)`", said))


def test_states_of_the_outbox_are_written_down() -> None:
    states = page("emails").partition("## The outbox")[2].partition("- A mail")[0]

    assert re.findall(r"^\| `(\w+)`", states, re.MULTILINE) == list(outbox.STATES)


def test_module_functions_are_written_down_and_no_others() -> None:
    named = {row for row, cells in rows("module-functions").items() if len(cells) == 3 and row != "function"}

    assert named == set(loaded().functions)


def read_by(function: Any) -> set[str]:
    """The params that a module function reads by name."""
    return set(re.findall(r'params(?:\.get\(|\[|, )"(\w+)"', inspect.getsource(function)))


@pytest.mark.parametrize("name", loaded().functions)
def test_module_function_is_written_down_with_what_it_reads(name: str) -> None:
    _, reads, _ = rows("module-functions")[name]

    assert read_by(loaded().functions[name]) <= set(re.findall(r"`(\w+)`", reads))


def test_params_are_written_down() -> None:
    given, packages = import_module("puq_backups.accounts.params"), import_module("puq_backups.rules.package")

    read = {*read_by(given), *read_by(packages), *given.CLIENT_FIELDS}

    assert len(read) > 12
    assert read - set(re.findall(r"`(\w+)`", page("module-functions"))) == set()


def test_product_settings_are_written_down_in_their_order() -> None:
    table = rows("module-functions")
    titles = [table[str(position)][0].strip("`") for position in range(1, len(OPTIONS) + 1)]

    assert titles == [title for title, _ in OPTIONS]
    for position, (_, name) in enumerate(OPTIONS, 1):
        assert set(CHOICES.get(name, ())) <= set(re.findall(r"`([^`]+)`", table[str(position)][1]))


@pytest.fixture
def app(sqlite_url: str) -> Flask:
    return mount(sqlite_url, tables=False)[0]


def test_addresses_are_written_down_with_their_fields(app: Flask) -> None:
    prefix = app.config.get("PUQ_BACKUPS_URL_PREFIX", Settings().url_prefix)
    table, there = rows("pages"), set()
    for rule in app.url_map.iter_rules():
        if rule.endpoint.startswith("puq_backups.") and ".reload_" not in rule.endpoint:
            [method] = (rule.methods or set()) - {"HEAD", "OPTIONS"}
            there.add(f"{method} {rule.rule.removeprefix(prefix)}")
            ids = {"service_id", *re.findall(r"<(\w+)>", rule.rule)}
            function = loaded().functions.get(rule.endpoint.partition(".")[2])
            read = read_by(function) if function else {"modop", "a"} if ".custom" in rule.endpoint else set()
            assert read - ids <= set(re.findall(r"`(\w+)`", table[f"{method} {rule.rule.removeprefix(prefix)}"][0]))

    assert {row for row in table if row.startswith(("GET", "POST"))} == there


def test_addresses_of_staff_are_written_down(app: Flask) -> None:
    prefix = Settings().admin_url_prefix
    there = {
        f"{method} {rule.rule.removeprefix(prefix)}"
        for rule in app.url_map.iter_rules()
        if rule.endpoint.startswith("puq_backups_admin.")
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    table = {row for row in rows("staff-pages") if row.startswith(("GET /", "POST /"))}
    below = {row.removesuffix(", and below") for row in table if row.endswith(", and below")}

    assert all(any(address.partition(" ")[2].startswith(name[4:]) for address in there) for name in below)
    assert {row for row in table if not row.endswith(", and below")} == {
        address for address in there if not address.partition(" ")[2].startswith(("/emails", "/outbox"))
    }


def keys(found: Any) -> Iterator[str]:
    if isinstance(found, dict):
        for key, value in found.items():
            yield key
            yield from keys(value)
    elif isinstance(found, list):
        for one in found:
            yield from keys(one)


def test_state_is_written_down(proxmox: Simulator, sqlite_url: str, redis_url: str) -> None:
    made = world.make(proxmox, sqlite_url, redis_url)
    made.register()
    made.back_up("before the update")
    made.host.actor = world.ALICE

    state = made.app.test_client().get("/services/1/backups/state").get_json()

    assert state["last_operation"]
    assert state["backups"]
    described = page("pages").partition("## `/state`")[2].partition("## Templates")[0]
    assert set(keys(state)) - set(re.findall(r"`(\w+)`", described)) == set()


def test_states_and_steps_are_written_down() -> None:
    text = page("operations")
    diagram = text.partition("```mermaid")[2].partition("```")[0]

    states = {row for row, cells in rows("operations").items() if len(cells) == 1 and " " not in row} - {"state", "…"}
    assert states == {*ACTIVE_STATES, *ENDED_STATES}
    assert set(re.findall(r"--> (\w+)", diagram)) == {*ACTIVE_STATES, *ENDED_STATES}
    for kind, steps in STEPS.items():
        line = " ".join(re.findall(rf"^- \*\*{kind}\*\*: (.*?)(?=^- |^$)", text, re.DOTALL | re.MULTILINE))
        assert re.findall(r"`(\w+)`", line) == [step.__name__ for step in steps]


def test_tables_are_written_down_and_no_others() -> None:
    assert {row for row in rows("database") if row.startswith("puq_")} == {*Base.metadata.tables, VERSION_TABLE}


def test_line_for_the_hosts_own_migrations_leaves_its_tables_alone() -> None:
    wanted = {name: include_name(name, "table", {}) for name in (*Base.metadata.tables, VERSION_TABLE, "orders")}

    assert {name for name, seen in wanted.items() if seen} == {"orders"}
    assert include_name("puq_backups_x", "column", {})
    assert include_name(None, "schema", {})
    for name in ("database", "mounting"):
        assert "Migrate(app, db, include_name=include_name)" in page(name)


def test_public_names_and_protocols_of_the_host_are_written_down() -> None:
    first = {name for row in rows("mounting") for name in re.findall(r"^[\w, ]+$", row) for name in name.split(", ")}
    protocols = {name for name in puq_backups.__all__ if name.startswith("HostWith")}

    assert set(puq_backups.__all__) - first == set()
    for protocol in protocols:
        [method] = vars(getattr(puq_backups, protocol))["__abstractmethods__"] - Host.__abstractmethods__
        assert rows("mounting")[protocol][0].startswith(f"{method}(") or rows("mounting")[protocol][0].startswith(
            f"`{method}("
        )


@pytest.mark.parametrize("path", [path for path in PAGES if path.name != "README.md"], ids=lambda path: path.name)
def test_page_is_linked_from_the_index(path: Path) -> None:
    assert f"]({path.name})" in page("README")


@pytest.mark.parametrize("path", [ROOT / "README.md", *PAGES], ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    for link in re.findall(r"\]\(([^)#]+)[^)]*\)", path.read_text()):
        assert "://" in link or (path.parent / link).exists(), link


def test_sentences_that_support_staff_are_shown_exist() -> None:
    with (ROOT / "lang" / "de" / "LC_MESSAGES" / "puq_backups.po").open("rb") as file:
        known = {one for message in read_po(file) for one in ([message.id] if message.string else [])}

    quoted = re.findall(r"(?<!\*)\*([^*\n]+)\*(?!\*)", page("customer-says"))

    assert len(quoted) > 20
    assert set(quoted) - known == set()
