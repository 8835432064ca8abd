"""What a run is to do, drawn from its seed: what is asked for, what goes wrong, and how long it lasts.

Of each `HAND` actions some are set, so that rotations, restores and removals are common in every run.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import actions, injected_faults, outages
from .actions import Action

if TYPE_CHECKING:
    from .run import Run

HAND = 8
FAULTY = 0.6
"""How often there is a fault near what can lose a backup."""
SET: tuple[Action, ...] = (
    actions.let_rotate, actions.let_rotate, actions.restore, actions.restore, actions.delete,
)  # fmt: skip
"""What is in each hand; the rest of it is drawn by `actions.ACTIONS`."""
ROTATIONS, RESTORES = frozenset({actions.let_rotate}), frozenset({actions.restore})
REMOVALS = frozenset({actions.remove, actions.delete})
COMMON = ROTATIONS | RESTORES | REMOVALS

Fault = Callable[["Run"], None]


@dataclass(frozen=True)
class Round:
    """What happens in a round: first the faults, then the actions, then `seconds` of clock and worker.

    `kill_in`: after how many boundaries a process is killed, None for never. `at_slot`: the faults that come `ahead`
    seconds before the scheduled run that the round waits for; `kill_in` is then counted from there again.
    """

    actions: tuple[Action, ...]
    faults: tuple[Fault, ...]
    kill_in: int | None
    seconds: float
    at_slot: tuple[Fault, ...]
    ahead: float


def draw(rng: random.Random, rounds: int) -> list[Round]:
    """The rounds of a run."""
    asked = _actions(rng)
    return [_round(rng, [next(asked) for _ in range(rng.choice((1, 1, 2, 3)))]) for _ in range(rounds)]


def by_weight(rng: random.Random, weights: dict[Any, int]) -> Any:
    """One of the keys, by their weights."""
    return rng.choices(list(weights), list(weights.values()))[0]


def _actions(rng: random.Random) -> Iterator[Action]:
    while True:
        hand = [*SET, *(by_weight(rng, actions.ACTIONS) for _ in range(HAND - len(SET)))]
        rng.shuffle(hand)
        yield from hand


def _round(rng: random.Random, asked: list[Action]) -> Round:
    # Faults are for what can lose a backup.
    chance = FAULTY if COMMON.intersection(asked) else FAULTY / 2
    faults = []
    if rng.random() < chance:
        faults.append(by_weight(rng, injected_faults.FAULTS))
    if rng.random() < 0.2:
        faults.append(by_weight(rng, outages.OUTAGES))
    kill_in = rng.choice((None, rng.randrange(1, 40), rng.randrange(1, 200)))
    seconds = rng.choice((60, 600, 14_400, 43_200, 43_200))
    at_slot = (by_weight(rng, injected_faults.FAULTS),) if rng.random() < FAULTY else ()
    return Round(tuple(asked), tuple(faults), kill_in, seconds, at_slot, rng.choice((1, 60, 600)))
