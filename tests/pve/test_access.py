"""Access: parameters that cannot be right are named; what is secret stays so."""

from typing import Any

import pytest
import responses

from puq_backups.errors import BadInput
from puq_backups.pve.access import Access
from puq_backups.pve.permissions import permissions
from puq_backups.pve.version import version

from .answers import SECRET, good, proxmox

PRINT = ":".join(["AB"] * 32)
GOOD: dict[str, Any] = {"hosts": ("pve1",), "token_id": "root@pam!panel", "secret": SECRET}


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"hosts": ()}, "serverhostname"),
        ({"hosts": ("",)}, "serverhostname"),
        ({"hosts": ("pve1", "pve 2")}, "serverhostname"),
        ({"hosts": ("https://pve1",)}, "serverhostname"),
        ({"hosts": ("pve1:8006",)}, "serverhostname"),
        ({"hosts": ("pve1/x",)}, "serverhostname"),
        ({"hosts": ("pve1\n",), "port": 0}, "serverport"),
        ({"hosts": ("user@pve1",)}, "serverhostname"),
        ({"hosts": ("a" * 64,)}, "serverhostname"),
        ({"port": 65536}, "serverport"),
        ({"port": "8006"}, "serverport"),
        ({"token_id": "root@pam"}, "serverusername"),
        ({"token_id": "root!panel"}, "serverusername"),
        ({"token_id": "root@pam!panel=secret"}, "serverusername"),
        ({"token_id": "root@pam!pa\nnel"}, "serverusername"),
        ({"secret": ""}, "serverpassword"),
        ({"secret": "a b"}, "serverpassword"),
        ({"secret": "a\r\nX-Header: b"}, "serverpassword"),
        ({"fingerprint": "AB:CD"}, "serveraccesshash"),
        ({"fingerprint": f"{PRINT}:AB"}, "serveraccesshash"),
        ({"fingerprint": f"{PRINT},{PRINT}"}, "serveraccesshash"),
        ({"fingerprint": PRINT.replace("A", "G")}, "serveraccesshash"),
        ({"ca_file": "/nowhere/ca.pem"}, "ca_file"),
    ],
)
def test_what_cannot_be_right_is_refused_by_name(given: dict[str, Any], field: str) -> None:
    with pytest.raises(BadInput) as raised:
        Access(**GOOD | given)

    assert raised.value.field == field
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize("host", ["pve1", "pve1.example.com", "192.0.2.7", "2001:db8::7", "[2001:db8::7]"])
def test_names_and_addresses_are_hosts(host: str) -> None:
    assert Access(**GOOD | {"hosts": (f" {host} ",)}).hosts == (host,)


@pytest.mark.parametrize("token_id", ["root@pam!panel", "jane@doe.org@ldap-2!my.token_1"])
def test_token_ids_are_understood(token_id: str) -> None:
    assert Access(**GOOD | {"token_id": token_id}).token_id == token_id


@pytest.mark.parametrize("text", [PRINT, PRINT.lower(), PRINT.replace(":", "")])
def test_a_fingerprint_is_understood_in_every_spelling(text: str) -> None:
    assert Access(**GOOD | {"fingerprint": text}).fingerprint_of("pve1") == text


def test_each_host_may_have_its_own_fingerprint() -> None:
    other = PRINT.replace("A", "C")
    access = Access(**GOOD | {"hosts": ("pve1", "pve2"), "fingerprint": f"{PRINT}, {other}"})

    assert [access.fingerprint_of(host) for host in access.hosts] == [PRINT, other]


def test_one_fingerprint_serves_all_hosts() -> None:
    access = Access(**GOOD | {"hosts": ("pve1", "pve2"), "fingerprint": PRINT})

    assert [access.fingerprint_of(host) for host in access.hosts] == [PRINT, PRINT]


@pytest.mark.parametrize("text", [None, "", " "])
def test_without_a_fingerprint_a_ca_vouches(text: str | None) -> None:
    assert Access(**GOOD | {"fingerprint": text}).fingerprint_of("pve1") is None


@responses.activate
def test_the_version_is_told() -> None:
    good("GET", "version", {"release": "9.2", "version": "9.2.11"})

    assert version(proxmox()) == "9.2.11"


@responses.activate
def test_the_tokens_rights_are_told_for_a_path() -> None:
    asked = responses.matchers.query_param_matcher({"path": "/vms/100"})
    good("GET", "access/permissions", {"/vms/100": {"VM.Backup": 1}}, match=[asked])

    assert permissions(proxmox(), "/vms/100") == {"/vms/100": {"VM.Backup": 1}}
