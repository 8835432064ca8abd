"""The demo's cast: two customers with three services."""

import click
from flask.cli import with_appcontext
from sqlalchemy import text

from .host import backups, params_of
from .models import Client, Service, db


def cast() -> list[Service]:
    """Alice has two services, Bob has one; the machines are those of proxmox.json."""
    alice = Client("Alice", "Adams", "alice@example.org", "Adams Bakery", timezone="Europe/London")
    bob = Client("Bob", "Brown", "bob@example.org", timezone="America/New_York")
    return [
        Service(alice, "bakery-web", 100, "Large"),
        Service(alice, "bakery-db", 101, "Medium"),
        Service(bob, "bobs-blog", 102, "Small"),
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
    db.session.add_all(cast())
    db.session.commit()
    for service in db.session.query(Service):
        answer = backups.call("CreateAccount", params_of(service))
        if answer != "success":
            raise click.ClickException(f"Service {service.name}: {answer}")
