"""Staff views of the servers: list, single server, Test Connection and doctor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Blueprint, abort, g
from flask.typing import ResponseReturnValue

from ...context import Context
from ...host import Actor
from ...i18n.translator import N_
from ...models import Server
from ...staff import doctor_servers, servers, storages
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

    for path, action, said in (
        ("gone", storages.declare_gone, N_("The backups on this storage are missing now.")),
        ("back", storages.take_back, N_("The backups on this storage count again.")),
    ):
        blueprint.add_url_rule(
            f"/servers/<server_id>/storages/<storage_id>/{path}", f"storage_{path}",
            _storage_form(context, action, said), methods=["POST"],
        )  # fmt: skip


def _storage_form(
    context: Context, action: Callable[[Context, str, Actor], None], said: str
) -> Callable[[str, str], ResponseReturnValue]:
    def post(server_id: str, storage_id: str) -> ResponseReturnValue:
        with context.database.open() as session:
            storage = storages.find(session, _found(context, server_id).id, storage_id) or abort(404)
        error = forms.catch_error(lambda: action(context, storage.id, g.puq_backups_actor))
        if error:
            return _server(context, server_id, error=error)
        return layout.redirect_to(said, "server", server_id=server_id)

    return post


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
    return _server(context, server_id, findings=list(doctor_servers.check_server(context, server)))
