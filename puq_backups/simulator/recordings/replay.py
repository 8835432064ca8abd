"""Recorded exchanges played against the simulator: `python -m puq_backups.simulator.recordings.replay FOLDER`.

FOLDER is a set of recordings (a folder of scenarios for each version: 9.2/ and 8.4/) or holds several of them.
A set without an initial.json of its own begins from that of its neighbour. Prints a table of scenarios by versions.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import ssl
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import click

from ..simulator import Simulator, start
from ..world.loading import VERSIONS
from .comparing import differences

POLL_SECONDS = 0.02
PATIENCE_SECONDS = 60
AT_ONCE = 12
LEFT_OUT: dict[tuple[str, str, int], str] = {}
"""Steps that are not compared, by version, scenario and number from 1, each with its reason. There is none."""


@dataclass
class Result:
    """How one scenario went."""

    pve: str
    scenario: str
    steps: int = 0
    problems: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        if self.problems:
            return f"{len(self.problems)} differ"
        return f"{self.steps} ok" + (f", {len(self.left_out)} left out" if self.left_out else "")


class Client:
    """Asks a simulator as one of the tokens of initial.json, over one kept connection."""

    def __init__(self, simulator: Simulator, tokens: dict[str, Any]) -> None:
        self._simulator = simulator
        self._tokens = tokens
        self._context = ssl.create_default_context(cafile=simulator.ca_file)
        self._connection: http.client.HTTPSConnection | None = None

    def send(self, by: str, method: str, path: str, params: dict[str, Any]) -> dict[str, Any]:
        """One request; the answer as the recordings have it."""
        text = urlencode(params)
        in_query = method in ("GET", "DELETE")
        target = "/api2/json" + quote(path, safe="/:@!%+,=") + (f"?{text}" if in_query and text else "")
        headers = {"Content-Type": "application/x-www-form-urlencoded"} if not in_query else {}
        if "secret" in (token := self._tokens.get(by, {})):
            headers["Authorization"] = f"PVEAPIToken={token['token']}={token['secret']}"
        response = self._ask(method, target, None if in_query else text, headers)
        content = response.read().decode()
        found: dict[str, Any] = {"status": response.status, "reason": response.reason}
        try:
            body = json.loads(content)
        except ValueError:
            return found | {"body": content}
        return found | {key: body[key] for key in ("data", "errors", "message") if key in body}

    def _ask(self, method: str, target: str, body: str | None, headers: dict[str, str]) -> http.client.HTTPResponse:
        if self._connection is None:
            address = (self._simulator.host, self._simulator.port)
            self._connection = http.client.HTTPSConnection(*address, context=self._context, timeout=90)
        try:
            self._connection.request(method, target, body, headers)
            return self._connection.getresponse()
        except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
            self._connection.close()  # idle for too long: the server has hung up
            self._connection.request(method, target, body, headers)
            return self._connection.getresponse()

    def close(self) -> None:
        """Hang up."""
        if self._connection is not None:
            self._connection.close()

    def task(self, upid: str) -> dict[str, Any]:
        """Wait for a task; its end, type, subject, user and whole log."""
        path = f"/nodes/{upid.split(':')[1]}/tasks/{upid}"
        give_up = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < give_up:
            status = self.send("root", "GET", f"{path}/status", {}).get("data") or {}
            if status.get("status") == "stopped":
                log = self.send("root", "GET", f"{path}/log", {"start": 0, "limit": 0})["data"]
                kept = {key: status.get(key) for key in ("exitstatus", "type", "id", "user")}
                return kept | {"log": [line["t"] for line in log]}
            time.sleep(POLL_SECONDS)
        return {"exitstatus": None, "log": ["(gave up waiting)"]}


def fill(value: Any, saved: dict[str, Any]) -> Any:
    """`{name}` becomes a saved value; `{{name}}` is Proxmox's own and stays."""
    if not isinstance(value, str):
        return value
    return re.sub(r"(?<!\{)\{(\w+)\}(?!\})", lambda found: str(saved.get(found[1], found[0])), value)


def pick(data: Any, path: str) -> Any:
    """A value by a path such as $, $.digest or $[-1].volid; None where there is none."""
    for key, index in re.findall(r"\.([\w-]+)|\[(-?\d+)\]", path):
        try:
            data = data[key] if key else data[int(index)]
        except (KeyError, IndexError, TypeError):
            return None
    return data


def play(
    simulator: Simulator, tokens: dict[str, Any], steps: list[dict[str, Any]], scale: float
) -> Iterator[tuple[int, dict[str, Any], dict[str, Any]]]:
    """Each step that has an answer: its number from 1, what was recorded, what was answered now."""
    saved: dict[str, Any] = {}
    with contextlib.closing(Client(simulator, tokens)) as client:
        for number, step in enumerate(steps, 1):
            if step.get("control") == "pause":
                time.sleep(step["seconds"] * (scale or 1))
            elif "control" in step:
                simulator.control_step({key: fill(value, saved) for key, value in step.items()})
            else:
                yield number, step, _perform(client, step, saved)


def _perform(client: Client, step: dict[str, Any], saved: dict[str, Any]) -> dict[str, Any]:
    if "wait_for" in step:
        return {"task": client.task(fill(step["wait_for"], saved))}
    params = {key: fill(value, saved) for key, value in step.get("params", {}).items()}
    give_up = time.monotonic() + PATIENCE_SECONDS
    while True:
        answer = client.send(step["as"], step["method"], fill(step["path"], saved), params)
        wanted = step.get("until", {})
        there = all(pick(answer.get("data"), path) == value for path, value in wanted.items())
        if there or time.monotonic() > give_up:
            break
        time.sleep(POLL_SECONDS)
    for name, path in step.get("save", {}).items():
        saved[name] = pick(answer.get("data"), path)
    if step.get("wait") and str(answer.get("data")).startswith("UPID:"):
        answer["task"] = client.task(answer["data"])
    return answer


def replay_file(file: Path, state: dict[str, Any], scale: float) -> Result:
    """Play one scenario against a simulator of its own."""
    recorded = json.loads(file.read_text())
    result = Result(file.parent.name, recorded["scenario"])
    # The recordings of 8.4 were made on a node that broadcast no statistics of itself.
    with start(result.pve, {**state, "node_statistics": result.pve != "8.4"}, scale) as simulator:
        for number, step, answer in play(simulator, state["tokens"], recorded["steps"], scale):
            result.steps += 1
            reason = LEFT_OUT.get((result.pve, result.scenario, number))
            if reason is not None:
                result.left_out.append(f"step {number}: {reason}")
                continue
            here = f"{result.pve} {result.scenario} step {number} ({step.get('do', '')})"
            result.problems += [f"{here} {text}" for text in differences(step, answer)]
        result.problems += simulator.crashes
    return result


def recorded_files(folder: Path) -> list[Path]:
    """The scenarios of a set of recordings, or of all sets in a folder."""
    return sorted(file for file in folder.rglob("*.json") if file.parent.name in VERSIONS)


def initial_state(file: Path) -> dict[str, Any]:
    """The state from which a scenario begins: that of its set, else that of a neighbouring set."""
    here = file.parent.parent
    for place in (here, *sorted(here.parent.iterdir())):
        if (place / "initial.json").is_file():
            found: dict[str, Any] = json.loads((place / "initial.json").read_text())
            return found
    raise FileNotFoundError(f"There is no initial.json in {here}, nor beside it.")


def replay(folder: Path, scale: float = 0.3, only: str = "") -> list[Result]:
    """Play every scenario of a folder, several at once; `scale` shortens its pauses and the simulated work alike."""
    files = [file for file in recorded_files(folder) if only in file.stem]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(lambda file: replay_file(file, initial_state(file), scale), files))


def table(results: list[Result]) -> str:
    """Scenarios by versions."""
    versions = sorted({result.pve for result in results}, reverse=True)
    rows = [["scenario", *versions]]
    for name in sorted({result.scenario for result in results}):
        by_version = {result.pve: str(result) for result in results if result.scenario == name}
        rows.append([name, *(by_version.get(version, "-") for version in versions)])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    left_out = [f"left out: {result.pve} {result.scenario} {text}" for result in results for text in result.left_out]
    return "\n".join([*lines, *left_out])


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--time-scale", type=float, default=0.3, show_default=True, help="Shortens pauses and simulated work.")
@click.option("--only", default="", help="Only scenarios whose name contains this.")
def main(folder: Path, time_scale: float, only: str) -> None:
    """Replay the recordings in FOLDER and print how many steps were answered the same."""
    began = time.monotonic()
    results = replay(folder, time_scale, only)
    click.echo(table(results))
    for problem in [text for result in results for text in result.problems]:
        click.echo(problem)
    steps = sum(result.steps for result in results)
    click.echo(f"{len(results)} scenarios, {steps} answers, {time.monotonic() - began:.0f} s")
    raise SystemExit(any(result.problems for result in results))


if __name__ == "__main__":
    main()
