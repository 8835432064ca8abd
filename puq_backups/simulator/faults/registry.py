"""Controls by name: everything that `Simulator.control` and `POST /simulator/control` can bring about.

Each is a function, registered under its names with the arguments that it takes; docs/simulator.md lists them. It may
return a function that undoes what it did.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ..world.state import Done, Undo, World

Step = dict[str, Any]
Action = Callable[[World, Step], Undo | None]
WORDS = {int: "a whole number", float: "a number", bool: "true or false", str: "a text", dict: "an object"}
ALWAYS = ("control", "do")
"""What every step may have: its name, and a sentence that recordings give to it."""


class BadControl(ValueError):
    """A control step that cannot be done, with the reason."""


@dataclass(frozen=True)
class Control:
    """A control: what it does, the arguments that it needs and those that it may have, by type.

    The type `object` is anything, None among it. With `filters` further arguments select what it is about.
    """

    action: Action
    needs: dict[str, type] = field(default_factory=dict)
    may: dict[str, type] = field(default_factory=dict)
    filters: bool = False


CONTROLS: dict[str, Control] = {}


def control(
    *names: str, needs: dict[str, type] | None = None, may: dict[str, type] | None = None, filters: bool = False
) -> Callable[[Action], Action]:
    """Register a function under the names by which it is asked for."""

    def register(action: Action) -> Action:
        for name in names:
            CONTROLS[name] = Control(action, needs or {}, may or {}, filters)
        return action

    return register


def perform(world: World, step: Step) -> None:
    """Do one control step, `{"control": name, …}`. Raises BadControl with the reason why one cannot be done."""
    name = known(step)
    ready = _checked(name, step)
    with world.lock, world.journal.acting(f"control {name}"):
        world.journal.add("control", name, **{key: value for key, value in step.items() if key != "control"})
        undo = CONTROLS[name].action(world, ready)
        if name not in ("undo", "clear", "release", "pause"):
            world.done.append(Done(name, ready, undo))
        world.rights_changed()
        world.poke()


def known(step: Step) -> str:
    """The name of a step. Raises BadControl where there is no such control."""
    name = str(step.get("control"))
    if name not in CONTROLS:
        raise BadControl(f"There is no control named {name!r}; known are {', '.join(sorted(CONTROLS))}.")
    return name


def _checked(name: str, step: Step) -> Step:
    """The step with its arguments in their types."""
    found = CONTROLS[name]
    allowed = {**found.needs, **found.may}
    for key in step:
        if key not in allowed and key not in ALWAYS and not found.filters:
            takes = ", ".join(allowed) or "no arguments"
            raise BadControl(f"The control {name!r} does not know {key!r}; it takes {takes}.")
    for key in found.needs:
        if key not in step:
            raise BadControl(f"The control {name!r} needs {key!r}.")
    return {key: _typed(name, key, value, allowed.get(key, object)) for key, value in step.items()}


def _typed(name: str, key: str, value: Any, wanted: type) -> Any:
    if wanted is object or value is None or isinstance(value, wanted):
        return value
    try:
        if wanted in (int, float, str) and not isinstance(value, (dict, list)):
            return wanted(value)
        if wanted is bool and value in (0, 1):
            return bool(value)
    except ValueError:
        pass
    raise BadControl(f"The argument {key!r} of {name!r} must be {WORDS.get(wanted, wanted.__name__)}, not {value!r}.")


@control("undo", needs={"of": str}, filters=True)
def _undo(world: World, step: Step) -> None:
    """Undo the controls of one name, the latest first; further arguments select some of them."""
    wanted = {key: value for key, value in step.items() if key not in (*ALWAYS, "of")}
    of = step["of"]
    if of not in CONTROLS:
        raise BadControl(f"There is no control named {of!r}.")
    found = [one for one in world.done if one.name == of and wanted.items() <= one.step.items()]
    if not found:
        raise BadControl(f"No {of!r} is in effect that could be undone.")
    for one in reversed(found):
        if one.undo is None:
            raise BadControl(f"{of!r} cannot be undone.")
        one.undo()
        world.done.remove(one)
