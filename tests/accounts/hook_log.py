"""Records the hooks that are run."""

from __future__ import annotations

from typing import Any

from support import world as worlds


class HookLog(list[tuple[str, dict[str, Any]]]):
    """The lifecycle hooks that were run, in order."""

    def listen(self, world: worlds.World, *points: str) -> HookLog:
        for point in points:
            world.backups.hooks.add(point, self.hook(point))
        return self

    def hook(self, point: str) -> Any:
        return lambda **given: self.append((point, given))

    def take(self) -> list[str]:
        names = [point for point, _ in self]
        self.clear()
        return names
