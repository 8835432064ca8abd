"""What stands still on Proxmox, as a client of it reads: their server's host, or a storage of their backups."""

from __future__ import annotations

from sqlalchemy.orm import Session

from ..errors import Message
from ..inventory.service_backups import Inventory
from ..models import Trouble
from ..rules.package import Package

SENTENCES = {
    "server": (
        Message("The server does not answer. We keep trying."),
        Message("The server does not answer. We keep trying; our support has been told."),
    ),
    "storage": (
        Message("The backup storage does not answer."),
        Message("The backup storage does not answer. Our support has been told."),
    ),
}
"""What is said of what stands still: where staff get no mail about it, and where they do."""


def sentence(part: str | None, *, told: bool) -> Message | None:
    """What is to be said of what stands still, or None. `told`: staff get a mail about it."""
    return SENTENCES[part][told] if part else None


def silent_part(session: Session, inventory: Inventory) -> str | None:
    """What stands still for a service: its "server", a "storage" of its backups, or None."""
    marks = {storage.trouble for storage in inventory.storages.values()}
    if "server" in marks or (not inventory.storages and _server_is_silent(session, inventory)):
        return "server"
    used = {Package.from_json(inventory.service.package).storage, *(one.storage for one in inventory.backups)}
    silent = {storage.name for storage in inventory.storages.values() if storage.trouble == "storage"}
    return "storage" if silent & used else None


def _server_is_silent(session: Session, inventory: Inventory) -> bool:
    """Whether the server of a service does not answer; for a server none of whose storages was ever read.

    Otherwise the storages are marked, and loaded already.
    """
    return session.get(Trouble, ("server", inventory.service.server_id)) is not None
