"""Fault runs, as `make faults` plays a thousand of them."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from support import services

SEEDS = ("1", "5")


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_no_rule_is_broken_by_any_fault(seed: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "faults", "--seeds", seed, "--jobs", "1"],
        cwd=services.ROOT / "tests",
        env=os.environ | {"PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
