"""Functions that describe the module: MetaData, ConfigOptions, buttons, ClientArea, TestConnection."""

from __future__ import annotations

import re
from typing import Any

import pytest
from support import world as worlds
from support.world import ALICE

from puq_backups.rules.package import OPTIONS

from .function_names import OWNERS, SECRET


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
    "not a host": ({"serverhostname": "http://x/y"}, "serverhostname: .* is no host name or address"),
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
