"""The import contracts of setup.cfg hold, and each of them bites: a planted wrong import is found."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest
from support.services import ROOT

FLOORS = "Imports go down"
CYCLES = "No import cycles"
HOOKS = "hooks/ is loaded by name, never imported"
PROXMOX = "Only pve/ talks to Proxmox"
ASIDE = "The simulator stands aside: it knows nothing of ours"
BY_NAME = "The simulator is loaded by name, never imported"
MIGRATIONS = "Migrations know the models only"
WORK = "The work is the same from a page, a job and a shell"
WRONG = [
    # (file, the line planted there, the contract that must break)
    ("puq_backups/errors.py", "from puq_backups import config", FLOORS),
    ("puq_backups/vault.py", "from puq_backups import models", FLOORS),
    ("puq_backups/models/service.py", "from puq_backups import operations", FLOORS),
    ("puq_backups/operations/__init__.py", "import puq_backups.web", FLOORS),
    ("puq_backups/mail/__init__.py", "from puq_backups.operations import engine", FLOORS),
    ("puq_backups/clock/__init__.py", "from puq_backups import accounts", FLOORS),
    ("puq_backups/misc.py", "", FLOORS),
    ("puq_backups/pve/paths.py", "from puq_backups.pve import client", CYCLES),
    ("puq_backups/operations/steps/common.py", "from puq_backups.operations import engine", CYCLES),
    ("puq_backups/config.py", "import hooks", HOOKS),
    ("puq_backups/web/__init__.py", "import proxmoxer", PROXMOX),
    ("hooks/__init__.py", "import requests", PROXMOX),
    ("puq_backups/simulator/__init__.py", "from puq_backups import errors", ASIDE),
    ("puq_backups/simulator/answers.py", "from .world import state", "Imports in the simulator go down"),
    ("puq_backups/simulator/world/volumes.py", "from . import disks", CYCLES),
    ("puq_backups/i18n/translator.py", "from puq_backups import simulator", BY_NAME),
    ("puq_backups/migrations/__init__.py", "from puq_backups import operations", MIGRATIONS),
    ("puq_backups/models/backup.py", "import flask", WORK),
    ("puq_backups/pve/__init__.py", "import rq", WORK),
]
OUTPUT_OF_ONE = re.compile(r"^(.+) (KEPT|BROKEN)\b", re.MULTILINE)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what the contracts are about."""
    copy = tmp_path_factory.mktemp("tree")
    for folder in ("puq_backups", "hooks"):
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    shutil.copy(ROOT / "setup.cfg", copy)
    return copy


def contracts(tree: Path) -> dict[str, str]:
    """KEPT or BROKEN by contract, as import-linter finds them in `tree`."""
    program = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    # The working folder goes first: the copy is looked at, not the checkout that may be installed.
    run = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, '.'); {program}", "--no-cache"],
        cwd=tree,
        capture_output=True,
        text=True,
        check=False,
    )
    found = dict(OUTPUT_OF_ONE.findall(run.stdout))
    assert found, run.stdout + run.stderr
    assert (run.returncode == 0) == ("BROKEN" not in found.values())
    return found


def test_contracts_hold(tree: Path) -> None:
    assert set(contracts(tree).values()) == {"KEPT"}


def test_contracts_are_all_tried_below(tree: Path) -> None:
    assert set(contracts(tree)) == {contract for _, _, contract in WRONG}


def test_work_contract_names_every_package_below_the_ways_in() -> None:
    config = ConfigParser()
    config.read(ROOT / "setup.cfg")
    layers = config["importlinter:contract:floors"]["layers"].strip().splitlines()
    below = {name.strip() for layer in layers[layers.index("staff") :] for name in layer.split("|")}

    named = config["importlinter:contract:work"]["source_modules"].split()

    modules = {"config", "errors", "host", "logs", "settings", "vault"}
    assert {name.removeprefix("puq_backups.") for name in named} == below - modules


@pytest.mark.parametrize(("file", "line", "contract"), WRONG, ids=[f"{file}-{line}" for file, line, _ in WRONG])
@pytest.mark.slow
def test_contract_breaks_on_a_wrong_import(tree: Path, file: str, line: str, contract: str) -> None:
    path = tree / file
    before = path.read_text() if path.exists() else None

    path.write_text(f"{before or ''}\n{line}\n")
    try:
        found = contracts(tree)
    finally:
        path.write_text(before) if before is not None else path.unlink()

    assert found[contract] == "BROKEN"
