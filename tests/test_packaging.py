"""What is shipped: a wheel built from the sdist carries everything, and runs outside the checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from configparser import ConfigParser
from importlib.metadata import distributions
from pathlib import Path

import pytest
from support import services
from support.services import ROOT

from puq_backups.i18n.translator import Translator

MAPPED = {"hooks": "puq_backups/hooks", "lang": "puq_backups/lang", "templates": "puq_backups/templates"}
USE = """
from importlib.resources import files

import flask
import flask_sqlalchemy
from cryptography.fernet import Fernet

import puq_backups
import puq_backups.hooks.client_area
from puq_backups.i18n.translator import Translator

assert Translator("de").lang == "de"
assert "checkout" not in puq_backups.__file__, puq_backups.__file__
app = flask.Flask("host")
app.config.update(
    SECRET_KEY="x", SQLALCHEMY_DATABASE_URI="sqlite:///{database}", PUQ_BACKUPS_KEYS=[Fernet.generate_key().decode()]
)
db = flask_sqlalchemy.SQLAlchemy(app)


class Host:
    def current_actor(self):
        return None

    def service_url(self, service_id):
        return "/"


backups = puq_backups.Backups()
backups.init_app(app, db=db, host=Host())
result = app.test_cli_runner().invoke(args=["backups", "db", "upgrade"])
assert result.exit_code == 0, result.output
assert len(backups.call("ConfigOptions", {{}})) == 24
assert app.test_client().get("/services/1/backups/").status_code == 404
assert (files("puq_backups.templates") / "puq_backups/client/backups.html").is_file()
"""


def packages() -> dict[str, Path]:
    """Every package as setup.cfg lists it, with its folder."""
    config = ConfigParser()
    config.read(ROOT / "setup.cfg")
    listed = [name for name in config["options"]["packages"].split("\n") if name and not name.startswith("#")]
    places = dict(line.split(" = ") for line in config["options"]["package_dir"].strip().splitlines())
    return {name: ROOT / places.get(name, name.replace(".", "/")) for name in listed}


def shipped() -> set[str]:
    """Every file that must be in the wheel, by its path there: those of the package folders, compiled catalogues."""
    found = set()
    for top, place in {"puq_backups": "puq_backups", **MAPPED}.items():
        for path in (ROOT / top).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                found.add(f"{place}/{path.relative_to(ROOT / top).as_posix()}")
    return found | {f"{name.removesuffix('.po')}.mo" for name in found if name.endswith(".po")}


def test_every_package_is_listed() -> None:
    there = {path.parent for top in ("puq_backups", *MAPPED) for path in (ROOT / top).rglob("__init__.py")}

    assert set(packages().values()) == there


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the sdist and the wheel that was built from it."""
    folder = tmp_path_factory.mktemp("dist")
    checkout = tmp_path_factory.mktemp("checkout") / "checkout"
    ignored = shutil.ignore_patterns(".git", ".venv", "build", "*.egg-info", "__pycache__", ".*_cache")
    shutil.copytree(ROOT, checkout, ignore=ignored)
    # Built with the setuptools of this environment: it is locked, and the next one is tried by `make newest`.
    run("build", [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(checkout)], folder)
    return folder


def run(what: str, command: list[str], folder: Path, **env: str) -> None:
    """Run a command. What the package registry cannot give is left out, and said at the end."""
    ran = subprocess.run(command, cwd=folder, env={**os.environ, **env}, capture_output=True, text=True, check=False)
    said = ran.stdout + ran.stderr
    if ran.returncode and what in {"build", "install"} and any(sign in said for sign in NO_NETWORK):
        services.left_out["wheel"] = "the package registry cannot be reached, so none was built"
        pytest.skip(services.left_out["wheel"])
    assert ran.returncode == 0, f"{what}: {said}"


NO_NETWORK = ("NewConnectionError", "Temporary failure in name resolution", "ProxyError", "Connection refused")


@pytest.mark.slow
def test_wheel_carries_every_file(build: Path) -> None:
    (wheel,) = build.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if name.startswith("puq_backups/")}

    assert held == shipped()


@pytest.fixture(scope="module")
def installed(build: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a fresh environment with the wheel and what it requires, in the versions of this environment."""
    (wheel,) = build.glob("*.whl")
    folder = tmp_path_factory.mktemp("installed")
    python = folder / "venv" / "bin" / "python"
    run("venv", [sys.executable, "-m", "venv", "--without-pip", str(folder / "venv")], folder)
    constraints = folder / "constraints.txt"
    constraints.write_text("\n".join(f"{found.name}=={found.version}" for found in distributions()))
    pip = [sys.executable, "-m", "pip", "--python", str(python)]
    run("install", [*pip, "install", "-q", "--no-compile", "-c", str(constraints), str(wheel)], folder)
    return python


@pytest.mark.slow
def test_wheel_runs_in_an_environment_of_its_own(installed: Path, tmp_path: Path) -> None:
    use = USE.format(database=tmp_path / "host.sqlite")
    run("use", [str(installed), "-I", "-c", use], tmp_path)


@pytest.mark.slow
def test_tests_pass_against_the_wheel_outside_the_checkout(installed: Path, tmp_path: Path) -> None:
    """The tests come from a copy without the package, pytest from this environment (by a path that it can read no
    editable installation from), the package from the wheel.
    """
    for name in ("tests", "docs", "demo"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("README.md", "setup.cfg"):
        shutil.copy(ROOT / name, tmp_path / name)
    where = f"assert puq_backups.__file__.startswith({str(installed.parents[1])!r})"
    (tmp_path / "tests" / "test_where.py").write_text(f"import puq_backups\n\ndef test_where():\n    {where}\n")
    tests = [
        "tests/test_where.py", "tests/test_readme.py", "tests/docs/test_whmcs_names.py",
        "tests/test_init.py::test_from_an_empty_application_to_ready",
    ]  # fmt: skip
    env = {"PYTHONPATH": sysconfig.get_path("purelib")}

    run("tests", [str(installed), "-P", "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests], tmp_path, **env)


def test_a_checkout_compiles_no_catalogue_beside_its_source() -> None:
    assert Translator("de").gettext("Backup now") != "Backup now"

    assert list((ROOT / "lang").rglob("*.mo")) == []
