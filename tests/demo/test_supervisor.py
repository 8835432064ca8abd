"""The supervisor: whichever way it ends, no process of its parts is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support import services
from support.waiting import PATIENCE, wait_until

from demo.supervisor import DemoError, Supervisor

pytestmark = pytest.mark.slow

if sys.platform != "linux":
    pytest.skip("looks for processes in /proc", allow_module_level=True)

MARK = "SUPERVISOR_TEST"
SLEEP = (sys.executable, "-c", "import time; time.sleep(300)")
# A part with a child of its own that does not care about SIGTERM.
STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
print("{}", flush=True)
time.sleep(300)
"""
WATCHED = """
import sys
from pathlib import Path
from demo.supervisor import Supervisor, end_on_signals, ignore_signals
import os
end_on_signals()
supervisor = Supervisor(Path(sys.argv[1]), os.environ)
try:
    supervisor.start("one", sys.executable, "-c", "import time; print('{}', flush=True); time.sleep(300)")
    supervisor.first_line("one")
    print("ready", flush=True)
    supervisor.watch()
finally:
    ignore_signals()
    supervisor.stop()
"""


@pytest.fixture
def supervisor(tmp_path: Path) -> Supervisor:
    return Supervisor(tmp_path, {**os.environ, MARK: str(tmp_path)})


def test_stop_ends_every_part_and_its_children(
    supervisor: Supervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("demo.supervisor.GRACE_SECONDS", 0.2)
    supervisor.start("sleep", *SLEEP)
    supervisor.start("stubborn", sys.executable, "-c", STUBBORN)
    supervisor.first_line("stubborn")
    assert len(services.processes_with(tmp_path)) == 3

    supervisor.stop()

    assert services.processes_with(tmp_path) == []


def test_end_of_a_part_is_trouble_and_tells_its_last_words(supervisor: Supervisor) -> None:
    supervisor.start("brief", sys.executable, "-c", "print('I cannot go on')")

    with pytest.raises(DemoError, match=r"(?s)brief ended \(0\).*I cannot go on"):
        supervisor.watch()


def test_first_line_of_a_part_that_ends_is_trouble(supervisor: Supervisor) -> None:
    supervisor.start("brief", sys.executable, "-c", "print('no json'); raise SystemExit(3)")

    with pytest.raises(DemoError, match=r"brief ended \(3\)"):
        supervisor.first_line("brief")


def test_run_that_fails_is_trouble(supervisor: Supervisor) -> None:
    with pytest.raises(DemoError, match=r"(?s)make failed \(2\).*no rule"):
        supervisor.run("make", sys.executable, "-c", "print('no rule'); raise SystemExit(2)")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_no_part_outlives_a_supervisor_that_is_signalled(tmp_path: Path, number: signal.Signals) -> None:
    environment = {**os.environ, MARK: str(tmp_path)}
    process = subprocess.Popen(
        [sys.executable, "-c", WATCHED, str(tmp_path)], cwd=services.ROOT, env=environment, stdout=subprocess.PIPE
    )
    assert process.stdout
    with process.stdout as said:
        assert said.readline() == b"ready\n"

        process.send_signal(number)
        process.wait(PATIENCE)

    wait_until(lambda: not services.processes_with(tmp_path), lambda: services.processes_with(tmp_path))
