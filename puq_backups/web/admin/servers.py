"""Servers: what they carry, their storages, and two looks at them now: Test Connection and the doctor."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, abort
from flask.typing import ResponseReturnValue

from ... import doctor
from ...models import Server
from ...staff import servers
from ...toolbox import Toolbox
from .. import forms
from . import frame


def add_pages(blueprint: Blueprint, toolbox: Toolbox) -> None:
    """Add the list, a page for each server, Test Connection and the doctor."""
    blueprint.add_url_rule("/servers", "servers", lambda: _servers(toolbox))
    blueprint.add_url_rule("/servers/<server_id>", "server", lambda server_id: _server(toolbox, server_id))
    blueprint.add_url_rule(
        "/servers/<server_id>/connection", "connection", lambda server_id: _connection(toolbox, server_id)
    )
    blueprint.add_url_rule("/servers/<server_id>/doctor", "doctor", lambda server_id: _doctor(toolbox, server_id))


def _servers(toolbox: Toolbox) -> ResponseReturnValue:
    with toolbox.database.open() as session:
        found = servers.standings(session)
    return frame.page(toolbox, "servers", "servers.html", servers=found)


def _server(toolbox: Toolbox, server_id: str, **more: Any) -> ResponseReturnValue:
    with toolbox.database.open() as session:
        found = servers.standings(session, _found(toolbox, server_id).id)
    return frame.page(toolbox, "servers", "server.html", standing=found[0], **more)


def _found(toolbox: Toolbox, server_id: str) -> Server:
    with toolbox.database.open() as session:
        return servers.find(session, server_id) or abort(404)


def _connection(toolbox: Toolbox, server_id: str) -> ResponseReturnValue:
    server, versions = _found(toolbox, server_id), [""]
    error = forms.tried(lambda: versions.append(servers.test(toolbox, server)))
    return _server(toolbox, server_id, tested=True, version=versions[-1], failure=error.message if error else None)


def _doctor(toolbox: Toolbox, server_id: str) -> ResponseReturnValue:
    server = _found(toolbox, server_id)
    return _server(toolbox, server_id, findings=list(doctor.of_server(toolbox, server)))
