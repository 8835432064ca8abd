"""The extensions, without an application: `create_app` binds them."""

from __future__ import annotations

from flask_babel import Babel
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_login import LoginManager
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from flask_wtf import CSRFProtect

from puq_backups import Backups

babel = Babel()
backups = Backups()
csrf = CSRFProtect()
db = SQLAlchemy()
limiter = Limiter(get_remote_address, default_limits=["30 per minute"])
login = LoginManager()
login.login_view = "sign_in"
migrate = Migrate()
