"""Plays fault runs and checks the rules: `python -m faults --seeds 1-1000` in tests/, or `--seeds 17` for one."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from collections import Counter

from .figures import lines
from .play_and_check import play, play_real

BREAKS = {"1": "backups lost", "6": "duplicates"}
"""Rules whose breaks have a name."""
FIGURES = ("rules broken", *BREAKS.values())


def main() -> int:
    """Play, print each broken rule with the command that repeats it, then the figures. 1 where a rule is broken."""
    parser = argparse.ArgumentParser(prog="python -m faults", description=__doc__)
    parser.add_argument("--seeds", default="1-10", help="one seed, or the first and the last")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--rounds", type=int, default=12, help="rounds of a run")
    parser.add_argument("--minutes", type=float, default=600, help="begin no further run after so many minutes")
    parser.add_argument("--real", action="store_true", help="with real processes, in real time")
    given = parser.parse_args()
    first, _, last = given.seeds.partition("-")
    seeds = [(seed, given.rounds) for seed in range(int(first), int(last or first) + 1)]
    figures, end = Counter(dict.fromkeys(FIGURES, 0)), time.monotonic() + given.minutes * 60
    # Each process is forked from one that has imported everything.
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload([play.__module__])
    with processes.Pool(given.jobs, maxtasksperchild=20) as pool:
        for seed, found, sentences in pool.imap(play_real if given.real else play, seeds):
            figures.update(found)
            figures["runs"] += 1
            for sentence in sentences:
                rule = sentence.partition(":")[0]
                figures.update(["rules broken", BREAKS.get(rule, f"rule {rule} broken")])
                sys.stdout.write(f"seed {seed}: {sentence}\n")
            if sentences:
                how = " --real" if given.real else ""
                sys.stdout.write(f"  again: cd tests && ../.venv/bin/python -m faults{how} --seeds {seed}\n")
                sys.stdout.flush()
            if time.monotonic() > end:
                break
    sys.stdout.write(lines(figures))
    return int(bool(figures["rules broken"]))


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":
        # Sets of texts are ordered by it, and a seed must repeat.
        again = [sys.executable, "-m", "faults", *sys.argv[1:]]
        os.execve(sys.executable, again, os.environ | {"PYTHONHASHSEED": "0"})  # noqa: S606 - this very program
    sys.exit(main())
