"""What runs amounted to: counts of one run, and what is said of all of them together."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator

from .removals import removals
from .run_record import RunRecord

COMMON = {"rotations": "rotations", "restores": "operations restore", "removals": "operations remove"}
"""What can lose a backup, and the figure that is compared with all operations."""


def of(record: RunRecord) -> Counter[str]:
    """The counts of a run; those of several runs can be added."""
    found: Counter[str] = Counter({f"fault {name}": count for name, count in record.faults.items()})
    for row in record.rows.get("operation", []):
        found[f"{row['kind']} {row['state']}"] += 1
        found[f"operations {row['kind']}"] += 1
        found["operations"] += 1
    for (name, answer), count in record.answers.items():
        found[f"asked {name}"] += count
        found[f"accepted {name}"] += count if answer == "success" else 0
    for name, at in _moments(record):
        begun = bisect_left(record.fault_times, at - record.near)
        found[name] += 1
        found[f"{name} near a fault"] += begun < bisect_left(record.fault_times, at)
    found["ticks"], found["clock jumps"] = record.ticks, record.jumps
    found["archives imported"], found["archives released"] = record.imported, len(record.releases)
    found["backups made"] = sum(file.tokens is not None for file in record.files.values())
    return found


def _moments(record: RunRecord) -> Iterator[tuple[str, float]]:
    """When an archive was removed by rotation or by a removal, and when a restore began, by the journal."""
    for one in removals(record):
        yield "rotations" if one.purpose and one.purpose["kind"] == "backup" else "archives removed", one.at
    for entry in record.journal:
        if entry.what == "started" and ":qmrestore:" in entry.subject and record.token_id in entry.subject:
            yield "restores begun", entry.at


def lines(figures: Counter[str]) -> str:
    """The figures of all runs, with the share of all operations that each of COMMON has."""
    shares = {
        f"{name}, % of operations": f"{100 * figures[counted] / max(figures['operations'], 1):.1f}"
        for name, counted in COMMON.items()
    }
    said = shares | {name: str(count) for name, count in figures.items()}
    return "".join(f"{name:32}{said[name]:>8}\n" for name in sorted(said))
