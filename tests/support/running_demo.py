"""The demo as a person starts it: all of its processes, and the address it prints."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys

from support import services
from support.waiting import PATIENCE

COMMAND = [sys.executable, "-m", "demo.run"]


class Demo:
    """A running demo: its address, and the folder that each of its parts was told of."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [*COMMAND, "--port", "0"],
            cwd=services.ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.said = self._read_until("Logs are in ")
        self.address = self.find(r"ready: +(\S+)")
        self.folder = self.find(r"Logs are in ([^;]+)")
        assert len(self.processes()) >= 7

    def _read_until(self, word: str) -> str:
        assert self.process.stdout
        said = ""
        for line in self.process.stdout:
            said += line
            if word in line:
                return said
        raise AssertionError(said)

    def find(self, pattern: str) -> str:
        found = re.search(pattern, self.said)
        assert found, self.said
        return found[1]

    def processes(self) -> list[int]:
        return services.processes_with(self.folder)

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(PATIENCE)
        if self.process.stdout:
            self.process.stdout.close()
        # A demo that was killed could not tidy up.
        shutil.rmtree(self.folder, ignore_errors=True)
