"""Functions for clients, and the sentences that calls answer."""

from __future__ import annotations

from typing import Any

from puq_backups.hook_registry.registry import Hooks
from puq_backups.whmcs.callers import HOST_FUNCTIONS, STAFF_FUNCTIONS

NOBODY = "Nobody is signed in."


def functions() -> list[str]:
    hooks = Hooks()
    hooks.load_package("puq_backups.hooks")
    return sorted(hooks.functions)


FUNCTIONS = functions()
FOR_CLIENTS = [name for name in FUNCTIONS if name not in HOST_FUNCTIONS | STAFF_FUNCTIONS]


def said(answer: Any) -> str:
    """The error text of an answer, whatever its shape."""
    if isinstance(answer, dict):
        return str(answer.get("error") or answer.get("vars", {}).get("usefulErrorHelper") or answer or NOBODY)
    return str(answer)
