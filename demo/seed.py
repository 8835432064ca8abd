"""Sample data of the demo: two customers with three services, and a third one with a month of history."""

import json
import os
import ssl
from urllib.request import Request, urlopen

import click
from flask import current_app
from flask.cli import with_appcontext
from sqlalchemy import text

from puq_backups.models import Service as BackedUpService

from . import history
from .host import backups, params_of
from .machines import HOUR, MACHINES, QUEUE, SLOW, Machine
from .models import Client, Service, db


def sample_services() -> list[Service]:
    """Return the services: two of Alice, one of Bob (their VMs are in proxmox.json), and Clara's of machines.py."""
    alice = Client(
        firstname="Alice",
        lastname="Adams",
        company="Adams Bakery",
        email="alice@example.org",
        timezone="Europe/London",
    )
    bob = Client(firstname="Bob", lastname="Brown", email="bob@example.org", timezone="America/New_York")
    clara = Client(firstname="Clara", lastname="Clark", company="Clark & Sons", email="clara@example.org")
    return [
        Service(client=alice, name="bakery-web", vmid=100, package="Large"),
        Service(client=alice, name="bakery-db", vmid=101, package="Medium"),
        Service(client=bob, name="bobs-blog", vmid=102, package="Small"),
        *(
            Service(client=clara, name=machine.name, vmid=machine.vmid, package=machine.package)
            for machine in MACHINES
        ),
    ]


@click.command()
@with_appcontext
def seed() -> None:
    """Create the application's tables, clients and services, and register the services with puq-backups."""
    if db.engine.dialect.name == "sqlite":
        # Stored in the file, so it is set once: readers do not block the writer, nor the writer them.
        with db.engine.connect() as connection:
            connection.execute(text("PRAGMA journal_mode=wal"))
    db.create_all()
    db.session.add_all(sample_services())
    db.session.commit()
    for service in db.session.query(Service):
        answer = backups.call("CreateAccount", params_of(service))
        if answer != "success":
            raise click.ClickException(f"Service {service.name}: {answer}")
    machines = {machine.name: machine for machine in MACHINES}
    for service in db.session.query(Service):
        if service.name in machines:
            _write_history(machines[service.name], str(service.id))


def _write_history(machine: Machine, service_id: str) -> None:
    """Write the history of a service, then save a daily schedule as its client would."""
    with backups.context.database.begin() as session:
        history.write(session, machine, session.get_one(BackedUpService, service_id))
    days = {f"day_{day}": "1" for day in range(7)} | {f"time_{day}": f"{HOUR:02d}:00" for day in range(7)}
    answer = backups.call("SaveSchedule", {"serviceid": service_id, "timezone": "UTC", **days})
    if answer != "success":
        raise click.ClickException(f"The schedule of {machine.name}: {answer}")


@click.command()
@click.option("--seconds", default=600, help="How long the first one takes.")
@with_appcontext
def queue(seconds: int) -> None:
    """Request a backup of each machine of QUEUE; the first one takes `seconds`."""
    step = {"control": "slow-backup", "vmid": SLOW, "seconds": seconds}
    context = ssl.create_default_context(cafile=os.environ["DEMO_PROXMOX_CA"])
    request = Request(f"{os.environ['DEMO_PROXMOX_URL']}/simulator/control", json.dumps(step).encode())  # noqa: S310 - our own address
    urlopen(request, context=context, timeout=30).close()  # noqa: S310 - our own address
    for name in QUEUE:
        service = db.session.query(Service).filter_by(name=name).one()
        answer = backups.call("BackupNow", {"serviceid": service.id, "note": "before the new release"})
        if answer != "success":
            raise click.ClickException(f"The backup of {name}: {answer}")


@click.command()
@with_appcontext
def prepare() -> None:
    """Make everything that is there at the start: tables, customers and a queue.

    In one process, because its start takes longer than the work.
    """
    for command in (["backups", "db", "upgrade"], ["seed"], ["queue"]):
        current_app.cli.main(command, standalone_mode=False)
