"""One run in a process of its own, with its check."""

from __future__ import annotations

import shutil
import tempfile
import traceback
from collections import Counter
from pathlib import Path

from . import rules, run


def play(task: tuple[int, int]) -> tuple[int, Counter[str], list[str]]:
    """One run in a process of its own: its seed, its figures and the rules that it broke."""
    seed, rounds = task
    folder = Path(tempfile.mkdtemp(prefix="puq-faults-"))
    try:
        played = run.play(seed, folder, rounds=rounds)
        return seed, played.diary.figures() + Counter(kills=played.boundaries.kills), rules.broken(played.diary)
    except Exception:  # noqa: BLE001 - a run that cannot be played is a failure, and the others go on
        return seed, Counter(), [f"0: the run itself failed: {traceback.format_exc()}"]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
