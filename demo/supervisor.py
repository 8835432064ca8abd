"""Starts several programs and ends them together, however the demo itself ends."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import TypeVar

ROOT = Path(__file__).resolve().parent.parent
GRACE_SECONDS = 10
LOOK_SECONDS = 0.2
Found = TypeVar("Found")


class DemoError(Exception):
    """The demo has to stop; the text is the reason."""


class Supervisor:
    """Programs ("parts") in the order of their start. They end in reverse order. Their logs are in `folder`."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder = folder
        self.environment = dict(environment)
        self.parts: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, *command: object) -> None:
        """Start a part in its own process group; it ends when this process ends."""
        wrapper = [sys.executable, str(ROOT / "demo" / "end_with_parent.py"), str(os.getpid())]
        with self.log(name).open("wb") as log:
            self.parts[name] = subprocess.Popen(  # noqa: S603 - the demo's own commands
                wrapper + [str(word) for word in command],
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def run(self, name: str, *command: object) -> None:
        """Run a command and wait for it. Raises DemoError if it fails."""
        self.start(name, *command)
        code = self.parts[name].wait()
        del self.parts[name]
        if code:
            raise DemoError(f"{name} failed ({code}):\n{self.tail(name)}")

    def wait_for(self, name: str, look: Callable[[], Found | None], seconds: float = 60) -> Found:
        """Return what `look` returns once it is true. Raises DemoError if a part ends first, or after `seconds`."""
        until = time.monotonic() + seconds
        while not (found := look()):
            self.check()
            if time.monotonic() > until:
                raise DemoError(f"{name} did not answer within {seconds:.0f} seconds:\n{self.tail(name)}")
            time.sleep(LOOK_SECONDS)
        return found

    def first_line(self, name: str) -> str:
        """Return the line of JSON that part `name` prints when it is ready."""
        return self.wait_for(name, lambda: self._ready_line(name))

    def _ready_line(self, name: str) -> str | None:
        lines = self.log(name).read_text(errors="replace").splitlines(keepends=True)
        return next((line for line in lines if line.startswith("{") and line.endswith("\n")), None)

    def check(self) -> None:
        """Raise DemoError if a part has ended."""
        for name, process in self.parts.items():
            if process.poll() is not None:
                raise DemoError(f"{name} ended ({process.returncode}):\n{self.tail(name)}")

    def watch(self) -> None:
        """Wait until a part ends, then raise DemoError."""
        while True:
            self.check()
            time.sleep(LOOK_SECONDS)

    def stop(self) -> None:
        """End every part, the last one first: SIGTERM, then after GRACE_SECONDS SIGKILL to its process group."""
        for name in reversed(self.parts):
            process = self.parts[name]
            _signal(process, signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(GRACE_SECONDS)
            _signal(process, signal.SIGKILL)
            process.wait()
        self.parts.clear()

    def log(self, name: str) -> Path:
        """Return the log file of part `name`."""
        return self.folder / f"{name}.log"

    def tail(self, name: str) -> str:
        """Return the last 15 lines of the log of part `name`."""
        path = self.log(name)
        return "\n".join(path.read_text(errors="replace").splitlines()[-15:]) if path.exists() else ""


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Signal a part's process group, which may have children although the part itself has ended."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def end_on_signals() -> None:
    """Turn SIGINT, SIGTERM and SIGHUP into SystemExit, so that `finally` blocks run."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)


def _end(number: int, _frame: FrameType | None) -> None:
    ignore_signals()
    sys.exit(0 if number == signal.SIGINT else 128 + number)


def ignore_signals() -> None:
    """Ignore further signals, so that a second Ctrl-C does not interrupt the clean-up."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
