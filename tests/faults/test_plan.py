"""The plan of a run: rotations, restores and removals are common in it, with faults near them."""

from __future__ import annotations

import random

import pytest
from faults import actions, figures, plan
from faults.run_record import RunRecord

from puq_backups.simulator.world.journal import Entry

from .journal_helpers import DAY, NOON, TOKEN, B, audit, good, operation, removed, upid

KINDS = {"rotations": plan.ROTATIONS, "restores": plan.RESTORES, "removals": plan.REMOVALS}


def rounds(seed: int) -> list[plan.Round]:
    return plan.draw(random.Random(seed), 40)  # noqa: S311 - repeatable on purpose


@pytest.mark.parametrize("kind", KINDS)
def test_at_least_an_eighth_of_each_hand(kind: str) -> None:
    for seed in range(100):
        asked = [action for one in rounds(seed) for action in one.actions]
        for begin in range(0, len(asked) - plan.HAND, plan.HAND):
            hand = asked[begin : begin + plan.HAND]
            assert 8 * sum(action in KINDS[kind] for action in hand) >= plan.HAND, (seed, hand)


@pytest.mark.parametrize("kind", KINDS)
def test_half_of_them_have_a_fault_in_their_round(kind: str) -> None:
    chosen = [one for seed in range(100) for one in rounds(seed) if KINDS[kind].intersection(one.actions)]

    assert 2 * sum(bool(one.faults) for one in chosen) >= len(chosen)
    assert 2 * sum(bool(one.at_slot) for one in chosen) >= len(chosen)


def test_all_actions_faults_and_kills_are_drawn() -> None:
    drawn = [one for seed in range(100) for one in rounds(seed)]

    assert {action for one in drawn for action in one.actions} == set(actions.ACTIONS)
    assert {type(one.kill_in) for one in drawn} == {int, type(None)}


def with_restore_and_removal() -> RunRecord:
    """What `good` has (a rotation), a restore, and a removal with a fault some minutes before it."""
    found = good()
    found.journal += [
        Entry(NOON + 2 * DAY + 9, TOKEN, "started", upid("qmrestore", 9)), removed(3 * DAY, B, "opb"),
    ]  # fmt: skip
    found.rows["operation"] += [operation("opx", "restore"), operation("opy", "remove", origin="manual")]
    found.rows["audit"].append(audit("imgdel", f"remove {B}", "opy"))
    found.fault_times.append(NOON + 3 * DAY - 600)
    return found


def test_figures_count_by_the_journal_what_was_near_a_fault() -> None:
    counted = figures.of(with_restore_and_removal())

    moments = {
        name: (counted[name], counted[f"{name} near a fault"])
        for name in ("rotations", "restores begun", "archives removed")
    }
    assert moments == {"rotations": (1, 0), "restores begun": (1, 0), "archives removed": (1, 1)}


def test_figures_say_the_share_of_all_operations() -> None:
    said = figures.lines(figures.of(with_restore_and_removal()))

    shares = {line.split(",")[0]: line.split()[-1] for line in said.splitlines() if "% of operations" in line}
    assert shares == {"rotations": "20.0", "restores": "20.0", "removals": "20.0"}
