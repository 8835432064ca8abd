"""A walk through docs/whmcs.md: each name of ours there exists, and each function, point and merge field is there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields

import pytest
from support.bare_host import mount

from puq_backups import Actor, Backups
from puq_backups.config import PREFIX, Settings
from puq_backups.hook_registry import decorators
from puq_backups.host import OPTIONAL, PERMISSIONS, Host
from puq_backups.mail.merge_fields import COMMON_FIELDS, HOST_FIELDS
from puq_backups.models import Base
from puq_backups.rules.package import OPTIONS

from .docs_pages import COMMANDS, POINTS, loaded, page, rows

TABLES = re.findall(r"(?:^\|.*\n)+", page("whmcs"), re.MULTILINE)


def lines() -> Iterator[tuple[str, str, str]]:
    """WHMCS's name, ours and the notes of each line of each table."""
    for table in TABLES:
        for line in table.splitlines()[2:]:
            their, ours, notes = (cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1])
            yield their, ours, notes


def known(name: str, url: set[str]) -> bool:
    """Whether this is something of ours, by what it looks like."""
    if name.startswith("flask backups "):
        return name in COMMANDS
    if name.startswith("@"):
        return callable(getattr(decorators, name[1:]))
    if name.startswith("/"):
        return name in url
    owner, _, attribute = name.partition(".")
    if owner in {"backups", "Actor", "Host"} and attribute:
        optional = OPTIONAL if owner == "Host" else ()
        return hasattr({"backups": Backups, "Actor": Actor, "Host": Host}[owner], attribute) or attribute in optional
    return name in names()


def names() -> set[str]:
    merged = {field.name for field in (*COMMON_FIELDS, *HOST_FIELDS)}
    params = set(re.findall(r"`(\w+)`", page("module-functions")))
    mails = {mail.name for mail in loaded().emails}
    settings = {PREFIX + setting.name.upper() for setting in fields(Settings)}
    extra = {"puq_backups.whmcs.dispatch", "csrf_token", "quota"}
    return {*loaded().functions, *POINTS, *merged, *params, *mails, *settings, *Base.metadata.tables, *extra} | {
        title for title, _ in OPTIONS
    }


@pytest.fixture
def url(sqlite_url: str) -> set[str]:
    app, _ = mount(sqlite_url, tables=False)
    return {rule.rule.removeprefix(Settings().url_prefix) for rule in app.url_map.iter_rules()}


def test_each_name_of_ours_exists(url: set[str]) -> None:
    for their, ours, notes in lines():
        named = re.findall(r"`([^`]+)`", ours)
        assert named or ours == "—", (their, ours)
        assert named or notes, f"{their} has no counterpart, and no reason is given"
        for name in named:
            assert known(name, url), (their, name)
        for name in re.findall(r"`(@?PUQ_\w+|@\w+|backups\.\w+|Host\.\w+)`", notes):
            assert known(name, url), (their, name)


def test_each_function_point_right_and_merge_field_of_ours_is_there() -> None:
    named = {name for _, ours, notes in lines() for name in re.findall(r"`([^`]+)`", f"{ours} {notes}")}
    fields = (*COMMON_FIELDS, *HOST_FIELDS)
    merged = {field.name for field in fields if field.name.startswith(("client_", "service_"))}

    assert {*loaded().functions, *POINTS, *PERMISSIONS, *merged} - named == set()


def test_each_name_of_whmcs_stands_once() -> None:
    theirs = [name for their, _, _ in lines() if their != "—" for name in re.split(r", (?=[A-Za-z])", their)]

    assert len(theirs) > 130
    assert [name for name in theirs if theirs.count(name) > 1 and "PUQ" not in name and name != "…"] == []


def test_rows_are_read_whole() -> None:
    assert len(rows("whmcs")) > 60
