"""Type checkers of host applications: a misspelt method or a wrong use of an answer is found."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from typing import get_args

import pytest

import puq_backups
from puq_backups.hook_registry.registry import Hooks
from puq_backups.whmcs import answers, callers

HEAD = """
from email.message import EmailMessage
from typing import Any

from puq_backups import (
    SYSTEM, Actor, Backups, Host, HostService, HostWithEmail, HostWithReinstall, HostWithServiceParams,
    HostWithSignIn, Refused, SettingError, __version__, hook, include_name, module_function,
)

backups = Backups()


class Needed:
    def current_actor(self) -> Actor | None:
        return SYSTEM

    def service_url(self, service_id: str) -> str:
        return f"/{service_id}"
"""
GOOD = """
class Billing(Needed, HostWithEmail, HostWithReinstall, HostWithServiceParams, HostWithSignIn):
    def send_email(self, email: EmailMessage) -> None: ...
    def reinstall(self, service: HostService) -> None:
        raise Refused(f"not VM {service.vmid + 1} of {service.client_id.title()}")
    def service_params(self, service_id: str) -> dict[str, Any]:
        return {}
    def unauthorized(self) -> str:
        return "sign in"

@module_function
def Greet() -> str:
    return __version__

host: Host = Billing()
plain: Host = Needed()
text: str = backups.call("CreateAccount", {}).upper()
loaded: dict[str, str] | str = backups.call("LoadStorages", {})
names: list[str] = list(backups.call("AdminCustomButtonArray", {}))
works: bool = backups.call("TestConnection", {})["success"]
own: int = backups.call("MyOwnFunction", {})
"""
FAULTS = {
    "class Billing(Needed, HostWithEmail):\n    def send_mail(self, email: EmailMessage) -> None: ...\nBilling()": (
        'Cannot instantiate abstract class "Billing" with abstract attribute "send_email"'
    ),
    "class Billing(Needed, HostWithSignIn):\n    def unauthorised(self) -> str: ...\nBilling()": (
        'Cannot instantiate abstract class "Billing" with abstract attribute "unauthorized"'
    ),
    "class Billing(Needed, HostWithReinstall):\n    def reinstall(self) -> None: ...": (
        'Signature of "reinstall" incompatible with supertype'
    ),
    "class Billing:\n    def current_actor(self) -> Actor | None: ...\nhost: Host = Billing()": (
        '"Billing" is missing following "Host" protocol member'
    ),
    'backups.call("CreateAccount", {})["error"] + 1': "Unsupported operand types",
    'backups.call("TestConnection", {})["sucess"]': 'TypedDict "Connection" has no key "sucess"',
    'backups.call("CreateAccount", {}, actor="alice")': "No overload variant",
}


def mypy(folder: Path, sources: dict[str, str]) -> str:
    """What mypy says of these files, in one run."""
    for name, source in sources.items():
        (folder / f"{name}.py").write_text(HEAD + source)
    command = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "--config-file", "", "."]
    # An editable installation is not seen by mypy.
    env = {**os.environ, "MYPYPATH": str(Path(puq_backups.__file__).parents[1])}
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False).stdout


@pytest.mark.slow
def test_mypy_finds_each_fault_of_a_host_and_none_in_a_good_one(tmp_path: Path) -> None:
    sources = {f"fault{number}": source for number, source in enumerate(FAULTS)}
    said = mypy(tmp_path, {"good": GOOD, **sources})

    assert "good.py" not in said, said
    for number, expected in enumerate(FAULTS.values()):
        lines = [line for line in said.splitlines() if line.startswith(f"fault{number}.py")]
        assert any(expected in line for line in lines), (expected, said)


def test_package_says_that_it_has_types() -> None:
    assert (files("puq_backups") / "py.typed").is_file()


def test_each_function_has_its_type() -> None:
    hooks = Hooks()
    hooks.load_package("puq_backups.hooks")
    accepted, texts = set(get_args(answers.Accepted)), {*get_args(answers.Texts), *get_args(answers.Loaders)}

    assert {*accepted, *texts, "TestConnection", "ClientArea", "ConfigOptions", "MetaData"} == set(hooks.functions)
    assert accepted == {*callers.LIFECYCLE, *callers.CLIENT_PERMISSIONS} - {"ClientArea"}
