"""Commands of the shop, and its own job queue: puq-backups neither uses it nor is in its way."""

from __future__ import annotations

import os

import click
from flask import Flask
from flask.cli import with_appcontext
from redis import Redis
from rq import Queue, SimpleWorker

from ..checkout import order_command
from .extensions import backups, db
from .models import User

QUEUE = "shop"


def back_up_before_upgrade(service_id: str) -> str:
    """Job: make a backup before the shop upgrades a server. Outside a request the caller is the system."""
    return backups.call("BackupNow", {"serviceid": service_id, "note": "before the upgrade"})


def add_commands(app: Flask) -> None:
    """Add `order`, `user`, `upgrade-server` and `shop-worker`."""
    app.cli.add_command(order_command(backups))
    for command in (user, upgrade_server, shop_worker):
        app.cli.add_command(command)


@click.command()
@click.argument("user_id")
@click.option("--staff", is_flag=True)
@with_appcontext
def user(user_id: str, *, staff: bool) -> None:
    """Add a user."""
    db.session.add(User(id=user_id, name=user_id.title(), is_staff=staff))
    db.session.commit()


@click.command("upgrade-server")
@click.argument("service_id")
def upgrade_server(service_id: str) -> None:
    """Enqueue the shop's own job."""
    with Redis.from_url(os.environ["PUQ_BACKUPS_REDIS_URL"]) as redis:
        Queue(QUEUE, connection=redis).enqueue(back_up_before_upgrade, service_id)


@click.command("shop-worker")
@with_appcontext
def shop_worker() -> None:
    """Run the jobs of the shop's own queue, and end."""
    with Redis.from_url(os.environ["PUQ_BACKUPS_REDIS_URL"]) as redis:
        SimpleWorker([QUEUE], connection=redis).work(burst=True)
