"""A host's own templates around ours: what it gives to all of its templates is never hidden by names of ours."""

from __future__ import annotations

import re
from typing import Any

import pytest
from flask_wtf import CSRFProtect
from jinja2 import ChoiceLoader, DictLoader, meta
from support import world as worlds
from werkzeug.test import TestResponse

from puq_backups.web import page_frame

from .client_pages import ClientPages

CLIENT, STAFF = page_frame.CLIENT_BASE, page_frame.STAFF_BASE


def use(pages: ClientPages, **templates: str) -> None:
    """Put templates of the host before ours."""
    pages.world.app.jinja_env.cache.clear()
    loader = pages.world.app.jinja_env.loader
    pages.world.app.jinja_env.loader = ChoiceLoader([DictLoader(templates), *([loader] if loader else [])])


def own_names(pages: ClientPages) -> set[str]:
    """All names that our templates read from their context."""
    env, found = pages.world.app.jinja_env, set[str]()
    ours = ("puq_backups/client/", "puq_backups/admin/")
    for name in env.list_templates(filter_func=lambda name: name.startswith(ours)):
        source = env.loader.get_source(env, name)[0] if env.loader else ""
        found |= meta.find_undeclared_variables(env.parse(source))
    return found - {"url_for", "puq_backups"}


def shown(pages: ClientPages, page: str) -> TestResponse:
    if page == "client":
        return pages.get()
    if page == "client error":
        return pages.post("/schedule", {"timezone": "Nowhere/Land"})
    if page == "restore":
        return pages.get(f"/{pages.world.held()[-1].id}/restore")
    pages.world.host.actor = worlds.STAFF
    path = {"staff": "/", "staff service": "/services/1/", "staff live": "/services/1/proxmox"}
    if page == "staff error":
        return pages.client.post("/admin/backups/services/1/create", data={"note": "a"})
    return pages.client.get(f"/admin/backups{path[page]}")


def settled(answer: TestResponse) -> str:
    """A page without what differs each time: tokens, numbers and how long ago."""
    return re.sub(r"\d+( seconds?| minutes?)?", "0", re.sub(r'value="[^"]{60,}"', "", answer.text))


@pytest.mark.parametrize(
    "page", ["client", "client error", "restore", "staff", "staff service", "staff live", "staff error"]
)
@pytest.mark.flow
def test_names_of_the_host_stand_in_its_base_template_and_none_of_them_in_our_page(
    pages: ClientPages, page: str
) -> None:
    if page == "restore":
        pages.world.back_up()
    app, hosts = pages.world.app, dict[str, str]()
    app.context_processor(lambda: hosts)
    plain = settled(shown(pages, page))
    names = sorted(own_names(pages) | {"current_user", "service", "message", "_", "form"})
    frame = "".join(f"[{{{{ {name} }}}}]" for name in names)
    blocks = "{% block title %}{% endblock %}{% block head %}{% endblock %}<main>{% block content %}{% endblock %}"
    base = f"{frame}{blocks}</main>"
    use(pages, **{CLIENT: base, STAFF: base})
    hosts |= {name: f"host's {name}" for name in names}
    app.jinja_env.globals.update({name: f"global {name}" for name in (*names, "puqb_nothing")})

    answer = shown(pages, page)

    for name in names:
        assert f"[host&#39;s {name}]" in answer.text, name
    inside = settled(answer)
    inside = inside[inside.index("<main>") + 6 : inside.rindex("</main>")]
    assert "host&#39;s" not in inside
    assert "global " not in inside
    assert len(inside) > 100
    assert inside.strip() in plain


def test_token_of_a_host_with_its_own_protection_works_in_its_base_template(pages: ClientPages) -> None:
    CSRFProtect(pages.world.app)
    use(pages, **{CLIENT: "[{{ csrf_token() }}]{% block content %}{% endblock %}"})

    page = pages.get().text

    token = page[1 : page.index("]")]
    assert len(token) > 20
    assert f'value="{token}"' in page


def test_base_template_knows_the_service_and_the_readers_language(pages: ClientPages) -> None:
    use(pages, **{CLIENT: "{{ puq_backups.lang }} {{ puq_backups.dir }} {{ puq_backups.service_id }} "
        "{{ puq_backups.service_name }}|{% block title %}{% endblock %}"})  # fmt: skip

    assert pages.get().text == "en ltr 1 web100|Backups of web100"


@pytest.mark.flow
def test_template_of_ours_that_a_host_replaces_reads_its_own_names_from_host(pages: ClientPages) -> None:
    pages.world.app.context_processor(lambda: {"service": "the shop's own", "brand": "Northwind"})
    use(
        pages,
        **{"puq_backups/client/_status.html": "<i>{{ service.name }}, {{ host.service }}, {{ host.brand }}</i>"},
    )

    assert "<i>web100, the shop&#39;s own, Northwind</i>" in pages.get().text


def test_page_of_a_custom_function_has_the_hosts_names_first(pages: ClientPages) -> None:
    app, hooks = pages.world.app, pages.world.backups.hooks
    app.context_processor(lambda: {"_": lambda text: f"host's {text}"})
    use(pages, **{"chart.html": f"{{% extends '{CLIENT}' %}}{{% block content %}}<u>{{{{ _('Chart') }}}}"
        "{{ points }}{{ t.lang }}{{ puq_backups.service_id }}</u>{% endblock %}"})  # fmt: skip

    def chart() -> dict[str, Any]:
        return {"templatefile": "chart.html", "vars": {"points": 7}}

    hooks.functions |= {"Chart": chart, "ClientAreaAllowedFunctions": lambda: ["Chart"]}
    hooks.pages.add("Chart")
    page = pages.get("/custom?modop=custom&a=Chart").text

    assert page.startswith("<!doctype html>")
    assert "<main><u>host&#39;s Chart7en1</u></main>" in page
