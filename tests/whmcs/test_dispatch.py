"""Calls of module functions by name: who may call which, the form of the answer, and that none raises."""

from __future__ import annotations

import re
from itertools import product
from typing import Any

import pytest
from support import world as worlds
from support.world import ALICE, BOB, CHARLIE, STAFF

from puq_backups import Actor, Refused

from .function_names import ACTORS, DICTS, FUNCTIONS, LIFECYCLE, ODD_PARAMS, OWNERS


def test_every_function_is_known_here(world: worlds.World) -> None:
    assert sorted(world.backups.hooks.functions) == FUNCTIONS


@pytest.mark.slow
def test_whatever_it_is_given_no_function_raises_and_each_keeps_its_shape(world: worlds.World) -> None:
    for params, world.host.actor, name in product(ODD_PARAMS, ACTORS, FUNCTIONS):
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
    assert "'note': '***'" in told[0]
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
