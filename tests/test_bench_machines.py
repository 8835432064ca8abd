"""What the figures of real processes are read from: journals of the simulator that are known, and /proc."""

from __future__ import annotations

import os
import sys
from typing import Any

import pytest

from bench.machines import killed, polls, usage

NOON = 1_767_268_800.0
UPID = "UPID:{node}:000013C1:0009A3EB:6B0AE78C:vzdump:{vmid}:root@pam!t:"


def started(at: float, vmid: int, node: str = "pve1") -> dict[str, Any]:
    return {"at": NOON + at, "what": "started", "subject": UPID.format(node=node, vmid=vmid), "details": {}}


def asked(at: float, subject: str, **params: str) -> dict[str, Any]:
    return {"at": NOON + at, "what": "asked", "subject": subject, "details": {"params": params}}


def polled(at: float, node: str = "pve1") -> dict[str, Any]:
    return asked(at, f"GET /nodes/{node}/tasks", source="active")


def vzdump(at: float, operation: str) -> dict[str, Any]:
    return asked(at, "POST /nodes/pve1/vzdump", **{"notes-template": f"a note [puqb:service.{operation}]"})


def test_poll_is_due_after_the_interval_of_the_youngest_task_of_its_node() -> None:
    journal = [started(0, 100), polled(5), polled(11), started(12, 101), polled(20), started(0, 102, "pve2")]

    found = polls.read(journal)

    assert [poll.at - NOON for poll in found] == [5, 11, 20]
    # The second task asks for a poll at 17, though the first one is due at 16.
    assert [poll.late for poll in found] == pytest.approx([0, 1, 4])
    assert [poll.allowed for poll in found] == [5, 5, 5]


def test_interval_of_polls_grows_with_the_age_of_the_task() -> None:
    journal = [started(0, 100), polled(100), polled(126), polled(1000), polled(1060)]

    found = polls.read(journal)

    assert [poll.allowed for poll in found] == pytest.approx([5, 25, 31.5, 60])
    assert [poll.late for poll in found] == pytest.approx([95, 1, 842.5, 0])


def test_operation_for_which_a_backup_is_asked_again_counts_as_started_twice() -> None:
    journal = [vzdump(0, "one"), vzdump(1, "two"), vzdump(9, "one"), polled(10), started(0, 100)]

    assert killed.starts(journal) == {"one": 2, "two": 1}
    assert killed.twice(journal) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_and_cpu_of_a_process_are_read() -> None:
    found = usage.memory(os.getpid())

    assert 0 < found["Pss"] <= found["Rss"]
    assert usage.cpu_seconds(os.getpid()) > 0
