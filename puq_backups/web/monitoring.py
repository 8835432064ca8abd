"""Pages for operators' monitoring: `/healthz`, `/readyz` and `/metrics`. They need no sign-in and show no details.

`/metrics` needs the bearer token of `PUQ_BACKUPS_METRICS_TOKEN`.
"""

from __future__ import annotations

import hmac

from flask import Blueprint, Response, jsonify, request
from flask.typing import ResponseReturnValue

from ..context import Context
from ..staff import metrics as facts
from ..staff import readiness

NAME = "puq_backups_monitoring"


def blueprint(context: Context) -> Blueprint:
    """Return the blueprint of the monitoring pages."""
    found = Blueprint(NAME, __name__)
    found.add_url_rule("/healthz", "healthz", lambda: healthz(context))
    found.add_url_rule("/readyz", "readyz", lambda: readyz(context))
    found.add_url_rule("/metrics", "metrics", lambda: metrics(context))
    return found


def healthz(context: Context) -> ResponseReturnValue:
    """Answer 200: this web process serves requests. Levels of clock and worker are `unknown` without a database.

    The status stays 200 then, so that a load balancer does not restart web processes for another part's fault.
    """
    return _uncached({"status": "ok", **readiness.process_levels(context)}, 200)


def readyz(context: Context) -> ResponseReturnValue:
    """Answer 200, or 503 if a part is in error, with the level of each part: `ok`, `warning` or `error`."""
    parts = {part.name: part.level for part in readiness.check_parts(context)}
    return _uncached(parts, 503 if "error" in parts.values() else 200)


def metrics(context: Context) -> ResponseReturnValue:
    """Answer with all metrics in Prometheus's text format; 401 without the token, 404 where none is set.

    501 without the extra `metrics`.
    """
    token = context.settings.metrics_token
    if not token:
        return _plain("There are no metrics: PUQ_BACKUPS_METRICS_TOKEN is not set.", 404)
    if not hmac.compare_digest(request.headers.get("Authorization", "").encode(), f"Bearer {token}".encode()):
        answer = _plain("Metrics need the bearer token of PUQ_BACKUPS_METRICS_TOKEN.", 401)
        answer.headers["WWW-Authenticate"] = "Bearer"
        return answer
    try:
        body, content_type = facts.exposition(context)
    except facts.MetricsMissing as reason:
        return _plain(str(reason), 501)
    return Response(body, content_type=content_type, headers={"Cache-Control": "no-store"})


def _plain(text: str, status: int) -> Response:
    return Response(f"{text}\n", status, mimetype="text/plain", headers={"Cache-Control": "no-store"})


def _uncached(body: dict[str, str], status: int) -> ResponseReturnValue:
    answer = jsonify(body)
    answer.headers["Cache-Control"] = "no-store"
    return answer, status
