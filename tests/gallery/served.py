"""The gallery behind real HTTP: each state is made when its page is first asked for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import time_machine
from playwright.sync_api import Page
from support import http_server
from support import world as worlds

from puq_backups.inventory import protection

from . import browser_steps, prepared_host, registry


class Gallery:
    """`gallery[name]` is the address of a state's page, `gallery.host` that of its host application."""

    def __init__(self, world: worlds.World, host: str) -> None:
        self.world, self.host = world, host
        self._paths: dict[str, str] = {}

    def __getitem__(self, name: str) -> str:
        if name not in self._paths:
            self._paths[name] = build(self.world, name)
        return self.host + self._paths[name]

    def show(self, page: Page, name: str) -> None:
        """Open a state in a page, and take its step of a reader."""
        page.goto(self[name])
        take_step(page, name)


@contextmanager
def serve(folder: Path) -> Iterator[Gallery]:
    """The gallery, with its database in a folder, at the moment of its pictures."""
    with time_machine.travel(prepared_host.NOW, tick=True):
        world = prepared_host.make(folder)
        with http_server.serve(world.app) as address:
            yield Gallery(world, address)


def build(world: worlds.World, name: str) -> str:
    """Make the service of a state: the path of its page."""
    number = 100 + list(registry.STATES).index(name)
    with world.context.database.begin() as session:
        found = prepared_host.prepare(session, name, number, registry.QUOTAS[name])
        registry.STATES[name](found)
        session.flush()
        protection.update(session, world.context.settings, [found.service])
        return f"/services/{name}/backups{found.path}"


def take_step(page: Page, name: str) -> None:
    """The step of a reader that belongs to a state, if it has one."""
    if step := registry.BROWSER_STEPS.get(name):
        getattr(browser_steps, step)(page)
