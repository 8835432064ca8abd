"""Real processes of web, worker and clock, forked from one that has all imported: `python -m support.fork_server`.

Each line of its input is a JSON object with `role`, `database`, `redis`, `key`, `settings`, `address` and `port`; it
answers with a process id. The children are processes of their own in every other way: they build their application,
and any signal may end them. They end with the fork server, which ends with its input.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

import requests
from flask import Flask, has_request_context, jsonify, request
from flask.cli import ScriptInfo
from support import services
from support import world as worlds
from support.waiting import wait_until
from werkzeug.serving import make_server

from puq_backups import Actor

CLIENT = "X-Client"
"""The header that names the client who is signed in."""


class HostOfRequests(worlds.Host):
    """Signed in is the client whom the request names."""

    def current_actor(self) -> Actor | None:
        client = request.headers.get(CLIENT) if has_request_context() else None
        return Actor(client_id=client) if client else None


def main() -> None:
    """Fork a child for each line."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    children: list[int] = []
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            sys.stdin.close()
            # What it prints is no answer of ours.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            try:
                _work(json.loads(line))
            finally:
                os._exit(0)
        children.append(child)
        sys.stdout.write(f"{child}\n")
        sys.stdout.flush()
    for child in children:
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)


def _work(wanted: dict[str, Any]) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    worlds.KEY = wanted["key"]
    shared = wanted["database"], wanted["redis"]
    app = worlds.make(None, *shared, HostOfRequests(), **wanted["settings"]).app  # type: ignore[arg-type]  # not asked
    if wanted["role"] == "web":
        _serve(app, wanted["address"], int(wanted["port"]))
        return
    args = ["backups", wanted["role"], *(["--every", "1"] if wanted["role"] == "clock" else [])]
    app.cli.main(args, obj=ScriptInfo(create_app=lambda: app), standalone_mode=False)


def _serve(app: Flask, address: str, port: int) -> None:
    """A host that calls what it is asked to, for the client that it is told."""
    backups = app.extensions["puq_backups"]

    @app.post("/call")
    def call() -> Any:
        given = request.get_json()
        actor = Actor(client_id=given["client"]) if given["client"] else None
        return jsonify(backups.call(given["name"], given["params"], actor=actor))

    make_server(address, port, app, threaded=True).serve_forever()


def _free_port(address: str) -> int:
    with socket.socket() as found:
        found.bind((address, 0))
        return int(found.getsockname()[1])


class Processes:
    """The processes of one machine: of a web process at `address`, workers and clocks, as `roles` names them.

    `wrapper`: the command that the fork server is started by, such as `unshare` with its options.
    """

    def __init__(
        self, database: str, redis: str, roles: tuple[str, ...], settings: dict[str, Any], *,
        address: str = "127.0.0.1", wrapper: Sequence[str] = (),
    ) -> None:  # fmt: skip
        self.facts: dict[str, Any] = {
            "database": database, "redis": redis, "key": worlds.KEY, "settings": settings,
            "address": address, "port": _free_port(address),
        }  # fmt: skip
        self.url = f"http://{address}:{self.facts['port']}"
        self.roles, self.pids, self.ended, self.wrapper = roles, dict[int, int](), 0, wrapper

    def __enter__(self) -> Self:
        self.fork_server = subprocess.Popen(
            [*self.wrapper, sys.executable, "-m", "support.fork_server"], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True, stderr=subprocess.DEVNULL, cwd=services.ROOT / "tests",
        )  # fmt: skip
        for number in range(len(self.roles)):
            self.start(number)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        assert self.fork_server.stdin
        self.fork_server.stdin.close()
        self.fork_server.wait()

    def start(self, number: int) -> None:
        """Start the process of this number."""
        assert self.fork_server.stdin
        assert self.fork_server.stdout
        self.fork_server.stdin.write(json.dumps({"role": self.roles[number], **self.facts}) + "\n")
        self.fork_server.stdin.flush()
        self.pids[number] = int(self.fork_server.stdout.readline())

    def end(self, number: int, how: int) -> None:
        """End the process of this number by a signal, and start another one in its place at once."""
        with suppress(ProcessLookupError):
            os.kill(self.pids[number], how)
        self.ended += 1
        self.start(number)

    def call(self, name: str, params: dict[str, Any], client: str = "") -> str:
        """Ask the web process; `killed` where it ended before its answer."""
        try:
            answer = requests.post(
                f"{self.url}/call", timeout=60, json={"name": name, "params": params, "client": client}
            )
        except requests.RequestException:
            return "killed"
        return str(answer.json()) if answer.ok else f"status {answer.status_code}"

    def wait_for_web(self) -> None:
        """Wait until the web process answers."""
        wait_until(lambda: self.call("MetaData", {}) != "killed", pause=0.1)


if __name__ == "__main__":
    main()
