"""What puq-backups asks of this application."""

from __future__ import annotations

import os

from flask.typing import ResponseReturnValue
from flask_babel import get_locale
from flask_login import current_user

from puq_backups import Actor, HostWithSignIn

from .extensions import login


class BillingHost(HostWithSignIn):
    """Flask-Login knows who is signed in, Flask-Babel in which language."""

    def current_actor(self) -> Actor | None:
        """Return who is signed in."""
        if not current_user.is_authenticated:
            return None
        locale = str(get_locale() or "en")
        if current_user.is_staff:
            return Actor(is_staff=True, name=current_user.name, locale=locale)
        return Actor(client_id=current_user.id, name=current_user.name, locale=locale)

    def service_url(self, service_id: str) -> str:
        """Return the address of the service's page. Workers ask too: there is no request then."""
        return f"{os.environ['ADDRESS']}/services/{service_id}"

    def unauthorized(self) -> ResponseReturnValue:
        """Lead a signed-out visitor to the sign-in, and back afterwards: Flask-Login's own answer."""
        answer: ResponseReturnValue = login.unauthorized()
        return answer
