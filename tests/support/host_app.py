"""The Flask application of a host and its Flask-SQLAlchemy, cheap to make many times in one process.

What an application compiles for itself (URL builders, templates, SQL) is compiled once for all of them here, and
SQLite does not wait for the disk: no test takes away the power.
"""

from __future__ import annotations

from types import CodeType
from typing import Any

from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from jinja2.bccache import Bucket, BytecodeCache
from sqlalchemy import Engine, event
from werkzeug.routing import Rule


class LateRule(Rule):
    """A rule whose URL builder is compiled when a URL is built: that is most of what adding a rule costs."""

    def _compile_builder(self, append_unknown: bool = True) -> Any:
        compiled: list[Any] = []
        compile_now = super()._compile_builder

        def build(rule: Rule, **values: Any) -> tuple[str, str]:
            if not compiled:
                compiled.append(compile_now(append_unknown))
            found: tuple[str, str] = compiled[0](rule, **values)
            return found

        return build


class TemplatesOfProcess(BytecodeCache):
    """Compiled templates, by name, file and source."""

    found: dict[tuple[str, str], CodeType]

    def __init__(self) -> None:
        self.found = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = self.found.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: Bucket) -> None:
        if bucket.code is not None:
            self.found[bucket.key, bucket.checksum] = bucket.code


class HostApp(Flask):
    """A Flask application for tests."""

    url_rule_class = LateRule
    jinja_options = {"bytecode_cache": TemplatesOfProcess()}  # noqa: RUF012 - Flask's


STATEMENTS: dict[Any, Any] = {}
DIALECTS: list[Any] = []
"""The dialect of the first SQLite engine: SQLAlchemy keeps compiled statements by the dialect object."""


class HostDatabase(SQLAlchemy):
    """Flask-SQLAlchemy for tests."""

    def _make_engine(self, bind_key: str | None, options: dict[str, Any], app: Flask) -> Engine:
        engine = super()._make_engine(bind_key, options, app)
        if engine.dialect.name == "sqlite":
            DIALECTS.append(engine.dialect)
            engine.dialect = DIALECTS[0]
            event.listen(engine, "connect", _without_sync)
            engine.update_execution_options(compiled_cache=STATEMENTS)
        return engine


def _without_sync(connection: Any, _: Any) -> None:
    connection.execute("PRAGMA synchronous = OFF")
