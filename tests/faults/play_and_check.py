"""One run in a process of its own, with its check."""

from __future__ import annotations

import shutil
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import figures, real_processes, rules, run


def play_real(task: tuple[int, int]) -> tuple[int, Counter[str], list[str]]:
    """One run with real processes, as `play`."""
    return _played(task, real_processes.play, real=True)


def play(task: tuple[int, int]) -> tuple[int, Counter[str], list[str]]:
    """One run in a process of its own: its seed, its figures and the rules that it broke."""
    return _played(task, run.play, real=False)


def _played(
    task: tuple[int, int], work: Callable[..., Any], *, real: bool
) -> tuple[int, Counter[str], list[str]]:  # fmt: skip
    seed, rounds = task
    folder = Path(tempfile.mkdtemp(prefix="puq-faults-"))
    try:
        played = work(seed, folder, rounds=rounds)
        kills = played.kills if real else played.boundaries.kills
        return seed, figures.of(played.record) + Counter(kills=kills), rules.broken(played.record, real=real)
    except Exception:  # noqa: BLE001 - a run that cannot be played is a failure, and the others go on
        return seed, Counter(), [f"0: the run itself failed: {traceback.format_exc()}"]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
