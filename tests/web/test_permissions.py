"""A client's sub-users: what they lack the right for is off on the page, with the reason beside it."""

from __future__ import annotations

import re

import pytest
from support.world import ALICE, STAFF

from puq_backups import Actor
from puq_backups.host import PERMISSIONS

from .client_pages import ClientPages
from .rendering import Elements

NO_RIGHT = "Your account does not have the right to do this."
BUTTONS = {
    "create": {"puqb-create", "edit", "puqb-cancel-open"}, "restore": {"restore"},
    "remove": {"remove"}, "keep": {"keep"}, "schedule": {"schedule"},
}  # fmt: skip


@pytest.fixture
def full(pages: ClientPages) -> ClientPages:
    """A backup is there, and a second one waits and may be cancelled."""
    pages.world.back_up("before the update")
    with pages.world.backups.vm_action("1"):
        assert pages.world.call("BackupNow") == "success"
    return pages


def off(pages: ClientPages, actor: Actor) -> tuple[set[str], str]:
    """The buttons that are off for want of the right, by their ids or what they ask for; and the page."""
    text = pages.get(actor=actor).text
    elements = Elements(text)
    told = {found["id"] for tag, found in elements.all if tag == "p" and str(found.get("id")).startswith("puqb-why-")}
    names = set()
    for tag, found in elements.all:
        if "disabled" in found and found.get("title") == NO_RIGHT:
            assert str(found["aria-describedby"]).strip() in told, found
            address = str(found.get("formaction") or "").strip("/")
            names.add(found.get("id") or ("edit" if found.get("name") == "edit" else address.rsplit("/", 1)[-1]))
        if tag == "fieldset" and "disabled" in found:
            names.add("schedule")
    return names, text


@pytest.mark.flow
def test_page_shows_what_a_sub_user_may_not_and_why(full: ClientPages) -> None:
    for actor in (ALICE, STAFF, Actor(client_id="alice", permissions=PERMISSIONS)):
        names, text = off(full, actor)
        assert (names, NO_RIGHT in text) == (set(), False)

    for right, buttons in BUTTONS.items():
        names, text = off(full, Actor(client_id="alice", permissions=PERMISSIONS - {right}))
        assert names == buttons, right
        assert re.search(rf'<p class="puqb-reason" id="puqb-why-[^"]+">.*?{NO_RIGHT}', text, re.DOTALL)

    names, _ = off(full, Actor(client_id="alice", permissions={"view"}))
    assert names == set().union(*BUTTONS.values())


def test_page_shows_what_a_sub_user_may_not_after_a_failed_restore(full: ClientPages) -> None:
    full.world.drain()
    with full.world.context.database.begin() as session:
        session.merge(full.world.service()).restore_failed = full.world.operations()[0].id

    names, _ = off(full, Actor(client_id="alice", permissions=PERMISSIONS - {"restore"}))

    assert {"puqb-retry-open", "puqb-reinstall-open"} <= names
