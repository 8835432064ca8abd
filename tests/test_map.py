"""The map of docs/contributing.md and docs/architecture.md name the packages that exist."""

from __future__ import annotations

import re
from configparser import ConfigParser

from support.services import ROOT

MAP = ROOT / "docs" / "contributing.md"
ARCHITECTURE = ROOT / "docs" / "architecture.md"


def packages() -> set[str]:
    """The folders of all packages that setup.cfg lists."""
    config = ConfigParser()
    config.read(ROOT / "setup.cfg")
    folders = dict(line.split(" = ") for line in config["options"]["package_dir"].strip().splitlines())
    named = config["options"]["packages"].strip().splitlines()
    return {folders.get(name, name.replace(".", "/")) for name in named if not name.startswith("#")}


def mapped() -> list[str]:
    """The folders in the first column of the map."""
    text = MAP.read_text().partition("## Map")[2].partition("\n## ")[0]
    return re.findall(r"^\| `([\w/]+)/` \|", text, re.MULTILINE)


def test_map_names_each_package_exactly_once() -> None:
    assert sorted(mapped()) == sorted(packages())


def test_no_more_than_ten_files_stand_loose() -> None:
    assert len(list((ROOT / "puq_backups").glob("*.py"))) <= 10


def test_map_says_what_each_package_is_for() -> None:
    text = MAP.read_text()

    for folder in mapped():
        [subject] = re.findall(rf"^\| `{folder}/` \| (.+) \|$", text, re.MULTILINE)
        assert len(subject) > 20, folder


def test_files_named_by_the_map_exist() -> None:
    text = MAP.read_text().partition("## Map")[2].partition("\n## ")[0]

    for folder, line in re.findall(r"^\| `([\w/]+)/` \| (.+)$", text, re.MULTILINE):
        for name in re.findall(r"`([\w/]+(?:\.py|/))`", line):
            assert (ROOT / folder / name).exists() or (ROOT / name).exists(), (folder, name)


def test_architecture_has_a_diagram_of_each_path() -> None:
    sections = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", ARCHITECTURE.read_text(), re.MULTILINE | re.DOTALL))

    drawn = [title for title, text in sections.items() if "```mermaid" in text]
    assert drawn == ["Floors", "A click: Backup now", "A tick", "A restore", "A mail"]


def test_files_and_packages_named_by_the_architecture_exist() -> None:
    text = ARCHITECTURE.read_text()
    named = set(re.findall(r"(?<![\w/.])((?:\w+/)*\w+\.py|[a-z_]+/(?=`))", text))

    assert len(named) > 15
    for name in named:
        assert (ROOT / name).exists() or (ROOT / "puq_backups" / name).exists(), name


def test_floors_are_those_of_the_contract() -> None:
    config = ConfigParser()
    config.read(ROOT / "setup.cfg")
    layers = re.findall(r"\w+", config["importlinter:contract:floors"]["layers"])
    floors = ARCHITECTURE.read_text().partition("## Floors")[2].partition("\n## ")[0]

    assert [layer for layer in layers if not re.search(rf"\b{layer}\b", floors)] == []


def test_each_helper_of_tests_is_described() -> None:
    folder = ROOT / "tests" / "support"
    described = re.findall(r"^\| `(\w+\.py)` \|", (folder / "README.md").read_text(), re.MULTILINE)

    assert sorted(described) == sorted(path.name for path in folder.glob("*.py") if not path.name.startswith("test_"))
