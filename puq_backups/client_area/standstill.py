"""What stands still on Proxmox, as a client of it reads: their server's host, or a storage of their backups."""

from __future__ import annotations

from sqlalchemy.orm import Session

from ..context import Context
from ..errors import Message
from ..inventory.service_backups import Inventory
from ..models import Trouble
from ..rules.package import Package

SERVER = Message("The server does not answer. We keep trying.")
SERVER_TOLD = Message("The server does not answer. We keep trying; our support has been told.")
STORAGE = Message("The backup storage does not answer.")
STORAGE_TOLD = Message("The backup storage does not answer. Our support has been told.")


def sentence(session: Session, context: Context, inventory: Inventory) -> Message | None:
    """What is to be said on the page of a service, or None. That support was told is said where staff get mails."""
    told = bool(context.settings.staff_email)
    marks = {storage.trouble for storage in inventory.storages.values()}
    if "server" in marks or (not inventory.storages and _server_is_silent(session, inventory)):
        return SERVER_TOLD if told else SERVER
    used = {Package.from_json(inventory.service.package).storage, *(one.storage for one in inventory.backups)}
    silent = {storage.name for storage in inventory.storages.values() if storage.trouble == "storage"}
    if not silent & used:
        return None
    return STORAGE_TOLD if told else STORAGE


def _server_is_silent(session: Session, inventory: Inventory) -> bool:
    """Whether the server of a service does not answer; for a server none of whose storages was ever read.

    Otherwise the storages are marked, and loaded already.
    """
    return session.get(Trouble, ("server", inventory.service.server_id)) is not None
