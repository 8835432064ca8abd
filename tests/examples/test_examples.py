"""Each example works: page, staff page, mail, `call`, worker, and migrations of its own that leave ours alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import databases
from support.waiting import wait_until

from puq_backups.models import Operation

from .conftest import ADDRESS, Example, load, sqlite, tables_in, token

pytestmark = pytest.mark.slow

PREFIXED = {"X-Forwarded-Prefix": "/billing", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "example.com"}


@pytest.fixture(
    params=[
        pytest.param(("minimal", "sqlite"), id="minimal"),
        pytest.param(("factory", "sqlite"), id="factory"),
        pytest.param(("factory", "postgresql"), id="factory-postgresql", marks=pytest.mark.slow),
        pytest.param(("proxied", "sqlite"), id="proxied"),
        pytest.param(("proxied", "mariadb"), id="proxied-mariadb", marks=pytest.mark.slow),
        pytest.param(("two_shops", "sqlite"), id="two_shops"),
    ]
)
def kind(request: pytest.FixtureRequest) -> tuple[str, str]:
    found: tuple[str, str] = request.param
    return found


@pytest.fixture
def database_url(kind: tuple[str, str], tmp_path: Path) -> Iterator[str]:
    if reason := databases.why_no_database(kind[1]):
        pytest.skip(reason)
    with databases.scratch_database(kind[1], tmp_path) as url:
        yield url


@pytest.fixture
def example(
    kind: tuple[str, str], environment: None, compiled: None, database_url: str, monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Iterator[Example]:  # fmt: skip
    name = f"examples.{kind[0]}"
    if kind[0] == "two_shops":
        monkeypatch.setenv("NORTH_DATABASE_URL", database_url)
        monkeypatch.setenv("SOUTH_DATABASE_URL", sqlite(tmp_path))
        found = Example(f"{name}:create_north", load(name, "create_north"))
    elif kind[0] == "proxied":
        found = Example(name, load(name), "/vps/1/backups/", "/team/backups/", PREFIXED)
    else:
        found = Example(name, load(name))
    yield found
    found.backups.context.database.engine.dispose()


def signed_in(example: Example, who: str) -> Any:
    """A browser in which `who` is signed in, by a form where the example has one."""
    if "factory" not in example.name:
        return example.browser(who)
    example.run("user", who, *(["--staff"] if who == "staff" else []))
    browser = example.browser()
    form = {"id": who, "csrf_token": token(browser.get("/sign-in").text)}
    assert browser.post("/sign-in", data=form).status_code == 302
    return browser


def finished(example: Example) -> list[tuple[str, str]]:
    """Run the worker until nothing is left to do; kind and state of each operation."""
    example.run("backups", "worker", "--burst")
    with example.backups.context.database.open() as session:
        return [(found.kind, found.state) for found in session.query(Operation).order_by(Operation.created_at)]


def test_page_staff_page_call_worker_and_mail(example: Example, mailbox: Any) -> None:
    if "factory" in example.name:
        host_tables(example)
    example.prepare()
    alice, staff = signed_in(example, "alice"), signed_in(example, "staff")

    assert "/sign-in" in example.browser().get(example.page).location
    assert example.browser().get(example.staff).status_code == 302
    assert alice.get(example.staff).status_code == 404
    assert staff.get(example.staff).status_code == 200
    page = alice.get(example.page)
    assert page.status_code == 200
    form = {"csrf_token": token(page.text), "note": "before the update"}
    assert alice.post(f"{example.page}create", data={"note": "x"}).status_code == 400
    assert alice.post(f"{example.page}create", data=form).status_code == 303
    assert finished(example) == [("backup", "done")]
    state = alice.get(f"{example.page}state").get_json()
    backup = state["backups"][0]["id"]
    confirmed = {"csrf_token": token(page.text), "confirm": state["vm"]["name"]}
    assert alice.post(f"{example.page}{backup}/restore", data=confirmed).status_code == 303
    assert finished(example)[-1] == ("restore", "done")
    example.run("backups", "tick")
    mail = wait_until(lambda: next((mail for mail in mailbox if mail["To"] == "alice@example.org"), None))
    assert f"{ADDRESS}" in mail.get_body(("plain",)).get_content()


def host_tables(example: Example) -> None:
    """Make the host's own tables; `flask db upgrade` does it in `test_own_migrations_leave_ours_alone`."""
    with example.app.app_context():
        example.app.extensions["sqlalchemy"].create_all()


@pytest.mark.slow
def test_own_migrations_leave_ours_alone(example: Example, tmp_path: Path) -> None:
    example.run("backups", "db", "upgrade")

    folder = str(tmp_path / "migrations")
    example.run("db", "init", "-d", folder)
    example.shell("db", "migrate", "-d", folder)

    proposed = tables_in(tmp_path / "migrations" / "versions")
    assert "puq_backups" not in proposed
    assert ("create_table('user'" in proposed) == ("factory" in example.name)


def test_another_function_of_the_host_is_left_alone(example: Example) -> None:
    example.prepare()

    assert example.backups.call("BackupNow", {"serviceid": "1"}) == "success"
    assert finished(example) == [("backup", "done")]
