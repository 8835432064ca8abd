"""Pages for operators' monitoring: `/healthz`, `/readyz` and `/metrics`. They need no sign-in and show no details."""

from __future__ import annotations

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from ..context import Context
from ..staff import readiness

NAME = "puq_backups_monitoring"


def blueprint(context: Context) -> Blueprint:
    """Return the blueprint of the monitoring pages."""
    found = Blueprint(NAME, __name__)
    found.add_url_rule("/healthz", "healthz", healthz)
    found.add_url_rule("/readyz", "readyz", lambda: readyz(context))
    return found


def healthz() -> ResponseReturnValue:
    """Answer 200: this web process serves requests."""
    return _uncached({"status": "ok"}, 200)


def readyz(context: Context) -> ResponseReturnValue:
    """Answer 200, or 503 if a part is in error, with the level of each part: `ok`, `warning` or `error`."""
    parts = {part.name: part.level for part in readiness.check_parts(context)}
    return _uncached(parts, 503 if "error" in parts.values() else 200)


def _uncached(body: dict[str, str], status: int) -> ResponseReturnValue:
    answer = jsonify(body)
    answer.headers["Cache-Control"] = "no-store"
    return answer, status
