"""The demo's cast: two customers with three services."""

import click
from flask.cli import with_appcontext
from sqlalchemy import text

from .host import backups, params_of
from .models import Client, Service, db


def sample_services() -> list[Service]:
    """Alice has two services, Bob has one; the machines are those of proxmox.json."""
    alice = Client(
        firstname="Alice",
        lastname="Adams",
        company="Adams Bakery",
        email="alice@example.org",
        timezone="Europe/London",
    )
    bob = Client(firstname="Bob", lastname="Brown", email="bob@example.org", timezone="America/New_York")
    return [
        Service(client=alice, name="bakery-web", vmid=100, package="Large"),
        Service(client=alice, name="bakery-db", vmid=101, package="Medium"),
        Service(client=bob, name="bobs-blog", vmid=102, package="Small"),
    ]


@click.command()
@with_appcontext
def seed() -> None:
    """Make the application's tables, its clients and services, and register these with puq-backups."""
    if db.engine.dialect.name == "sqlite":
        # Once, not on each connection: readers and the one writer stay out of each other's way from now on.
        with db.engine.connect() as connection:
            connection.execute(text("PRAGMA journal_mode=wal"))
    db.create_all()
    db.session.add_all(sample_services())
    db.session.commit()
    for service in db.session.query(Service):
        answer = backups.call("CreateAccount", params_of(service))
        if answer != "success":
            raise click.ClickException(f"Service {service.name}: {answer}")
