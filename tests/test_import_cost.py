"""What `import puq_backups` pulls in: a start of `flask backups tick` each minute pays for it."""

from __future__ import annotations

import subprocess
import sys

import pytest

BEFORE = "import sys, flask, flask_sqlalchemy, sqlalchemy; before = set(sys.modules); "
PRINT = "print(*{name.partition('.')[0] for name in sys.modules} - {name.partition('.')[0] for name in before})"
THIRD_PARTY = {
    "babel", "certifi", "charset_normalizer", "cryptography", "deprecated", "flask_wtf", "idna", "jinja2", "limits",
    "packaging", "proxmoxer", "redis", "requests", "rq", "urllib3", "wrapt", "wtforms",
}  # fmt: skip
# Flask-WTF imports Flask-Babel where the host has it; here the examples do.
HOSTS = {"flask_babel", "pytz"}
LATE = {"alembic", "mako", "pygments", "prometheus_client"}


def imported() -> set[str]:
    """The top-level modules that the import adds to those of Flask and SQLAlchemy."""
    script = BEFORE + "import puq_backups; " + PRINT
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(found.stdout.split())


@pytest.mark.flow
def test_import_pulls_in_no_more_than_it_needs() -> None:
    found = imported()
    installed = {name for name in found if name not in sys.stdlib_module_names and not name.startswith("_")}

    assert installed - {"puq_backups"} - HOSTS <= THIRD_PARTY
    assert not found & LATE
