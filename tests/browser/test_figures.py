"""The client's page stays small and moves little, however many backups it has."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import time_machine
from gallery import figures, prepared_host
from playwright.sync_api import Browser
from support import http_server

BYTES, NODES, SHIFT = 150_000, 3000, 0.001


@pytest.fixture(scope="module")
def found(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, figures.Figures]]:
    with time_machine.travel(prepared_host.NOW, tick=True):
        world = prepared_host.make(Path(tmp_path_factory.mktemp("figures")))
        for number, name in enumerate(figures.SIZES, 100):
            figures.fill(world, name, number)
        with http_server.serve(world.app) as address:
            yield {name: figures.measure(browser, world, address, name) for name in figures.SIZES}


def test_page_of_a_thousand_backups_is_small(found: dict[str, figures.Figures]) -> None:
    assert found["thousand"].bytes < BYTES
    assert found["thousand"].nodes < NODES


def test_number_of_queries_and_requests_does_not_grow(found: dict[str, figures.Figures]) -> None:
    """The document, its style sheet, its script and the first look at /state."""
    assert {name: one.requests for name, one in found.items()} == dict.fromkeys(figures.SIZES, 4)
    assert found["one"].queries == found["twenty-five"].queries == found["thousand"].queries


def test_little_moves_while_an_operation_starts_moves_and_ends(found: dict[str, figures.Figures]) -> None:
    assert {name: one.shift for name, one in found.items() if max(one.shift.values()) >= SHIFT} == {}


def test_a_shift_is_seen(browser: Browser) -> None:
    page = figures.opened(browser, "desk")
    page.set_content("<p id=p>Here</p>")
    before = page.evaluate(figures.SHIFTS)
    page.evaluate("document.querySelector('#p').insertAdjacentHTML('beforebegin', '<div style=height:9rem></div>')")

    assert page.evaluate(figures.SHIFTS) > before
    page.context.close()
