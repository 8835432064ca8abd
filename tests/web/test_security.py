"""Headers of our pages, forms that another site sends, and rate limits."""

from __future__ import annotations

from dataclasses import replace

import pytest
from jinja2 import ChoiceLoader, DictLoader
from support import world as worlds

from puq_backups import Actor
from puq_backups.shared_redis.rate_limits import RateLimiter
from puq_backups.web.security import HEADERS, POLICY

from .client_pages import ClientPages, visible_text
from .client_routes import ids, routes

BASE = "<html>{% block title %}{% endblock %}{% block head %}{% endblock %}{% block content %}{% endblock %}</html>"


def limit(world: worlds.World, *limits: str, redis_url: str = "") -> None:
    settings = world.context.settings
    limiter = RateLimiter(
        limits, redis_url or settings.redis_url, f"{settings.queue}-{world.extra.setdefault('run', id(world))}"
    )
    object.__setattr__(world.context, "limiter", limiter)


@pytest.mark.slow
def test_every_page_protects_itself(pages: ClientPages) -> None:
    pages.world.back_up()
    token = pages.token()
    pages.world.host.actor = worlds.STAFF
    answers = [
        pages.post(path, {}, token=token) if method == "POST" else pages.get(path)
        for method, _, path in routes(pages, *ids(pages.world, "1"), custom=True)
    ]
    pages.world.host.actor = worlds.STAFF
    answers += [pages.client.get(f"/admin/backups{path}") for path in ("/", "/services", "/services/1/", "/emails")]
    answers.append(pages.get(actor=None))

    for answer in answers:
        for name, value in HEADERS.items():
            if name != "Cache-Control":
                assert answer.headers[name] == value, answer.request.path
        if answer.mimetype == "text/html" and answer.status_code != 404:
            assert answer.headers["Content-Security-Policy"] == POLICY
            assert answer.headers["Cache-Control"] == "no-store"
    assert pages.get("/state").headers["Cache-Control"] == "private, no-cache"


@pytest.mark.parametrize(("csp", "wanted"), [("", None), ("default-src https:", "default-src https:")])
def test_page_in_a_base_template_of_the_host_has_the_hosts_policy_alone(
    pages: ClientPages, csp: str, wanted: str | None
) -> None:
    app, context = pages.world.app, pages.world.context
    loader = DictLoader({f"puq_backups/{area}/base.html": BASE for area in ("client", "admin")})
    app.jinja_env.loader = ChoiceLoader([loader, app.jinja_env.loader])  # type: ignore[list-item]  # Flask's own
    object.__setattr__(context, "settings", replace(context.settings, csp=csp))

    assert pages.get().headers.get("Content-Security-Policy") == wanted
    pages.world.host.actor = worlds.STAFF
    assert pages.client.get("/admin/backups/").headers.get("Content-Security-Policy") == wanted


def test_header_that_the_host_sets_stands(pages: ClientPages) -> None:
    pages.world.app.after_request(lambda answer: answer.headers.set("X-Frame-Options", "DENY") or answer)

    assert pages.get().headers["X-Frame-Options"] == "DENY"


@pytest.mark.parametrize(
    ("site", "status"), [("cross-site", 400), ("same-site", 400), ("same-origin", 303), ("none", 303)]
)
def test_form_of_another_site_is_refused_even_with_a_token(pages: ClientPages, site: str, status: int) -> None:
    answer = pages.post("/create", {"note": "mine"}, headers={"Sec-Fetch-Site": site})

    assert answer.status_code == status
    assert len(pages.world.operations()) == (status == 303)
    pages.world.drain()
    token = pages.token()
    pages.world.host.actor = worlds.STAFF
    form = {"csrf_token": token, "hidden": "1", "volid": "local:x"}
    staffs = pages.client.post("/admin/backups/services/1/hide", data=form, headers={"Sec-Fetch-Site": site})
    assert ("Another site sent this form." in staffs.text) == (status == 400)


@pytest.mark.flow
def test_requests_above_the_limit_are_429_for_this_service_and_actor_alone(pages: ClientPages) -> None:
    limit(pages.world, "note 2/minute", "preview 1/minute")
    backup = pages.world.back_up()
    pages.world.back_up(service_id="2")
    asked = len(pages.world.proxmox.requests())
    notes = [pages.post(f"/{backup.id}/note", {"note": str(number)}) for number in range(3)]

    assert [answer.status_code for answer in notes] == [303, 303, 429]
    assert 0 < int(notes[2].headers["Retry-After"]) <= 60
    assert "That was too often. Try again in" in visible_text(notes[2])
    assert pages.world.held()[0].note == "1"
    assert len(pages.world.proxmox.requests()) - asked <= 2 * 4
    other = Actor(client_id="alice", name="Another user")
    assert pages.post(f"/{backup.id}/note", {"note": "other"}, other).status_code == 303
    assert [pages.get(f"/{backup.id}/restore").status_code for _ in range(2)] == [200, 429]
    again = {"serviceid": "1", "backup_id": backup.id, "note": "again"}
    assert "That was too often." in pages.world.backups.call("EditNote", again, actor=worlds.ALICE)


def test_system_has_no_limit(pages: ClientPages) -> None:
    limit(pages.world, "note 1/minute")
    backup = pages.world.back_up()

    answers = [pages.world.call("EditNote", backup_id=backup.id, note=str(number)) for number in range(3)]

    assert answers == ["success"] * 3


def test_limits_are_counted_in_memory_while_redis_is_away(
    pages: ClientPages, caplog: pytest.LogCaptureFixture
) -> None:
    limit(pages.world, "note 2/minute", redis_url="redis://127.0.0.1:1/0")
    backup = pages.world.back_up()

    answers = [pages.post(f"/{backup.id}/note", {"note": str(number)}).status_code for number in range(3)]

    assert answers == [303, 303, 429]
    assert caplog.text.count("rate limits are counted in memory") == 1


@pytest.mark.redises
def test_limits_are_shared_by_processes(pages: ClientPages) -> None:
    backup = pages.world.back_up()
    answers = []
    for _ in range(3):
        limit(pages.world, "note 2/minute")
        answers.append(pages.post(f"/{backup.id}/note", {"note": "x"}).status_code)

    assert answers == [303, 303, 429]


def test_test_mails_of_staff_are_limited(pages: ClientPages) -> None:
    limit(pages.world, "test_mail 1/minute")
    token = pages.token()
    pages.world.host.actor = worlds.STAFF
    form = {"csrf_token": token, "to": "a@example.org", "service_id": "1"}

    answers = [pages.client.post("/admin/backups/emails/backup-restored/test", data=form) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [303, 429]
