"""What came of a simulated month: read from the operations, as a table and a picture."""

from __future__ import annotations

import gc
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean

from sqlalchemy import select

from puq_backups.context import Context
from puq_backups.models import Operation

HOUR = 3600.0
ACTIVE = "/nodes/{node}/tasks"
BEGIN, END = "<!-- month: made by python -m bench.month --docs docs -->", "<!-- month: end -->"
BOUNDS = (1, 5, 10, 20, 30, 60, 120)
"""Minutes of waiting by which the picture groups the slots."""
WIDTH, HEIGHT, LEFT, BOTTOM = 640, 260, 50, 40
COLOURS = {"big": "#2563eb", "small": "#f59e0b"}
PAGE_SIZE = 4096
WARM = 2000
"""Slots after which the memory is compared with that at the end."""
Memory = Sequence[tuple[int, float, int]]
"""Slots so far, MiB and Python objects, at the start and at the end of each day."""


@dataclass
class Outcome:
    """Slots by their end, the waits in seconds of both kinds of clients, and what it cost."""

    states: Counter[str] = field(default_factory=Counter)
    in_time: int = 0
    waits: dict[str, list[float]] = field(default_factory=lambda: {"big": [], "small": []})
    idle: float = 0.0
    running: float = 0.0
    calls: int = 0
    polls: int = 0
    rows: int = 0
    seconds: float = 0.0
    memory: Memory = ()

    @property
    def slots(self) -> int:
        """The number of slots that were due."""
        return self.states.total()


Spans = dict[str, list[tuple[float, float]]]
"""Begin and end in seconds since the epoch, by node."""


def read(
    context: Context, big: str, tasks: Spans, *, calls: Counter[str], rows: int, seconds: float,
    memory: Memory,
) -> Outcome:  # fmt: skip
    """Read the slots.

    `tasks` are the backups that Proxmox made, `calls` are by path template, `big` is the client with many services.
    """
    found = Outcome(calls=calls.total(), polls=calls[ACTIVE], rows=rows, seconds=seconds, memory=memory)
    nodes: dict[str, list[Operation]] = defaultdict(list)
    with context.database.open() as session:
        for one in session.scalars(select(Operation).where(Operation.slot_date.is_not(None))):
            found.states[one.state] += 1
            if one.started_at is None:
                continue
            nodes[one.node].append(one)
            kind = "big" if one.client_id == big else "small"
            found.waits[kind].append((one.started_at - one.due_at).total_seconds())
            done = one.state == "done" and one.finished_at is not None
            found.in_time += bool(done and (one.finished_at - one.due_at).total_seconds() <= HOUR)  # type: ignore[operator]  # done
    for node, operations in nodes.items():
        runs = _merged(tasks.get(node, []))
        found.running += sum(end - begin for begin, end in runs)
        found.idle += _idle(operations, runs)
    return found


def _merged(spans: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """Spans of time without those that overlap."""
    found: list[tuple[float, float]] = []
    for begin, end in sorted(spans):
        if found and begin <= found[-1][1]:
            found[-1] = found[-1][0], max(end, found[-1][1])
        else:
            found.append((begin, end))
    return found


def _idle(operations: Sequence[Operation], runs: Sequence[tuple[float, float]]) -> float:
    """Seconds in which a node made no backup although one waited that had not been tried before."""
    waiting = _merged(
        (one.due_at.timestamp(), one.started_at.timestamp())
        for one in operations if one.started_at and one.attempts == 1
    )  # fmt: skip
    idle = 0.0
    for begin, end in waiting:
        idle += end - begin - sum(max(0.0, min(end, stop) - max(begin, start)) for start, stop in runs)
    return idle


def memory() -> tuple[float, int]:
    """The resident memory of this process in MiB, and the number of its Python objects."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_SIZE / 2**20, len(gc.get_objects())


def table(found: Outcome) -> str:
    """The figures as a Markdown table."""
    ends = ", ".join(f"{count:,} {state}" for state, count in found.states.most_common())
    big, small = (found.waits[kind] for kind in ("big", "small"))
    rows = [
        ("slots", f"{found.slots:,}: {ends}"),
        ("done within an hour of their time", f"{100 * found.in_time / found.slots:.1f} %"),
        ("longest wait", f"{max([*big, *small]) / 60:.0f} minutes"),
        ("mean wait of the client with half of the services", f"{mean(big) / 60:.1f} minutes"),
        ("mean wait of the clients with one service", f"{mean(small) / 60:.1f} minutes"),
        ("nodes idle while a backup waits, of the time that they work", f"{100 * found.idle / found.running:.1f} %"),
        (
            "calls to Proxmox a slot, all included",
            f"{found.calls / found.slots:.1f}, {found.polls / found.slots:.1f} of them polls",
        ),
        ("rows written a slot, all included", f"{found.rows / found.slots:.1f}"),
        ("CPU a slot, the simulator's included", f"{1000 * found.seconds / found.slots:.0f} ms"),
        ("memory, the simulator's included", _grown([(slots, mib, " MiB") for slots, mib, _ in found.memory])),
        ("Python objects, the simulator's included", _grown([(slots, some, "") for slots, _, some in found.memory])),
    ]
    return "\n".join(["| what | figure |", "|---|---|", *(f"| {what} | {figure} |" for what, figure in rows)])


def _grown(seen: Sequence[tuple[int, float, str]]) -> str:
    """A number and its unit at the start, when all is warm, and at the end; and how it has grown since it was warm.

    Warm is after WARM slots, or at the end of the third day: until then each service's first backups are added.
    """
    warm = next((mark for mark in seen if mark[0] >= WARM), seen[min(3, len(seen) - 1)])
    marks = [seen[0], warm, seen[-1]]
    shown = [f"{number:,.0f}{unit} after {slots:,} slots" for slots, number, unit in dict.fromkeys(marks)]
    return f"{', '.join(shown)} ({100 * (marks[2][1] / warm[1] - 1):+.1f} % since {warm[0]:,})"


def write(docs: Path, title: str, found: Outcome) -> None:
    """Put the table between the marks in scale.md, and the picture beside it."""
    (docs / "scale-month.svg").write_text(picture(title, found))
    page = docs / "scale.md"
    image = f"![How long the slots waited: {title}](scale-month.svg)"
    text = f"{BEGIN}\n\n{title}:\n\n{table(found)}\n\n{image}\n\n{END}"
    before = page.read_text()
    after, times = re.subn(f"{re.escape(BEGIN)}.*?{re.escape(END)}", lambda _: text, before, flags=re.DOTALL)
    if times != 1:
        raise RuntimeError(f"{page} has no place for the table")
    page.write_text(after)


def picture(title: str, found: Outcome) -> str:
    """The shares of slots by how long they waited, for both kinds of clients, as SVG."""
    shares = {kind: _shares(waits) for kind, waits in found.waits.items()}
    most = max(max(of) for of in shares.values())
    step = (WIDTH - LEFT) / (len(BOUNDS) + 1)
    labels = [f"≤ {bound}" for bound in BOUNDS] + [f"> {BOUNDS[-1]}"]
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
            f'font-size="12"><rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>'
        ),
        f'<text x="{LEFT}" y="16" fill="#111">Minutes from a slot\'s time to its start, {title}</text>',
        *_legend(),
    ]
    for at, label in enumerate(labels):
        left = LEFT + at * step
        for number, kind in enumerate(COLOURS):
            height = shares[kind][at] / most * (HEIGHT - BOTTOM - 60)
            parts += _bar(left + step * (0.15 + 0.35 * number), step * 0.35, height, kind, shares[kind][at])
        parts.append(
            f'<text x="{left + step / 2:.1f}" y="{HEIGHT - 20}" text-anchor="middle" fill="#111">{label}</text>'
        )
    return "\n".join([*parts, "</svg>", ""])


def _legend() -> list[str]:
    words = {"big": "client with half of the services", "small": "clients with one service"}
    return [
        f'<rect x="{LEFT + 240 * number}" y="26" width="10" height="10" fill="{COLOURS[kind]}"/>'
        f'<text x="{LEFT + 240 * number + 16}" y="35" fill="#111">{said}</text>'
        for number, (kind, said) in enumerate(words.items())
    ]


def _bar(left: float, width: float, height: float, kind: str, share: float) -> list[str]:
    top = HEIGHT - BOTTOM - height
    return [
        f'<rect x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{COLOURS[kind]}"/>',
        (
            f'<text x="{left + width / 2:.1f}" y="{top - 3:.1f}" text-anchor="middle" font-size="9" fill="#111">'
            f"{100 * share:.0f} %</text>"
        ),
    ]


def _shares(waits: Sequence[float]) -> list[float]:
    """The share of waits up to each of BOUNDS, and of those above."""
    counts = [0] * (len(BOUNDS) + 1)
    for seconds in waits:
        counts[next((at for at, bound in enumerate(BOUNDS) if seconds <= bound * 60), len(BOUNDS))] += 1
    return [count / max(len(waits), 1) for count in counts]
