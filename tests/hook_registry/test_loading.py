"""Loading hooks: our package, modules of the host, installed packages."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.bare_host import mount

from puq_backups import hook
from puq_backups.errors import HookError
from puq_backups.hook_registry.registry import Hooks

Writer = Callable[[dict[str, str]], str]


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Writer]:
    """Write a host's package of hooks from file names and their text: its name."""
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    start = "from puq_backups.hook_registry.decorators import email_template, hook, module_function, page_function\n"

    def write(files: dict[str, str]) -> str:
        (tmp_path / "hostshooks").mkdir()
        for name, text in {"__init__.py": "", **files}.items():
            (tmp_path / "hostshooks" / name).write_text(start + text)
        return "hostshooks"

    yield write
    for name in set(sys.modules) - before:
        if name.startswith("hostshooks"):
            del sys.modules[name]


def test_load_package_registers_what_each_file_marks(package: Writer) -> None:
    name = package({
        "billing.py": "@hook('AfterBackup', 5)\n@hook('AfterRemove')\ndef told(backup_id):\n  return backup_id\n",
        "mails.py": "@email_template('Hi', event='x.done', folder='hi', to='staff')\ndef hi():\n  return {'a': 1}\n",
        "more.py": "@module_function\ndef Ping():\n  return 'pong'\n",
    })  # fmt: skip
    hooks = Hooks()

    hooks.load_package(name)

    assert hooks.run("AfterBackup", backup_id="b") == hooks.run("AfterRemove", backup_id="b") == ["b"]
    assert hooks.functions["Ping"]() == "pong"
    [mail] = hooks.emails
    assert (mail.name, mail.event, mail.folder, mail.to) == ("Hi", "x.done", "hi", "staff")
    assert mail.fields() == {"a": 1}


def test_load_package_leaves_out_files_with_an_underscore(package: Writer) -> None:
    name = package({
        "_off.py": "@hook('AfterBackup')\ndef told():\n  return 'off'\nraise RuntimeError('was loaded')\n",
        "on.py": "@hook('AfterBackup')\ndef told():\n  return 'on'\n",
    })  # fmt: skip
    hooks = Hooks()

    hooks.load_package(name)

    assert hooks.run("AfterBackup") == ["on"]


def test_load_package_takes_a_single_module(package: Writer) -> None:
    name = package({"on.py": "@hook('AfterBackup')\ndef told():\n  return 'on'\n"})
    hooks = Hooks()

    hooks.load_package(f"{name}.on")

    assert hooks.run("AfterBackup") == ["on"]


def test_load_package_registers_a_function_once_however_often_it_is_named(package: Writer) -> None:
    """A function that another file imports, and a module that is listed beside its package, run once."""
    name = package({
        "a.py": "@hook('AfterBackup')\ndef told():\n  return 'a'\n",
        "b.py": "from hostshooks.a import told\n",
    })  # fmt: skip
    hooks = Hooks()

    hooks.load_package(name)
    hooks.load_package(f"{name}.a")

    assert hooks.run("AfterBackup") == ["a"]


def test_load_package_refuses_a_wrong_hook_by_its_name(package: Writer) -> None:
    name = package({"on.py": "@hook('AfterBakup')\ndef told():\n  return 'on'\n"})

    with pytest.raises(HookError, match=r"no hook point AfterBakup \(hostshooks\.on\.told\)"):
        Hooks().load_package(name)


def test_init_app_names_the_setting_when_a_module_of_hooks_is_not_there(sqlite_url: str) -> None:
    with pytest.raises(HookError, match=r"^PUQ_BACKUPS_HOOKS names billing\.nothing, and there is no such module\.$"):
        mount(sqlite_url, hooks=["billing.nothing"])


def test_load_package_shows_what_a_host_file_fails_to_import(package: Writer) -> None:
    name = package({"on.py": "import a_module_that_the_host_forgot\n"})

    with pytest.raises(ModuleNotFoundError, match="a_module_that_the_host_forgot"):
        Hooks().load_package(name)


def test_module_function_that_asks_for_something_else_is_refused(package: Writer) -> None:
    name = package({"on.py": "@module_function\ndef Ping(param):\n  return 'pong'\n"})

    with pytest.raises(HookError, match="Ping asks for param, which a module function is not given; it gives: actor"):
        Hooks().load_package(name)


def test_function_that_only_shows_a_page_is_marked_until_another_takes_its_name(package: Writer) -> None:
    name = package({
        "a.py": "@page_function\ndef Chart():\n  return {}\n@page_function\ndef Usage():\n  return {}\n",
        "b.py": "@module_function\ndef Chart():\n  return 'success'\n",
    })  # fmt: skip
    hooks = Hooks()

    hooks.load_package(name)

    assert (hooks.pages, hooks.functions["Chart"]()) == ({"Usage"}, "success")


@pytest.fixture
def installed(package: Writer, tmp_path: Path) -> Callable[[str], None]:
    """An installed distribution that names a module of hooks as its entry point."""

    def write(value: str) -> None:
        package({"on.py": "@hook('AfterBackup')\ndef told():\n  return 'a plugin'\n"})
        folder = tmp_path / "hosts_plugin-1.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: hosts-plugin\nVersion: 1\n")
        (folder / "entry_points.txt").write_text(f"[puq_backups.hooks]\nplugin = {value}\n")

    return write


def test_hooks_of_an_installed_package_run_before_the_hosts(
    installed: Callable[[str], None], tmp_path: Path, sqlite_url: str
) -> None:
    installed("hostshooks")
    (tmp_path / "hostshooks_own.py").write_text(
        "from puq_backups import hook\n@hook('AfterBackup')\ndef told():\n  return 'the host'\n"
    )

    _, backups = mount(sqlite_url, hooks=["hostshooks_own"], tables=False)

    assert backups.hooks.run("AfterBackup") == ["a plugin", "the host"]


def test_entry_point_that_leads_nowhere_is_named(installed: Callable[[str], None], sqlite_url: str) -> None:
    installed("hostshooks_gone")

    with pytest.raises(
        HookError, match=r"^The entry point plugin names hostshooks_gone, and there is no such module"
    ):
        mount(sqlite_url, tables=False)


def test_init_app_loads_our_hooks_and_the_hosts(package: Writer, sqlite_url: str) -> None:
    name = package({"on.py": "@hook('AfterCronJob')\ndef told():\n  return 'the host'\n"})

    _, backups = mount(sqlite_url, hooks=[name])

    ours, hosts = backups.hooks.run("AfterCronJob", context=backups.context)
    assert "slots" in ours
    assert hosts == "the host"


def test_hook_leaves_the_function_as_it_is() -> None:
    @hook("AfterBackup")
    def told(backup_id: str) -> str:
        return backup_id

    assert told("b") == "b"


def test_module_of_the_host_without_a_hook_is_named(package: Writer, sqlite_url: str) -> None:
    name = package({"on.py": "def told():\n  return 'nobody marked me'\n"})

    with pytest.raises(HookError, match=rf"^PUQ_BACKUPS_HOOKS names {name}, and there is no hook in it"):
        mount(sqlite_url, hooks=[name], tables=False)
