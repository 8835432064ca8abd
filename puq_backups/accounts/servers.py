"""Stores the Proxmox servers of services and the encrypted secrets of their API tokens."""

from __future__ import annotations

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from ..context import Context
from ..models import Backup, Server, Service, new_id
from ..pve.client import Access


def get_or_create_server(session: Session, context: Context, access: Access) -> Server:
    """The row of a server, created if needed, with secret and fingerprint updated from `access`."""
    hosts = ",".join(access.hosts)
    known = select(Server).where(
        Server.hosts == hosts, Server.port == access.port, Server.token_id == access.token_id
    )
    found = session.scalars(known).first()
    if found is None:
        found = Server(id=new_id(), hosts=hosts, port=access.port, token_id=access.token_id, sealed_secret=b"")
        session.add(found)
    if not found.sealed_secret or context.vault.open(found.sealed_secret) != access.secret:
        found.sealed_secret = context.vault.seal(access.secret)
    found.fingerprint = access.fingerprint or ""
    session.flush()
    return found


def assign_server(session: Session, service: Service, to: Server) -> bool:
    """Assign the server `to` to a service. Returns whether it is another Proxmox (hosts or port) than before.

    If only the token differs, the archives are the same, and the service's backups are moved to the new row.
    """
    before = session.get(Server, service.server_id) if service.server_id else None
    service.server_id = to.id
    if before is None or (before.hosts, before.port) != (to.hosts, to.port):
        return True
    session.execute(
        update(Backup).where(Backup.service_id == service.id, Backup.server_id == before.id).values(server_id=to.id)
    )
    return False


def rotate_secrets(context: Context) -> int:
    """Encrypt each stored secret with the newest key. Returns how many; raises SettingError if a key is missing.

    A secret that CreateAccount writes meanwhile is kept, because it is encrypted with the newest key already.
    """
    with context.database.open() as session:
        stored = session.execute(select(Server.id, Server.sealed_secret)).all()
    for server_id, sealed in stored:
        with context.database.begin() as session:
            session.execute(
                update(Server)
                .where(Server.id == server_id, Server.sealed_secret == sealed)
                .values(sealed_secret=context.vault.rotate(sealed))
            )
    return len(stored)
