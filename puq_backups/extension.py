"""The Flask extension `Backups`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, Literal, overload

from flask import Flask, has_request_context
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from . import cli, config, jobs, logs, web
from . import host as hosts
from .context import Context
from .hook_registry.registry import Hooks
from .host import SYSTEM, Actor, Host
from .inventory import locks
from .mail import protection
from .models import AuditEntry, Database
from .settings import load
from .shared_redis.counters import Counters
from .shared_redis.pending_polls import PendingPolls
from .shared_redis.rate_limits import RateLimiter
from .shared_redis.watching import Watching
from .vault import Vault
from .web import admin, tab
from .whmcs import answers, command_hooks, dispatch

NAME = "puq_backups"


def _settings(app: Flask) -> config.Settings:
    settings = load.load(app.config, os.environ)
    folder = settings.lang_overrides
    return replace(settings, lang_overrides=str(Path(app.root_path, folder)) if folder else "")


class Backups:
    """The Flask extension: self-service backups of Proxmox VMs inside a billing application.

    Create one object, call `init_app` once, then use `call`, `hooks`, `lock_reason`, `vm_action` and `vm_command`.

    Attributes:
        hooks: the hook registry; `hooks.run(point, **arguments)` returns the answers that are not None.

    """

    def __init__(self) -> None:
        self.hooks = Hooks()
        self._context: Context | None = None

    def init_app(self, app: Flask, *, db: SQLAlchemy, host: Host) -> None:
        """Register pages, static files, commands and hooks on `app`.

        Args:
            app: the host application. Settings are read from `app.config` and the environment (`PUQ_BACKUPS_…`).
            db: the host's Flask-SQLAlchemy. Its engine is used for our tables, its session is not used.
            host: the host's implementation of `Host`.

        Raises:
            SettingError: a setting is missing or wrong; the message names it.
            HookError: a hook module cannot be loaded.
            RuntimeError: this object or this application is initialised already.

        """
        hosts.check(host)
        if NAME in app.extensions or self._context is not None:
            raise RuntimeError("Backups is initialised already: import and use that object instead.")
        settings = _settings(app)
        logs.configure(settings.log_format)

        @cache
        def engine() -> Engine:
            with app.app_context():
                return db.engine

        self._context = self._make_context(settings, engine, host)
        # Hooks run by the host need the context too, and the host has none to pass.
        self.hooks.given["context"] = self._context
        self.hooks.load_all(settings.hooks)
        app.extensions[NAME] = self
        app.register_blueprint(web.blueprint(self._context), url_prefix=settings.url_prefix)
        app.register_blueprint(admin.blueprint(self._context), url_prefix=settings.admin_url_prefix)
        app.register_blueprint(web.static_files())
        app.register_blueprint(
            web.monitoring.blueprint(self._context), url_prefix=settings.operations_url_prefix.rstrip("/")
        )
        app.cli.add_command(cli.backups)

    def _make_context(self, settings: config.Settings, engine: Callable[[], Engine], host: Host) -> Context:
        enqueuer, redis, prefix = jobs.Enqueuer(settings), settings.redis_url, settings.queue
        watching = Watching(redis, prefix)
        return Context(
            settings=settings, database=Database(engine, self._run_log_activity, self._refresh_protection),
            hooks=self.hooks, host=host, vault=Vault(settings.keys),
            enqueue=enqueuer.enqueue, enqueue_polls=enqueuer.enqueue_polls,
            enqueue_syncs=enqueuer.enqueue_syncs,
            limiter=RateLimiter(settings.rate_limits, redis, prefix), counters=Counters(redis, prefix),
            polls=PendingPolls(redis, prefix),
            note_watched=watching.note, watched=watching.watched,
            signed_in=lambda: hosts.current_actor(host) if has_request_context() else SYSTEM,
        )  # fmt: skip

    def _refresh_protection(self, session: Session, service_ids: set[str]) -> None:
        protection.refresh(session, self.context, service_ids)

    def _run_log_activity(self, entry: AuditEntry) -> None:
        self.hooks.run(
            "LogActivity", description=entry.text, user=entry.actor, action=entry.action,
            service_id=entry.service_id, operation_id=entry.operation_id,
        )  # fmt: skip

    @property
    def context(self) -> Context:
        """The Context (settings, database, hooks, …) passed to all functions. RuntimeError before `init_app`."""
        if self._context is None:
            raise RuntimeError("Backups is not initialised: call init_app first.")
        return self._context

    @overload
    def call(self, name: answers.Accepted, params: Mapping[str, Any], *, actor: Actor | None = None) -> str: ...
    @overload
    def call(
        self, name: answers.Loaders, params: Mapping[str, Any], *, actor: Actor | None = None
    ) -> dict[str, str] | str: ...
    @overload
    def call(
        self, name: answers.Texts, params: Mapping[str, Any], *, actor: Actor | None = None
    ) -> dict[str, str]: ...
    @overload
    def call(
        self, name: Literal["TestConnection"], params: Mapping[str, Any], *, actor: Actor | None = None
    ) -> answers.Connection: ...
    @overload
    def call(
        self, name: Literal["ClientArea"], params: Mapping[str, Any], *, actor: Actor | None = None
    ) -> answers.Area: ...
    @overload
    def call(
        self, name: Literal["ConfigOptions"], params: Mapping[str, Any], *, actor: Actor | None = None
    ) -> dict[str, dict[str, Any]]: ...
    @overload
    def call(
        self, name: Literal["MetaData"], params: Mapping[str, Any], *, actor: Actor | None = None
    ) -> dict[str, Any]: ...
    # Functions of the host's own.
    @overload
    def call(self, name: str, params: Mapping[str, Any], *, actor: Actor | None = None) -> Any: ...
    def call(self, name: str, params: Mapping[str, Any], *, actor: Actor | None = None) -> Any:
        """Call a module function by its WHMCS name.

        Args:
            name: the function, such as "CreateAccount"; see docs/module-functions.md.
            params: WHMCS's params of the service, and the function's own form fields.
            actor: for whom. Default for `ClientArea` and the custom functions: the signed-in actor; refused within a
                request where nobody is signed in. Default for the lifecycle and product functions, and outside a
                request: the system.

        Returns:
            "success" (accepted), an English error text, or a dict where WHMCS has one.

        Raises:
            LookupError: there is no function of this name. Other errors are returned as text.

        """
        return dispatch.call(self.context, name, params, actor)

    def client_area(self, service_id: object) -> tab.Tab:
        """Return the Backups page for a tab of the page of yours that is being answered: `head` and `content`.

        It is what `ClientArea` returns, rendered; its forms lead back to your page. Aborts with 404 where nobody is
        signed in or the service is not theirs, and with 403 without the right to view it.

        Args:
            service_id: the service.

        """
        return tab.render(self.context, str(service_id))

    def lock_reason(self, service_id: object) -> str | None:
        """Return why actions on the service's VM must wait, or None.

        Uses the state last seen and makes no Proxmox call; `vm_action` asks Proxmox.

        Args:
            service_id: the service; an unknown one gives None.

        Returns:
            A sentence in the language of the signed-in actor, or None.

        """
        with self.context.database.open() as session:
            found = locks.lock_reason(session, str(service_id))
        reader = self.context.signed_in() or SYSTEM
        return self.context.translator(reader.locale, reader.timezone).say(found) if found else None

    @contextmanager
    def vm_action(self, service_id: object) -> Iterator[None]:
        """Context manager that locks the service while the host acts on its VM.

        Asks Proxmox for its lock. Our operations do not start inside the block; a crash inside it frees the service
        when the lease expires.

        Args:
            service_id: the service.

        Raises:
            Refused: an operation of ours, another action of the host or a Proxmox lock holds the VM.

        """
        with locks.vm_action(self.context, str(service_id)):
            yield

    @contextmanager
    def vm_command(self, verb: str, params: Mapping[str, Any], function: str = "") -> Iterator[dict[str, Any]]:
        """Like `vm_action`, with WHMCS's hooks around the block: `PreModule<verb>`, then `AfterModule<verb>` or
        `AfterModule<verb>Failed`.

        Args:
            verb: ChangePackage, Terminate, ChangePassword or Custom.
            params: WHMCS's params; `serviceid` is required.
            function: the name of your function, for Custom only.

        Yields:
            The params as changed by `PreModule<verb>` hooks.

        Raises:
            Refused: as `vm_action`, or a hook answered `abortcmd`.
            BadInput: another verb.

        """
        with command_hooks.vm_command(self.context, verb, params, function) as changed:
            yield changed
