# ruff: noqa: E501 - texts of Proxmox stand in one line
"""Parameters are refused as Proxmox refuses them, for every served call and from one data file."""

import pytest

from puq_backups.simulator import simulator
from puq_backups.simulator.answers import Refusal
from puq_backups.simulator.http.router import ROUTES
from puq_backups.simulator.schema import formats
from puq_backups.simulator.schema.parameters import call_schema, check, property_format, served_calls

CONFIG = "PUT /nodes/{node}/qemu/{vmid}/config"
VZDUMP = "POST /nodes/{node}/vzdump"
PATH = {"node": "pve", "vmid": "100"}


def errors(call, pve="9.2", **given):
    with pytest.raises(Refusal) as refused:
        check(call_schema(call, pve), {**PATH, **given}, pve)
    assert refused.value.status == 400
    return refused.value.errors


def test_every_route_has_its_parameters_and_every_entry_its_route():
    assert simulator.calls
    assert sorted(f"{one.method} {one.path}" for one in ROUTES) == served_calls()


@pytest.mark.parametrize("pve", ["9.2", "8.4"])
@pytest.mark.parametrize("call", served_calls())
def test_every_format_that_is_named_is_checked(call, pve):
    """A format that nobody knows would let anything pass."""
    lenient = {"pve-fw-addr-spec", "pve-fw-sport-spec", "pve-fw-dport-spec", "pve-fw-protocol-spec"}
    lenient |= {"pve-fw-icmp-type-spec", "storage-pair-list"}
    for name, param in (call_schema(call, pve) or {}).items():
        form = (param.format or "").removeprefix("=")
        known = form in formats.FORMATS or form.removesuffix("-list") in formats.FORMATS
        if form and not known and form not in lenient:
            assert property_format(form, pve), (name, form)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"cores": "many"}, {"cores": "type check ('integer') failed - got 'many'"}),
        ({"cores": "0"}, {"cores": "value must have a minimum value of 1"}),
        ({"cpulimit": "129"}, {"cpulimit": "value must have a maximum value of 128"}),
        ({"onboot": "yes"}, {"onboot": "type check ('boolean') failed - got 'yes'"}),
        ({"bios": "efi"}, {"bios": "value 'efi' does not have a value in the enumeration 'seabios, ovmf'"}),
        ({"name": "a b"}, {"name": "invalid format - value does not look like a valid DNS name\n"}),
        ({"tags": "a;b c!"}, {"tags": "invalid format - invalid characters in tag\n"}),
        ({"affinity": "0,x"}, {"affinity": "invalid format - unable to parse cpuset option\n"}),
        ({"hotplug": "disk,fan"}, {"hotplug": "invalid format - invalid hotplug feature 'fan'\n"}),
        ({"sshkeys": "ssh-ed25519 AAAA"}, {"sshkeys": "invalid format - invalid urlencoded string: ssh-ed25519 AAAA\n"}),
        ({"nameserver": "1.1.1.1 no_name"}, {"nameserver": "invalid format - value does not look like a valid address: no_name\n"}),
        (
            {"ipconfig0": "ip=10.0.0.1"},
            {"ipconfig0": "invalid format - format error\nipconfig0.ip: invalid format - value does not look like a valid ipv4 network configuration\n\n"},
        ),
        (
            {"boot": "order=scsi0;floppy"},
            {"boot": "invalid format - format error\nboot.order: invalid format - invalid boot device 'floppy'\n\n"},
        ),
        ({"boot": "xyz"}, {"boot": "invalid format - format error\nboot.legacy: value does not match the regex pattern\n"}),
        ({"startup": "first"}, {"startup": "invalid format - unable to parse startup options\n"}),
        ({"net0": "virtio,virtio"}, {"net0": "invalid format - duplicate key in comma-separated list property: model\n"}),
        ({"scsi0": "local:1,size=big"}, {"scsi0": "invalid format - format error\nscsi0.size: invalid format - value does not look like a valid disk size: big\n\n"}),
        ({"scsi31": "local:1"}, {"scsi31": "property is not defined in schema and the schema does not allow additional properties"}),
        ({"description": "x" * 8193}, {"description": "value may only be 8192 characters long"}),
    ],
)  # fmt: skip
def test_options_of_a_vm_are_refused_in_proxmox_words(given, text):
    assert errors(CONFIG, **given) == text


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"prune-backups": "keep-all=1,keep-last=2"}, "invalid format - keep-all cannot be set together with other options.\n"),
        ({"fleecing": "1"}, "invalid format - 'storage' parameter is required when 'enabled' is set\n"),
        ({"performance": "max-workers=999"}, "invalid format - format error\nperformance.max-workers: value must have a maximum value of 256\n"),
    ],
)  # fmt: skip
def test_options_of_a_backup_are_refused_in_proxmox_words(given, text):
    assert errors(VZDUMP, vmid="100", **given) == dict.fromkeys(given, text)


def test_a_parameter_that_another_needs_is_named_as_each_version_does():
    new = errors("POST /nodes/{node}/qemu", force="1")
    old = errors("POST /nodes/{node}/qemu", pve="8.4", force="1")
    assert new == {"archive": "missing property required by 'force'"}
    assert old == {"archive": "missing property - 'force' requires this property"}


def test_parameters_of_one_version_only_are_unknown_to_the_other():
    unknown = "property is not defined in schema and the schema does not allow additional properties"
    assert errors("POST /nodes/{node}/qemu", pve="8.4", **{"ha-managed": "1"}) == {"ha-managed": unknown}
    assert errors(VZDUMP, vmid="100", maxfiles="3") == {"maxfiles": unknown}
    check(call_schema(VZDUMP, "8.4"), {"node": "pve", "vmid": "100", "maxfiles": "3"}, "8.4")


def test_aliases_stand_for_the_property_that_they_name():
    check(
        call_schema(CONFIG, "9.2"),
        {**PATH, "agent": "1,freeze-fs-on-backup=0", "net0": "virtio=BC:24:11:00:00:01"},
        "9.2",
    )
    assert "already defined" in errors(CONFIG, net0="macaddr=BC:24:11:00:00:02,virtio=BC:24:11:00:00:01")["net0"]
