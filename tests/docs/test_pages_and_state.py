"""docs/pages.md and docs/staff-pages.md have each address, form field and key of `/state`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from support import world
from support.bare_host import mount

from puq_backups.client_area.backup_list import KINDS
from puq_backups.config import Settings
from puq_backups.models import ACTIVE_STATES, ENDED_STATES, PROTECTION
from puq_backups.operations.kinds import STEPS
from puq_backups.simulator import Simulator

from .docs_pages import loaded, page, read_by, rows


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


def test_values_of_the_state_are_written_down() -> None:
    text = page("pages")
    kinds = [kind for kind in KINDS if kind not in {"kept", "binned"}]

    for name, values in (("kind", kinds), ("state", PROTECTION)):
        assert f"`{name}` ({', '.join(values)})" in text
    assert f"`?kind=` (`{' '.join(KINDS)}`)" in text
