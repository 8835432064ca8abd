"""The servers that services are on, and the secrets with which they are reached."""

from __future__ import annotations

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from ..context import Context
from ..models import Backup, Server, Service, new_id
from ..pve.client import Access


def get_or_create_server(session: Session, context: Context, access: Access) -> Server:
    """The row of a server, made where there is none; its secret and fingerprint are taken over."""
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
    """Put a service on the server `to`: whether that is another Proxmox than before.

    One that is only reached by another token has the same archives: the service's backups go along.
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
    """Encrypt each stored secret with the newest key: how many. SettingError where a key is missing.

    A secret that a CreateAccount writes meanwhile stays: it is under the newest key already.
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
