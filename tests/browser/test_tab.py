"""The Backups page in a tab of a page of the host: forms, dialogs and the script work, and lead back to it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from flask import render_template_string, request
from playwright.sync_api import Page, expect
from support import http_server
from support import world as worlds

from puq_backups import Actor

MACHINE = """<!doctype html><html lang="en"><head><title>Machine</title>{{ tab.head }}</head>
<body><h1>The host's page</h1><main>{{ tab.content }}</main></body></html>"""


@pytest.fixture
def address(world: worlds.World) -> Iterator[str]:
    """The address of the host's page; `world` has a bin."""

    def machine(service_id: str) -> str:
        return render_template_string(MACHINE, tab=world.backups.client_area(service_id), at=request.path)

    world.app.add_url_rule("/vm/<service_id>", "machine", machine)
    with http_server.serve(world.app) as found:
        yield f"{found}/vm/1?view=backups"


def in_tab(page: Page) -> None:
    expect(page.get_by_role("heading", name="The host's page")).to_be_visible()
    assert "/vm/1?view=backups" in page.url


def test_acts_work_in_a_tab_and_lead_back_to_it(world: worlds.World, page: Page, address: str) -> None:
    page.goto(address)
    page.get_by_label("Backups notes").fill("from the tab")
    page.get_by_role("button", name="Backup now").click()
    expect(page.locator("#puqb-live-messages")).to_contain_text("Your backup is starting.")
    in_tab(page)
    world.drain()
    page.reload()

    row = page.get_by_role("row").filter(has_text="from the tab")
    row.locator(".puqb-more > summary").click()
    row.get_by_role("button", name=re.compile("^Keep")).click()
    expect(page.locator("#puqb-live-messages")).to_contain_text("Backup kept.")
    row.locator(".puqb-more > summary").click()
    row.get_by_role("button", name=re.compile("^Edit description")).click()
    page.get_by_label("Description", exact=True).fill("other words")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("row").filter(has_text="other words")).to_be_visible()
    in_tab(page)

    page.get_by_label("Tuesday", exact=True).check()
    page.get_by_label("Time on Tuesday").fill("04:05")
    page.get_by_role("button", name="Save Schedule").click()
    expect(page.get_by_text("The schedule is saved.")).to_be_visible()
    in_tab(page)

    page.get_by_role("link", name=re.compile("^Manual")).click()
    in_tab(page)
    assert "kind=manual" in page.url
    page.get_by_role("button", name=re.compile(r"^Restore \W")).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label(re.compile("^Type ")).fill(world.service().vm_name)
    dialog.get_by_role("button", name="Restore backup").click()
    expect(page.locator("#puqb-live-messages")).to_contain_text("Your restore is starting.")
    in_tab(page)
    world.drain()
    assert [operation.state for operation in world.operations()] == ["done"] * 2
    assert [(backup.note, backup.kept) for backup in world.held() if backup.kind == "manual"] == [
        ("other words", True)
    ]


def test_tab_is_for_those_who_may_see_the_service(world: worlds.World, address: str) -> None:
    client = world.app.test_client()
    statuses = []
    for actor in (None, worlds.ALICE, worlds.BOB, Actor(client_id="alice", permissions=frozenset())):
        world.host.actor = actor
        statuses.append(client.get("/vm/1").status_code)

    assert statuses == [404, 200, 404, 403]


@pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example/", "/\\evil.example", "evil"])
def test_form_leads_to_no_other_site(world: worlds.World, address: str, elsewhere: str) -> None:
    client = world.app.test_client()
    token = re.search(r'name="csrf_token" value="([^"]+)"', client.get("/services/1/backups/").text)
    assert token

    answer = client.post(
        "/services/1/backups/create", query_string={"tab": elsewhere}, data={"note": "", "csrf_token": token[1]}
    )

    assert (answer.status_code, answer.headers["Location"]) == (303, "/services/1/backups/")
