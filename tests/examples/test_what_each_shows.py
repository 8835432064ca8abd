"""What only one of the examples shows: limits, languages and markup of a host, a prefix, two applications."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from werkzeug.test import Client

from puq_backups.models import Operation

from .conftest import Example, load, sqlite, token

pytestmark = pytest.mark.slow


@pytest.fixture
def shop(environment: None, compiled: None) -> Iterator[Example]:
    """The example with an application factory; Alice is its user."""
    found = Example("examples.factory", load("examples.factory"))
    with found.app.app_context():
        found.app.extensions["sqlalchemy"].create_all()
    found.run("user", "alice")
    found.prepare()
    yield found
    found.backups.context.database.engine.dispose()


def test_visitor_signs_in_and_comes_back(shop: Example) -> None:
    browser = shop.browser()

    address = browser.get(shop.page).location
    form = {"id": "alice", "csrf_token": token(browser.get(address).text)}
    assert browser.post(address, data=form).location.endswith(shop.page)
    assert browser.get(shop.page).status_code == 200


@pytest.mark.parametrize("given", ["", "https://evil.example/", "//evil.example", "/\\evil.example"])
def test_visitor_who_signs_in_lands_at_the_shop_whatever_the_address_says(shop: Example, given: str) -> None:
    browser = shop.browser()
    form = {"id": "alice", "csrf_token": token(browser.get("/sign-in").text)}

    answer = browser.post("/sign-in", query_string={"next": given}, data=form)

    assert answer.location == "/services/1"
    assert browser.get(answer.location).status_code == 200


def test_frame_words_and_language_are_the_hosts(shop: Example) -> None:
    browser = shop.browser()
    form = {"id": "alice", "csrf_token": token(browser.get("/sign-in").text)}
    browser.post("/sign-in", data=form)

    page = browser.get(shop.page, headers={"Accept-Language": "de"}).text

    assert "Mein Konto" in page
    assert "Jetzt sichern" in page or "Backups" in page
    assert '<nav class="navbar' in page
    assert "Example Hosting" in page
    assert "//cdn" not in page


def test_polling_is_exempt_and_nothing_else(shop: Example) -> None:
    browser = shop.browser()
    form = {"id": "alice", "csrf_token": token(browser.get("/sign-in").text)}
    browser.post("/sign-in", data=form)

    polled = [browser.get(f"{shop.page}state").status_code for _ in range(40)]
    looked = [browser.get(shop.page).status_code for _ in range(40)]

    assert set(polled) <= {200, 304}
    assert looked.count(429) >= 10


def test_own_queue_calls_us_as_the_system(shop: Example) -> None:
    shop.run("upgrade-server", "1")
    shop.run("backups", "worker", "--burst")
    with shop.backups.context.database.open() as session:
        assert session.query(Operation).count() == 0

    shop.run("shop-worker")

    with shop.backups.context.database.open() as session:
        assert [found.actor for found in session.query(Operation)] == ["staff (system)"]


def test_every_address_of_a_page_carries_the_proxys_prefix(environment: None) -> None:
    proxied = Example(
        "examples.proxied", load("examples.proxied"), "/vps/1/backups/", headers={"X-Forwarded-Prefix": "/billing"}
    )
    proxied.prepare()
    browser = proxied.browser("alice")

    page = browser.get(proxied.page).text

    assert 'action="/billing/vps/1/backups/create"' in page
    assert 'href="/vps' not in page
    assert 'action="/vps' not in page
    assert 'src="/puq' not in page
    proxied.backups.context.database.engine.dispose()


def test_two_shops_share_nothing(environment: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("NORTH", "SOUTH"):
        monkeypatch.setenv(f"{name}_DATABASE_URL", sqlite(tmp_path))
    both = load("examples.two_shops", "create_both")
    north, south = both.mounts["/north"], both.mounts["/south"]  # type: ignore[attr-defined]  # of DispatcherMiddleware
    Example("north", north).prepare()
    Example("south", south).run("backups", "db", "upgrade")

    browser = Client(both)
    browser.get("/north/sign-in/alice")
    browser.get("/south/sign-in/alice")
    assert browser.get("/north/services/1/backups/").status_code == 200
    assert browser.get("/south/services/1/backups/").status_code == 404
    assert Example("north", north).backups.call("BackupNow", {"serviceid": "1"}) == "success"
    Example("south", south).run("backups", "worker", "--burst")
    with Example("north", north).backups.context.database.open() as session:
        assert [found.state for found in session.query(Operation)] == ["running"]
    for app in (north, south):
        Example("", app).backups.context.database.engine.dispose()
