"""What a host mounts: one object, one line per part."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from flask import Flask, has_request_context
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import Engine

from . import cli, config, jobs, web
from . import host as hosts
from .context import Context
from .hook_registry.registry import Hooks
from .host import SYSTEM, Actor, Host
from .inventory import locks
from .models import AuditEntry, Database
from .vault import Vault
from .web import admin
from .whmcs import commands, dispatch

NAME = "puq_backups"


def _settings(app: Flask) -> config.Settings:
    settings = config.load(app.config, os.environ)
    folder = settings.lang_overrides
    return replace(settings, lang_overrides=str(Path(app.root_path, folder)) if folder else "")


class Backups:
    """The extension. `init_app` once per application; then `call`, `hooks`, `lock_reason` and `vm_action` work."""

    def __init__(self) -> None:
        self.hooks = Hooks()
        self._context: Context | None = None

    def init_app(self, app: Flask, *, db: SQLAlchemy, host: Host) -> None:
        """Mount pages, commands and hooks on `app`. SettingError names a wrong setting.

        `db` is the host's Flask-SQLAlchemy: our tables live on its engine, its session is left alone.
        """
        hosts.check(host)
        if NAME in app.extensions or self._context is not None:
            raise RuntimeError("Backups is initialised already: import and use that object instead.")
        settings = _settings(app)

        def engine() -> Engine:
            with app.app_context():
                return db.engine

        self._context = Context(
            settings=settings, database=Database(engine, self._tell_audit), hooks=self.hooks, host=host,
            vault=Vault(settings.keys), enqueue=jobs.bell(settings),
            signed_in=lambda: hosts.current_actor(host) if has_request_context() else SYSTEM,
        )  # fmt: skip
        # The host runs points as well, and has no context to give.
        self.hooks.given["context"] = self._context
        self.hooks.load_all(settings.hooks)
        app.extensions[NAME] = self
        app.register_blueprint(web.blueprint(self._context), url_prefix=settings.url_prefix)
        app.register_blueprint(admin.blueprint(self._context), url_prefix=settings.admin_url_prefix)
        app.register_blueprint(web.static_files())
        app.cli.add_command(cli.backups)

    def _tell_audit(self, entry: AuditEntry) -> None:
        self.hooks.run(
            "LogActivity", description=entry.text, user=entry.actor, action=entry.action,
            service_id=entry.service_id, operation_id=entry.operation_id,
        )  # fmt: skip

    @property
    def context(self) -> Context:
        """What the work is done with; RuntimeError before `init_app`."""
        if self._context is None:
            raise RuntimeError("Backups is not initialised: call init_app first.")
        return self._context

    def call(self, name: str, params: Mapping[str, Any], *, actor: Actor | None = None) -> Any:
        """Call a module function by its WHMCS name: its answer, `success` or an error text.

        `actor`: for whom. Default for `ClientArea` and the custom functions: who is signed in; refused in a request
        where nobody is. Default for the lifecycle functions, ChangePackage and the product's functions: your own
        code, whoever is signed in. Outside a request (script, cron, job): the system. LookupError: no such function.
        """
        return dispatch.call(self.context, name, params, actor)

    def lock_reason(self, service_id: object) -> str | None:
        """Why actions on the service's VM must wait, in the language of who is signed in, or None.

        It is told from what was last seen, without asking Proxmox.
        """
        with self.context.database.open() as session:
            found = locks.lock_reason(session, str(service_id))
        reader = self.context.signed_in() or SYSTEM
        return self.context.translator(reader.locale, reader.timezone).say(found) if found else None

    @contextmanager
    def vm_action(self, service_id: object) -> Iterator[None]:
        """Hold the service while the host acts on its VM. Refused while something of ours or Proxmox's runs."""
        with locks.vm_action(self.context, str(service_id)):
            yield

    @contextmanager
    def vm_command(self, verb: str, params: Mapping[str, Any], function: str = "") -> Iterator[dict[str, Any]]:
        """The same with what WHMCS runs around a command: `PreModule<verb>`, which may abort it or change its
        params, then `AfterModule<verb>` or `AfterModule<verb>Failed`.

        `verb` is ChangePackage, Terminate, ChangePassword, or Custom with the name of your `function`.
        """
        with commands.vm_command(self.context, verb, params, function) as changed:
            yield changed
