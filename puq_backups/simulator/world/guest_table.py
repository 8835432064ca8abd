"""The guests of the cluster by VMID, each reporting the changes of its attributes and options."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from .model import Guest

Report = Callable[[str, int, str, Any, Any], None]
"""Told `changed`, `added` or `removed`, the VMID, and for a change the option, its old and its new value."""


class GuestTable(dict[int, Guest]):
    """Guests by VMID."""

    def __init__(self) -> None:
        super().__init__()
        self._report: Report | None = None

    def __deepcopy__(self, memo: dict[int, Any]) -> GuestTable:
        found = GuestTable()
        for vmid, guest in self.items():
            dict.__setitem__(found, vmid, copy.deepcopy(guest, memo))
        found._report = self._report
        return found

    def watch(self, report: Report) -> None:
        """Report changes from now on."""
        self._report = report
        for guest in self.values():
            self._watch_guest(guest)

    def _watch_guest(self, guest: Guest) -> None:
        report = self._report
        if report is not None:
            guest.watch(lambda key, old, new: report("changed", guest.vmid, key, old, new))

    def __setitem__(self, vmid: int, guest: Guest) -> None:
        super().__setitem__(vmid, guest)
        if self._report is not None:
            self._report("added", vmid, "", None, None)
            self._watch_guest(guest)

    def pop(self, vmid: int, *default: Any) -> Any:
        """See dict.pop."""
        if vmid in self and self._report is not None:
            self._report("removed", vmid, "", None, None)
        return super().pop(vmid, *default)
