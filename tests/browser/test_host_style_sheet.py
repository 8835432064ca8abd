"""Pages inside a host whose style sheet restyles every element: each of ours looks as it does without."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import time_machine
from gallery import browser_steps, prepared_host, registry
from gallery.__main__ import build
from jinja2 import ChoiceLoader, DictLoader
from playwright.sync_api import Browser
from support import http_server

RESTYLED = (
    "margin: 7px; padding: 9px; border: 3px dotted lime; border-radius: 9px; background: yellow; color: fuchsia; "
    "font: italic 900 23px/2 cursive; letter-spacing: 3px; word-spacing: 5px; text-align: right; "
    "text-transform: uppercase; text-indent: 20px; text-decoration: line-through; text-shadow: 1px 1px red; "
    "white-space: pre; list-style: square; box-shadow: 0 0 5px red; opacity: .5; filter: blur(1px); "
    "transform: rotate(1deg); float: left; width: 50px; min-width: 40px; max-width: 60px; height: 30px; "
    "min-height: 20px; vertical-align: top; display: inline-block; position: relative; inset: 4px; z-index: 5; "
    "overflow: auto; cursor: wait; visibility: hidden; appearance: none; fill: red; stroke: blue; "
    "stroke-width: 5; outline: 3px solid red; transition: all 3s; animation: 3s spin; table-layout: fixed; "
    "border-collapse: separate; border-spacing: 9px; box-sizing: content-box; gap: 9px; rotate: 3deg; "
    "hyphens: auto; word-break: break-all; user-select: none; pointer-events: none; clip-path: inset(20%); "
    "scale: 2"
)
HOSTILE = f"""
* {{ {RESTYLED} }}
*::before, *::after {{ content: "!"; {RESTYLED} }}
table, thead, tbody, tr, th, td, h1, h2, h3, p, ul, ol, li, dl, dt, dd, a, b, strong, button, input, select, option,
textarea, label, fieldset, legend, form, section, header, nav, div, span, time, bdi, details, summary, dialog,
progress, pre, svg, path, rect, g, polyline, polygon {{ {RESTYLED} }}
#host a:not(.own):hover, #host button:not(:disabled), #host input:not([type=hidden]),
#host .content table td {{ {RESTYLED} }}
"""
FRAME = """html:is(*, #a#b), body:is(*, #a#b) { all: initial; display: block } head:is(*, #a#b) { display: none }
.content:is(*, #a#b) { all: initial; display: block; position: relative; width: 1100px; font-family: sans-serif }
:is(html, body, .content):is(*, #a#b)::before, :is(html, body, .content):is(*, #a#b)::after { content: none }"""
"""What is around our elements stays the same, so that only what reaches inside is found."""

PAGE = f"""<!doctype html><html><head><style>{FRAME}</style>
{{% if "hostile" in request.args %}}<style>{HOSTILE}</style>{{% endif %}}{{% block head %}}{{% endblock %}}
{{% if "late" in request.args %}}<style>{HOSTILE}</style>{{% endif %}}</head>
<body id="host"><div class="content">{{% block content %}}{{% endblock %}}</div></body></html>"""

NAMES = [name for declaration in RESTYLED.split("; ") for name in [declaration.split(":")[0]] if name != "animation"]

STYLES = """(names) => [...document.querySelectorAll(".puqb, .puqb *")].map((element) => {
  const own = getComputedStyle(element);
  const content = (name) => (element.closest("svg") ? "" : getComputedStyle(element, name).content);
  const said = [element.tagName, element.className, element.id || element.textContent.trim().slice(0, 30)].join(" ");
  const found = names.map((name) => own.getPropertyValue(name));
  return [said, [...found, own.animationName, content("::before"), content("::after")]];
})"""


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The address of each state's page, in the frame PAGE."""
    with time_machine.travel(prepared_host.NOW, tick=True):
        world = prepared_host.make(Path(tmp_path_factory.mktemp("gallery")))
        ours = DictLoader({"puq_backups/client/base.html": PAGE, "puq_backups/admin/base.html": PAGE})
        loaders = [ours, world.app.jinja_env.loader]
        world.app.jinja_env.loader = ChoiceLoader([loader for loader in loaders if loader])
        paths = build(world, list(registry.STATES))
        with http_server.serve(world.app) as address:
            found = {name: address + path for name, path in paths.items()}
            yield found | {
                "staff-overview": f"{address}/admin/backups/",
                "staff-emails": f"{address}/admin/backups/emails",
            }


@pytest.mark.parametrize(
    "name",
    ["protected", "making-a-backup", "restore-failed", "damaged-and-missing", "editing", "first-use",
     "menu-open", "restore-dialog", "remove-page", "staff-overview", "staff-emails"],
)  # fmt: skip
def test_every_element_looks_as_it_does_in_a_plain_host(browser: Browser, gallery: dict[str, str], name: str) -> None:
    plain = styles(browser, f"{gallery[name]}?", name)
    for query in ("hostile", "late"):
        found = styles(browser, f"{gallery[name]}?{query}=1", name)
        wrong = {
            said: changed
            for (said, before), (_, after) in zip(plain, found, strict=True)
            if (changed := differences(before, after))
        }
        assert wrong == {}


def differences(plain: list[str], found: list[str]) -> dict[str, tuple[str, str]]:
    """Properties that differ, each with both values."""
    names = [*NAMES, "animation-name", "before", "after"]
    return {name: (one, other) for name, one, other in zip(names, plain, found, strict=True) if one != other}


def styles(browser: Browser, address: str, name: str) -> list[tuple[str, list[str]]]:
    """A name and the values of NAMES and more, of each element of ours, in the order of the page."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    page = context.new_page()
    page.clock.install(time=prepared_host.NOW)
    page.goto(address)
    if step := registry.BROWSER_STEPS.get(name):
        getattr(browser_steps, step)(page)
    found: list[tuple[str, list[str]]] = page.evaluate(STYLES, NAMES)
    context.close()
    return found
