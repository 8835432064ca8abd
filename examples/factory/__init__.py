"""An application factory with what a grown Flask application has: sign-in, migrations, rate limits, languages, CSRF
protection, Bootstrap 5 markup, PostgreSQL and a job queue of its own.
"""

from __future__ import annotations

import os
import re

from flask import Flask, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import get_locale
from flask_login import login_required, login_user

from puq_backups import include_name

from .extensions import babel, backups, csrf, db, limiter, login, migrate
from .host import BillingHost
from .models import User
from .orders import add_commands


def create_app() -> Flask:
    """Return the application, set up from the environment."""
    app = Flask(__name__)
    app.config.update(
        SECRET_KEY=os.environ["SECRET_KEY"],
        SQLALCHEMY_DATABASE_URI=os.environ["DATABASE_URL"],
        SQLALCHEMY_ENGINE_OPTIONS={"pool_pre_ping": True},
        SESSION_COOKIE_SAMESITE="Lax",
        RATELIMIT_STORAGE_URI="memory://",
    )
    db.init_app(app)
    migrate.init_app(app, db, include_name=include_name)
    csrf.init_app(app)
    login.init_app(app)
    babel.init_app(app, locale_selector=lambda: request.accept_languages.best_match(["en", "de"]))
    limiter.init_app(app)
    backups.init_app(app, db=db, host=BillingHost())
    # The page asks for its state every few seconds; without this the limits above would count that.
    limiter.exempt(app.view_functions["puq_backups.state"])
    app.context_processor(lambda: {"shop_name": "Example Hosting", "locale": get_locale()})
    _add_pages(app)
    add_commands(app)
    return app


def _add_pages(app: Flask) -> None:
    @app.get("/sign-in")
    def sign_in() -> ResponseReturnValue:
        return render_template("shop/sign_in.html")

    @app.post("/sign-in")
    def sign_in_as() -> ResponseReturnValue:
        """Sign in without a password: your application checks one here."""
        user = db.session.get(User, request.form["id"])
        if user is None:
            return redirect(url_for("sign_in"))
        login_user(user)
        back = request.args.get("next", "")
        # A path of this site alone: a whole address would lead the client to any other site.
        return redirect(back if re.match(r"/(?![/\\])", back) else url_for("service", service_id="1"))

    @app.get("/services/<service_id>")
    @login_required
    def service(service_id: str) -> ResponseReturnValue:
        return render_template("shop/service.html", service_id=service_id)
