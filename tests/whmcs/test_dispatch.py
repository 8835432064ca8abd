"""The module functions as the host calls them: what they answer, to whom, and that none raises."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import pytest
from support import world as worlds
from support.world import ALICE, BOB, CHARLIE, STAFF

from puq_backups import Actor, Refused
from puq_backups.rules.package import OPTIONS
from puq_backups.simulator import Simulator

DICTS = {
    "MetaData", "ConfigOptions", "TestConnection", "ClientArea", "ClientAreaCustomButtonArray",
    "ClientAreaAllowedFunctions", "AdminCustomButtonArray", "AdminServicesTabFields",
}  # fmt: skip
LOADERS = ("LoadStorages", "LoadDiskStorages", "LoadBridges", "LoadTemplates")
"""A dict of choices, or a text that says why not."""

LIFECYCLE = ("CreateAccount", "SuspendAccount", "UnsuspendAccount", "TerminateAccount", "ChangePackage")
OWNERS = (
    "BackupNow", "SaveSchedule", "RestoreBackup", "RemoveBackup", "RetryRestore", "BackToBefore", "Reinstall",
    "CancelOperation", "EditNote", "KeepBackup", "UndoRemove", "DeleteBackup", "ReleaseBackup",
)  # fmt: skip
FUNCTIONS = sorted({*DICTS, *LOADERS, *LIFECYCLE, *OWNERS})
NOT_ALLOWED = "Your account does not have the right to do this."
SECRET = "5d0c9a1e-0000-4000-8000-999999999999"


@pytest.fixture
def world(proxmox: Simulator, database_url: str, redis_url: str) -> Iterator[worlds.World]:
    """Alice's service is registered, and Proxmox's log of requests is empty."""
    found = worlds.make(proxmox, database_url, redis_url)
    found.register()
    proxmox._seen.clear()
    yield found
    found.context.database.engine.dispose()


def columns(row: Any) -> dict[str, Any]:
    """A row's values by their columns."""
    return {name: value for name, value in vars(row).items() if not name.startswith("_")}


def test_every_function_is_known_here(world: worlds.World) -> None:
    assert sorted(world.backups.hooks.functions) == FUNCTIONS


ODD: list[Any] = [
    {}, None, [], "text", 7, {"serviceid": None}, {"serviceid": []}, {"serviceid": {}}, {"serviceid": b"1"},
    {"serviceid": "x" * 65}, {"serviceid": "a\x00b"}, {"serviceid": "nobody's"}, {"serviceid": 10**80},
    {"serviceid": 1, "customfields": None, "configoptions": None, "clientsdetails": None, "serverport": "x"},
    {"serviceid": 1, "customfields": ["vmid"], "configoptions": "Backups", "clientsdetails": 7, "userid": ["alice"]},
    {"serviceid": 1, "serverhostname": ["a"], "serverport": "²", "serverpassword": {"a": 1}, "serverusername": 7},
    {"serviceid": 1, "serverhostname": "127.0.0.1", "serverpassword": "\x00", "customfields": {"vmid": "²³¹"}},
    {"serviceid": 1, "backup_id": "\x00", "operation_id": None, "kept": "1", "note": "n" * 300},
    {"serviceid": 1, "backup_id": ["b"], "operation_id": {"o": 1}, "kept": [], "note": b"n", "confirm": 7.5},
    {"serviceid": 1, "day_0": [], "time_0": {}, "timezone": 7}, {"serviceid": 1, 5: 5, None: None},
    {"serviceid": 1, "configoption1": [3], "configoption2": {}, "configoption9": "inf", "domain": "\x00"},
]  # fmt: skip
ACTORS = (None, Actor(), ALICE, BOB, STAFF, Actor(client_id="alice", permissions=frozenset()))


@pytest.mark.slow
def test_whatever_it_is_given_no_function_raises_and_each_keeps_its_shape(world: worlds.World) -> None:
    for params, world.host.actor, name in product(ODD, ACTORS, FUNCTIONS):
        answer = world.backups.call(name, params)

        assert isinstance(answer, dict if name in DICTS else str), (name, params)
        assert "Something went wrong on our side" not in str(answer), (name, params)
    assert world.proxmox.requests() == []


def test_without_params_nothing_is_accepted(world: worlds.World) -> None:
    for world.host.actor, name in product(ACTORS, FUNCTIONS):
        assert world.backups.call(name, {}) != "success", name


def test_each_function_has_whmcs_own_shape(world: worlds.World) -> None:
    """For staff, with good params: the dicts that WHMCS reads, and their keys."""
    world.host.actor = STAFF
    answers = {name: world.backups.call(name, world.params()) for name in sorted(DICTS)}

    assert answers["MetaData"].keys() == {"DisplayName", "APIVersion", "RequiresServer", "DefaultSSLPort"}
    assert answers["TestConnection"] == {"success": True, "error": ""}
    assert answers["ClientArea"].keys() == {"templatefile", "vars"}
    for name in ("ClientAreaCustomButtonArray", "ClientAreaAllowedFunctions", "AdminCustomButtonArray"):
        assert {type(one) for one in [*answers[name], *answers[name].values()]} == {str}
    assert {type(one) for one in answers["AdminServicesTabFields"].values()} == {str}
    for option in answers["ConfigOptions"].values():
        assert option.keys() >= {"FriendlyName", "Type", "Default", "Description"}
        assert ("Options" in option) == (option["Type"] == "dropdown") == ("Size" not in option)
    assert len(answers["ConfigOptions"]) == 24


def test_host_that_asks_its_request_has_no_actor_in_a_job(world: worlds.World) -> None:
    def outside() -> Actor | None:
        raise RuntimeError("Working outside of request context.")

    world.host.current_actor = outside  # type: ignore[method-assign]  # as Flask's session does
    assert world.backups.call("ChangePackage", world.params(backups=9)) == "success"
    assert world.service().quota == 9


def test_calls_are_logged_without_their_secrets(world: worlds.World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="puq_backups.whmcs.dispatch")
    secret = world.params()["serverpassword"]
    more = {
        "customfields": {"vmid": 100, "root password": "hunter22"},
        "note": f"my key is {secret}",
        "csrf_token": "t",
    }

    assert world.backups.call("ChangePackage", world.params() | more) == "success"
    world.backups.call("SuspendAccount", {"serviceid": "nobody", "password": "hunter22"})
    world.backups.hooks.add("PreModuleCustom", lambda params: 1 / len(params["serverpassword"][:0]))
    world.backups.call("BackupNow", world.params() | more)

    told = [record.getMessage() for record in caplog.records if record.name == "puq_backups.whmcs.dispatch"]
    assert re.match(
        r"ChangePackage\(\{'serviceid': '1', 'userid': 'alice', .*\) in \d+\.\d{3} s: 'success'$", told[0]
    )
    assert "'serverpassword': '***'" in told[0]
    assert "'note': 'my key is ***'" in told[0]
    assert re.search(r"SuspendAccount\(.*\) in .* s: The service nobody is not registered", told[1])
    assert "ZeroDivisionError" in caplog.text
    for text in (secret, "hunter22"):
        assert text not in caplog.text


def test_secret_in_an_error_is_not_answered(world: worlds.World, caplog: pytest.LogCaptureFixture) -> None:
    def telling(params: dict[str, Any]) -> None:
        raise Refused(f"no {params['serverpassword']}") if world.extra else ValueError(params["serverpassword"])

    world.backups.hooks.add("PreModuleChangePackage", telling)
    secret = world.params()["serverpassword"]

    assert "the log has the details" in world.backups.call("ChangePackage", world.params())
    world.extra["known"] = True
    assert world.backups.call("ChangePackage", world.params()) == "no ***"
    assert "ValueError: ***" in caplog.text
    assert secret not in caplog.text


def test_call_of_an_unknown_function_is_a_lookup_error(world: worlds.World) -> None:
    for name in ("Destroy", "", "page", "__class__"):
        with pytest.raises(LookupError, match="no module function"):
            world.backups.call(name, {})


def test_life_of_a_service_is_the_hosts_to_call_in_a_clients_request_too(world: worlds.World) -> None:
    world.host.actor = ALICE

    for name in LIFECYCLE:
        assert world.backups.call(name, world.params(backups=9)) == "success"


def test_functions_of_staff_tell_a_client_nothing(world: worlds.World) -> None:
    for world.host.actor in (ALICE, BOB, CHARLIE):
        assert world.call("AdminServicesTabFields") == {}
    assert world.backups.call("AdminCustomButtonArray", {}, actor=ALICE) == {}
    assert world.proxmox.requests() == []

    world.host.actor = STAFF
    assert world.call("AdminServicesTabFields") == {
        "Backups": "0/3", "Virtual machine": "100 on pve1, running", "Service": "active", "Lock": "none",
        "Next backup": "none", "Last operation": "none",
    }  # fmt: skip
    assert world.call("AdminCustomButtonArray") == {"Backup now": "BackupNow"}


def test_call_for_somebody_else_is_done_as_that_actor(world: worlds.World) -> None:
    world.host.actor = ALICE
    shop = Actor(is_staff=True, name="shop")

    assert world.backups.call("ChangePackage", world.params(backups=9), actor=shop) == "success"
    assert world.backups.call("BackupNow", {"serviceid": 1}, actor=BOB) == "There is nothing here."

    assert world.service().quota == 9


def test_function_on_anothers_service_finds_nothing(world: worlds.World) -> None:
    for world.host.actor, name in product((BOB, CHARLIE), OWNERS):
        assert world.call(name, confirm="web100") == "There is nothing here."

    assert world.operations() == []
    assert world.proxmox.requests() == []


def test_client_area_of_anothers_service_is_an_error_page(world: worlds.World) -> None:
    world.host.actor = BOB

    assert world.call("ClientArea") == {
        "templatefile": "puq_backups/client/error.html", "vars": {"usefulErrorHelper": "There is nothing here."},
    }  # fmt: skip


def test_client_area_gives_the_template_and_its_variables(world: worlds.World) -> None:
    world.host.actor = ALICE
    area = world.call("ClientArea")

    assert area["templatefile"] == "puq_backups/client/backups.html"
    assert (area["vars"]["quota"]["used"], area["vars"]["quota"]["limit"]) == (0, 3)
    assert world.proxmox.requests() == []


def test_buttons_name_functions_that_exist(world: worlds.World) -> None:
    for name in ("ClientAreaCustomButtonArray", "ClientAreaAllowedFunctions", "AdminCustomButtonArray"):
        offered = world.backups.call(name, {})
        assert offered
        assert set(offered.values()) <= set(OWNERS)


def test_config_options_stand_in_their_order(world: worlds.World) -> None:
    assert list(world.backups.call("ConfigOptions", {})) == [title for title, _ in OPTIONS]


def test_meta_data_names_the_port(world: worlds.World) -> None:
    assert world.backups.call("MetaData", {})["DefaultSSLPort"] == "8006"


def test_connection_is_good(world: worlds.World) -> None:
    assert world.backups.call("TestConnection", world.params()) == {"success": True, "error": ""}


WRONG_SERVERS = {
    "unreachable": ({"serverport": 1}, r"Proxmox cannot be reached at 127\.0\.0\.1: .*refused"),
    "wrong token": ({"serverpassword": SECRET}, "Proxmox refused the API token: "),
    "no such token": ({"serverusername": "panel@pve!other"}, "Proxmox refused the API token: "),
    "not a token": ({"serverusername": "root@pam"}, r"must look like user@realm!name\."),
    "wrong fingerprint": ({"serveraccesshash": "AB:" * 31 + "AB"}, "fingerprint"),
    "not a fingerprint": ({"serveraccesshash": "AB:CD"}, "SHA-256"),
    "no fingerprint": ({"serveraccesshash": ""}, "certificate"),
    "no host": ({"serverhostname": ""}, "serverhostname is missing"),
    "not a host": ({"serverhostname": "http://x/y"}, "not a host name"),
    "port": ({"serverport": "80a"}, "serverport must be a number from 1 to 65535"),
}


def test_server_that_cannot_be_used_is_told_in_a_sentence(
    world: worlds.World, caplog: pytest.LogCaptureFixture
) -> None:
    for wrong, said in WRONG_SERVERS.values():
        answers = try_server(world, wrong)

        assert set(answers[0]) == {"success", "error"}
        assert answers[0]["success"] is False
        for text in (answers[0]["error"], answers[1]):
            assert re.search(said, text), text
        told = f"{caplog.text} {answers}"
        assert "Traceback" not in told
        assert SECRET not in told
        assert world.params()["serverpassword"] not in told


def try_server(world: worlds.World, wrong: dict[str, Any]) -> tuple[dict[str, Any], str]:
    params = world.params("5", 103, "eve", storage="nfs") | wrong

    return world.backups.call("TestConnection", params), world.backups.call("CreateAccount", params)


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


def test_unsuspend_of_a_vm_that_went_to_another_service_is_refused(world: worlds.World) -> None:
    world.call("TerminateAccount")
    world.register("2", 100, "bob")

    assert world.call("UnsuspendAccount") == "The virtual machine belongs to another service by now."
    assert world.service().status == "terminated"


NO_DICTS = [True, "abort", ["abortcmd"], 7]


def answering(odd: Any) -> Callable[[], Any]:
    return lambda: odd


@pytest.mark.parametrize("point", ["PreModuleCreate", "PreBackup", "ClientAreaPage", "PreRestore"])
def test_hook_that_answers_no_dict_is_logged_and_stops_nothing(
    world: worlds.World, point: str, caplog: pytest.LogCaptureFixture
) -> None:
    for odd in NO_DICTS:
        world.backups.hooks.add(point, answering(odd))

    world.register()
    backup = world.back_up()
    assert world.backups.call("ClientArea", {"serviceid": 1}, actor=ALICE)["vars"]["backups"]
    assert world.call("RestoreBackup", backup_id=backup.id, confirm="web100") == "success"
    world.drain()

    assert world.operations()[-1].state == "done"
    for odd in NO_DICTS:
        assert f"a hook at {point} answered {type(odd).__name__}" in caplog.text


def test_create_account_is_stopped_and_changed_by_hooks(world: worlds.World) -> None:
    world.backups.hooks.add("PreModuleCreate", lambda params: {"userid": f"new-{params['userid']}"})
    world.register()
    assert world.service().client_id == "new-alice"

    world.backups.hooks.add("PreModuleCreate", lambda: {"abortcmd": True, "reason": "Not in August."})
    assert world.backups.call("CreateAccount", world.params()) == "Not in August."


def test_hook_that_raises_stops_create_account_without_telling_why(
    world: worlds.World, caplog: pytest.LogCaptureFixture
) -> None:
    def failing() -> None:
        raise ValueError("the host's own fault")

    world.backups.hooks.add("PreModuleCreate", failing)

    answer = world.backups.call("CreateAccount", world.params("2", 101, "bob", storage="nfs"))

    assert "the log has the details" in answer
    assert "own fault" not in answer
    assert "own fault" in caplog.text


def test_reinstall_clicked_twice_calls_the_host_once(world: worlds.World) -> None:
    answers: list[str] = []

    def reinstall(service: Any) -> None:
        # The second click comes while the host is at work.
        answers.append(world.call("Reinstall", confirm="REINSTALL"))
        with pytest.raises(Refused), world.backups.vm_action(service.id):
            pass

    world.host.reinstall = reinstall  # type: ignore[attr-defined]  # optional in a host
    with world.context.database.begin() as session:
        session.get_one(worlds.Service, "1").restore_failed = "o"

    assert world.call("Reinstall", confirm="REINSTALL") == "success"
    assert answers == ["Another action on this virtual machine is running."]
    assert world.call("Reinstall", confirm="REINSTALL") == "There is no failed restore."
    with world.backups.vm_action("1"):
        pass


def test_reinstall_that_fails_can_be_asked_for_again(world: worlds.World, caplog: pytest.LogCaptureFixture) -> None:
    def reinstall(service: Any) -> None:
        raise OSError("no template on " + service.id)

    world.host.reinstall = reinstall  # type: ignore[attr-defined]  # optional in a host
    with world.context.database.begin() as session:
        session.get_one(worlds.Service, "1").restore_failed = "o"

    for _ in range(2):
        answer = world.call("Reinstall", confirm="REINSTALL")
        assert answer == "The reinstallation failed. Please ask the provider's support."
    assert "no template on 1" in caplog.text
    assert world.service().restore_failed == "o"
