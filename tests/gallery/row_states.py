"""States of single rows of the list: the bin, archives of others, and what is asked before one goes."""

from __future__ import annotations

from datetime import timedelta

from .prepared_host import NOW, PreparedService
from .registry import days, quiet, state


@state()
def in_the_bin(prepared: PreparedService) -> None:
    quiet(prepared)
    prepared.backup(NOW - days(6.2), "before the theme", binned_until=NOW + timedelta(hours=20))


@state(quota=7)
def in_the_bin_without_a_free_place(prepared: PreparedService) -> None:
    in_the_bin(prepared)


@state(step="delete")
def delete_dialog(prepared: PreparedService) -> None:
    in_the_bin(prepared)


@state(step="menu_of_imported")
def imported_menu(prepared: PreparedService) -> None:
    quiet(prepared)
    prepared.backup(NOW - days(6.2), "from the old panel", kind="imported", verification="")
