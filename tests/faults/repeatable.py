"""What makes a run repeat by its seed, and keeps what the product logs."""

from __future__ import annotations

import logging
import random
import secrets
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

from sqlalchemy import Connection, create_engine
from support import world as worlds

from .run_record import RunRecord


@contextmanager
def chance(rng: random.Random) -> Iterator[None]:
    """Draw from the seed too: ids, by which rows of the same moment are ordered, tokens, lengths of pauses."""
    own = random.Random(rng.random())  # noqa: S311 - repeatable on purpose

    def drawn() -> uuid.UUID:
        return uuid.UUID(int=own.getrandbits(128), version=4)

    def token(size: int) -> str:
        return own.randbytes(size).hex()

    patch = mock.patch.object
    with patch(uuid, "uuid4", drawn), patch(secrets, "token_hex", token), patch(random, "uniform", own.uniform):
        yield


@contextmanager
def log_kept(record: RunRecord) -> Iterator[None]:
    """Keep the product's log lines in the record, and out of the output."""
    handler, root = logging.Handler(), logging.getLogger("puq_backups")
    handler.emit = record.log  # type: ignore[method-assign]  # a handler for one run
    before, root.propagate = root.propagate, False
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.propagate = before


def close(world: worlds.World) -> None:
    """Close the connection of the check's own."""
    if engine := world.extra.pop("aside", None):
        engine.dispose()


@contextmanager
def aside(world: worlds.World) -> Iterator[Connection]:
    """A connection to the run's database that shares neither pool nor dialect with the product."""
    if "aside" not in world.extra:
        world.extra["aside"] = create_engine(world.app.config["SQLALCHEMY_DATABASE_URI"], pool_size=1)
    with world.extra["aside"].connect() as connection:
        yield connection
