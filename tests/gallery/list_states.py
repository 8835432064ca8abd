"""States of single rows of the list: the bin, archives of others, and what is asked before one goes."""

from __future__ import annotations

from datetime import timedelta

from .stage import NOW, Scene
from .states import days, quiet, state


@state()
def in_the_bin(scene: Scene) -> None:
    quiet(scene)
    scene.backup(NOW - days(6.2), "before the theme", binned_until=NOW + timedelta(hours=20))


@state(quota=7)
def in_the_bin_without_a_free_place(scene: Scene) -> None:
    in_the_bin(scene)


@state(act="delete")
def delete_dialog(scene: Scene) -> None:
    in_the_bin(scene)


@state(act="menu_of_imported")
def imported_menu(scene: Scene) -> None:
    quiet(scene)
    scene.backup(NOW - days(6.2), "from the old panel", kind="imported", verification="")
