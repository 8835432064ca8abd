"""A seed repeats its run, however fast or busy the machine is."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from . import run, virtual_time

SEED, ROUNDS = 31, 3
"""With a Redis that fails, and conflicts in the database."""


def played(folder: Path) -> list[str]:
    """What happened in Proxmox; in the same instant tasks may change their order."""
    folder.mkdir()
    record = run.play(SEED, folder, rounds=ROUNDS).record
    return sorted(f"{entry.at} {entry.by} {entry.what} {entry.subject} {entry.details}" for entry in record.journal)


@pytest.mark.slow
def test_seed_repeats_its_run(tmp_path: Path) -> None:
    assert played(tmp_path / "first") == played(tmp_path / "second")


def test_pauses_are_measured_by_the_virtual_clock(tmp_path: Path) -> None:
    with virtual_time.opened(tmp_path) as (_, clock):
        before = time.monotonic()
        time.sleep(90)
        assert time.monotonic() - before == pytest.approx(90)
        clock.jump(-3600)
        assert time.monotonic() - before == pytest.approx(90)
