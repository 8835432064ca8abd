"""A VM's firewall, as pve-firewall's `API2/Firewall/VM.pm` and `Rules.pm` keep it."""

import hashlib

PATH = "/nodes/pve1/qemu/100/firewall"
MODIFIED = "detected modified configuration - file changed by other user? Try again."


def sha1(content):
    return hashlib.sha1(content, usedforsecurity=False).hexdigest()


def test_options(proxmox, api):
    """set_options, copy_opject_with_digest"""
    api.data("PUT", f"{PATH}/options", enable=1, policy_in="DROP")
    found = api.data("GET", f"{PATH}/options")
    assert found["digest"] == sha1(b"enable:1\npolicy_in:DROP\n")
    assert api.ask("PUT", f"{PATH}/options", enable=0, digest="x").reason == MODIFIED
    refused = api.ask("PUT", f"{PATH}/options", delete="colour")
    assert refused.json()["errors"] == {"delete": "no such option 'colour'"}
    api.data("PUT", f"{PATH}/options", delete="enable,policy_in", digest=found["digest"])
    nothing = {"digest": sha1(b"")}
    assert api.data("GET", f"{PATH}/options") == nothing
    assert api.data("GET", "/nodes/pve1/qemu/999/firewall/options") == nothing


def test_rules(proxmox, api):
    """create_rule puts a rule on top, wherever it is to be; delete_rule guards by the digest."""
    proxmox.vm(100).firewall_rules.clear()
    api.data("POST", f"{PATH}/rules", type="in", action="ACCEPT", enable=1)
    api.data("POST", f"{PATH}/rules", type="in", action="DROP", pos=1)
    first, second = api.data("GET", f"{PATH}/rules")
    assert (first["action"], first["enable"], second["action"]) == ("DROP", 0, "ACCEPT")
    assert api.ask("DELETE", f"{PATH}/rules/0", digest="x").reason == MODIFIED
    api.data("DELETE", f"{PATH}/rules/0", digest=first["digest"])
    assert api.ask("DELETE", f"{PATH}/rules/1").reason == "no rule at position 1"
