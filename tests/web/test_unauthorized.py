"""`Host.unauthorized`: signed-out visitors go to the host's own sign-in, from client and staff pages alike."""

from __future__ import annotations

from typing import Any

import pytest
from flask import abort, redirect
from support import world as worlds

from .client_pages import ClientPages

PAGES = ["/services/1/backups/", "/services/none/backups/", "/services/1/backups/state", "/admin/backups/"]


@pytest.fixture
def visited(pages: ClientPages) -> ClientPages:
    pages.world.host.actor = None
    return pages


def give(pages: ClientPages, unauthorized: Any) -> None:
    pages.world.host.unauthorized = unauthorized  # type: ignore[attr-defined]  # optional in a host


def test_signed_out_visitors_go_to_the_hosts_sign_in(visited: ClientPages) -> None:
    give(visited, lambda: redirect("/sign-in"))

    for path in PAGES:
        answer = visited.client.get(path)
        assert (answer.status_code, answer.location) == (302, "/sign-in"), path
    for form in ("/services/1/backups/create", "/admin/backups/services/1/create"):
        assert visited.client.post(form).location == "/sign-in", form
    assert visited.world.operations() == []


def test_who_is_signed_in_is_not_sent_to_sign_in(visited: ClientPages) -> None:
    give(visited, lambda: redirect("/sign-in"))

    assert visited.get("/", worlds.CHARLIE).status_code == 404
    assert visited.get("/", worlds.ALICE).status_code == 200
    assert visited.client.get("/admin/backups/").status_code == 404


def test_answer_that_is_raised_is_an_answer(visited: ClientPages) -> None:
    give(visited, lambda: abort(401))

    assert [visited.client.get(path).status_code for path in PAGES] == [401] * len(PAGES)


@pytest.mark.parametrize("unauthorized", [lambda: None, lambda: 1 / 0])
def test_host_without_an_answer_leaves_404(visited: ClientPages, unauthorized: Any) -> None:
    give(visited, unauthorized)

    assert [visited.client.get(path).status_code for path in PAGES] == [404] * len(PAGES)
