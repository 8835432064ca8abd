"""The CSRF token of the client's forms: missing, wrong, of another browser, in the header."""

from __future__ import annotations

import pytest

from ..client_pages import ClientPages, visible_text
from ..client_routes import FORM, ids, routes


@pytest.mark.flow
def test_missing_or_wrong_token_is_400_and_does_nothing(unchanged: ClientPages) -> None:
    world = unchanged.world
    asked, written = len(world.proxmox.requests()), len(world.operations())

    for method, path, address in routes(unchanged, *ids(world, "1"), custom=True):
        for token in (None, "wrong", "ImFiYyI.abc.def") if method == "POST" else ():
            answer = unchanged.post(address, FORM, token=token)
            assert answer.status_code == 400, path
            assert "csrf_token" in visible_text(answer)
    assert len(world.proxmox.requests()) == asked
    assert len(world.operations()) == written


def test_token_of_another_browser_is_400(unchanged: ClientPages) -> None:
    other = ClientPages(unchanged.world, unchanged.world.app.test_client())

    assert other.post("/create", {}, token=unchanged.token()).status_code == 400


def test_token_in_the_header_is_taken(with_backups: ClientPages) -> None:
    answer = with_backups.post("/create", {}, token=None, headers={"X-CSRFToken": with_backups.token()})

    assert answer.status_code == 303
    with_backups.world.drain()


@pytest.mark.flow
def test_token_may_be_switched_off_in_tests_alone(with_backups: ClientPages) -> None:
    app = with_backups.world.app
    app.config["WTF_CSRF_ENABLED"] = False
    app.testing = False
    assert with_backups.post("/create", {}, token=None).status_code == 400

    app.testing = True
    assert with_backups.post("/create", {}, token=None).status_code == 303
    with_backups.world.drain()
