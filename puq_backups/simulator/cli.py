"""`flask backups simulate`."""

from __future__ import annotations

import json
import signal
import sys
import threading
from pathlib import Path
from types import FrameType

import click

from .simulator import start


@click.command("simulate")
@click.option(
    "--pve", type=click.Choice(["8.4", "9.2"]), default="9.2", show_default=True, help="Version to speak as."
)
@click.option(
    "--state",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Initial state as JSON; without it a small cluster.",
)
@click.option("--port", type=click.IntRange(0, 65535), default=0, show_default=True, help="0 takes a free one.")
@click.option(
    "--time-scale",
    type=click.FloatRange(min=0),
    default=1.0,
    show_default=True,
    help="Durations of simulated work are multiplied by this; 0 is at once.",
)
def simulate(pve: str, state: Path | None, port: int, time_scale: float) -> None:
    """Serve a simulated Proxmox VE over HTTPS on 127.0.0.1 until SIGINT or SIGTERM.

    Prints one JSON line when it is ready: url, fingerprint, ca_file, tokens with their secrets, VMs, storages, and
    params, with which a service for the first VM can be created.
    """
    ended = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        ended.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    given = json.loads(state.read_text()) if state else None
    with start(pve, given, time_scale, port) as simulator:
        click.echo(json.dumps(simulator.ready()))
        sys.stdout.flush()
        ended.wait()


if __name__ == "__main__":
    simulate()
