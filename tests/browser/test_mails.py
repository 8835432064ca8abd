"""The shipped mails on a phone: nothing is cut, and a reason is marked in the dark too."""

from __future__ import annotations

import pytest
from gallery.served import Gallery
from playwright.sync_api import Browser

from puq_backups.mail import merge_fields, templates

BAR = """() => [...document.querySelectorAll('p')].map(one => getComputedStyle(one))
  .filter(one => parseFloat(one.borderLeftWidth) + parseFloat(one.borderRightWidth) > 2)
  .map(one => parseFloat(one.borderLeftWidth) ? one.borderLeftColor : one.borderRightColor)"""
"""Colours of the bars beside the reasons."""


@pytest.mark.parametrize("locale", ["en", "de", "pl", "ar"])
def test_mails_fit_a_phone_and_mark_the_reason(browser: Browser, gallery: Gallery, locale: str) -> None:
    context = gallery.world.context
    translator = context.translator(locale, "Europe/London")
    page = browser.new_page(viewport={"width": 360, "height": 640}, color_scheme="dark")
    wide, bars = {}, set()
    for email in context.hooks.emails:
        said = merge_fields.localize(merge_fields.samples(email.own), translator)
        page.set_content(
            templates.render_shipped(email.folder, {**said, "backups_url": "https://x.example/"}, translator).html
        )
        if (width := page.evaluate("document.documentElement.scrollWidth")) > 360:
            wide[email.folder] = width
        bars |= set(page.evaluate(BAR))
    page.close()

    assert wide == {}
    assert bars == {"rgb(255, 154, 162)"}
