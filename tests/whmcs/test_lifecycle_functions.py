"""CreateAccount, SuspendAccount, UnsuspendAccount, TerminateAccount and ChangePackage with right and wrong params."""

from __future__ import annotations

import re
from typing import Any

import pytest
from support import world as worlds


def test_create_account_is_repeated_without_harm(world: worlds.World) -> None:
    backup = world.back_up()
    token = world.service().token

    world.register()

    assert (world.service().token, [one.id for one in world.held()]) == (token, [backup.id])


def test_create_account_of_a_vm_that_is_taken_is_refused(world: worlds.World) -> None:
    answer = world.backups.call("CreateAccount", world.params("2", 100, "bob"))

    assert answer == "The virtual machine 100 already belongs to another service."


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"customfields": {}}, "customfields.vmid"),
        ({"customfields": {"vmid": "12"}}, "customfields.vmid"),
        ({"customfields": {"vmid": 4711}}, "Proxmox has no virtual machine 4711"),
        ({"userid": ""}, "userid is missing"),
        ({"serviceid": "2026/17"}, "serviceid is part of web addresses"),
        ({"serviceid": ".."}, "serviceid is part of web addresses"),
        ({"configoption2": ""}, "Backups storage is empty"),
        ({"configoption3": "hot"}, "Backup mode must be one of snapshot, suspend, stop; it is hot."),
    ],
)
def test_create_account_with_wrong_params_says_which(world: worlds.World, wrong: dict[str, Any], said: str) -> None:
    answer = world.backups.call("CreateAccount", world.params("2", 101, "bob") | wrong)

    assert said in answer


STATUSES = {"SuspendAccount": "suspended", "UnsuspendAccount": "active", "TerminateAccount": "terminated"}


@pytest.mark.parametrize("wrong", [{"configoption5": "many"}, {"serverport": "x"}, {"configoption3": "hot"}])
def test_status_is_taken_whatever_is_wrong_with_the_package(
    world: worlds.World, wrong: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    package = world.service().package
    for name, status in STATUSES.items():
        caplog.clear()
        assert world.backups.call(name, world.params() | wrong) == "success"

        assert (world.service().status, world.service().package) == (status, package)
        assert re.search("what was known before stays|stays as it was", caplog.text)
        assert world.params()["serverpassword"] not in caplog.text


def test_change_package_with_a_wrong_setting_is_named_and_changes_nothing(world: worlds.World) -> None:
    answer = world.backups.call("ChangePackage", world.params(backups=9, cores="many"))

    assert answer == "CPU cores must be a number from 0 to 4096; it is many."
    assert world.service().quota == 3


@pytest.mark.flow
def test_unsuspend_of_a_vm_that_went_to_another_service_is_refused(world: worlds.World) -> None:
    world.call("TerminateAccount")
    world.register("2", 100, "bob")

    assert world.call("UnsuspendAccount") == "The virtual machine belongs to another service by now."
    assert world.service().status == "terminated"
