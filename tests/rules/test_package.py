"""The package is read from params by position and by name."""

from __future__ import annotations

import json
from typing import Any

import pytest

from puq_backups.errors import BadInput
from puq_backups.rules.package import OPTIONS, Package, read

TITLES = [title for title, _ in OPTIONS]
POSITIONS = {name: position for position, (_, name) in enumerate(OPTIONS, 1)}
EACH: dict[str, Any] = {
    "backups": 10, "storage": "pbs", "mode": "stop", "compression": "lzo", "cores": 4, "memory": 8192,
    "system_disk": 40, "system_mbps_rd": 100.5, "system_mbps_wr": 80.0, "system_iops_rd": 500, "system_iops_wr": 400,
    "additional_disk": 100, "additional_storage": "ceph", "additional_mbps_rd": 50.0, "additional_mbps_wr": 0.0,
    "additional_iops_rd": 0, "additional_iops_wr": 300, "bridge": "vmbr1", "vlan": 42, "rate": 12.5, "template": 9000,
    "email_restored": "Backup restored", "rotation": "after", "restore_storage": "local-lvm",
}  # fmt: skip


def package(bought: dict[str, Any] | None = None, mac: Any = "", **settings: Any) -> Package:
    return both(bought, mac, **settings)[0]


def both(bought: dict[str, Any] | None = None, mac: Any = "", **settings: Any) -> tuple[Package, bool]:
    positions = {f"configoption{POSITIONS[name]}": value for name, value in settings.items()}
    return read({**positions, "configoptions": bought or {}, "customfields": {"mac": mac}})


def test_options_stand_in_the_order_that_hosts_build_on() -> None:
    assert TITLES == [
        "Backups", "Backups storage", "Backup mode", "Compression", "CPU cores", "RAM MiB", "System disk GiB",
        "System disk read MB/s", "System disk write MB/s", "System disk read IOPS", "System disk write IOPS",
        "Additional disk GiB", "Additional disk storage", "Additional disk read MB/s", "Additional disk write MB/s",
        "Additional disk read IOPS", "Additional disk write IOPS", "Bridge", "VLAN tag", "Network rate MB/s",
        "Template VMID", 'Email "Backup restored"', "Rotation", "Restore storage",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "form", [str, lambda value: value, lambda value: f"  {value} "], ids=["text", "value", "spaces"]
)
def test_read_takes_each_setting_by_its_position(form: Any) -> None:
    found, readable = both(**{name: form(value) for name, value in EACH.items()})

    assert found == Package(**EACH)
    assert readable


@pytest.mark.parametrize("name", EACH)
def test_what_the_client_bought_wins_over_the_product(name: str) -> None:
    title = TITLES[POSITIONS[name] - 1]

    found = package({title: str(EACH[name])}, **{name: "1"} if isinstance(EACH[name], int | float) else {})

    assert getattr(found, name) == EACH[name]


def test_a_bought_zero_wins_over_the_product() -> None:
    bought = {"Backups": 0, "VLAN tag": "0", "Network rate MB/s": 0, "System disk read IOPS": "0"}

    found, readable = both(bought, backups=7, vlan=42, rate=10, system_iops_rd=500)

    assert (found.backups, found.vlan, found.rate, found.system_iops_rd) == (0, 0, 0, 0)
    assert readable


def test_read_of_nothing_leaves_everything_alone() -> None:
    assert read({}) == (Package(), False)


@pytest.mark.parametrize("empty", [None, "", "   "])
def test_an_empty_setting_leaves_alone(empty: Any) -> None:
    assert package(backups=1, **{name: empty for name in EACH if name != "backups"}) == Package(backups=1)


@pytest.mark.parametrize("quota", ["", None, " ", "many", "-1", "1.5", "10 backups", 10**6, True, [3]])
def test_an_unreadable_quota_is_left_to_the_caller(quota: Any) -> None:
    found, readable = both({"Backups": quota}, backups=5, cores=2)

    assert (found.backups, found.cores, readable) == (None, 2, False)


@pytest.mark.parametrize("quota", [0, "0", " 3 ", 999999])
def test_a_readable_quota_is_taken(quota: Any) -> None:
    assert both(backups=quota) == (Package(backups=int(quota)), True)


NUMBERS = [name for name, value in EACH.items() if isinstance(value, int | float) and name not in {"backups", "vlan"}]
WHOLE = [name for name in NUMBERS if isinstance(EACH[name], int)]
STORAGES = ("storage", "additional_storage", "restore_storage")
WRONG_NUMBERS = ("two", "-1", "2 GB", "nan", "1_0", 10**9)
RANGES = {
    "cores": "a number from 0 to 4096", "memory": "a number from 16 to 4178944",
    "system_disk": "a number from 0 to 131072", "additional_disk": "a number from 0 to 131072",
    "template": "a number from 100 to 999999999",
}  # fmt: skip
BEYOND = (
    ("cores", 4097), ("memory", 15), ("memory", 4178945), ("system_disk", 131073), ("additional_disk", 131073),
    ("template", 99),
)  # fmt: skip
WRONG = [
    *((name, value, RANGES.get(name, "a number from 0")) for name in NUMBERS for value in WRONG_NUMBERS),
    *((name, "1.5", RANGES.get(name, "a number from 0")) for name in WHOLE),
    *((name, value, RANGES[name]) for name, value in BEYOND),
    *(("vlan", value, "a number from 0 to 4094") for value in ("4095", "-1", "x")),
    ("mode", "hot", "one of snapshot, suspend, stop"),
    ("compression", "zip", "one of zstd, lzo, gzip, 0"),
    ("rotation", "never", "one of before, after"),
    *(
        (name, value, "the name of a Proxmox storage")
        for name in STORAGES
        for value in ("../nodes", "a b", "-x", "ü1")
    ),
    *(("bridge", value, "the name of a bridge, such as vmbr0") for value in ("vmbr0,tag=1", "0", "vmbr" * 5)),
]


@pytest.mark.parametrize("bought", [False, True], ids=["product", "bought"])
@pytest.mark.parametrize(("name", "value", "said"), WRONG)
def test_a_wrong_value_is_refused_by_its_title(name: str, value: Any, said: str, bought: bool) -> None:
    title = TITLES[POSITIONS[name] - 1]
    with pytest.raises(BadInput) as caught:
        package({title: value}) if bought else package(**{name: value})

    assert str(caught.value) == f"{title} must be {said}; it is {value}."
    assert caught.value.field == title


def test_each_setting_is_tried_with_a_wrong_value() -> None:
    """The quota alone is left to the caller, and the name of a mail may be any."""
    assert {name for name, _, _ in WRONG} == {*EACH} - {"backups", "email_restored"}


@pytest.mark.parametrize("name", ["configoptions", "customfields"])
@pytest.mark.parametrize("wrong", ["vmid", ["Backups"], 7])
def test_options_that_are_no_names_and_values_are_refused(name: str, wrong: Any) -> None:
    with pytest.raises(BadInput, match=f"^{name} must hold names and values"):
        read({name: wrong})


@pytest.mark.parametrize("mac", ["BC:24:11:00:00:01", "bc:24:11:00:00:01", " BC:24:11:00:00:01 ", ""])
def test_read_takes_a_mac(mac: str) -> None:
    assert package(mac=mac).mac == mac.strip()


@pytest.mark.parametrize(
    "mac", ["BC2411000001", "BC:24:11:00:00", "BC:24:11:00:00:0G", "x,bridge=vmbr9", "01:00:5E:00:00:01"]
)
def test_read_refuses_what_is_no_mac(mac: str) -> None:
    with pytest.raises(BadInput) as caught:
        package(mac=mac)

    assert str(caught.value) == f"customfields.mac must be a MAC address such as BC:24:11:00:00:01; it is {mac}."
    assert caught.value.field == "mac"


def test_choices_are_taken_in_any_case() -> None:
    found = package(mode="Snapshot", compression="ZSTD", rotation="AFTER")

    assert (found.mode, found.compression, found.rotation) == ("snapshot", "zstd", "after")


def test_read_takes_the_value_before_the_bar() -> None:
    """A configurable option may have a label after a "|"."""
    found = package({"Backups storage": "pbs|Fast storage", "Backups": "10|10 backups", "CPU cores": "2|Two"})

    assert (found.storage, found.backups, found.cores) == ("pbs", 10, 2)


@pytest.mark.parametrize("nothing", [None, [], ""])
def test_read_takes_empty_options_of_any_form(nothing: Any) -> None:
    found, readable = read({"configoption1": "3", "configoptions": nothing, "customfields": nothing})

    assert (found, readable) == (Package(backups=3), True)


def test_package_comes_back_from_json() -> None:
    found = Package(**EACH, mac="BC:24:11:00:00:01")

    assert Package.from_json(json.loads(json.dumps(found.to_json()))) == found


def test_package_of_a_later_version_can_be_read() -> None:
    assert Package.from_json({"backups": 2, "colour": "blue"}) == Package(backups=2)


def test_safety_copy_is_bought_and_is_no_product_setting() -> None:
    assert package({"Safety copy": "Always|Each time"}).safety_copy == "always"
    assert read({"configoption25": "always"})[0].safety_copy == ""
    with pytest.raises(BadInput, match=r"^Safety copy must be one of offer, always, off; it is maybe\.$"):
        package({"Safety copy": "maybe"})
