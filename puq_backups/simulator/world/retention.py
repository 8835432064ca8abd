"""Which archives a retention keeps, by the rules of prune-backups."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from .volumes import ARCHIVE_NAME, PBS_NAME, Volume

RULES = ("last", "hourly", "daily", "weekly", "monthly", "yearly")
PERIODS = {
    "hourly": "%Y/%m/%d/%H",
    "daily": "%Y/%m/%d",
    "weekly": "%G/%V",
    "monthly": "%Y/%m",
    "yearly": "%Y",
}


def parse(text: str) -> dict[str, int]:
    """The numbers to keep by rule; `all` 1 where everything is kept."""
    given = dict(part.split("=", 1) for part in text.split(",") if "=" in part)
    rules = {key.removeprefix("keep-"): int(value) for key, value in given.items()}
    if rules.get("all") or not any(rules.get(rule) for rule in RULES):
        return {"all": 1}
    return {rule: rules[rule] for rule in RULES if rules.get(rule)}


def print_rules(rules: dict[str, int], separator: str = ",") -> str:
    """The rules as an answer shows them; a log puts a blank after each comma."""
    return separator.join(f"keep-{rule}={rules[rule]}" for rule in sorted(rules))


def mark(volumes: Iterable[Volume], rules: dict[str, int]) -> list[tuple[Volume, str]]:
    """Each archive with keep, remove, protected or renamed; each guest on its own."""
    groups: dict[tuple[int, str], list[Volume]] = {}
    found: dict[str, str] = {}
    everything = sorted(volumes, key=lambda one: one.name.lower())
    for volume in everything:
        if not ARCHIVE_NAME.search(volume.name) and not PBS_NAME.match(volume.name):
            found[volume.volid] = "renamed"
        elif volume.protected:
            found[volume.volid] = "protected"
        else:
            groups.setdefault((volume.vmid, volume.subtype), []).append(volume)
    for group in groups.values():
        found |= _mark_group(sorted(group, key=lambda one: one.ctime, reverse=True), rules)
    return [(volume, found[volume.volid]) for volume in everything]


def _mark_group(newest_first: list[Volume], rules: dict[str, int]) -> dict[str, str]:
    if rules.get("all"):
        return {volume.volid: "keep" for volume in newest_first}
    marks: dict[str, str] = {}
    for rule, count in rules.items():
        _apply(newest_first, rule, count, marks)
    return {volume.volid: marks.get(volume.volid, "remove") for volume in newest_first}


def _apply(newest_first: list[Volume], rule: str, count: int, marks: dict[str, str]) -> None:
    """Keep the newest of each period until there are `count`; others of it go. One that is served is skipped."""

    def period(volume: Volume) -> str:
        moment = dt.datetime.fromtimestamp(volume.ctime, dt.UTC)
        return volume.volid if rule == "last" else moment.strftime(PERIODS[rule])

    served = {period(volume) for volume in newest_first if marks.get(volume.volid) == "keep"}
    taken: set[str] = set()
    for volume in newest_first:
        if volume.volid in marks or period(volume) in served:
            continue
        if period(volume) in taken:
            marks[volume.volid] = "remove"
            continue
        if len(taken) >= count:
            break
        taken.add(period(volume))
        marks[volume.volid] = "keep"
