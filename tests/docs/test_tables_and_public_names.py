"""Tables, public names and sentences for support: what docs/ says is what there is."""

from __future__ import annotations

import re

from babel.messages.pofile import read_po
from support.services import ROOT

import puq_backups
from puq_backups import Host, include_name
from puq_backups.models import VERSION_TABLE, Base

from .docs_pages import page, rows


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


def test_sentences_that_support_staff_are_shown_exist() -> None:
    with (ROOT / "lang" / "de" / "LC_MESSAGES" / "puq_backups.po").open("rb") as file:
        known = {one for message in read_po(file) for one in ([message.id] if message.string else [])}

    quoted = re.findall(r"(?<!\*)\*([^*\n]+)\*(?!\*)", page("customer-says"))

    assert len(quoted) > 20
    assert set(quoted) - known == set()
