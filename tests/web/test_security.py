"""Headers of our pages, forms that another site sends, and rate limits."""

from __future__ import annotations

from dataclasses import replace

import pytest
from jinja2 import ChoiceLoader, DictLoader
from support import world as worlds

from puq_backups import Actor
from puq_backups.shared_redis.rate_limits import RateLimiter
from puq_backups.web.security import HEADERS, POLICY

from .conftest import Door, said
from .test_access import ids, routes

BASE = "<html>{% block title %}{% endblock %}{% block head %}{% endblock %}{% block content %}{% endblock %}</html>"


def limit(world: worlds.World, *limits: str, redis_url: str = "") -> None:
    settings = world.context.settings
    limiter = RateLimiter(
        limits, redis_url or settings.redis_url, f"{settings.queue}-{world.extra.setdefault('run', id(world))}"
    )
    object.__setattr__(world.context, "limiter", limiter)


@pytest.mark.slow
def test_every_page_protects_itself(door: Door) -> None:
    door.world.back_up()
    token = door.token()
    door.world.host.actor = worlds.STAFF
    answers = [
        door.post(path, {}, token=token) if method == "POST" else door.get(path)
        for method, _, path in routes(door, *ids(door.world, "1"), custom=True)
    ]
    door.world.host.actor = worlds.STAFF
    answers += [door.client.get(f"/admin/backups{path}") for path in ("/", "/services", "/services/1/", "/emails")]
    answers.append(door.get(actor=None))

    for answer in answers:
        for name, value in HEADERS.items():
            if name != "Cache-Control":
                assert answer.headers[name] == value, answer.request.path
        if answer.mimetype == "text/html" and answer.status_code != 404:
            assert answer.headers["Content-Security-Policy"] == POLICY
            assert answer.headers["Cache-Control"] == "no-store"
    assert door.get("/state").headers["Cache-Control"] == "private, no-cache"


@pytest.mark.parametrize(("csp", "wanted"), [("", None), ("default-src https:", "default-src https:")])
def test_page_in_a_base_template_of_the_host_has_the_hosts_policy_alone(
    door: Door, csp: str, wanted: str | None
) -> None:
    app, context = door.world.app, door.world.context
    loader = DictLoader({f"puq_backups/{area}/base.html": BASE for area in ("client", "admin")})
    app.jinja_env.loader = ChoiceLoader([loader, app.jinja_env.loader])  # type: ignore[list-item]  # Flask's own
    object.__setattr__(context, "settings", replace(context.settings, csp=csp))

    assert door.get().headers.get("Content-Security-Policy") == wanted
    door.world.host.actor = worlds.STAFF
    assert door.client.get("/admin/backups/").headers.get("Content-Security-Policy") == wanted


def test_header_that_the_host_sets_stands(door: Door) -> None:
    door.world.app.after_request(lambda answer: answer.headers.set("X-Frame-Options", "DENY") or answer)

    assert door.get().headers["X-Frame-Options"] == "DENY"


@pytest.mark.parametrize(
    ("site", "status"), [("cross-site", 400), ("same-site", 400), ("same-origin", 303), ("none", 303)]
)
def test_form_of_another_site_is_refused_even_with_a_token(door: Door, site: str, status: int) -> None:
    answer = door.post("/create", {"note": "mine"}, headers={"Sec-Fetch-Site": site})

    assert answer.status_code == status
    assert len(door.world.operations()) == (status == 303)
    door.world.drain()
    token = door.token()
    door.world.host.actor = worlds.STAFF
    form = {"csrf_token": token, "hidden": "1", "volid": "local:x"}
    staffs = door.client.post("/admin/backups/services/1/hide", data=form, headers={"Sec-Fetch-Site": site})
    assert ("Another site sent this form." in staffs.text) == (status == 400)


def test_requests_above_the_limit_are_429_for_this_service_and_actor_alone(door: Door) -> None:
    limit(door.world, "note 2/minute", "preview 1/minute")
    backup = door.world.back_up()
    door.world.back_up(service_id="2")
    asked = len(door.world.proxmox.requests())
    notes = [door.post(f"/{backup.id}/note", {"note": str(number)}) for number in range(3)]

    assert [answer.status_code for answer in notes] == [303, 303, 429]
    assert 0 < int(notes[2].headers["Retry-After"]) <= 60
    assert "That was too often. Try again in" in said(notes[2])
    assert door.world.held()[0].note == "1"
    assert len(door.world.proxmox.requests()) - asked <= 2 * 4
    other = Actor(client_id="alice", name="Another user")
    assert door.post(f"/{backup.id}/note", {"note": "other"}, other).status_code == 303
    assert [door.get(f"/{backup.id}/restore").status_code for _ in range(2)] == [200, 429]
    again = {"serviceid": "1", "backup_id": backup.id, "note": "again"}
    assert "That was too often." in door.world.backups.call("EditNote", again, actor=worlds.ALICE)


def test_system_has_no_limit(door: Door) -> None:
    limit(door.world, "note 1/minute")
    backup = door.world.back_up()

    answers = [door.world.call("EditNote", backup_id=backup.id, note=str(number)) for number in range(3)]

    assert answers == ["success"] * 3


def test_limits_are_counted_in_memory_while_redis_is_away(door: Door, caplog: pytest.LogCaptureFixture) -> None:
    limit(door.world, "note 2/minute", redis_url="redis://127.0.0.1:1/0")
    backup = door.world.back_up()

    answers = [door.post(f"/{backup.id}/note", {"note": str(number)}).status_code for number in range(3)]

    assert answers == [303, 303, 429]
    assert caplog.text.count("rate limits are counted in memory") == 1


@pytest.mark.redises
def test_limits_are_shared_by_processes(door: Door) -> None:
    backup = door.world.back_up()
    answers = []
    for _ in range(3):
        limit(door.world, "note 2/minute")
        answers.append(door.post(f"/{backup.id}/note", {"note": "x"}).status_code)

    assert answers == [303, 303, 429]


def test_test_mails_of_staff_are_limited(door: Door) -> None:
    limit(door.world, "test_mail 1/minute")
    token = door.token()
    door.world.host.actor = worlds.STAFF
    form = {"csrf_token": token, "to": "a@example.org", "service_id": "1"}

    answers = [door.client.post("/admin/backups/emails/backup-restored/test", data=form) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [303, 429]
