"""Start programs that belong together and end them together: none is left behind, whichever way it ends."""

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
    """The demo cannot go on; the text says why."""


class Supervisor:
    """Parts in their order of start; they end in the reverse order. Logs are in `folder`."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder = folder
        self.environment = dict(environment)
        self.parts: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, *command: object) -> None:
        """Start a part in a process group of its own, tied to this process."""
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
        """Run a command to its end; DemoError when it fails."""
        self.start(name, *command)
        code = self.parts[name].wait()
        del self.parts[name]
        if code:
            raise DemoError(f"{name} failed ({code}):\n{self.tail(name)}")

    def wait_for(self, name: str, look: Callable[[], Found | None], seconds: float = 60) -> Found:
        """What `look` finds, as soon as it does; DemoError when a part ends first or it takes too long."""
        until = time.monotonic() + seconds
        while not (found := look()):
            self.check()
            if time.monotonic() > until:
                raise DemoError(f"{name} did not answer within {seconds:.0f} seconds:\n{self.tail(name)}")
            time.sleep(LOOK_SECONDS)
        return found

    def first_line(self, name: str) -> str:
        """The line of JSON with which part `name` says that it is ready."""
        return self.wait_for(name, lambda: self._ready_line(name))

    def _ready_line(self, name: str) -> str | None:
        lines = self.log(name).read_text(errors="replace").splitlines(keepends=True)
        return next((line for line in lines if line.startswith("{") and line.endswith("\n")), None)

    def check(self) -> None:
        """DemoError when a part has ended."""
        for name, process in self.parts.items():
            if process.poll() is not None:
                raise DemoError(f"{name} ended ({process.returncode}):\n{self.tail(name)}")

    def watch(self) -> None:
        """Stay until a part ends (DemoError)."""
        while True:
            self.check()
            time.sleep(LOOK_SECONDS)

    def stop(self) -> None:
        """End every part, the last one first: asked kindly, then killed with all of its group."""
        for name in reversed(self.parts):
            process = self.parts[name]
            _signal(process, signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(GRACE_SECONDS)
            _signal(process, signal.SIGKILL)
            process.wait()
        self.parts.clear()

    def log(self, name: str) -> Path:
        """Where part `name` writes."""
        return self.folder / f"{name}.log"

    def tail(self, name: str) -> str:
        """The last lines that part `name` wrote."""
        path = self.log(name)
        return "\n".join(path.read_text(errors="replace").splitlines()[-15:]) if path.exists() else ""


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Signal a part's whole group, also where the part itself has ended and left children."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def end_on_signals() -> None:
    """Let Ctrl-C, SIGTERM and a closed terminal end the program in order, by SystemExit."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)


def _end(number: int, _frame: FrameType | None) -> None:
    ignore_signals()
    sys.exit(0 if number == signal.SIGINT else 128 + number)


def ignore_signals() -> None:
    """A second Ctrl-C must not interrupt the tidying up."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
