"""Staff views of the servers: list, single server, Test Connection and doctor."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, abort
from flask.typing import ResponseReturnValue

from ...context import Context
from ...models import Server
from ...staff import server_checks, servers
from .. import forms
from . import layout


def add_pages(blueprint: Blueprint, context: Context) -> None:
    """Add the routes of the list, of a server, of Test Connection and of the doctor."""
    blueprint.add_url_rule("/servers", "servers", lambda: _servers(context))
    blueprint.add_url_rule("/servers/<server_id>", "server", lambda server_id: _server(context, server_id))
    blueprint.add_url_rule(
        "/servers/<server_id>/connection", "connection", lambda server_id: _connection(context, server_id)
    )
    blueprint.add_url_rule("/servers/<server_id>/doctor", "doctor", lambda server_id: _doctor(context, server_id))


def _servers(context: Context) -> ResponseReturnValue:
    with context.database.open() as session:
        found = servers.statuses(session)
    return layout.page(context, "servers", "servers.html", servers=found)


def _server(context: Context, server_id: str, **more: Any) -> ResponseReturnValue:
    with context.database.open() as session:
        found = servers.statuses(session, _found(context, server_id).id)
    return layout.page(context, "servers", "server.html", status=found[0], **more)


def _found(context: Context, server_id: str) -> Server:
    with context.database.open() as session:
        return servers.find(session, server_id) or abort(404)


def _connection(context: Context, server_id: str) -> ResponseReturnValue:
    server, versions = _found(context, server_id), [""]
    error = forms.catch_error(lambda: versions.append(servers.test(context, server)))
    return _server(context, server_id, tested=True, version=versions[-1], failure=error.message if error else None)


def _doctor(context: Context, server_id: str) -> ResponseReturnValue:
    server = _found(context, server_id)
    return _server(context, server_id, findings=list(server_checks.check_server(context, server)))
