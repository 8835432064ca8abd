"""Fault runs, shorter than those of `make faults`; and what they are made of is all that there is."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from faults import injected_faults, outages
from support import services

from puq_backups.simulator.faults.registry import CONTROLS

SEEDS = ("1-2", "3-4", "5-6", "7-8", "9-10")


RUNS = {f"seeds {seeds}": ["--rounds", "4", "--seeds", seeds] for seeds in SEEDS}
RUNS["real processes"] = ["--real", "--rounds", "5", "--seeds", "1"]


@pytest.mark.slow
@pytest.mark.parametrize("name", RUNS)
def test_no_rule_is_broken_by_any_fault(name: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "faults", "--jobs", "1", *RUNS[name]],
        cwd=services.ROOT / "tests",
        env=os.environ | {"PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_every_fault_of_the_simulator_is_played_or_left_out_for_a_reason() -> None:
    """Only what a run may bring about can be found; `make faults` prints how often each one was."""
    source = "".join(Path(module.__file__).read_text() for module in (injected_faults, outages))
    named = set(re.findall(r"\"([a-z-]+)\"", source))

    assert set(CONTROLS) - named - set(injected_faults.NOT_PLAYED) == set()
    assert set(injected_faults.NOT_PLAYED) <= set(CONTROLS)
    assert all(injected_faults.NOT_PLAYED.values())
