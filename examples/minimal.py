"""The smallest host: one file, SQLite, and a session that holds who is signed in."""

from __future__ import annotations

import os

from flask import Flask, redirect, session, url_for
from flask.typing import ResponseReturnValue
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy

from puq_backups import Actor, Backups, HostWithSignIn, include_name

from .checkout import order_command

db = SQLAlchemy()
backups = Backups()


class BillingHost(HostWithSignIn):
    """Inherits from HostWithSignIn because it has `unauthorized`: a misspelt method is found by mypy."""

    def current_actor(self) -> Actor | None:
        """Return who is signed in."""
        who = session.get("who")
        if who is None:
            return None
        return Actor(is_staff=True, name="Sam Support") if who == "staff" else Actor(client_id=who, name=who)

    def service_url(self, service_id: str) -> str:
        """Return the address of the service's page. Workers ask too: there is no request then."""
        return f"{os.environ['ADDRESS']}/services/{service_id}"

    def unauthorized(self) -> ResponseReturnValue:
        """Lead a signed-out visitor to the sign-in."""
        return redirect(url_for("sign_in"))


def create_app() -> Flask:
    """Return the application, set up from the environment."""
    app = Flask(__name__)
    app.config.update(SECRET_KEY=os.environ["SECRET_KEY"], SQLALCHEMY_DATABASE_URI=os.environ["DATABASE_URL"])
    db.init_app(app)
    Migrate(app, db, include_name=include_name)
    backups.init_app(app, db=db, host=BillingHost())
    app.cli.add_command(order_command(backups))

    @app.get("/sign-in")
    def sign_in() -> ResponseReturnValue:
        return "<a href='/sign-in/alice'>Alice</a> <a href='/sign-in/staff'>Staff</a>"

    @app.get("/sign-in/<who>")
    def sign_in_as(who: str) -> ResponseReturnValue:
        """Sign in without a password: your application has a real sign-in here."""
        session["who"] = who
        return redirect(url_for("service", service_id="1"))

    @app.get("/services/<service_id>")
    def service(service_id: str) -> ResponseReturnValue:
        return f"<a href='{url_for('puq_backups.page', service_id=service_id)}'>Backups</a>"

    return app
