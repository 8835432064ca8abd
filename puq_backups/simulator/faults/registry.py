"""Controls by name: everything that `Simulator.control` and `POST /simulator/control` can bring about.

Each is a function, registered under its names by `control`. docs/simulator.md lists them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..world.state import World


class BadControl(ValueError):
    """A control step that cannot be done, with the reason."""


Control = Callable[[World, dict[str, Any]], None]
CONTROLS: dict[str, Control] = {}


def control(*names: str) -> Callable[[Control], Control]:
    """Register a function under the names by which it is asked for."""

    def register(function: Control) -> Control:
        for name in names:
            CONTROLS[name] = function
        return function

    return register


def perform(world: World, step: dict[str, Any]) -> None:
    """Do one control step, `{"control": name, …}`; BadControl says why one cannot be done."""
    name = known(step)
    with world.lock, world.journal.acting(f"control {name}"):
        world.journal.add("control", name, **{key: value for key, value in step.items() if key != "control"})
        try:
            CONTROLS[name](world, step)
        except KeyError as missing:
            raise BadControl(f"The control {name!r} needs {missing}.") from missing
        world.rights_changed()
        world.poke()


def known(step: dict[str, Any]) -> str:
    name = str(step.get("control"))
    if name not in CONTROLS:
        raise BadControl(f"There is no control named {name!r}; known are {', '.join(sorted(CONTROLS))}.")
    return name
