"""Log lines with the ids of what they are about, and the format of our own handler: text or JSON.

The host's logging decides where lines go, unless `PUQ_BACKUPS_LOG_FORMAT` is set or nobody has configured logging.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime

LOGGERS = ("puq_backups", "rq.worker")
"""Ours, and RQ's of the worker process."""
IDS = ("service_id", "operation_id", "task_id")
"""Attributes of log records: the host's id of a service, our id of an operation, Proxmox's UPID of a task."""

_current: ContextVar[dict[str, str]] = ContextVar("puq_backups_ids", default={})  # noqa: B039 - never changed in place


@contextmanager
def about(**ids: str) -> Iterator[None]:
    """Give `ids`, named as in IDS, to all lines that are logged inside the block."""
    token = _current.set({**_current.get(), **ids})
    try:
        yield
    finally:
        _current.reset(token)


class AddIds(logging.Filter):
    """Filter for a handler: gives each record the attributes of IDS, "" where it is about none."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Set the attributes; let every record through."""
        known = _current.get()
        for name in IDS:
            if not hasattr(record, name):
                setattr(record, name, known.get(name, ""))
        return True


class TextFormatter(logging.Formatter):
    """One line: time, level, logger, message, and the ids that are known."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, with the traceback of an error below it."""
        line = super().format(record)
        ids = [f"{name.removesuffix('_id')}={value}" for name in IDS if (value := getattr(record, name, ""))]
        first, newline, rest = line.partition("\n")
        return f"{first} [{' '.join(ids)}]{newline}{rest}" if ids else line


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time (UTC), level, logger, message, event, service, operation, task, error."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the object. Empty ids and events are left out; `error` is a traceback."""
        found = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(), "logger": record.name, "message": record.getMessage(),
        }  # fmt: skip
        more = {"event": getattr(record, "event", "")}
        more |= {name.removesuffix("_id"): getattr(record, name, "") for name in IDS}
        if record.exc_info:
            more["error"] = self.formatException(record.exc_info)
        return json.dumps({**found, **{name: value for name, value in more.items() if value}}, default=str)


def configure(log_format: str, *, process: bool = False) -> None:
    """Add a handler to standard error for our loggers, at level INFO, if `log_format` is `text` or `json`.

    With `process` (worker, clock, tick) also if it is empty and nobody has configured logging: as text then.
    """
    if not log_format and process and not logging.getLogger(LOGGERS[0]).hasHandlers():
        log_format = "text"
    if not log_format:
        return
    handler = logging.StreamHandler()
    text = TextFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    handler.setFormatter(JsonFormatter() if log_format == "json" else text)
    handler.addFilter(AddIds())
    for name in LOGGERS:
        logger = logging.getLogger(name)
        logger.handlers = [one for one in logger.handlers if not any(map(_is_ours, one.filters))] + [handler]
        logger.propagate = False
    logging.getLogger(LOGGERS[0]).setLevel(logging.INFO)


def _is_ours(found: object) -> bool:
    return isinstance(found, AddIds)
