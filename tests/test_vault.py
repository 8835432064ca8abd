"""Secrets at rest: sealed with the newest key, readable with each, moved to a new key by a command."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import text
from support.bare_host import mount

from puq_backups import Backups
from puq_backups.errors import SettingError
from puq_backups.models import Server
from puq_backups.vault import Vault

OLD, NEW = (Fernet.generate_key().decode() for _ in range(2))
SECRET = "9d4c9f2e-0000-4000-8000-hunter2"


def store(backups: Backups, hosts: Sequence[str]) -> None:
    vault = backups.context.vault
    with backups.context.database.begin() as session:
        for host in hosts:
            session.add(Server(hosts=host, token_id="svc@pve!backups", sealed_secret=vault.seal(f"{SECRET} {host}")))


def sealed(backups: Backups) -> dict[str, bytes]:
    with backups.context.database.open() as session:
        return {server.hosts: server.sealed_secret for server in session.query(Server)}


def test_open_gives_back_what_was_sealed() -> None:
    vault = Vault([OLD])

    assert vault.open(vault.seal("pässwörd")) == "pässwörd"
    assert vault.seal("same") != vault.seal("same")


def test_open_reads_what_an_older_key_sealed_and_seals_with_the_newest() -> None:
    both = Vault([NEW, OLD])

    assert both.open(Vault([OLD]).seal(SECRET)) == SECRET
    assert Vault([NEW]).open(both.seal(SECRET)) == SECRET


@pytest.mark.parametrize("method", ["open", "rotate"])
def test_a_key_that_is_missing_is_told_without_the_secret(method: str) -> None:
    with pytest.raises(SettingError, match=r"PUQ_BACKUPS_KEYS lacks the key it was stored with\.$") as caught:
        getattr(Vault([NEW]), method)(Vault([OLD]).seal(SECRET))

    assert caught.value.__suppress_context__


def test_vault_shows_no_key() -> None:
    assert repr(Vault([OLD])) == "Vault(…)"


def test_keys_rotate_moves_every_secret_to_the_newest_key(any_database_url: str) -> None:
    _, before = mount(any_database_url, keys=[OLD])
    store(before, ["pve1", "pve2"])
    app, both = mount(any_database_url, keys=[NEW, OLD])

    run = app.test_cli_runner().invoke(args=["backups", "keys", "rotate"])

    last = run.output.splitlines()[-1]
    assert (run.exit_code, last) == (0, "2 secrets are now encrypted with the newest key.")
    rows = sealed(both)
    assert {host: Vault([NEW]).open(row) for host, row in rows.items()} == {
        "pve1": f"{SECRET} pve1",
        "pve2": f"{SECRET} pve2",
    }
    with pytest.raises(SettingError):
        Vault([OLD]).open(rows["pve1"])


def test_keys_rotate_twice_does_no_harm(sqlite_url: str) -> None:
    app, backups = mount(sqlite_url, keys=[NEW, OLD])
    store(backups, ["pve1"])

    for _ in range(2):
        assert app.test_cli_runner().invoke(args=["backups", "keys", "rotate"]).exit_code == 0

    assert Vault([NEW]).open(sealed(backups)["pve1"]) == f"{SECRET} pve1"


def test_keys_rotate_without_the_old_key_changes_nothing(sqlite_url: str) -> None:
    _, before = mount(sqlite_url, keys=[OLD])
    store(before, ["pve1"])
    rows = sealed(before)
    app, _ = mount(sqlite_url, keys=[NEW])

    run = app.test_cli_runner().invoke(args=["backups", "keys", "rotate"])

    assert run.exit_code != 0
    assert "PUQ_BACKUPS_KEYS lacks the key" in f"{run.output}{run.exception}"
    assert sealed(before) == rows


def test_keys_new_prints_a_key_that_can_be_used(sqlite_url: str) -> None:
    app, _ = mount(sqlite_url)

    made = app.test_cli_runner().invoke(args=["backups", "keys", "new"]).output

    vault = Vault([made.strip()])
    assert vault.open(vault.seal(SECRET)) == SECRET


def test_no_column_holds_the_secret(any_database_url: str) -> None:
    _, backups = mount(any_database_url)
    store(backups, ["pve1"])

    with backups.context.database.open() as session:
        [row] = session.execute(text("SELECT * FROM puq_backups_server")).all()

    cells = b" ".join(bytes(cell) if isinstance(cell, bytes | memoryview) else str(cell).encode() for cell in row)
    assert b"pve1" in cells
    assert b"hunter2" not in cells
