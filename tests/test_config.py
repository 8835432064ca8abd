"""Settings: read from the host's configuration or the environment, checked at start-up, named where wrong."""

from __future__ import annotations

import re
import subprocess
import sys
from base64 import urlsafe_b64encode
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

from puq_backups.config import PREFIX, Settings
from puq_backups.errors import SettingError
from puq_backups.settings.load import load

KEY = urlsafe_b64encode(bytes(32)).decode()


def loaded(environ: dict[str, str] | None = None, **settings: Any) -> Settings:
    given = {"KEYS": [KEY], **settings}
    return load({PREFIX + name: value for name, value in given.items()}, environ or {})


def test_load_takes_every_default() -> None:
    assert loaded() == Settings(keys=(KEY,))


def test_load_prefers_the_configuration_to_the_environment() -> None:
    environ = {"PUQ_BACKUPS_QUEUE": "theirs", "PUQ_BACKUPS_PER_NODE": "3"}

    settings = loaded(environ, QUEUE="ours")

    assert (settings.queue, settings.per_node) == ("ours", 3)


def test_load_reads_each_kind_from_the_environment() -> None:
    keys = [Fernet.generate_key().decode() for _ in range(2)]
    environ = {
        "PUQ_BACKUPS_KEYS": " , ".join(keys),
        "PUQ_BACKUPS_CATCH_UP": "1.5h",
        "PUQ_BACKUPS_RETRY_DELAYS": "1m, 2h,30",
        "PUQ_BACKUPS_MANUAL_COUNTS_AS_TODAYS": "no",
        "PUQ_BACKUPS_PER_STORAGE": " 2 ",
        "PUQ_BACKUPS_HOOKS": "billing.hooks, other",
        "PUQ_BACKUPS_TIMEZONE": " Europe/Warsaw ",
    }

    settings = load({}, environ)

    assert settings == Settings(
        keys=tuple(keys),
        catch_up=timedelta(minutes=90),
        retry_delays=(timedelta(minutes=1), timedelta(hours=2), timedelta(seconds=30)),
        manual_counts_as_todays=False,
        per_storage=2,
        hooks=("billing.hooks", "other"),
        timezone="Europe/Warsaw",
    )


def test_load_takes_none_for_the_default() -> None:
    assert loaded(CA_FILE=None, PER_NODE=None) == loaded()


def test_load_leaves_other_names_alone() -> None:
    assert load({"PUQ_BACKUPS_KEYS": [KEY], "SECRET_KEY": "x"}, {"PATH": "/bin"}).keys == (KEY,)


def test_load_refuses_an_unknown_name_in_the_configuration() -> None:
    with pytest.raises(SettingError, match=r"of puq-backups; did you mean PUQ_BACKUPS_CATCH_UP\?$"):
        loaded(CATCHUP="3h")


def test_load_suggests_no_name_that_is_far() -> None:
    with pytest.raises(SettingError, match=r"^PUQ_BACKUPS_COLOUR is not a setting of puq-backups\.$"):
        load({}, {"PUQ_BACKUPS_COLOUR": "red"})


def test_load_refuses_an_unknown_name_in_the_environment() -> None:
    with pytest.raises(SettingError, match=r"of puq-backups; did you mean PUQ_BACKUPS_CATCH_UP\?$"):
        loaded({"PUQ_BACKUPS_CATCHUP": "3h"})


WRONG: list[tuple[str, Any]] = [
    ("KEYS", []),
    ("KEYS", ""),
    ("KEYS", ["not a key"]),
    ("KEYS", [KEY, KEY[:-2]]),
    ("KEYS", ["ключ"]),
    ("KEYS", 5),
    ("REDIS_URL", "http://127.0.0.1"),
    ("REDIS_URL", ""),
    ("REDIS_URL", "redis://["),
    ("REDIS_URL", "redis://127.0.0.1:many/0"),
    ("QUEUE", " "),
    ("TIMEZONE", "Mars/Olympus"),
    ("TIMEZONE", "Europe"),
    ("TIMEZONE", ""),
    ("TIMEZONE", "../etc/passwd"),
    ("URL_PREFIX", "services/<service_id>/backups"),
    ("URL_PREFIX", "/services/backups"),
    ("URL_PREFIX", "/<client_id>/<service_id>/backups"),
    ("URL_PREFIX", "/<path:service_id>/backups"),
    ("ADMIN_URL_PREFIX", "admin"),
    ("ADMIN_URL_PREFIX", "/admin/<service_id>/backups"),
    ("OPERATIONS_URL_PREFIX", "health"),
    ("OPERATIONS_URL_PREFIX", "/<service_id>"),
    ("MAIL_FROM", "Backups"),
    ("MAIL_FROM", "Backups <backups>"),
    ("STAFF_EMAIL", "staff"),
    ("STAFF_EMAIL", "Staff <staff@example.org>"),
    ("STAFF_EMAIL", "a@example.org, b@example.org"),
    ("CA_FILE", "/nowhere/ca.pem"),
    ("CONNECT_TIMEOUT", 0),
    ("READ_TIMEOUT", "0s"),
    ("POLL", timedelta(0)),
    ("SETTLE", 0),
    ("POLL", "soon"),
    ("POLL", -1),
    ("POLL", "5 weeks"),
    ("POLL", float("nan")),
    ("CATCH_UP", float("inf")),
    ("CATCH_UP", True),
    ("CATCH_UP", ""),
    ("RETRY_DELAYS", "5m,often"),
    ("RETRY_DELAYS", "5m,,15m"),
    ("RETRY_DELAYS", 5),
    ("MANUAL_COUNTS_AS_TODAYS", "perhaps"),
    ("PER_NODE", 0),
    ("PER_NODE", "many"),
    ("PER_NODE", True),
    ("PER_NODE", 1.5),
    ("PER_STORAGE", -1),
    ("SAFETY_COPY", "sometimes"),
    ("SAFETY_COPY", True),
    ("SAFETY_COPY_DAYS", 0),
    ("SMTP_URL", "mail.example.org"),
    ("SMTP_URL", "smtp://"),
    ("SMTP_URL", "smtp://mail.example.org:post"),
    ("SMTP_URL", "smtp://["),
    ("HOOKS", 7),
    ("RATE_LIMITS", "create"),
    ("RATE_LIMITS", "create often"),
    ("RATE_LIMITS", "shout 3/minute"),
    ("CSP", "default-src 'self'\r\nX-Evil: 1"),
]


@pytest.mark.parametrize(("name", "value"), WRONG, ids=[f"{name}-{value!r:.30}" for name, value in WRONG])
def test_load_refuses_a_wrong_value_in_a_sentence_that_names_the_setting(name: str, value: Any) -> None:
    others = {"MAIL_FROM": "backups@example.org"} if name == "SMTP_URL" else {}

    with pytest.raises(SettingError, match=rf"^PUQ_BACKUPS_{name}\b.*\.$"):
        loaded(**{**others, name: value})


def test_load_refuses_mails_without_a_sender() -> None:
    with pytest.raises(SettingError, match=r"^PUQ_BACKUPS_MAIL_FROM is needed with PUQ_BACKUPS_SMTP_URL\.$"):
        loaded(SMTP_URL="smtp://127.0.0.1:25")


@pytest.mark.flow
def test_load_says_how_a_missing_key_is_made() -> None:
    with pytest.raises(SettingError) as caught:
        load({}, {})

    command = re.search(r"`(flask [^`]+)` makes one", str(caught.value))
    assert command
    words = [sys.executable, "-m", *command[1].split()]
    run = subprocess.run(words, capture_output=True, text=True, check=True)
    assert loaded(KEYS=run.stdout).keys == (run.stdout.strip(),)


def test_load_takes_a_key_as_it_is_made() -> None:
    assert loaded(KEYS=[KEY.encode()]).keys == (KEY,)


def test_load_says_no_secret() -> None:
    with pytest.raises(SettingError) as caught:
        loaded(KEYS=["hunter2", KEY])

    assert "hunter2" not in str(caught.value)
    assert KEY not in str(caught.value)


def test_settings_show_no_secret() -> None:
    settings = loaded(
        SMTP_URL="smtp://u:hunter2@127.0.0.1", MAIL_FROM="a@example.org", REDIS_URL="redis://:hunter2@127.0.0.1/0"
    )

    assert "hunter2" not in repr(settings)
    assert KEY not in repr(settings)


def test_load_takes_a_ca_file_that_is_there(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    path.write_text("")

    assert loaded(CA_FILE=path).ca_file == str(path)
