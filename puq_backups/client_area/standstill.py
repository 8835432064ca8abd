"""What stands still on Proxmox, as a client of it reads: their server's host, or a storage of their backups."""

from __future__ import annotations

from sqlalchemy.orm import Session

from ..context import Context
from ..errors import Message
from ..inventory.service_backups import Inventory
from ..models import Trouble
from ..rules.package import Package

SERVER = Message("The server does not answer. We keep trying; our support has been told.")
STORAGE = Message("The backup storage does not answer. Our support has been told.")


def sentence(session: Session, context: Context, inventory: Inventory) -> Message | None:
    """What is to be said on the page of a service, or None."""
    told = {storage.trouble for storage in inventory.storages.values()}
    if "server" in told or (not inventory.storages and _server_is_silent(session, context, inventory)):
        return SERVER
    used = {Package.from_json(inventory.service.package).storage, *(one.storage for one in inventory.backups)}
    silent = {storage.name for storage in inventory.storages.values() if storage.trouble == "storage"}
    return STORAGE if silent & used else None


def _server_is_silent(session: Session, context: Context, inventory: Inventory) -> bool:
    """Whether staff were told of the server of a service; for a server none of whose storages was ever read.

    Otherwise the storages are marked, and loaded already.
    """
    known = session.get(Trouble, ("server", inventory.service.server_id))
    return known is not None and bool(context.settings.staff_email)
