"""What stands still on Proxmox, as a client of it reads: their server's host, or a storage of their backups."""

from __future__ import annotations

from ..errors import Message
from ..inventory.service_backups import Inventory
from ..rules.package import Package

SERVER = Message("The server does not answer. We keep trying; our support has been told.")
STORAGE = Message("The backup storage does not answer. Our support has been told.")


def sentence(inventory: Inventory) -> Message | None:
    """What is to be said on the page of a service, or None."""
    told = {storage.trouble for storage in inventory.storages.values()}
    if "server" in told:
        return SERVER
    used = {Package.from_json(inventory.service.package).storage, *(one.storage for one in inventory.backups)}
    silent = {storage.name for storage in inventory.storages.values() if storage.trouble == "storage"}
    return STORAGE if silent & used else None
