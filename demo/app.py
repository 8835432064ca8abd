"""The billing application. `create_app` and host.py have all that a host needs to mount puq-backups."""

import os

from flask import Flask
from flask_wtf import CSRFProtect

from .host import BillingHost, backups
from .models import db
from .pages import shop
from .seed import prepare, queue, seed


def create_app() -> Flask:
    """Return the application, configured from the environment that demo/run.py prepares."""
    app = Flask(__name__)
    app.config.update(
        SECRET_KEY=os.environ["SECRET_KEY"],
        SQLALCHEMY_DATABASE_URI=os.environ["DATABASE_URL"],
        SQLALCHEMY_ENGINE_OPTIONS={"connect_args": {"timeout": 30}},
        SESSION_COOKIE_SAMESITE="Lax",
    )
    db.init_app(app)
    CSRFProtect(app)
    # It reads the settings PUQ_BACKUPS_… from the environment.
    backups.init_app(app, db=db, host=BillingHost())
    app.register_blueprint(shop)
    app.cli.add_command(seed)
    app.cli.add_command(queue)
    app.cli.add_command(prepare)
    return app
