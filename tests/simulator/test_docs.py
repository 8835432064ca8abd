"""The page in docs/ names every control with its arguments, and every served call."""

import re
from pathlib import Path

from puq_backups import simulator
from puq_backups.simulator.faults.registry import CONTROLS
from puq_backups.simulator.schema.parameters import served_calls

PAGE = (Path(__file__).parents[2] / "docs" / "simulator.md").read_text()


def rows():
    table = PAGE.split("## Conditions and faults")[1].split("\n## ")[0]
    found = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| `")]
    return {name: cells[1] for cells in found for name in re.findall(r"`([a-z-]+)`", cells[0])}


def test_docs_name_every_control():
    assert sorted(rows()) == sorted(CONTROLS)


def test_docs_name_the_arguments_of_every_control():
    for name, told in rows().items():
        needed, _, optional = told.partition("[")
        assert set(re.findall(r"[a-z-]+", needed)) == set(CONTROLS[name].needs), name
        assert set(re.findall(r"[a-z-]+", optional)) == set(CONTROLS[name].may), name


def test_docs_name_every_served_call():
    table = PAGE.split("## The calls that are served")[1].split("\n## ")[0]
    found = re.findall(r"^\| `(/\S*)` \| ([A-Z ]+) \|$", table, re.MULTILINE)
    assert sorted(f"{method} {path}" for path, methods in found for method in methods.split()) == served_calls()


def test_docs_show_what_is_printed_when_it_is_ready():
    told = PAGE.split("```console")[1].split("```")[0]
    with simulator.start() as proxmox:
        ready = proxmox.ready()
    assert all(f'"{key}":' in told for key in ready)
    assert ready["tokens"]["panel"]["secret"] in told
