"""The figures and the picture of a simulated month, from operations that are known."""

from __future__ import annotations

import re
from collections import Counter
from datetime import timedelta
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from support import world as worlds

from bench import fill, month_report
from puq_backups.models import Operation, Service, now
from puq_backups.simulator import Simulator

MINUTE = 60.0
OUTCOME = month_report.Outcome(
    states=Counter(done=3, failed=1), in_time=3, waits={"big": [30.0, 90.0], "small": [0.0, 7300.0]},
    idle=6.0, running=60.0, calls=40, polls=16, rows=80, seconds=0.4,
    memory=[(0, 100.0, 1000), (2000, 120.0, 2000), (3000, 126.0, 2000)],
)  # fmt: skip


@pytest.fixture
def world(sqlite_url: str, redis_url: str, proxmox: Simulator) -> worlds.World:
    return worlds.make(proxmox, sqlite_url, redis_url)


def test_idle_time_is_that_in_which_a_backup_waits_and_none_is_made(world: worlds.World) -> None:
    at = now() - timedelta(hours=5)
    fill.server(world.context)
    owners = [fill.service(number, nodes=1, clients=1) for number in range(3)]
    starts = (0, 12, 90)
    with world.context.database.begin() as session:
        fill.add_rows(session, Service, owners)
        for owner, start in zip(owners, starts, strict=True):
            row = fill.operation(owner, 0, "done", at)
            begin = at + timedelta(minutes=start)
            end = begin + timedelta(minutes=10)
            session.add(Operation(**row | {"started_at": begin, "finished_at": end, "attempts": 1}))
    begin = at.timestamp()
    # The third one waits while nothing runs: between the two others, and long after them.
    tasks = {"pve0": [(begin, begin + 10 * MINUTE), (begin + 12 * MINUTE, begin + 22 * MINUTE)]}

    calls = Counter({"/x": 1, month_report.ACTIVE: 1})
    found = month_report.read(world.context, "c0", tasks, calls=calls, rows=9, seconds=1.0, memory=[(0, 1.0, 1)])

    assert found.idle == pytest.approx(70 * MINUTE)
    assert found.running == pytest.approx(20 * MINUTE)
    assert (found.slots, found.in_time, found.calls, found.polls) == (3, 2, 2, 1)
    assert found.waits["big"] == pytest.approx([0.0])
    assert found.waits["small"] == pytest.approx([12 * MINUTE, 90 * MINUTE])


def test_table_and_picture_are_written_between_the_marks(tmp_path: Path) -> None:
    page = tmp_path / "scale.md"
    page.write_text(f"before\n{month_report.BEGIN}old{month_report.END}\nafter\n")

    for _ in range(2):
        month_report.write(tmp_path, "4 services", OUTCOME)

    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "old" not in text
    assert "| done within an hour of their time | 75.0 % |" in text
    assert "| longest wait | 122 minutes |" in text
    assert "100 MiB after 0 slots, 120 MiB after 2,000 slots, 126 MiB after 3,000 slots (+5.0 % since 2,000)" in text
    assert "1,000 after 0 slots, 2,000 after 2,000 slots, 2,000 after 3,000 slots (+0.0 % since 2,000)" in text
    assert text.count("scale-month.svg") == 1
    picture = ET.parse(tmp_path / "scale-month.svg").getroot()  # noqa: S314 - written here
    shown = [element.text or "" for element in picture.iter() if element.tag.endswith("text")]
    assert sorted(set(re.findall(r"^\d+ %$", "\n".join(shown), re.MULTILINE))) == ["0 %", "50 %"]


def test_page_without_a_place_for_the_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "scale.md").write_text("nothing")

    with pytest.raises(RuntimeError, match="no place"):
        month_report.write(tmp_path, "4 services", OUTCOME)
