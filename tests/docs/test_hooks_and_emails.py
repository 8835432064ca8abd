"""docs/hooks.md and docs/emails.md have each hook point, mail and merge field, and no others."""

from __future__ import annotations

import inspect
import re
from importlib.resources import files
from pathlib import Path
from types import ModuleType

import pytest

from puq_backups.hook_registry.registry import Hooks
from puq_backups.mail import outbox
from puq_backups.mail.filters import FILTERS, TESTS
from puq_backups.mail.merge_fields import COMMON_FIELDS, HOST_FIELDS, SPECIFIC_FIELDS

from .docs_pages import POINTS, loaded, page, rows


@pytest.mark.parametrize("point", POINTS)
def test_hook_point_is_written_down_with_its_arguments(point: str) -> None:
    when, means = rows("hooks")[f"{point}({', '.join(inspect.signature(POINTS[point]).parameters)})"]

    assert len(when) > 10
    assert means.startswith(("Nothing.", "`{", "Entries", "A text"))


def test_every_hook_point_that_is_named_exists() -> None:
    named = {row.partition("(")[0] for row in rows("hooks") if "(" in row and row[0].isupper() and row[-1] == ")"}

    assert named - {*POINTS, "Restore failed "} == set()


def test_example_of_a_hook_does_what_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    example = re.findall(r"```python\n(.*?)```", page("hooks"), re.DOTALL)[0]
    module, hooks = ModuleType("example"), Hooks()
    exec(example, module.__dict__)  # noqa: S102 - our own page
    hooks.register(module)

    answers = [hooks.run("PreBackup", service_id=service, operation_id="o") for service in ("7", "8")]
    hooks.run("AfterRestore", service_id="7", operation_id="o", backup_id="b")

    assert answers == [[{"abortcmd": True, "reason": module.MAINTENANCE["7"]}], []]
    assert capsys.readouterr().out == "service 7 was restored (o)\n"


def test_mails_are_written_down_and_no_others() -> None:
    table = {name: row for name, row in rows("emails").items() if len(row) == 3 and name != "mail"}

    assert table == {
        mail.name: [f"`{mail.event}`", mail.to, f"`{mail.folder}`"] for mail in loaded().emails
    }  # fmt: skip
    folder = Path(str(files("puq_backups.templates"))) / "puq_backups" / "emails"
    assert {path.name for path in folder.iterdir() if path.is_dir()} == {mail.folder for mail in loaded().emails}


def test_merge_fields_are_written_down_and_no_others() -> None:
    table = {name: row for name, row in rows("emails").items() if len(row) == 2 and name != "field"}

    own = {field.name: [mail.name for mail in loaded().emails if field.name in mail.own] for field in SPECIFIC_FIELDS}
    assert table == {
        **{field.name: [field.label, field.kind] for field in (*COMMON_FIELDS, *HOST_FIELDS)},
        **{field.name: [field.label, ", ".join(own[field.name])] for field in SPECIFIC_FIELDS},
    }


def test_what_a_text_of_staff_may_do_is_written_down() -> None:
    said = page("emails").partition("a small part of Jinja")[2].partition("## Merge fields")[0]

    assert {*FILTERS, *TESTS} <= set(re.findall(r"`(\w+)`", said))


def test_states_of_the_outbox_are_written_down() -> None:
    states = page("emails").partition("## The outbox")[2].partition("- A mail")[0]

    assert re.findall(r"^\| `(\w+)`", states, re.MULTILINE) == list(outbox.STATES)
