"""Pages inside a host whose style sheet restyles every element: each of ours looks as it does without."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from gallery import prepared_host
from gallery.served import Gallery
from jinja2 import ChoiceLoader, DictLoader
from playwright.sync_api import Browser, Page

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
<style data-hostile="before ours" media="not all">{HOSTILE}</style>{{% block head %}}{{% endblock %}}
<style data-hostile="after ours" media="not all">{HOSTILE}</style></head>
<body id="host"><div class="content">{{% block content %}}{{% endblock %}}</div></body></html>"""

NAMES = [name for declaration in RESTYLED.split("; ") for name in [declaration.split(":")[0]] if name != "animation"]

CHANGED = """(names) => {
  const values = (element) => {
    const own = getComputedStyle(element);
    const content = (name) => (element.closest("svg") ? "" : getComputedStyle(element, name).content);
    const found = names.map((name) => own.getPropertyValue(name));
    return [...found, own.animationName, content("::before"), content("::after")];
  };
  const elements = [...document.querySelectorAll(".puqb, .puqb *")], plain = elements.map(values), changed = [];
  const known = (one) => [one.tagName, one.className, one.id || one.textContent.trim().slice(0, 30)].join(" ");
  const labels = [...names, "animation-name", "before", "after"];
  for (const sheet of document.querySelectorAll("[data-hostile]")) {
    sheet.media = "all";
    elements.forEach((element, at) => values(element).forEach((value, number) => {
      if (value !== plain[at][number]) {
        changed.push([sheet.dataset.hostile, known(element), labels[number], plain[at][number], value].join(" | "));
      }
    }));
    sheet.media = "not all";
  }
  return [elements.length, JSON.stringify(changed)];
}"""
"""How many elements of ours there are, and what changes with a hostile style sheet before or after ours."""

UNPROTECTED = """() => [...document.styleSheets].flatMap((sheet) => [...sheet.cssRules]).forEach((rule) => {
  const at = [...(rule.cssRules ?? [])].findIndex((inner) => inner.style?.letterSpacing === "revert");
  if (at >= 0) rule.deleteRule(at);
})"""
"""Removes the rule that takes the host's styles from our elements."""


@pytest.fixture(scope="module")
def framed(gallery: Gallery) -> Gallery:
    """The gallery in the frame PAGE."""
    environment = gallery.world.app.jinja_env
    ours = DictLoader({"puq_backups/client/base.html": PAGE, "puq_backups/admin/base.html": PAGE})
    environment.loader = ChoiceLoader([loader for loader in (ours, environment.loader) if loader])
    return gallery


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    page = context.new_page()
    page.clock.install(time=prepared_host.NOW)
    yield page
    context.close()


@pytest.mark.parametrize(
    "name",
    ["protected", "making-a-backup", "restore-failed", "damaged-and-missing", "editing", "first-use",
     "menu-open", "restore-dialog", "remove-page"],
)  # fmt: skip
def test_every_element_looks_as_it_does_in_a_plain_host(page: Page, framed: Gallery, name: str) -> None:
    framed.show(page, name)

    assert changed(page) == []


@pytest.mark.parametrize("path", ["/", "/emails"])
def test_every_element_of_staff_pages_looks_as_it_does_in_a_plain_host(
    page: Page, framed: Gallery, path: str
) -> None:
    page.goto(f"{framed.host}/admin/backups{path}")

    assert changed(page) == []


def test_element_without_protection_is_found_wherever_the_hostile_style_sheet_is(page: Page, framed: Gallery) -> None:
    framed.show(page, "protected")
    page.evaluate(UNPROTECTED)

    assert {found.partition(" | ")[0] for found in changed(page)} == {"before ours", "after ours"}


def changed(page: Page) -> list[str]:
    """Properties of our elements that a hostile style sheet changes."""
    count, found = page.evaluate(CHANGED, NAMES)
    assert count > 10
    return list(json.loads(found))
