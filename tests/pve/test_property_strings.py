"""Property strings: read and written without losing an option."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puq_backups.pve.property_strings import Drive, Net, parse_drive, parse_net, size_bytes, size_text

from .answers import RECORDED, recorded_steps

DRIVE = "local-lvm:vm-100-disk-0,cache=writeback,iops_rd=500,iothread=1,mbps_rd=100,size=32G,ssd=1"
NET = "virtio=BC:24:11:AA:BB:CC,bridge=vmbr0,firewall=1,rate=12.5,tag=100,trunks=10;20"


def test_a_drive_is_taken_apart_and_put_together() -> None:
    drive = parse_drive(DRIVE)

    assert drive.volid == "local-lvm:vm-100-disk-0"
    assert list(drive.options.items())[-2:] == [("size", "32G"), ("ssd", "1")]
    assert drive.format() == DRIVE


def test_a_drive_may_name_its_file() -> None:
    assert parse_drive("file=local:100/vm-100-disk-0.raw,size=1G") == Drive(
        "local:100/vm-100-disk-0.raw", {"size": "1G"}
    )


def test_a_drive_without_options_is_its_volume() -> None:
    assert parse_drive("none").format() == "none"


def test_a_net_is_taken_apart_and_put_together() -> None:
    net = parse_net(NET)

    assert (net.model, net.mac, net.options["tag"]) == ("virtio", "BC:24:11:AA:BB:CC", "100")
    assert net.format() == NET


@pytest.mark.parametrize(
    ("text", "net"),
    [
        (
            "model=e1000,macaddr=BC:24:11:AA:BB:CC,bridge=vmbr1",
            Net("e1000", "BC:24:11:AA:BB:CC", {"bridge": "vmbr1"}),
        ),
        ("bridge=vmbr1,model=virtio", Net("virtio", None, {"bridge": "vmbr1"})),
        ("virtio,bridge=vmbr0", Net("virtio", None, {"bridge": "vmbr0"})),
        ("virtio,macaddr=BC:24:11:AA:BB:CC,bridge=vmbr0", Net("virtio", "BC:24:11:AA:BB:CC", {"bridge": "vmbr0"})),
        ("virtio", Net("virtio")),
        ("", Net("")),
    ],
)
def test_every_form_of_a_net_is_understood(text: str, net: Net) -> None:
    assert parse_net(text) == net


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("512", 512),
        ("528K", 528 * 1024),
        ("32G", 32 * 1024**3),
        ("0.5T", 512 * 1024**3),
        ("1536G", 1536 * 1024**3),
    ],
)
def test_sizes_are_read_in_binary_units(text: str, size: int) -> None:
    assert size_bytes(text) == size


@pytest.mark.parametrize("text", ["", "G", "-1G", "+1G", "1GB", "1 G", "1e3", "x"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size"):
        size_bytes(text)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0"),
        (1, "1"),
        (1024**4, "1T"),
        (1536 * 1024**3, "1536G"),
        (33792 * 1024**2, "33G"),
        (33 * 1024**3 + 1024, "34603009K"),
    ],
)
def test_sizes_are_written_in_the_largest_exact_unit(size: int, text: str) -> None:
    assert size_text(size) == text


@given(st.integers(min_value=0, max_value=2**60))
def test_a_size_written_is_the_size_read(size: int) -> None:
    assert size_bytes(size_text(size)) == size


@pytest.mark.skipif(not RECORDED.is_dir(), reason="the recordings are not beside the repository")
def test_recorded_drives_and_nets_survive_a_round_trip() -> None:
    configs = [step["data"] for step in recorded_steps() if str(step.get("path", "")).endswith("/config")]
    values = [(key, value) for config in configs if isinstance(config, dict) for key, value in config.items()]
    drives = [
        value for key, value in values if key.rstrip("0123456789") in {"scsi", "ide", "virtio", "sata", "unused"}
    ]
    nets = [value for key, value in values if key == "net0"]

    assert len(drives) > 50
    assert len(nets) > 50
    assert [parse_drive(value).format() for value in drives] == drives
    assert [parse_net(value).format() for value in nets] == nets
