"""Two applications in one process: each has its own database, queue and settings.

Worker and clock run once for each: `flask --app examples.two_shops:create_north backups worker`.
"""

from __future__ import annotations

import os

from flask import Flask, redirect, session, url_for
from flask.typing import ResponseReturnValue
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from puq_backups import Actor, Backups, HostWithSignIn, include_name

from .checkout import order_command


class ShopHost(HostWithSignIn):
    """The `Host` of one shop."""

    def __init__(self, address: str) -> None:
        self.address = address

    def current_actor(self) -> Actor | None:
        """Return who is signed in at this shop."""
        who = session.get("who")
        if who is None:
            return None
        return Actor(is_staff=True, name="Sam Support") if who == "staff" else Actor(client_id=who, name=who)

    def service_url(self, service_id: str) -> str:
        """Return the address of the service's page at this shop."""
        return f"{self.address}/services/{service_id}"

    def unauthorized(self) -> ResponseReturnValue:
        """Lead a signed-out visitor to this shop's sign-in."""
        return redirect(url_for("sign_in"))


def create_shop(name: str) -> Flask:
    """Return one shop. What differs is in its configuration; the environment holds what both share."""
    app = Flask(__name__)
    app.config.update(
        SECRET_KEY=os.environ["SECRET_KEY"],
        SQLALCHEMY_DATABASE_URI=os.environ[f"{name.upper()}_DATABASE_URL"],
        # Two applications on one host name need two cookies, on one Redis two queues.
        SESSION_COOKIE_NAME=f"session-{name}",
        PUQ_BACKUPS_QUEUE=f"puq-backups-{name}",
        PUQ_BACKUPS_COMPANY_NAME=f"{name.title()} Hosting",
    )
    db, backups = SQLAlchemy(app), Backups()
    Migrate(app, db, include_name=include_name)
    backups.init_app(app, db=db, host=ShopHost(f"{os.environ['ADDRESS']}/{name}"))
    app.cli.add_command(order_command(backups))

    @app.get("/sign-in")
    def sign_in() -> ResponseReturnValue:
        return f"Sign in at {name}"

    @app.get("/sign-in/<who>")
    def sign_in_as(who: str) -> ResponseReturnValue:
        """Sign in without a password: your application has a real sign-in here."""
        session["who"] = who
        return redirect(url_for("puq_backups.page", service_id="1"))

    return app


def create_north() -> Flask:
    """Return the shop that is served under /north."""
    return create_shop("north")


def create_south() -> Flask:
    """Return the shop that is served under /south."""
    return create_shop("south")


def create_both() -> DispatcherMiddleware:
    """Return the WSGI application with both: `gunicorn 'examples.two_shops:create_both()'`."""
    return DispatcherMiddleware(Flask("nothing"), {"/north": create_north(), "/south": create_south()})
