"""Which plays of a table's cases are made: all by `make thorough`, else one or two of each case.

All are: each step of a case, on both versions, and on the newer one with the worker killed before and after the
step's call. Otherwise steps, versions and killings take turns from case to case.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from support.thorough import THOROUGH

from .case import Case
from .runner import KILLED

VERSIONS = ("9.2", "8.4")


@dataclass(frozen=True)
class Play:
    """One play of a case. `goes_on`: the way on is taken at its end."""

    case: Case
    step: str
    pve: str = VERSIONS[0]
    killed: str = ""
    goes_on: bool = False

    def __str__(self) -> str:
        killed = f"-killed {self.killed}" if self.killed else ""
        return f"{self.case.operation}-{self.step}-{self.case.wrong}-{self.pve}{killed}"


def plays(cases: Sequence[Case]) -> list[Play]:
    """The plays of these cases, those on one version after the other."""
    return every_play(cases) if THOROUGH else _by_version(_some(cases))


def every_play(cases: Sequence[Case]) -> list[Play]:
    """All plays of these cases, those on one version after the other."""
    return _by_version(_all(cases))


def _by_version(found: Iterable[Play]) -> list[Play]:
    return sorted(found, key=lambda play: (play.pve, play.case.operation))


def _all(cases: Sequence[Case]) -> Iterator[Play]:
    for case in cases:
        for step in case.steps:
            yield from (Play(case, step, pve, goes_on=bool(case.way)) for pve in VERSIONS)
            yield from (Play(case, step, killed=killed) for killed in KILLED)


def _some(cases: Sequence[Case]) -> Iterator[Play]:
    ways = set()
    for number, case in enumerate(cases):
        kind = (case.operation, case.way, case.end.vm)
        step = case.steps[number % len(case.steps)]
        yield Play(case, step, VERSIONS[number % 2], goes_on=bool(case.way) and kind not in ways)
        if number % 3 == 1:
            yield Play(case, case.steps[-number % len(case.steps)], killed=KILLED[number // 3 % 2])
        ways.add(kind)
