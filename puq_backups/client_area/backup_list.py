"""The list of backups: filtered by kind, 25 a page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..models import Backup

PAGE_SIZE = 25
KINDS = ("scheduled", "manual", "adopted", "imported", "safety", "kept", "binned")
"""The filters, in the order in which they are shown; those without a backup are left out."""


def in_kind(backup: Backup, kind: str) -> bool:
    """Whether a backup is shown under a filter: "" shows all."""
    if kind == "kept":
        return backup.kept
    if kind == "binned":
        return backup.binned_until is not None
    return not kind or backup.kind == kind


def select_page(backups: Sequence[Backup], params: Mapping[str, Any]) -> tuple[list[Backup], dict[str, Any]]:
    """The backups of one page, newest first, and where that page is.

    `params` may hold `kind` (one of KINDS) and `page` (from 1, or "all"). What cannot be used shows the first page
    of all. The second value has `kind page all newest first last total pages counts`.
    """
    asked = str(params.get("kind") or "")
    kind = asked if asked in KINDS else ""
    found = [backup for backup in backups if in_kind(backup, kind)]
    whole = str(params.get("page") or "") == "all"
    size = max(len(found), 1) if whole else PAGE_SIZE
    pages = max(-(-len(found) // size), 1)
    page = min(max(_number(params.get("page")), 1), pages)
    shown = found[(page - 1) * size : page * size]
    first = (page - 1) * size + 1 if shown else 0
    counts = Counter(backup.kind for backup in backups)
    counts["kept"] = sum(backup.kept for backup in backups)
    counts["binned"] = sum(backup.binned_until is not None for backup in backups)
    return shown, {
        "kind": kind, "page": page, "pages": pages, "all": len(backups), "total": len(found),
        "first": first, "last": first + len(shown) - 1 if shown else 0,
        "newest": backups[0].id if backups else "",
        "counts": [("", len(backups)), *((one, counts[one]) for one in KINDS if counts[one])],
    }  # fmt: skip


def urls(listing: dict[str, Any], to: Callable[..., str]) -> dict[str, Any]:
    """The addresses of filters and pages; `to` makes one of the page from its query. `here` is the page shown."""

    def at(kind: str, page: int = 1) -> str:
        return to(**query({"kind": kind, "page": page}))

    kind, page = listing["kind"], listing["page"]
    return {
        "filters": [(one, count, f"{at(one)}#puqb-backups") for one, count in listing["counts"]],
        "newer": f"{at(kind, page - 1)}#puqb-backups" if page > 1 else None,
        "older": f"{at(kind, page + 1)}#puqb-backups" if page < listing["pages"] else None,
        "here": at(kind, page),
    }


def query(listing: Mapping[str, Any]) -> dict[str, Any]:
    """The query that selects the page of a listing; empty for the first page of all."""
    kind, page = listing["kind"], listing["page"]
    return ({"kind": kind} if kind else {}) | ({"page": page} if page > 1 else {})


def _number(text: Any) -> int:
    try:
        return int(str(text))
    except ValueError:
        return 1
