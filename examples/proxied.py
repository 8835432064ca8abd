"""A host behind a proxy that serves it under a prefix, such as https://example.com/billing, on MariaDB."""

from __future__ import annotations

import os

from flask import Flask, redirect, session, url_for
from flask.typing import ResponseReturnValue
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from werkzeug.middleware.proxy_fix import ProxyFix

from puq_backups import Actor, Backups, HostWithSignIn, include_name

from .checkout import order_command

db = SQLAlchemy()
backups = Backups()


class BillingHost(HostWithSignIn):
    """The `Host` of this application."""

    def current_actor(self) -> Actor | None:
        """Return who is signed in."""
        who = session.get("who")
        if who is None:
            return None
        return Actor(is_staff=True, name="Sam Support") if who == "staff" else Actor(client_id=who, name=who)

    def service_url(self, service_id: str) -> str:
        """Return the address that the client sees, prefix included: a worker knows nothing of the proxy."""
        return f"{os.environ['ADDRESS']}/services/{service_id}"

    def unauthorized(self) -> ResponseReturnValue:
        """Lead a signed-out visitor to the sign-in, under the prefix."""
        return redirect(url_for("sign_in"))


def create_app() -> Flask:
    """Return the application, set up from the environment."""
    app = Flask(__name__)
    app.config.update(
        SECRET_KEY=os.environ["SECRET_KEY"],
        # mysql+pymysql://…?charset=utf8mb4; MariaDB closes connections that are idle for long.
        SQLALCHEMY_DATABASE_URI=os.environ["DATABASE_URL"],
        SQLALCHEMY_ENGINE_OPTIONS={"pool_pre_ping": True},
        # Our pages' addresses below the application's own prefix.
        PUQ_BACKUPS_URL_PREFIX="/vps/<service_id>/backups",
        PUQ_BACKUPS_ADMIN_URL_PREFIX="/team/backups",
    )
    # One proxy in front, which sets X-Forwarded-For, -Proto, -Host and -Prefix.
    app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1, x_host=1, x_prefix=1)  # type: ignore[method-assign]  # as Werkzeug says
    db.init_app(app)
    Migrate(app, db, include_name=include_name)
    backups.init_app(app, db=db, host=BillingHost())
    app.cli.add_command(order_command(backups))

    @app.get("/sign-in")
    def sign_in() -> ResponseReturnValue:
        return "Sign in"

    @app.get("/sign-in/<who>")
    def sign_in_as(who: str) -> ResponseReturnValue:
        """Sign in without a password: your application has a real sign-in here."""
        session["who"] = who
        return redirect(url_for("puq_backups.page", service_id="1"))

    return app
