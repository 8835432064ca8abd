"""The locks in requirements/ and what setup.cfg and pyproject.toml ask for."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from configparser import ConfigParser

import pytest
from packaging.requirements import Requirement
from support.services import ROOT


@pytest.mark.parametrize(
    ("lock", "extra"), [("demo", "demo"), ("test", "test"), ("dev", "dev"), ("peers", "peers"), ("lowest", "test")]
)
def test_lock_holds_every_requirement_in_a_version_that_is_allowed(lock: str, extra: str) -> None:
    """`make lock` renews the locks after a change of setup.cfg or pyproject.toml."""
    versions = locked(lock)
    wanted = [*required(extra), *built_with()]

    assert [str(one) for one in wanted if not one.specifier.contains(versions.get(one.name, "0"))] == []


@pytest.mark.parametrize("extra", ["demo", "test"])
def test_locks_agree(extra: str) -> None:
    """Each smaller lock is a part of dev's: one environment may be installed from several."""
    assert locked(extra).items() - locked("dev").items() == set()


def locked(extra: str) -> dict[str, str]:
    text = (ROOT / "requirements" / f"{extra}.txt").read_text()
    return dict(re.findall(r"^([\w.-]+)==([\w.]+)", text, re.MULTILINE))


def built_with() -> list[Requirement]:
    with (ROOT / "pyproject.toml").open("rb") as file:
        return [Requirement(line) for line in tomllib.load(file)["build-system"]["requires"]]


def required(extra: str = "") -> Iterator[Requirement]:
    """What setup.cfg requires with an extra, and with the extras of ours that this one takes in."""
    config = ConfigParser()
    config.read(ROOT / "setup.cfg")
    lines = config["options.extras_require"][extra] if extra else config["options"]["install_requires"]
    for one in map(Requirement, lines.strip().splitlines()):
        if one.name == "puq-backups":
            for name in one.extras:
                yield from required(name)
        else:
            yield one
    if extra:
        yield from required()
