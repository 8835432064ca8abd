"""Renders our pages in a template environment of our own, then the host's base template around them.

Names of ours such as `_`, `service` or `message` stand in our own templates only. A base template has the context
that the host gives to all of its templates, and one object of ours: `puq_backups`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from flask import current_app, get_flashed_messages, render_template, request, url_for
from jinja2 import BaseLoader, Environment, Template
from jinja2.defaults import DEFAULT_NAMESPACE

from ..i18n.translator import Translator
from ..models import Service

CLIENT_BASE, STAFF_BASE = "puq_backups/client/base.html", "puq_backups/admin/base.html"
FRAMES = {CLIENT_BASE: "puq_backups/client/_frame.html", STAFF_BASE: "puq_backups/admin/_frame.html"}
"""Templates that fill a base template's blocks with a page, by base template."""
BLOCKS = {
    CLIENT_BASE: "puq_backups/client/_page_blocks.html", STAFF_BASE: "puq_backups/admin/_page_blocks.html"
}  # fmt: skip
"""Templates that take the place of a base template while a page itself is rendered: they keep the page's blocks."""
OWN_GLOBALS: dict[str, Any] = {
    **DEFAULT_NAMESPACE, "url_for": url_for, "get_flashed_messages": get_flashed_messages,
}  # fmt: skip


@dataclass
class FramedPage:
    """What a base template gets as `puq_backups`.

    - `title`, `head` (links to our stylesheets and the script) and `content`: HTML, as Markup.
    - `lang` and `dir`: of the reader's language, as for the attributes of `<html>`.
    - `service_id`, `service_name`: of the page's service; "" on staff pages of no service.
    """

    lang: str
    dir: str
    service_id: str = ""
    service_name: str = ""
    title: str = ""
    head: str = ""
    content: str = ""
    base: str = ""

    def keep(self, base: str, title: str, head: str, content: str) -> str:
        """Keep the rendered blocks; called by a template of BLOCKS in the place of `base`."""
        self.base, self.title, self.head, self.content = base, title, head, content
        return ""


class HostContext(Mapping[str, Any]):
    """`host` in our templates: what the host gives to all of its own, for templates of ours that it replaces."""

    @cached_property
    def _values(self) -> dict[str, Any]:
        values: dict[str, Any] = {}
        current_app.update_template_context(values)
        return {**current_app.jinja_env.globals, **values}

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


class _Loader(BaseLoader):
    """The application's loader, so that a host may replace any template, with BLOCKS for base templates."""

    def __init__(self, host: Environment) -> None:
        self._host = host

    def load(self, environment: Environment, name: str, globals: Any = None) -> Template:  # noqa: A002 - Jinja's name
        loader = self._host.loader
        assert loader is not None  # noqa: S101 - Flask always has one
        return loader.load(environment, BLOCKS.get(name, name), globals)


def environment(*, ours: bool = True) -> Environment:
    """The environment in which pages are rendered; of `ours`, the host's globals are left out.

    It has the application's loader, filters and extensions.
    """
    known: dict[bool, Environment] = current_app.extensions.setdefault("puq_backups_environments", {})
    if ours not in known:
        hosts = current_app.jinja_env
        known[ours] = hosts.overlay(loader=_Loader(hosts))
        known[ours].globals = dict(OWN_GLOBALS) if ours else hosts.globals
    return known[ours]


def render(template: str, values: Mapping[str, Any], t: Translator) -> str:
    """Render a page of ours within its base template. `values` and the translator's names are all that it sees."""
    page, rendered = render_parts(template, values, t)
    return _framed(page, rendered)


def render_parts(template: str, values: Mapping[str, Any], t: Translator) -> tuple[FramedPage, str]:
    """Render a page of ours without its base template: its parts, and the whole where it extends another template."""
    page = _page(values, t)
    names = {"host": HostContext(), **_common(t), **values, "puq_backups": page}
    return page, environment().get_template(template).render(names)


def render_hosts(template: str, values: Mapping[str, Any], common: Mapping[str, Any], t: Translator) -> str:
    """Render a page of the host, such as that of a custom function, with its own names before `common` ones of ours.

    It may extend a base template of ours or any other template.
    """
    page = _page(values, t)
    names: dict[str, Any] = {**_common(t), **common, **HostContext(), **values, "puq_backups": page}
    return _framed(page, environment(ours=False).get_template(template).render(names))


def _common(t: Translator) -> dict[str, Any]:
    return {"_": t.gettext, "ngettext": t.ngettext, "t": t}


def _page(values: Mapping[str, Any], t: Translator) -> FramedPage:
    service = values.get("service")
    if isinstance(service, Service):
        return FramedPage(t.lang, t.dir, service.id, service.vm_name)
    known = service if isinstance(service, Mapping) else {}
    # The page of a custom function has its service in the address alone.
    service_id = known.get("id") or (request.view_args or {}).get("service_id", "")
    return FramedPage(t.lang, t.dir, str(service_id), str(known.get("name", "")))


def _framed(page: FramedPage, rendered: str) -> str:
    """The page in its base template; what extends another template is whole already."""
    return render_template(FRAMES[page.base], puq_backups=page) if page.base else rendered
