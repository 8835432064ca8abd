"""`make demo` from its start to its end: it answers, it says where it is, and it leaves nothing behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from urllib.request import urlopen

import pytest
from support import services
from support.running_demo import COMMAND, Demo
from support.waiting import PATIENCE, wait_until

pytestmark = pytest.mark.slow

if sys.platform != "linux":
    pytest.skip("looks for processes in /proc", allow_module_level=True)


@pytest.fixture
def demo() -> Iterator[Demo]:
    demo = Demo()
    yield demo
    demo.end()


def test_first_words_of_the_demo_wait_for_no_import_of_ours() -> None:
    code = "import sys, demo.run; print([name for name in sys.modules if name.startswith(('puq_backups', 'flask'))])"

    ran = subprocess.run([sys.executable, "-c", code], cwd=services.ROOT, capture_output=True, text=True, check=True)

    assert ran.stdout.strip() == "[]"


def test_demo_answers_and_ctrl_c_leaves_no_process(demo: Demo) -> None:
    with urlopen(demo.address, timeout=PATIENCE) as answer:
        assert "Alice Adams" in answer.read().decode()
    with urlopen(f"{demo.address}/mails", timeout=PATIENCE) as answer:
        assert "Everything this demonstration has sent" in answer.read().decode()

    os.killpg(demo.process.pid, signal.SIGINT)

    assert demo.process.wait(PATIENCE) == 0
    assert demo.processes() == []


def test_demo_ends_when_a_part_ends(demo: Demo) -> None:
    victim = next(pid for pid in demo.processes() if b"valkey" in services.command_of(pid))

    os.kill(victim, signal.SIGKILL)

    assert demo.process.wait(PATIENCE) == 1
    assert demo.process.stdout
    assert "valkey ended (-9)" in demo.process.stdout.read()
    assert demo.processes() == []


def test_demo_that_is_killed_takes_all_parts_along(demo: Demo) -> None:
    demo.process.kill()
    demo.process.wait(PATIENCE)

    wait_until(lambda: not demo.processes(), lambda: [services.command_of(pid) for pid in demo.processes()])


def test_demo_says_that_its_port_is_taken() -> None:
    with socket.socket() as taken, suppress(OSError):
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        ran = subprocess.run(
            [*COMMAND, "--port", str(port)],
            cwd=services.ROOT,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    assert ran.returncode == 1
    assert f"Port {port} cannot be used" in ran.stdout
    assert "make demo PORT=" in ran.stdout
