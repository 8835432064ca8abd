"""HA entries: read, taken away and given back as they were, in both versions."""

from __future__ import annotations

import pytest

from puq_backups.errors import ProxmoxDenied, ProxmoxRefused
from puq_backups.pve import ha
from puq_backups.pve.client import Access, Proxmox
from puq_backups.simulator import Simulator


def client(simulator: Simulator, name: str = "root") -> Proxmox:
    token_id, secret = simulator.tokens[name]
    return Proxmox(Access((simulator.host,), token_id, secret, simulator.port, simulator.fingerprint))


@pytest.mark.parametrize("pve", ["8.4", "9.2"])
def test_entry_is_taken_away_and_given_back_as_it_was(proxmox: Simulator, pve: str) -> None:
    proxmox.reset(pve=pve)
    root, kept = client(proxmox), {"state": "stopped", "comment": "ours", "max_restart": 3}

    assert ha.entry(root, 100) is None
    ha.add(root, 100, kept)
    assert ha.entry(root, 100) == kept
    ha.remove(root, 100)
    assert ha.entry(root, 100) is None
    assert proxmox.requests()[-2].status == 200


def test_entry_that_is_gone_cannot_be_taken_away(proxmox: Simulator) -> None:
    with pytest.raises(ProxmoxRefused, match="not HA managed"):
        ha.remove(client(proxmox), 100)


def test_entry_needs_rights_on_the_whole_cluster(proxmox: Simulator) -> None:
    panel = client(proxmox, "panel")
    assert ha.entry(panel, 100) is None
    with pytest.raises(ProxmoxDenied, match=r"Sys\.Console"):
        ha.add(panel, 100, {"state": "stopped"})
