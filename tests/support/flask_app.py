"""The host application of tests, for `flask --app support.flask_app:app`: the same database, Redis and keys."""

from __future__ import annotations

import os

from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from support.world import Host

from puq_backups import Backups

app = Flask("host")
app.config.update(
    SECRET_KEY="test", SQLALCHEMY_DATABASE_URI=os.environ["SQLALCHEMY_DATABASE_URI"],
    PUQ_BACKUPS_POLL=0.1, PUQ_BACKUPS_SETTLE=0.5,
)  # fmt: skip
db = SQLAlchemy()
db.init_app(app)
backups = Backups()
backups.init_app(app, db=db, host=Host())
