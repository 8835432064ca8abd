"""Who may come in to the staff pages: whoever is not staff learns nothing, and nothing reaches Proxmox."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient
from support import world as worlds
from support.world import ALICE, CHARLIE, STAFF

from puq_backups import Actor

from .client_pages import visible_text

IDS = {"service_id": "1", "server_id": "a", "backup_id": "b", "operation_id": "o"}


@pytest.fixture
def client(world: worlds.World) -> FlaskClient:
    return world.app.test_client()


def routes(world: worlds.World) -> Iterator[tuple[str, str]]:
    """(method, address) of every staff page there is."""
    for rule in world.app.url_map.iter_rules():
        if rule.endpoint.startswith("puq_backups_admin."):
            for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
                yield method, re.sub(r"<(?:\w+:)?(\w+)>", lambda found: IDS.get(found[1], "x"), rule.rule)


def test_everybody_but_staff_gets_404_everywhere(world: worlds.World, client: FlaskClient) -> None:
    asked = len(world.proxmox.requests())

    for actor in (None, ALICE, CHARLIE, Actor(), Actor(client_id="1", permissions=frozenset({"staff"}))):
        world.host.actor = actor
        for method, address in routes(world):
            answer = client.open(address, method=method)

            assert answer.status_code == 404, (address, actor)
            assert "web100" not in answer.text
    assert len(world.proxmox.requests()) == asked


def test_form_without_its_token_is_400_and_does_nothing(world: worlds.World, client: FlaskClient) -> None:
    asked, world.host.actor = len(world.proxmox.requests()), STAFF

    for method, address in routes(world):
        for form in ({}, {"csrf_token": "wrong"}) if method == "POST" else ():
            answer = client.post(address, data=form)

            assert answer.status_code == 400, address
            assert "csrf_token" in visible_text(answer)
    assert len(world.proxmox.requests()) == asked


def test_pages_have_no_script_or_style_of_their_own(world: worlds.World, client: FlaskClient) -> None:
    world.back_up()
    world.host.actor = STAFF

    for path in ("/", "/operations", "/services", "/services/1/", "/services/1/proxmox", "/servers", "/activity"):
        page = client.get(f"/admin/backups{path}")

        assert page.status_code == 200
        assert not re.search(r"<script(?![^>]* src=)|<style|\sstyle=|\son\w+=", page.text), path
        assert 'aria-current="page"' in page.text
